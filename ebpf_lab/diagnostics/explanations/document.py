"""docs/errors.md, made from the tables: ``python -m ebpf_lab.diagnostics.explanations.document`` prints it."""

import re

from . import ATTACH, COMPILER, MACHINE, VERIFIER
from .accepted import ACCEPTED

_INTRODUCTION = """# When it fails

<!-- Made from ebpf_lab/diagnostics/explanations.py: .venv/bin/python -m ebpf_lab.diagnostics.explanations > docs/errors.md -->

Most of the time with eBPF goes into programs that don't compile, or that the kernel refuses. Each such error of this
lab says where, what is meant, why, and how to mend it. This page has all of them. The name of an entry is `error.rule`.

Of an error, `print(error)` shows the text, `error.log` has every word of the compiler or the kernel, and `error.steps` the
path that the verifier walked, an instruction a step, with what it knew there. A notebook shows that below the error: click, and step through it.

A variable's name is told only where the log leaves no doubt; `R0` to `R10` are the registers of the BPF machine, `fp-8` is a place on the
stack. What the lab has no explanation for is shown in the kernel's own words. One refusal takes at most ten seconds, and keeps 4 MiB of its log.
"""


_EXAMPLE = {  # what a program at hand would fill in
    "r": "a value",
    "p": "p",
    "i": "it",
    "range": "any number",
    "helper": "bpf_...",
    "argument": "an argument",
    "gets": "something else",
    "type": "tracepoint",
    "touched": "read",
    "end": "167",
    "name": "counter_table",
    "hook": "",
    "method": "",
    "action": "",
    "missing": "",
    "function": "",
    "reason": "",
    "known": "",
}


def _plain(text):
    """``text`` as it is, in Markdown."""
    return re.sub(r"([*<]|__)", lambda sign: "".join("\\" + c for c in sign[0]), text)


def document():
    """The text of docs/errors.md."""
    parts = [_INTRODUCTION]
    chapters = {
        "When it doesn't compile": COMPILER,
        "When the verifier refuses it": VERIFIER,
        "When there is nothing to attach to": ATTACH,
        "When the machine or a name is not as expected": MACHINE,
    }
    for title, table in chapters.items():
        parts.append(f"## {title}\n")
        for entry in table:
            found = re.search(entry.pattern, entry.example, re.M)
            known = _EXAMPLE | {
                name: text or "" for name, text in (found.groupdict() if found else {}).items()
            }
            meaning, why, *fixes = (
                _plain(text.format_map(known)) for text in (entry.meaning, entry.why, *entry.fixes)
            )
            texts = (
                [f"Meaning: {meaning}"] * (table in (COMPILER, VERIFIER))
                + [f"Why: {why}"]
                + [f"Try: {way}" for way in fixes]
            )
            parts.append(f"### {entry.rule}\n\n    {entry.example}\n")
            parts.append("\n".join(f"- {text}" for text in texts) + "\n")
    parts.append("## What kernels take, though textbooks say they refuse it\n")
    parts.append(
        "With root's rights, on Linux 6.18, and all but `pointer_leaked` tried on 6.1 too; the programs are in `tests/kernel/accepted`.\n"
    )
    parts.append("\n".join(f"- `{name}`: {text}" for name, text in ACCEPTED.items()) + "\n")
    parts.append(
        "C's own type names, `uint64_t` and `pid_t`, are known to the compiler; only BCC's `event()` can't read a `pid_t`."
    )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(document(), end="")

"""docs/errors.md, made from the tables: ``python -m ebpf_lab.diagnostics.explanations.document`` prints it."""

import re

from . import ATTACH, COMPILER, MACHINE, VERIFIER, Explanation
from .accepted import ACCEPTED

_INTRODUCTION = """# When it fails

<!-- Made from the tables in ebpf_lab/diagnostics/explanations/: .venv/bin/python -m ebpf_lab.diagnostics.explanations.document > docs/errors.md -->

Most of the time spent with eBPF goes into programs that do not compile, or that the kernel rejects. Each of these errors names
the line, says what the message means and why, and how to fix it. This page lists all of them. The name of an entry is `error.rule`.

`print(error)` shows the text of an error, `error.log` the full output of the compiler or the kernel, and `error.steps` the path
that the verifier followed, one instruction per step, with what it knew there. A notebook shows the steps below the error: click to step through them.

An error names a variable only where the log leaves no doubt. `R0` to `R10` are the registers of the BPF machine, `fp-8` is a place on the
stack. Where the lab has no explanation, the error shows the kernel's own message. The verifier gets at most ten seconds, and the lab keeps 4 MiB of its log.
"""

EXAMPLE = {  # what fills the braces on this page; in an error it is the program's own
    "value": "a value",
    "variable": "p",
    "index": "it",
    "range": "any number",
    "helper": "bpf_...",
    "argument": "memory",
    "given": "something else",
    "type": "tracepoint",
    "access": "read",
    "last": "167",
    "allowed": "0 to 1",
    "macro": "BPF_ARENA",
    "near": "counter_table",
    "invisible": "zero width space",
    "not_inlined": "twice",
    "map": "counter_table",
    "key": "uid",
    "passed": "data",
    "include": "uapi/linux/ptrace.h",
    "header": "linux/key.h",
    "header_macro": "min",
    "kernel_header": "include/linux/bpf.h",
    "ring": "output",
    "with_address": "counter_table.lookup(&uid)",
    "device": "eth0",
    "seconds": "10",
    "function": "hello",
    "declaration": "BPF_ARRAY(jumps, u64, slots + 1)",
}


def _plain(text: str) -> str:
    """``text`` unchanged by Markdown, but for code between backticks."""
    parts = text.split("`")
    parts[::2] = [
        re.sub(r"([*<]|__)", lambda sign: "".join("\\" + c for c in sign[0]), part) for part in parts[::2]
    ]
    return "`".join(parts)


def _entry(entry: Explanation) -> str:
    """One entry; an error of this package has its meaning as its message."""
    found = re.search(entry.pattern, entry.example, re.M)
    known = EXAMPLE | (found.groupdict(default="") if found else {})
    texts = [("Meaning", entry.meaning)] if entry in (*COMPILER, *VERIFIER) else []
    texts += [("Why", entry.why), *(("Fix", fix) for fix in entry.fixes)]
    lines = [f"- {title}: {_plain(text.format_map(known))}" for title, text in texts]
    return "\n".join([f"### {entry.rule}\n\n    {entry.example}\n", *lines, ""])


def document() -> str:
    """The text of docs/errors.md."""
    chapters = {
        "When it does not compile": COMPILER,
        "When the verifier rejects it": VERIFIER,
        "When it cannot be attached": ATTACH,
        "When the process lacks a right, or the program a name": MACHINE,
    }
    parts = [_INTRODUCTION]
    for title, table in chapters.items():
        parts += [f"## {title}\n", *map(_entry, table)]
    parts += [
        "## What the verifier accepts, though textbooks say that it rejects it\n",
        "With all rights, on Linux 6.18; all but `pointer_leaked` also on 6.1. The programs are in `tests/kernel/accepted`.\n",
        "\n".join(f"- `{name}`: {text}" for name, text in ACCEPTED.items()) + "\n",
        "The compiler knows C's own type names, `uint64_t` and `pid_t`.\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    print(document(), end="")

"""From the output of clang, LLVM and BCC to a CompileError about the learner's own line.

Only text goes in and out here: nothing is compiled.
"""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import takewhile
from typing import NamedTuple

from .errors import CompileError, MapError
from .explanations import COMPILER, match
from .lines import function_line, line_at, line_map, marked, number_of, place, split

_CLANG = re.compile(r"^(?P<file>\S+?):(?P<line>\d+):(?P<column>\d+): (?P<kind>\w+(?: error)?): (?P<text>.*)$")
# From clang 17 on, a gutter with the number is printed before each quoted line: "    3 |   return x;". No option
# gives all versions one form: clang 14 does not know -fno-diagnostics-show-line-numbers, nor does it print SARIF.
_GUTTER = re.compile(r"^ *(?P<line>\d+) \|(?P<text>.*)$")
_MAIN = "main.c"  # BCC's name for the program's source
_MAPS = (  # declarations of maps; the group is the name
    r"\bBPF_\w+\(\s*(\w+)",
    r'\bBPF_\w+\("\w+",(?:[^,]+,){2}\s*(\w+)',
)
_MACRO = r"(?:(?:static|inline|int|void|\w\d+)\s+|\s)*((?:BPF|TRACEPOINT|RAW_TRACEPOINT|KFUNC|KRETFUNC|LSM|MODULE|USDT|XDP)_?\w*)\s*\("
# Which of the kernel's headers define what programs often use.
HEADERS = {
    "struct pt_regs": "uapi/linux/ptrace.h",
    "struct bpf_perf_event_data": "uapi/linux/bpf_perf_event.h",
    "struct task_struct": "linux/sched.h",
    "struct file": "linux/fs.h",
    "struct sock": "net/sock.h",
    "struct sk_buff": "linux/skbuff.h",
    "struct ethhdr": "uapi/linux/if_ether.h",
    "struct iphdr": "uapi/linux/ip.h",
    "struct ipv6hdr": "uapi/linux/ipv6.h",
    "struct tcphdr": "uapi/linux/tcp.h",
    "struct udphdr": "uapi/linux/udp.h",
}
# The functions of BCC's maps (bcc/helpers.h: BPF_F_TABLE and the macros beside it).
_MAP_FUNCTIONS = (
    "lookup lookup_or_init lookup_or_try_init update insert delete call increment atomic_increment get_stackid "
    "check_current_task sk_storage_get sk_storage_delete push pop peek redirect_map perf_submit perf_submit_skb "
    "perf_read perf_counter_value ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query"
)
_NOT_CODE = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'  # comments and strings


class _Diagnostic(NamedTuple):
    """One error, warning or note of clang; ``excerpt`` is the line that it quotes, None where it quotes none."""

    file: str
    line: int
    column: int
    kind: str
    text: str
    excerpt: str | None

    @property
    def in_source(self) -> bool:
        return self.file.endswith(_MAIN)


def compile_error(output: str, source: str, rewritten: str = "") -> CompileError:
    """The CompileError for clang's ``output`` about ``source``, which BCC has ``rewritten``."""
    seen = _diagnostics(output)
    errors = [d for d in seen if "error" in d.kind]
    if not errors:
        return _late_error(output, source, rewritten) or _error(_tail(output), output, source)
    first = next((d for d in errors if d.in_source), errors[0])
    if character := _invisible(source):
        line, name = number_of(character), unicodedata.name(character[0], "").lower()
        column = character.start() - character.string.rfind("\n", 0, character.start())
        message = f"the source contains the invisible character U+{ord(character[0]):04X} ({name})"
        return _error(message, output, source, line, column, explained=first.text, invisible=name)
    message = re.sub(r" \[-W.*\]$", "", first.text)
    if first.in_source:
        line, column = _learners_place(first, seen, source, rewritten)
    else:  # The learner's line is the one that includes the header.
        included = re.search(rf"{re.escape(_MAIN)}:(\d+):", output)
        message, line, column = f"{first.file}: {message}", int(included[1]) if included else 0, 0
    others = [d.kind for d in seen if d is not first and d.kind != "note"]
    more = f"({len(others)} more: {', '.join(others)}; .log has them all)" if others else ""
    begin = next((d.text for d in seen if d.in_source), "")
    unclosed = begin if "missing terminating '\"'" in begin else ""
    facts = _facts(first, seen, source, line, column)
    return _error(message, output, source, line, column, more, explained=unclosed or first.text, **facts)


def _diagnostics(output: str) -> list[_Diagnostic]:
    lines = output.splitlines()
    heads = [(i, head) for i, line in enumerate(lines) if (head := _CLANG.match(line))]
    ends = [*(i for i, _ in heads[1:]), len(lines)]
    return [
        _Diagnostic(
            head["file"],
            int(head["line"]),
            int(head["column"]),
            head["kind"],
            head["text"],
            _excerpt(lines[start + 1 : end], head["line"]),
        )
        for (start, head), end in zip(heads, ends, strict=False)  # without a diagnostic there is one end
    ]


def _excerpt(below: list[str], line: str) -> str | None:
    """Line ``line`` in what stands ``below`` a diagnostic: the one of that number, or the first where none has a number."""
    numbered = {found["line"]: found["text"] for text in below if (found := _GUTTER.match(text))}
    return numbered.get(line, below[0] if below else None)


def _learners_place(
    error: _Diagnostic, seen: list[_Diagnostic], source: str, rewritten: str
) -> tuple[int, int]:
    """(line, column) in the learner's source: BCC puts lines of its own before some programs, and rewrites others."""
    lines = [line.strip() for line in split(source)]
    excerpt = None if error.excerpt is None else error.excerpt.strip()
    if struct := re.search(r"redefinition of '(tracepoint__(\w+?)__(\w+))'", error.text):  # BCC's own struct
        uses = rf"\b{struct[1]}\b|\bTRACEPOINT_PROBE\(\s*{struct[2]}\s*,\s*{struct[3]}\s*\)"
        return max(map(number_of, re.finditer(uses, source)), default=0), 0
    if excerpt is not None and excerpt == line_at(source, error.line).strip():
        return error.line, error.column
    for quoted in seen:  # A line that is quoted unchanged shows by how much the lines are shifted.
        text = (quoted.excerpt or "").strip()
        if quoted.in_source and len(text) > 3 and lines.count(text) == 1:
            line = error.line - quoted.line + lines.index(text) + 1
            if excerpt is None or excerpt == text:
                return (line, error.column) if 0 < line <= len(lines) else (0, 0)
    if excerpt in ("", "^") and "TRACEPOINT_PROBE" not in source:  # The end of the source.
        return min(error.line, max(len(source.rstrip().splitlines()), 1)), 0
    return line_map(source, rewritten).get(error.line, 0), 0


def _invisible(source: str) -> re.Match[str] | None:
    """The first character outside of comments and strings that an editor shows as nothing."""
    code = re.sub(_NOT_CODE, lambda found: re.sub(r"[^\n]", " ", found[0]), source, flags=re.S)
    return next(
        (found for found in re.finditer(r"[^\x00-\x7f]", code) if unicodedata.category(found[0]) == "Cf"),
        None,
    )


def _facts(
    error: _Diagnostic, seen: list[_Diagnostic], source: str, line: int, column: int
) -> dict[str, object]:
    """What the source and clang's notes add to its message: which macro, map or header it is about, which name was meant."""
    facts: dict[str, object] = {} if error.in_source else {"kernel_header": error.file}
    text, message = line_at(source, line), error.text
    maps = {found[1]: number_of(found) for form in _MAPS for found in re.finditer(form, source)}
    if macro := re.match(_MACRO, text):
        facts["macro"] = macro[1]
    if meant := re.search(r"did you mean '(\w+)'", message):
        facts["near"] = meant[1]
    elif name := re.search(r"undeclared identifier '(\w+)'", message):
        facts["declared_below"] = maps.get(name[1], 0) > line
        facts["near"] = _nearest(name[1], maps)
    elif member := re.search(r"no member named '(\w+)' in 'struct (\w+)'", message):
        facts["near"] = _nearest(member[1], _members(member[2], source))
    if (subscript := re.search(r"\b(\w+)\[(\w+)\]", text)) and subscript[1] in maps:
        facts |= {"map": subscript[1], "key": subscript[2]}
    if unknown := re.search(r"incomplete (?:definition of )?type '([\w ]+)'", message):
        facts["include"] = HEADERS.get(unknown[1], "")
    if argument := re.match(r"[A-Za-z_]\w*(?=\s*[,)])", text[column - 1 :] if column else ""):
        facts["passed"] = argument[0]
    for note in takewhile(lambda d: d.kind == "note", seen[seen.index(error) + 1 :]):
        macro = re.match(r"expanded from macro '(\w+)'", note.text)
        if not note.in_source and macro:
            facts.setdefault("header_macro", macro[1])
        elif not note.in_source and "previous" in note.text:
            facts.setdefault("header", note.file.rpartition("include/")[2])
    return facts


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, known, 1)), "")


def _members(struct: str, source: str) -> list[str]:
    """The members of a struct that ``source`` defines, or of a map; clang 21 does not tell the nearest of them."""
    if struct.endswith("_table_t"):
        return _MAP_FUNCTIONS.split()
    body = re.search(rf"\bstruct\s+{struct}\s*{{(.*?)}}", source, re.S)
    return re.findall(r"(\w+)\s*[;,:\[]", body[1]) if body else []


def call_error(output: str, source: str, rewritten: str, line: int) -> CompileError:
    """The CompileError for a call of a function that is neither a helper nor inlined, on ``line`` of BCC's rewriting."""
    log = output[: max(output.find("#if defined(BPF_LICENSE)"), 0)]
    line = line_map(source, rewritten).get(line, 0)
    seen = _diagnostics(log)
    warnings = [
        d for d in seen if d.in_source and re.search("implicit(ly)? declar|call to undeclared", d.text)
    ]
    # Calls of library functions come last: clang warns of those, too, that it replaces by their result.
    for warning in sorted(warnings, key=lambda d: "library function" in d.text):
        number, column = _learners_place(warning, seen, source, rewritten)
        if number == line or not line:
            message = re.sub(r" \[-W.*\]$", "", warning.text)
            return _error(message, log, source, number, column, explained=message)
    called = re.findall(r"(\w+)\s*\(", line_at(source, line))
    for name in called:
        if builtin := re.match(r"(?:__builtin_)?((?:mem|str)\w+)", name):
            # LLVM's own message for the calls that it rejects itself.
            message = f"A call to built-in function '{builtin[1]}' is not supported."
            return _error(message, log, source, line, explained=message)
    if line and all(name.startswith("__builtin_") for name in called):
        message = "the program cannot go on after this line"
        return _error(message, log, source, line, explained=message, undefined=True)
    definition = r"\bstatic\b[^;{}]*\b%s\s*\([^;{}]*\)\s*{"
    own = [name for name in called if re.search(definition % name, source)]
    name = next(iter([*own, *called]), "a function")
    message = f"the call of {name} is neither inlined nor a call of a helper"
    return _error(message, log, source, line, explained=message, not_inlined=name)


def death_error(output: str, source: str, rewritten: str) -> CompileError:
    """The CompileError for a program on which the compiler's whole process died with this ``output``."""
    if error := _late_error(output, source, rewritten):
        return error
    if any(d.in_source and "error" in d.kind for d in _diagnostics(output)):
        # Clang 14 can crash on a mistake that it has reported.
        return compile_error(output, source, rewritten)
    if re.search(r"^\S*error: ", output, re.M):
        return _error(_tail(output), output, source)
    return CompileError(f"The program crashes the compiler.\n{_tail(output)}", log=output)


def _late_error(output: str, source: str, rewritten: str) -> CompileError | None:
    """The CompileError for what fails after clang's own work: LLVM on a function, or the kernel on a map."""
    if found := re.search(r"^error: (?:\S*main\.c:(\d+):\d+: )?in function (\w+)[^:]*: (.*)", output, re.M):
        # All variables of a function share its stack. Clang 14 names no line for that, newer ones the line of some access.
        named = 0 if "stack limit" in found[3] else int(found[1] or 0)
        line = line_map(source, rewritten).get(named, 0) or function_line(source, found[2])
        message = f"{found[3].strip()} (in function {found[2]})"
    elif found := re.search(r"Cannot select: \w+: i64 = (s(?:div|rem)) .*?main\.c:(\d+):\d+", output):
        line = line_map(source, rewritten).get(int(found[2]), 0)
        message = f"LLVM has no instruction for this: Cannot select {found[1]}"
    elif found := re.search(r"could not open bpf map: (\w+), error: .*", output):
        line = number_of(re.search(rf"\b{found[1]}\b", source))
        message = found[0]
    else:
        return None
    return _error(message, output, source, line, explained=found[0])


def event_error(output: str, name: str, source: str) -> MapError:
    """The MapError for the buffer ``name`` whose events BCC's Python cannot read; BCC prints ``output`` and exits."""
    field = re.search(r"Type: '([^'\[]+?) ?(?:\[|')", output)
    line = number_of(re.search(rf"\b{re.escape(field[1])}\b", source)) if field else 0
    entry, facts = match(COMPILER, output)
    what = f"The events of {name} can't be read: {place(line)}{output.strip()}"
    parts = [what, marked(source, line), f"Meaning: {entry.meaning.format_map(facts)}" if entry else ""]
    text, rule = "\n".join(filter(None, parts)), entry.rule if entry else ""
    return MapError(text, rule=rule, log=output, **{name: str(fact) for name, fact in facts.items()})


def _error(
    message: str,
    output: str,
    source: str,
    line: int = 0,
    column: int = 0,
    more: str = "",
    explained: str = "",
    **facts: object,
) -> CompileError:
    """``explained`` is the part of the output that the table of explanations is searched for; by default all of it."""
    entry, facts = match(COMPILER, explained or output, **facts)
    parts = [
        f"The program does not compile: {place(line, column)}{message or 'the compiler gives no reason'}",
        marked(source, line, column),
        more,
        f"Meaning: {entry.meaning.format_map(facts)}" if entry else "",
    ]
    rule = entry.rule if entry else ""
    return CompileError("\n".join(filter(None, parts)), rule=rule, log=output, line=line, **facts)


def _tail(output: str) -> str:
    """The last lines of output that has no form known here."""
    kept = [
        line for line in output.splitlines() if line.strip() and not line.startswith("Running from kernel")
    ]
    return "\n".join(kept[-3:])

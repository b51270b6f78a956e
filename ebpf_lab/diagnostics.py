"""From the words of clang and of the verifier to errors about the learner's own lines.

Only text goes in and out here: nothing is compiled or loaded.
"""

import re
from difflib import SequenceMatcher

from .errors import CompileError, VerifierError

_CLANG = re.compile(r"^(?P<file>\S+?):(?P<line>\d+):(?P<column>\d+): (?P<kind>\w+(?: error)?): (?P<text>.*)$")
_STATE = re.compile(
    r"^(\d+: |from \d+ to |;|func#|reg type unsupported|cur state|old state|verification time"
    r"|stack depth|processed \d+ insns)"
)

# What beginners run into, in clang's words -> what to do about it.
_CLANG_FIXES = [
    (
        r"implicit(ly)? declar|undeclared function",
        "in the kernel there is no C library: a program can call BPF helpers (bpf_trace_printk() prints) "
        "and functions of its own.",
    ),
    (r"expected ';'", "end the statement with a semicolon."),
    (
        r"file not found",
        "leave the #include out: BCC brings the types and helpers; the C library is not there.",
    ),
    (
        r"array initializer must be an initializer list or string literal",
        'the first argument of bpf_trace_printk() is a format, written out: bpf_trace_printk("%s", name), '
        "or one call for each text.",
    ),
    (
        r"stack limit of \d+ bytes",
        "a program has 512 bytes of stack; keep larger data in a map (BPF_PERCPU_ARRAY).",
    ),
]


def line_map(source, rewritten):
    """{line of BCC's rewriting: line of the learner's source}, both counted from 1.

    BCC puts lines of its own before the source and around each function, and
    rewrites map accesses; what it leaves alone shows which line is which.
    """
    old = [line.strip() for line in _lines(source)]
    new = [line.strip() for line in _lines(rewritten)]
    lines = {}
    for tag, i, i_end, j, j_end in SequenceMatcher(None, new, old, autojunk=False).get_opcodes():
        if tag == "equal":
            lines |= {i + k + 1: j + k + 1 for k in range(i_end - i)}
        elif tag == "replace":
            lines |= _rewritten_lines(new, range(i, i_end), old, range(j, j_end))
    return lines


def _rewritten_lines(new, changed, old, origin):
    """The same for lines that differ: what BCC puts in, as a blank line after a brace, comes first."""
    changed, origin = [n for n in changed if new[n]], [n for n in origin if old[n]] or [origin[0]]
    added = max(0, len(changed) - len(origin))
    return {n + 1: origin[max(0, k - added)] + 1 for k, n in enumerate(changed)}


def compile_error(words, source, rewritten=""):
    """The CompileError for clang's ``words`` about ``source``."""
    said = words.splitlines()
    seen = [(match, said[i + 1 : i + 2]) for i, line in enumerate(said) if (match := _CLANG.match(line))]
    errors = [pair for pair in seen if "error" in pair[0]["kind"]]
    if not errors:
        if error := _late_error(words, source, rewritten):
            return error
        return CompileError("The program does not compile.\n" + _tail(words), fix=_fix(words), log=words)
    error, excerpt = next((pair for pair in errors if pair[0]["file"].endswith("main.c")), errors[0])
    message = re.sub(r" \[-W.*\]$", "", error["text"])
    lineno, column = int(error["line"]), int(error["column"])
    if not error["file"].endswith("main.c"):  # in a header: the learner's line is the one that includes it
        included = re.search(r"main\.c:(\d+):", words)
        message, lineno, column = f"{error['file']}: {message}", int(included[1]) if included else 0, 0
    elif excerpt and excerpt[0].strip() != _line(source, lineno).strip():  # a line of BCC's rewriting
        lineno, column = line_map(source, rewritten).get(lineno, 0), 0
    others = [pair[0]["kind"] for pair in seen if pair[0] is not error and pair[0]["kind"] != "note"]
    more = f"\n({len(others)} more: {', '.join(others)}; all of it in .log)" if others else ""
    what = f"The program does not compile: {_place(lineno, column)}{message}"
    return CompileError(
        f"{what}\n{_marked(source, lineno, column)}{more}", fix=_fix(error["text"]), log=words
    )


def death_error(words, source, rewritten):
    """The CompileError for a text on which the compiler's whole process died with these ``words``."""
    if error := _late_error(words, source, rewritten):
        return error
    what = "does not compile" if re.search(r"^\S*error: ", words, re.M) else "crashes the compiler"
    return CompileError(f"The program {what}.\n{_tail(words)}", log=words)


def _late_error(words, source, rewritten):
    """The CompileError for what comes after clang's own work: LLVM's words on a function, or the kernel's on a map."""
    if found := re.search(r"^error: (?:\S*main\.c:(\d+):\d+: )?in function (\w+)[^:]*: (.*)", words, re.M):
        lineno = line_map(source, rewritten).get(int(found[1] or 0), 0) or _function_line(source, found[2])
        what, fix = f"{found[3].strip()} (in function {found[2]})", _fix(words)
    elif found := re.search(r"could not open bpf map: (\w+), error: (.*)", words):
        used = re.search(rf"\b{found[1]}\b", source)
        lineno = source.count("\n", 0, used.start()) + 1 if used else 0
        what = f"the kernel makes no such map as {found[1]}: {found[2]}"
        fix = "check its sizes: room for one entry at least; a ring buffer's pages are a power of two."
    else:
        return None
    place = f"{_place(lineno)}{what}\n{_marked(source, lineno)}"
    return CompileError(f"The program does not compile: {place}", fix=fix, log=words)


def verifier_error(function, reason, words, source, rewritten):
    """The VerifierError for the verifier's ``words`` about ``function``; ``reason`` is the errno's text."""
    said = [line for line in words.splitlines() if line.strip() and not line.startswith("bpf: ")]
    hints = [line.partition("HINT: ")[2] for line in said if line.startswith("HINT: ")]
    log = [line for line in said if not line.startswith("HINT: ")]
    last = max((i for i, line in enumerate(log) if re.match(r"\d+: \(", line)), default=-1)
    verdict = [line for line in log[last + 1 :] if not _STATE.match(line)][:2]
    lineno = _source_line(log[: last + 1], source, rewritten) or _function_line(source, function)
    omitted = len(log) - len(verdict)
    parts = [
        f"The verifier refused {function}: {_place(lineno)}{reason}",
        _marked(source, lineno),
        *verdict,
        f"({omitted} lines omitted; all of it in .log)" if omitted else "",
    ]
    return VerifierError("\n".join(part for part in parts if part), fix=" ".join(hints), log=words)


def _source_line(log, source, rewritten):
    """The learner's line that the verifier looked at last, or 0 where the log doesn't tell.

    Newer kernels end the quoted line with '@ main.c:20'; 6.1 only quotes it.
    """
    lines = line_map(source, rewritten)
    quotes = [line for line in log if line.startswith("; ") and not line.endswith("@ main.c:0")]
    if not quotes:
        return 0
    if number := re.search(r"@ main\.c:(\d+)$", quotes[-1]):
        return lines.get(int(number[1]), 0)
    quoted = quotes[-1].removeprefix("; ").strip()
    found = [n for n, line in enumerate(_lines(rewritten), 1) if line.strip() == quoted]
    return lines.get(found[0], 0) if len(found) == 1 else 0


def _lines(text):
    """The lines as clang counts them; str.splitlines() also splits at form feeds and the like."""
    return re.split(r"\r\n|\n|\r", text)


def _tail(words):
    """The last lines that say something, where none has a form that we know."""
    said = [
        line for line in words.splitlines() if line.strip() and not line.startswith("Running from kernel")
    ]
    return "\n".join(said[-3:])


def _function_line(source, function):
    """The line where ``function`` begins: all that can be said of a log that quotes no source."""
    found = re.search(rf"\b{re.escape(function)}\s*\(", source)
    return source.count("\n", 0, found.start()) + 1 if found else 0


def _place(lineno, column=0):
    if not lineno:
        return ""
    return f"line {lineno}, column {column}: " if column else f"line {lineno}: "


def _line(source, lineno):
    lines = _lines(source)
    return lines[lineno - 1] if 0 < lineno <= len(lines) else ""


def _marked(source, lineno, column=0):
    """The learner's line with its number, and a mark under the column."""
    if not (text := _line(source, lineno)):
        return ""
    number = f"{lineno:5} | "
    indent = re.sub(r"[^\t]", " ", text[: column - 1]) if column else ""
    mark = "\n" + " " * (len(number) - 2) + "| " + indent + "^" if column else ""
    return f"{number}{text}{mark}"


def _fix(words):
    return next((fix for pattern, fix in _CLANG_FIXES if re.search(pattern, words)), "")

"""Lines of the learner's source, and the way back to them from BCC's rewriting and from the bytecode."""

import re
from difflib import SequenceMatcher

# A call whose target was never resolved: BPF_JMP | BPF_CALL with BPF_PSEUDO_CALL and the offset -1, a call of itself.
_UNRESOLVED = re.compile(r"^\s*(?P<instruction>\d+):\s+85 10 00 00 ff ff ff ff\b")
_LINE_INFO = re.compile(r"^(?:; (?P<quote>.*?)(?: // Line +(?P<line>\d+))?|\s*(?P<instruction>\d+):\t.*)$")


def split(source: str) -> list[str]:
    """The lines as clang counts them; str.splitlines() also splits at form feeds and the like."""
    return re.split(r"\r\n|\n|\r", source)


def line_at(source: str, number: int) -> str:
    """Line ``number`` of ``source``, counted from 1; '' where there is none."""
    lines = split(source)
    return lines[number - 1] if 0 < number <= len(lines) else ""


def number_of(found: re.Match[str] | None) -> int:
    """The line where a match begins; 0 where there is none."""
    return found.string.count("\n", 0, found.start()) + 1 if found else 0


def function_line(source: str, function: str) -> int:
    """The line where ``function`` begins."""
    return number_of(re.search(rf"\b{re.escape(function)}\s*\(", source))


def place(line: int, column: int = 0) -> str:
    """A place as error messages write it, or '' where the line is not known (0)."""
    return f"line {line}{f', column {column}' if column else ''}: " if line else ""


def marked(source: str, line: int, column: int = 0) -> str:
    """The line with its number, and a mark under the column; '' where there is no such line."""
    if not (text := line_at(source, line)):
        return ""
    mark = f"\n      | {blank(text[: column - 1])}^" if column else ""
    return f"{line:5} | {text}{mark}"


def blank(text: str) -> str:
    """White space as wide as ``text``; a tab stays a tab, so that what follows is aligned."""
    return re.sub(r"[^\t]", " ", text)


def line_map(source: str, rewritten: str) -> dict[int, int]:
    """{line of BCC's rewriting: line of the learner's source}, both counted from 1.

    BCC puts lines of its own before the source and around each function, and it
    rewrites map accesses. The lines that it leaves unchanged show which line is which.
    """
    old = [line.strip() for line in split(source)]
    new = [line.strip() for line in split(rewritten)]
    lines: dict[int, int] = {}
    for tag, i, i_end, j, j_end in SequenceMatcher(None, new, old, autojunk=False).get_opcodes():
        if tag == "equal":
            lines |= {i + k + 1: j + k + 1 for k in range(i_end - i)}
        elif tag == "replace":
            lines |= _changed_lines(new, range(i, i_end), old, range(j, j_end))
    return lines


def _changed_lines(new: list[str], changed: range, old: list[str], replaced: range) -> dict[int, int]:
    """The same for lines that differ: those that BCC adds, as a blank line after a brace, come first."""
    numbers = [n for n in changed if new[n]]
    origins = [n for n in replaced if old[n]] or [replaced[0]]
    added = max(0, len(numbers) - len(origins))
    return {n + 1: origins[max(0, k - added)] + 1 for k, n in enumerate(numbers)}


def line_info(disassembly: str, rewritten: str) -> dict[str, dict[int, int]]:
    """{function: {instruction: line of BCC's rewriting}}, from the disassembly that BCC's compiler prints.

    The verifier's log has lines too, but not always: BCC loads a program that was
    rejected with EINVAL a second time, without line information
    (libbpf.c: bcc_prog_load_xattr), and kernel 6.1 quotes lines without their numbers.
    """
    known, functions = split(rewritten), dict[str, dict[int, int]]()
    lines: dict[int, int] = {}
    line = 0
    for text in disassembly.splitlines():
        if text.startswith("Disassembly of function "):
            lines, line = functions.setdefault(text.split()[-1], {}), 0
        elif (found := _LINE_INFO.match(text)) and found["line"]:
            number = int(found["line"])  # The file is not named. A line of a header keeps the line before it.
            if number <= len(known) and known[number - 1].strip() == found["quote"].strip():
                line = number
        elif found and found["instruction"] and line:
            lines[int(found["instruction"])] = line
    return functions


def unresolved_calls(disassembly: str) -> list[tuple[str, int]]:
    """(function, instruction) of each call of a function that is neither a helper nor inlined."""
    calls, function = list[tuple[str, int]](), ""
    for text in disassembly.splitlines():
        if text.startswith("Disassembly of function "):
            function = text.split()[-1]
        elif found := _UNRESOLVED.match(text):
            calls.append((function, int(found["instruction"])))
    return calls

"""From the words of clang and of the verifier to errors about the learner's own lines.

Only text goes in and out here: nothing is compiled or loaded.
"""

import re
from collections import Counter
from difflib import SequenceMatcher, get_close_matches

from .errors import CompileError, VerifierError
from .explanations import COMPILER, VERIFIER, match
from .verifier_log import CONTEXT, range_of, walk, words_of

_CLANG = re.compile(r"^(?P<file>\S+?):(?P<line>\d+):(?P<column>\d+): (?P<kind>\w+(?: error)?): (?P<text>.*)$")
_LINE_INFO = re.compile(r"^(?:; (?P<quote>.*?)(?: // Line +(?P<line>\d+))?|\s*(?P<instruction>\d+):\t.*)$")
SHOWN = 8  # lines of the path, at most


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


def line_info(disassembly, rewritten):
    """{function: {instruction: line of BCC's rewriting}}, from the disassembly that BCC's compiler prints.

    The kernel's log has lines too, but not for each refusal: BCC loads a program
    that is refused with EINVAL a second time, without line information
    (libbpf.c: bcc_prog_load_xattr), and kernel 6.1 gives no numbers.
    """
    known, lines, functions = _lines(rewritten), {}, {}
    for text in disassembly.splitlines():
        if text.startswith("Disassembly of function "):
            lines, line = functions.setdefault(text.split()[-1], {}), 0
        elif (found := _LINE_INFO.match(text)) and found["line"]:
            number = int(found["line"])  # of some file; a header's is the line before it here
            if number <= len(known) and known[number - 1].strip() == found["quote"].strip():
                line = number
        elif found and found["instruction"] and line:
            lines[int(found["instruction"])] = line
    return functions


def compile_error(words, source, rewritten=""):
    """The CompileError for clang's ``words`` about ``source``."""
    said = words.splitlines()
    seen = [(at, said[i + 1 : i + 2]) for i, line in enumerate(said) if (at := _CLANG.match(line))]
    errors = [pair for pair in seen if "error" in pair[0]["kind"]]
    if not errors:
        if error := _late_error(words, source, rewritten):
            return error
        return _compile_error("", _tail(words), words, source)
    error, excerpt = next((pair for pair in errors if pair[0]["file"].endswith("main.c")), errors[0])
    message = re.sub(r" \[-W.*\]$", "", error["text"])
    lineno, column = int(error["line"]), int(error["column"])
    if not error["file"].endswith("main.c"):  # in a header: the learner's line is the one that includes it
        included = re.search(r"main\.c:(\d+):", words)
        message, lineno, column = f"{error['file']}: {message}", int(included[1]) if included else 0, 0
    else:
        lineno, column = _place_of(lineno, column, excerpt, seen, source, rewritten)
    others = [pair[0]["kind"] for pair in seen if pair[0] is not error and pair[0]["kind"] != "note"]
    more = f"\n({len(others)} more: {', '.join(others)}; all of it in .log)" if others else ""
    hints = _hints(error["text"], _line(source, lineno), lineno, seen, source)
    return _compile_error(_place(lineno, column), message, words, source, lineno, column, more, hints)


def _place_of(lineno, column, excerpt, seen, source, rewritten):
    """Clang's place -> the learner's; BCC puts lines of its own before some texts, and rewrites others."""
    lines = [line.strip() for line in _lines(source)]
    if excerpt and excerpt[0].strip() == _line(source, lineno).strip():
        return lineno, column
    for at, quoted in seen:  # a line that is quoted as it is tells by how much lines are shifted
        text = quoted[0].strip() if quoted else ""
        if at["file"].endswith("main.c") and len(text) > 3 and lines.count(text) == 1:
            shift = int(at["line"]) - lines.index(text) - 1
            own = excerpt and excerpt[0].strip() == text
            if own or not excerpt or _CLANG.match(excerpt[0]):
                return (lineno - shift, column) if 0 < lineno - shift <= len(lines) else (0, 0)
    if excerpt and excerpt[0].strip() in ("", "^") and "TRACEPOINT_PROBE" not in source:
        return min(lineno, max(len(source.rstrip().splitlines()), 1)), 0  # the end of the text
    return line_map(source, rewritten).get(lineno, 0), 0


def _hints(message, line, lineno, seen, source):
    """Clang's message, with what else is known of its place: what the table of explanations goes by."""
    hints = message
    strings = [m["text"] for m, _ in seen if "missing terminating" in m["text"] and "'\"'" in m["text"]]
    if strings and seen[0][0]["text"] == strings[0]:
        return strings[0]
    if named := re.search(r"undeclared identifier '(\w+)'", message):
        macros = (r"\bBPF_\w+\(\s*(\w+)", r'\bBPF_\w+\("\w+",(?:[^,]+,){2}\s*(\w+)')
        maps = {m[1]: _line_of(m) for macro in macros for m in re.finditer(macro, source)}
        if maps.get(named[1], 0) > lineno:
            hints += " [a map below]"
        elif near := get_close_matches(named[1], maps, 1):
            hints += f" [near: '{near[0]}']"
    if re.search(
        r"expected identifier|parameter list without types|expected parameter|type specifier", message
    ):
        hints += "\n" + line
    return hints


def death_error(words, source, rewritten):
    """The CompileError for a text on which the compiler's whole process died with these ``words``."""
    if error := _late_error(words, source, rewritten):
        return error
    if re.search(
        r"main\.c:\d+:\d+: (?:fatal )?error: ", words
    ):  # clang found mistakes, and stumbled over them (14 does)
        return compile_error(words, source, rewritten)
    if re.search(r"^\S*error: ", words, re.M):
        return _compile_error("", _tail(words), words, source)
    return CompileError(f"The program crashes the compiler.\n{_tail(words)}", log=words)


def _late_error(words, source, rewritten):
    """The CompileError for what comes after clang's own work: LLVM's words on a function, or the kernel's on a map."""
    if found := re.search(r"^error: (?:\S*main\.c:(\d+):\d+: )?in function (\w+)[^:]*: (.*)", words, re.M):
        lineno = line_map(source, rewritten).get(int(found[1] or 0), 0) or _function_line(source, found[2])
        what = f"{found[3].strip()} (in function {found[2]})"
    elif found := re.search(r"Cannot select: \w+: i64 = (s(?:div|rem)) .*?main\.c:(\d+):\d+", words):
        lineno = line_map(source, rewritten).get(int(found[2]), 0)
        what = f"BPF has no instruction for it: Cannot select {found[1]}"
    elif found := re.search(r"could not open bpf map: (\w+), error: (.*)", words):
        used = re.search(rf"\b{found[1]}\b", source)
        lineno = _line_of(used)
        what = f"the kernel makes no such map as {found[1]}: {found[2]}"
    else:
        return None
    return _compile_error(_place(lineno), what, words, source, lineno, hints=found[0])


def event_error(words, name, source):
    """The CompileError for an event that BCC's Python can't read: ``words`` are those it prints before it exits."""
    field = re.search(r"Type: '([^'\[]+?) ?(?:\[|')", words)
    used = field and re.search(rf"\b{re.escape(field[1])}\b", source)
    lineno = _line_of(used)
    message = f"BCC can't read the events of {name}: {words.strip()}"
    return _compile_error(_place(lineno), message, words, source, lineno, hints=words)


def _compile_error(place, message, words, source, lineno=0, column=0, more="", hints=""):
    entry, facts = match(COMPILER, hints or words)
    meant = entry.meaning.format_map(facts) if entry else ""
    head = f"The program does not compile: {place}{message}" if message else "The program does not compile."
    parts = [head, _marked(source, lineno, column) + more, f"Meant: {meant}" if meant else ""]
    rule = entry.rule if entry else ""
    return CompileError("\n".join(filter(None, parts)), rule=rule, log=words, line=lineno, **facts)


def verifier_error(function, reason, words, source, rewritten="", lines=None, kind=""):
    """The VerifierError for the verifier's ``words`` about ``function``.

    ``reason`` is the errno's text, ``lines`` what line_info() has of the function, ``kind``
    the type of program. Where a log doesn't tell, the error says so.
    """
    path = walk(words)
    _find_lines(path, source, rewritten, lines or {})
    said = "\n".join(path.verdict) or reason
    about = _About(path, said, source, function, kind)
    lineno = about.line
    found, facts = match(VERIFIER, about.hints, **about.known)
    meant = found.meaning.format_map(facts) if found else "; ".join(path.verdict) or reason
    log = [line for line in words.splitlines() if line.strip() and not line.startswith(("bpf: ", "HINT: "))]
    omitted = len(log) - len(path.verdict)
    place = _place(lineno or _function_line(source, function))
    parts = [
        f"The verifier refused {function}: {place}{meant}",
        about.excerpt() if lineno else _marked(source, _function_line(source, function)),
        "" if lineno else f"(The log doesn't say which line it is about; this is where {function} begins.)",
        f"The kernel: {'; '.join(path.verdict) or 'no words of its own'} ({reason})",
        about.knowledge(),
        "" if found else "(These are the kernel's own words; this lab has no explanation of them.)",
        f"({omitted} lines omitted; all of it in .log)" if omitted else "",
    ]
    rule, what = found.rule if found else "", "\n".join(filter(None, parts))
    return VerifierError(what, rule=rule, log=words, steps=path, source=source, line=lineno, **facts)


def _find_lines(path, source, rewritten, lines):
    """Give each step of ``path`` the learner's line: from the compiler's line information, or the log's quotes."""
    learners, texts = line_map(source, rewritten), [line.strip() for line in _lines(rewritten)]
    now = 0
    for step in path:
        quote, number = step.quote
        if step.instruction in lines:
            number = lines[step.instruction]
        elif number < 0:  # kernel 6.1 quotes without a number
            same = [n for n, text in enumerate(texts, 1) if text == quote.strip()]
            number = same[0] if len(same) == 1 else 0
            now = 0 if len(same) > 1 else now  # one of several: which, nothing tells
        now = learners.get(number, 0) or now  # what is in a header belongs to the line that called it
        step.line = now


class _About:
    """What a refusal is about: the register that the verdict names, in the learner's words."""

    def __init__(self, path, said, source, function, kind):
        self.path, self.said, self.source, self.function = path, said, source, function
        self.line = path[-1].line if path else 0
        if path and re.search("too large|too complex|list too long", said):
            self.line = _loop(path)
        self.last = path[-1] if path else None
        found = re.search(r"\bR\d+\b", said)
        self.register = found[0] if found else ""
        self.made = self._made()
        self.name = self._name(self.made) if path else ""
        self.state = self.last.state.get(self.register, "") if path else ""
        if (now := re.search(r"R\d+ (?:invalid mem access '|type=)(\w+)", said)) and re.match(
            r"[a-z]", self.state
        ):
            self.state = (
                self.state if now[1] in self.state else now[1]
            )  # what was given back stays as it was in the log
        if packet := re.search(r"R\d+\((id=\d+,(?:off=-?\d+,)?r=\d+)\)", said):
            self.state = f"pkt({packet[1]})"
        self.hints = said + self._was() + (" [call]" if path and self.last.called else "")
        self.known = self._known(kind)

    def _made(self):
        """Place in the path where the value was made; -1 at the start (the context), None where that isn't known."""
        if alloc := re.search(r"alloc_insn=(\d+)", self.said):
            return next((i for i, step in enumerate(self.path) if step.instruction == int(alloc[1])), None)
        return self.last.origin.get(self.register) if self.path else None

    def _name(self, made, sure=False):
        """The learner's variable for the value made there, or ''."""
        if made == CONTEXT:
            found = re.search(rf"\b{re.escape(self.function)}\s*\([^)]*?(\w+)\s*[,)]", self.source)
            return found[1] if found else ""
        if made is None or made < 0:
            return ""
        assigned = re.findall(r"(?<![.>\w])(\w+)\s*=(?!=)", _line(self.source, self.path[made].line))
        if self.path[made].line == self.line:  # a part of the line at hand; what it assigns is its result
            return ""
        used = _line(self.source, self.line)
        here = [name for name in dict.fromkeys(assigned) if re.search(rf"\b{name}\b", used)]
        if len(here) == 1:
            return here[0]
        return assigned[0] if len(assigned) == 1 and (sure or "alloc_insn" in self.said) else ""

    def _was(self):
        """What the value was before it became a mere number, as a mark for the table of explanations."""
        if read := re.search(r"invalid read from stack R\d+ off=-(\d+) size=(\d+)", self.said):
            return " [never written]" if int(read[2]) <= int(read[1]) else ""
        if self.made is None or self.made < 0:
            return ""
        if re.match(r"r\d+ = 0x0$", self.path[self.made].code):
            return " [was 0]"
        for step in self.path[self.made :]:
            for register, made in step.origin.items():
                kind = re.match(r"[a-z_]+", step.state.get(register, ""))
                if made == self.made and kind and kind[0] not in ("scalar", "inv", "fp"):
                    return f" [was {kind[0]}]"
        return ""

    def _known(self, kind):
        called = self.last.called if self.path else ""
        argument = _ARGUMENTS.get((called, self.register), "an argument")
        index = self._index()
        gets = words_of(self.state) or self.state or "something else"
        sizes = {k: int(v) for k, v in re.findall(r"\b(off|size)=(-?\d+)", self.said)}
        wrote = self.path and re.match(r"\*\(", self.last.code)
        return {
            "r": self.name or (f"the value in {self.register}" if self.register else "something"),
            "p": self.name or "p",
            "helper": called or "the helper",
            "argument": argument,
            "gets": f"{self.name} ({gets})" if self.name and self.name not in gets else gets,
            "i": self._name(index[0], sure=True) or "it" if index else "it",
            "range": index[1] if index else "any number",
            "end": sizes.get("off", 0) + sizes.get("size", 1) - 1,
            "touched": "written" if wrote else "read",
            "type": kind or "these",
            "wanted": _allowed(self.said),
        }

    def _index(self):
        """-> (where the index was made, what it may be), of the number that is added, or is a length."""
        if not self.path:
            return None
        added = re.match(r"r\d+ \+= r(\d+)", self.last.code)
        register = "R" + added[1] if added else self.last.index.get(self.register, self.register)
        made = self.last.origin.get(register)
        if made is None or made < 0:
            return None
        known = ""
        for step in self.path[made:]:
            scaled = re.match(r"[rw]\d+ (?:\*=|<<= (?!32$))", step.code)
            if scaled:
                break
            known = next(
                (step.state[r] for r, m in step.origin.items() if m == made and r in step.state), known
            )
        return made, range_of(known) if re.match(r"scalar|inv|-?\d", known) else "any number"

    def knowledge(self):
        """What the verifier knew of the value that it refused."""
        if not (self.register and self.state):
            return ""
        plain = words_of(self.state)
        named = f"{self.name} ({self.register})" if self.name else self.register
        return (
            f"Last known of {named}: {plain}  [{self.state}]"
            if plain
            else f"Last known of {named}: {self.state}"
        )

    def excerpt(self):
        """The learner's lines along the path, the place where the value comes from, and the place of the refusal."""
        made = self.path[self.made].line if self.made is not None and self.made >= 0 and self.name else 0
        walked = sorted({step.line for step in self.path if step.line} | {self.line})
        until = [n for n in walked if n < self.line][-(SHOWN - 2) :]
        shown, before, parts = sorted({*until, made or self.line, self.line}), 0, []
        for lineno in shown:
            if before and lineno > before + 1:
                parts.append("      ...")
            before, text = lineno, _line(self.source, lineno)
            parts.append(f"{lineno:5} | {text}")
            if lineno == self.line:
                parts.append(_mark(text, self.name, "^", ""))
            elif lineno == made:
                parts.append(_mark(text, self.name, "-", f" {self.name} comes from here"))
        rounds = max(Counter(step.instruction for step in self.path if step.line == self.line).values())
        if rounds > 3:
            parts.append(
                f"(line {self.line} was walked through {'' if self.path.whole else 'at least '}{rounds:,} times)"
            )
        return "\n".join(parts)


def _loop(path):
    """The first line of the loop that fills a path too long."""
    visits = Counter(step.line for step in path if step.line)
    return min((line for line in visits if visits[line] * 3 > max(visits.values())), default=0)


# What an argument of a helper is, for the helpers that BCC's own words stand for.
_ARGUMENTS = {
    ("bpf_map_lookup_elem", "R2"): "the key",
    ("bpf_map_update_elem", "R2"): "the key",
    ("bpf_map_update_elem", "R3"): "the value",
    ("bpf_map_delete_elem", "R2"): "the key",
    ("bpf_perf_event_output", "R4"): "the data",
    ("bpf_ringbuf_output", "R2"): "the data",
    ("bpf_ringbuf_reserve", "R2"): "the size",
    ("bpf_get_current_comm", "R1"): "the buffer",
    ("bpf_probe_read_kernel", "R1"): "the buffer",
    ("bpf_probe_read_user", "R1"): "the buffer",
    ("bpf_trace_printk", "R1"): "the format",
}


def _allowed(said):
    """The range of return values in the verifier's words; kernel 6.1 writes it as (value; mask)."""
    if found := re.search(r"should have been in \((0x[0-9a-f]+); (0x[0-9a-f]+)\)", said):
        low, mask = int(found[1], 0), int(found[2], 0)
        return f"{low} to {low + mask}" if mask else str(low)
    found = re.search(r"should have been in \[(-?\d+), (-?\d+)\]", said)
    return f"{found[1]} to {found[2]}" if found else "what the kernel's words say"


def _mark(text, name, sign, label):
    """A mark below ``text``: under ``name`` where it is there, else under the whole line."""
    places = list(re.finditer(rf"\b{re.escape(name)}\b", text)) if name else []
    read = [place for place in places if not re.match(r"\s*=(?!=)", text[place.end() :])]
    found = (places if label else read or places)[:1]
    start, end = found[0].span() if found else (len(text) - len(text.lstrip()), len(text.rstrip()))
    return "      | " + re.sub(r"[^\t]", " ", text[:start]) + sign * max(end - start, 1) + label


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
    return _line_of(found)


def _line_of(found):
    """The line where a match stands; 0 where there is none."""
    return found.string.count("\n", 0, found.start()) + 1 if found else 0


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

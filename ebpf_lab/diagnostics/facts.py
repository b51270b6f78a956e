"""What a rejected program's log and source tell together: the line, the register, the learner's variable in it."""

import re
from collections import Counter
from dataclasses import dataclass

from .lines import line_at, line_map, split
from .states import describe_number
from .verifier_log import CONTEXT, VerifierLog

_LIMITS = re.compile(
    "too large|too complex|list too long"
)  # messages about a whole loop, not one instruction
_OBJECTS = ("ringbuf_mem", "alloc_mem", "mem", "sock")


@dataclass(frozen=True)
class Facts:
    """What is known of a rejected instruction; '' and 0 stand for what is not known."""

    line: int = 0  # the learner's line that is rejected
    register: str = ""  # the register that the verifier's message names
    state: str = ""  # what the verifier knew of its value, as the log has it
    variable: str = ""  # the learner's variable that holds it
    origin: int = 0  # the learner's line where the value comes from
    was: str = ""  # what the value was before it became a mere number: "object", "packet", "zero"
    helper: str = ""  # the helper that is called there
    writes: bool = False  # whether the instruction writes memory
    index: str = ""  # the learner's variable that is an index or a length here
    range: str = ""  # which numbers it can be
    uninitialised: bool = False  # whether bytes within the stack frame are read that were never written


def find_lines(log: VerifierLog, source: str, rewritten: str, line_info: dict[int, int]) -> None:
    """Give each step the learner's line: from the compiler's line information, or from the log's quotes."""
    learners, texts = line_map(source, rewritten), [line.strip() for line in split(rewritten)]
    line = 0
    for step in log:
        quote, number = step.quote
        if step.instruction in line_info:
            number = line_info[step.instruction]
        elif number < 0:  # Kernel 6.1 quotes without a number.
            same = [n for n, text in enumerate(texts, 1) if text == quote.strip()]
            number = same[0] if len(same) == 1 else 0
            line = 0 if len(same) > 1 else line  # One of several equal lines: nothing tells which.
        line = learners.get(number, 0) or line  # The lines of a header belong to the line that called it.
        step.line = line


def facts_of(log: VerifierLog, message: str, source: str, function: str) -> Facts:
    """The Facts of the last step of ``log``, whose steps have their lines."""
    found = re.search(r"\bR\d+\b", message)
    register = found[0] if found else ""
    if not log:
        return Facts(register=register, uninitialised=_uninitialised(message))
    line = _loop(log) if _LIMITS.search(message) else log[-1].line
    made, sure = log[-1].origin.get(register), False
    if allocated := re.search(r"alloc_insn=(\d+)", message):
        made = next((i for i, step in enumerate(log) if step.instruction == int(allocated[1])), None)
        sure = True
    index, numbers = _index(log, register)
    variable = _parameter(source, function) if made == CONTEXT else _variable(log, made, line, source, sure)
    return Facts(
        line=line,
        register=register,
        state=_state(log[-1].state.get(register, ""), message),
        variable=variable,
        origin=log[made].line if made is not None and made >= 0 else 0,
        was=_was(log, made),
        helper=log[-1].called,
        writes=log[-1].code.startswith("*("),
        index=_variable(log, index, line, source, sure=True),
        range=numbers,
        uninitialised=_uninitialised(message),
    )


def _loop(log: VerifierLog) -> int:
    """The first line of the loop that fills a log that is too long."""
    visits = Counter((step.line, step.instruction) for step in log if step.line)
    return min((line for (line, _), times in visits.items() if times * 3 > max(visits.values())), default=0)


def _parameter(source: str, function: str) -> str:
    """The name of the function's first parameter, the context."""
    found = re.search(rf"\b{re.escape(function)}\s*\([^)]*?(\w+)\s*[,)]", source)
    return found[1] if found else ""


def _variable(log: VerifierLog, made: int | None, line: int, source: str, sure: bool) -> str:
    """The variable that holds the value which step ``made`` produced.

    Without ``sure`` only one that ``line`` uses. A value of ``line`` itself is a part of its
    expression: what that line assigns is the result.
    """
    if made is None or made < 0 or log[made].line == line:
        return ""
    assigned = re.findall(r"(?<![.>\w])(\w+)\s*=(?!=)", line_at(source, log[made].line))
    used = [name for name in dict.fromkeys(assigned) if re.search(rf"\b{name}\b", line_at(source, line))]
    if len(used) == 1:
        return used[0]
    return assigned[0] if sure and len(assigned) == 1 else ""


def _state(state: str, message: str) -> str:
    """The ``state`` of the register; where the message knows more, what the message says."""
    if packet := re.search(r"R\d+\((id=\d+,(?:off=-?\d+,)?r=\d+)\)", message):
        return f"pkt({packet[1]})"
    now = re.search(r"R\d+ (?:invalid mem access '|type=)(\w+)", message)
    if now and re.match(r"[a-z]", state) and now[1] not in state:
        return now[1]  # The log does not print that a released value has become a number.
    return state


def _was(log: VerifierLog, made: int | None) -> str:
    if made is None or made < 0:
        return ""
    if re.match(r"r\d+ = 0x0$", log[made].code):
        return "zero"
    for step in log[made:]:
        for register in (name for name, origin in step.origin.items() if origin == made):
            kind = re.match(r"[a-z_]+", step.state.get(register, ""))
            if kind and kind[0] not in ("scalar", "inv", "fp"):
                return "packet" if kind[0].startswith("pkt") else "object" * kind[0].startswith(_OBJECTS)
    return ""


def _uninitialised(message: str) -> bool:
    """Whether ``message`` is about bytes within the stack frame; kernels write off=-8 for a place that may be outside it."""
    if read := re.search(r"invalid read from stack R\d+ off=-(\d+) size=(\d+)", message):
        return int(read[2]) <= int(read[1])
    return bool(
        re.search(r"invalid (?:indirect )?read from stack(?: R\d+)? (?:var_)?off (?:-?\d|\()", message)
    )


def _index(log: VerifierLog, register: str) -> tuple[int | None, str]:
    """(index of the step that made it, which numbers it can be) for the number that is added, or is a length."""
    last = log[-1]
    added = re.match(r"r\d+ \+= r(\d+)", last.code)
    number = "R" + added[1] if added else last.index.get(register, register)
    made = last.origin.get(number)
    if made is None or made < 0:
        return None, ""
    state = ""
    for step in log[made:]:
        if re.match(r"[rw]\d+ (?:\*=|<<= (?!32$))", step.code):  # Scaled by the size of an entry.
            break
        state = next((step.state[r] for r, o in step.origin.items() if o == made and r in step.state), state)
    return made, describe_number(state) if re.match(r"scalar|inv|-?\d", state) else ""

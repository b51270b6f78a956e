"""The verifier's log as steps: one instruction each, with what the verifier knew there; and its message at the end.

At log level 1 the kernel keeps only the log of the path that it is following
(kernel/bpf/verifier.c: pop_stack), so the log of a rejected program is one path from its
start to the rejected instruction. Nothing here knows about BCC.
"""

import re
from dataclasses import dataclass, field

CONTEXT, STACK = -1, -2  # origins of R1 and R10, which are set when a program starts

_QUOTE = re.compile(r"^; (.*?)(?: @ (\S+):(\d+))?$")
_INSTRUCTION = re.compile(r"^(\d+): \(([0-9a-f]{2})\) (.*)$")
_STATE = re.compile(
    r"^(?:from \d+ to )?(\d+)(?: \(speculative execution\))?: ((?:frame\d+: ?)?(?:R\d+\w*=.*)?)$"
)
_VALUE = re.compile(r"\b(R\d+|fp-\d+)(?:_[a-zA-Z]+)?=((?:[^\s()]|\((?:[^()]|\([^()]*\))*\))+)")
_NOISE = re.compile(
    r"^(func#|reg type unsupported|Validating \w+\(\) func|cur state|old state|verification time"
    r"|stack depth|processed \d+ insns|mark_precise|regs=|last_idx|parent |bpf: |HINT: |\(speculative)"
)


@dataclass
class Step:
    """One instruction that the verifier followed, and what it knew after it.

    ``line`` is the learner's line, 0 where it is not known. ``state`` has the verifier's description
    of the value in each register (R0 ...) and stack slot (fp-8 ...).
    """

    instruction: int
    code: str
    line: int = 0
    quote: tuple[str, int] = ("", 0)  # the source line quoted before it, and its number: -1 without one
    state: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    origin: dict[str, int] = field(default_factory=dict)  # register -> index of the step that made its value
    index: dict[str, str] = field(default_factory=dict)  # register -> the register that was added to it last

    @property
    def called(self) -> str:
        """The helper that it calls, or ''."""
        found = re.match(r"call (\w+)#", self.code)
        return found[1] if found else ""


class VerifierLog(list[Step]):
    """The steps of one log; ``message`` has the lines after the last step, ``start`` the state before the first.

    ``complete`` is False where the beginning of the log is lost.
    """

    message: tuple[str, ...] = ()
    start: dict[str, str] | None = None

    @property
    def complete(self) -> bool:
        return self.start is not None or not self

    def __str__(self) -> str:
        rows: list[str] = []
        line = None
        for step in self:
            if step.line != line:
                rows.append(f"line {step.line}:" if step.line else "line not known:")
                line = step.line
            known = "  ".join(f"{name}={step.state[name]}" for name in step.changed)
            rows.append(f"  {step.instruction:4}  {step.code:34}  {known}".rstrip())
        return "\n".join([*rows, *self.message])

    __repr__ = __str__


def parse(text: str) -> VerifierLog:
    """The VerifierLog in the kernel's ``text``; without steps where the verifier followed no instruction."""
    log, message, quote = VerifierLog(), list[str](), ("", 0)
    for line in text.splitlines():
        if found := _INSTRUCTION.match(line):
            code, known = _split(found[3])
            log.append(_step(log, int(found[1]), code, known, quote))
            message = []
        elif found := _QUOTE.match(line):
            quote = (found[1], int(found[3]) if found[2] == "main.c" else 0) if found[2] else (found[1], -1)
        elif found := _STATE.match(line):
            state = dict(_VALUE.findall(found[2]))
            if log:
                log[-1].state |= state
            else:
                log.start = state
        elif line.strip() and not _NOISE.match(line):
            message.append(line)
    log.message = tuple(message[:2] if log else message[-2:])
    return log


def _split(code: str) -> tuple[str, dict[str, str]]:
    """An instruction's line -> (the instruction, {register or stack slot: what is known of it afterwards})."""
    known = ""
    if found := re.search(r"\s*; ?((?:(?:frame\d+: ?)?R\d|fp-|refs=).*)?$", code):
        code, known = code[: found.start()], found[1] or ""
    elif found := re.search(
        r"\s+\d+: ((?:frame\d+: ?)?R\d.*)$", code
    ):  # The verifier goes on with another branch.
        code, known = code[: found.start()], found[1]
    return code.strip(), dict(_VALUE.findall(known))


def _step(
    log: VerifierLog, instruction: int, code: str, known: dict[str, str], quote: tuple[str, int]
) -> Step:
    last = log[-1] if log else Step(-1, "", state=log.start or {}, origin={"R1": CONTEXT, "R10": STACK})
    state, origin, index = dict(last.state), dict(last.origin), dict(last.index)
    here = len(log)
    if last.code.startswith("call "):  # A call overwrites R0 to R5: its result and its arguments.
        for register in ("R1", "R2", "R3", "R4", "R5"):
            state.pop(register, None)
            origin.pop(register, None)
        origin["R0"] = here - 1
    _follow(code, here, origin, index)
    return Step(instruction, code, 0, quote, state | known, tuple(known), origin, index)


def _follow(code: str, here: int, origin: dict[str, int], index: dict[str, str]) -> None:
    """Update where each value comes from (``origin``) and what was added to it (``index``) for one instruction."""
    if found := re.match(r"[rw](\d+) = (?:\(\w+\))?[rw](\d+)$", code):
        to, source = "R" + found[1], "R" + found[2]
        origin[to] = origin.get(source, here)
        index.pop(to, None)
        if source in index:
            index[to] = index[source]
    elif found := re.match(r"\*\(u\d+ \*\)\(r10 (-\d+)\) = r(\d+)$", code):
        origin["fp" + found[1]] = origin.get("R" + found[2], here)
    elif found := re.match(r"r(\d+) = \*\(u64 \*\)\(r10 (-\d+)\)$", code):
        origin["R" + found[1]] = origin.get("fp" + found[2], here)
    elif found := re.match(r"[rw](\d+) = ", code):
        origin["R" + found[1]] = here
        index.pop("R" + found[1], None)
    elif found := re.match(r"r(\d+) \+= r(\d+)$", code):
        index["R" + found[1]] = "R" + found[2]

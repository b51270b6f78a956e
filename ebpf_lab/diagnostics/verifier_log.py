"""The verifier's log, taken apart: what it walked through, what it knew at each step, what it said at the end.

At log level 1 the kernel keeps the words of the path it is on only
(kernel/bpf/verifier.c: pop_stack), so a refusal's log is one path from the
program's start to the place of the refusal. Nothing here knows about BCC.
"""

import re
from dataclasses import dataclass, field

CONTEXT, STACK = -1, -2  # origins: what a program is given at its start

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
    """One instruction that the verifier walked through, and what it knew after it.

    ``line`` is the learner's line, 0 where it can't be told. ``state`` has a value, in the
    verifier's words, for each register (R0 ...) and place on the stack (fp-8 ...).
    """

    instruction: int
    code: str
    line: int = 0
    quote: tuple[str, int] = ("", 0)  # the source line before it in the log, and its number there
    state: dict = field(default_factory=dict)
    changed: tuple = ()
    origin: dict = field(
        default_factory=dict
    )  # register -> place in the path where its value was made, CONTEXT or STACK
    index: dict = field(default_factory=dict)  # register -> the register that was added to it last

    @property
    def called(self):
        """The helper that it calls, or ''."""
        found = re.match(r"call (\w+)#", self.code)
        return found[1] if found else ""


class Path(list):
    """The steps of one log; ``verdict`` is what the verifier said at its end, ``whole`` whether its start is there."""

    verdict, whole = (), True

    def __str__(self):
        rows, line = [], None
        for step in self:
            if step.line != line:
                rows.append(f"line {step.line}:" if step.line else "line not known:")
                line = step.line
            known = "  ".join(f"{name}={step.state[name]}" for name in step.changed)
            rows.append(f"  {step.instruction:4}  {step.code:34}  {known}".rstrip())
        return "\n".join([*rows, *self.verdict])

    __repr__ = __str__


def walk(log):
    """The Path in the verifier's ``log``; empty where it walked nothing."""
    path, said, quote, before = Path(), [], ("", 0), {}
    for line in log.splitlines():
        if found := _INSTRUCTION.match(line):
            code, known = _split(found[3])
            path.append(_step(path, int(found[1]), code, known, quote))
            said = []
        elif found := _QUOTE.match(line):
            quote = (found[1], int(found[3]) if found[2] == "main.c" else 0) if found[2] else (found[1], -1)
        elif found := _STATE.match(line):
            before = dict(_VALUE.findall(found[2]))
            if path:
                path[-1].state |= before
            else:
                path.start = before
        elif line.strip() and not _NOISE.match(line):
            said.append(line)
    path.verdict = tuple(said[:2] if path else said[-2:])
    path.whole = hasattr(path, "start") or not path
    return path


def words_of(state):
    """The verifier's words for a value, in plain ones; '' where they are not known here."""
    kind, _, inside = state.rstrip(")").partition("(")
    facts = dict(re.findall(r"(\w+)=(\([^)]*\)|[^,()]+)", inside))
    # smin=smin32=0: several names for one value
    for names, value in re.findall(r"((?:\w+=){2,})(-?\w+)", inside):
        facts |= dict.fromkeys(names.strip("=").split("="), value)
    or_null = ", or NULL" if kind.endswith("_or_null") else ""
    kind = kind.removesuffix("_or_null")
    if kind in ("map_value", "map_ptr"):
        name, size = facts.get("map", "a map"), facts.get("vs")
        where = f"a value of {name}" if kind == "map_value" else f"the map {name}"
        return f"{where} ({size} bytes){or_null}" if size and kind == "map_value" else where + or_null
    if kind in ("scalar", "inv"):
        return range_of(state)
    if kind == "pkt":
        return f"the packet, of which {facts.get('r', '0')} bytes are checked"
    plain = {
        "ctx": "the context",
        "pkt_end": "the packet's end",
        "ringbuf_mem": "a record of the ring buffer",
        "sock": "a socket",
        "fp": "memory on the stack",
    }
    if kind in plain:
        return plain[kind] + or_null
    if re.fullmatch(r"fp-?\d+", state):
        return "memory on the stack"
    return f"the number {int(state, 0):,}" if re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", state) else ""


def range_of(state):
    """What numbers a scalar may be."""
    if re.fullmatch(r"P?(-?(?:0x[0-9a-f]+|\d+))", state):
        return f"the number {int(state.lstrip('P'), 0):,}"
    facts = {}
    for names, value in re.findall(r"((?:\w+=)+)(-?(?:0x[0-9a-f]+|\d+))\b", state):
        facts |= dict.fromkeys(names.strip("=").split("="), int(value, 0))
    low, high = facts.get("smin", -(1 << 63)), facts.get("smax", (1 << 63) - 1)
    if facts.get("umax", 1 << 64) < 1 << 63:  # as an unsigned number: then it isn't negative
        low, high = max(low, facts.get("umin", 0)), min(high, facts["umax"])
    if low >= 0:
        return (
            f"a number from {low:,} to {high:,}" if high < (1 << 63) - 1 else f"a number of {low:,} or more"
        )
    if high == (1 << 63) - 1:
        return "any number, negative ones too"
    return f"a number up to {high:,}, maybe a negative one"


def _split(code):
    """An instruction's line -> (the instruction, {register or place: what is known of it afterwards})."""
    known = ""
    if found := re.search(r"\s*; ?((?:(?:frame\d+: ?)?R\d|fp-|refs=).*)?$", code):
        code, known = code[: found.start()], found[1] or ""
    elif found := re.search(r"\s+\d+: ((?:frame\d+: ?)?R\d.*)$", code):  # a branch that was put off is taken
        code, known = code[: found.start()], found[1]
    return code.strip(), dict(_VALUE.findall(known))


def _step(path, instruction, code, known, quote):
    last = (
        path[-1]
        if path
        else Step(-1, "", state=getattr(path, "start", {}), origin={"R1": CONTEXT, "R10": STACK})
    )
    state, origin, index = dict(last.state), dict(last.origin), dict(last.index)
    here = len(path)
    if last.code.startswith("call "):  # it has used up its arguments
        for register in ("R1", "R2", "R3", "R4", "R5"):
            state.pop(register, None)
            origin.pop(register, None)
        origin["R0"] = here - 1
    if found := re.match(r"[rw](\d+) = (?:\(\w+\))?[rw](\d+)$", code):
        origin["R" + found[1]] = origin.get("R" + found[2], here)
        index.pop("R" + found[1], None)
        if "R" + found[2] in index:
            index["R" + found[1]] = index["R" + found[2]]
    elif found := re.match(r"\*\(u\d+ \*\)\(r10 (-\d+)\) = r(\d+)$", code):
        origin["fp" + found[1]] = origin.get("R" + found[2], here)
    elif found := re.match(r"r(\d+) = \*\(u64 \*\)\(r10 (-\d+)\)$", code):
        origin["R" + found[1]] = origin.get("fp" + found[2], here)
    elif found := re.match(r"[rw](\d+) = ", code):
        origin["R" + found[1]] = here
        index.pop("R" + found[1], None)
    elif found := re.match(r"r(\d+) \+= r(\d+)$", code):
        index["R" + found[1]] = "R" + found[2]
    return Step(instruction, code, 0, quote, state | known, tuple(known), origin, index)

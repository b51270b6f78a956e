"""From the verifier's log to a VerifierError in terms of the learner's source. Only text goes in and out here."""

import re
from collections import Counter

from .errors import VerifierError
from .explanations import VERIFIER, match
from .facts import Facts, facts_of, find_lines
from .lines import blank, function_line, line_at, marked, place
from .states import describe
from .verifier_log import VerifierLog, parse

SHOWN = 8  # lines of the path, at most

# What a pointer argument points to, for the helpers that BCC's functions call.
_ARGUMENTS = {
    ("bpf_map_lookup_elem", "R2"): "the key",
    ("bpf_map_update_elem", "R2"): "the key",
    ("bpf_map_update_elem", "R3"): "the value",
    ("bpf_map_delete_elem", "R2"): "the key",
    ("bpf_perf_event_output", "R4"): "the data",
    ("bpf_ringbuf_output", "R2"): "the data",
    ("bpf_get_current_comm", "R1"): "the buffer",
    ("bpf_probe_read_kernel", "R1"): "the buffer",
    ("bpf_probe_read_user", "R1"): "the buffer",
    ("bpf_trace_printk", "R1"): "the format",
}
# Which arguments are addresses in BCC's own notation: map.lookup(&key), output.perf_submit(ctx, &data, size).
_ADDRESSES = {
    "bpf_map_lookup_elem": [0],
    "bpf_map_update_elem": [0, 1],
    "bpf_map_delete_elem": [0],
    "bpf_perf_event_output": [1],
    "bpf_ringbuf_output": [0],
}


def verifier_error(
    function: str,
    reason: str,
    log: str,
    source: str,
    rewritten: str = "",
    line_info: dict[int, int] | None = None,
    prog_type: str = "",
    seconds: float = 0,
) -> VerifierError:
    """The VerifierError for ``function``, with the verifier's ``log``.

    ``reason`` is the errno's text, ``line_info`` what lines.line_info() has of the function, ``seconds``
    after how many the lab stopped the verifier (0: it finished). The error says so where a log does not tell the line.
    """
    steps, reason = parse(log), f"stopped after {seconds} s" if seconds else reason
    find_lines(steps, source, rewritten, line_info or {})
    said = "\n".join(steps.message) or reason
    facts = facts_of(steps, said, source, function)
    entry, known = match(VERIFIER, said, **_template(facts, said, prog_type, source), seconds=seconds)
    meaning = entry.meaning.format_map(known) if entry else "; ".join(steps.message) or reason
    begin = function_line(source, function)
    parts = [
        f"The verifier rejected {function}: {place(facts.line or begin)}{meaning}",
        _excerpt(facts, steps, source) if facts.line else marked(source, begin),
        "" if facts.line else f"(The log does not say which line this is about; {function} begins here.)",
        f"The kernel: {'; '.join(steps.message) or 'no message'} ({reason})",
        _knowledge(facts),
        "" if entry else "(This is the kernel's own message; the lab has no explanation of it.)",
        _omitted(log, steps),
    ]
    what, rule = "\n".join(filter(None, parts)), entry.rule if entry else ""
    return VerifierError(what, rule=rule, log=log, steps=steps, source=source, line=facts.line, **known)


def _template(facts: Facts, message: str, prog_type: str, source: str) -> dict[str, object]:
    """What fills the braces of the explanations, and the facts that they ask for (``when``)."""
    numbers = {name: int(value) for name, value in re.findall(r"\b(off|size)=(-?\d+)", message)}
    given = describe(facts.state) or facts.state or "something else"
    named = facts.variable and facts.variable not in given
    return {
        "value": facts.variable or (f"the value in {facts.register}" if facts.register else "something"),
        "variable": facts.variable or "p",
        "helper": facts.helper or "the helper",
        "argument": _ARGUMENTS.get((facts.helper, facts.register), "memory"),
        "map_argument": facts.helper.startswith("bpf_map_") and (facts.helper, facts.register) in _ARGUMENTS,
        "with_address": _with_address(facts, line_at(source, facts.line), source),
        "ring": _ring(facts, source),
        "given": f"{facts.variable} ({given})" if named else given,
        "index": facts.index or "it",
        "range": facts.range or "any number",
        "last": numbers.get("off", 0) + numbers.get("size", 1) - 1,
        "access": "write" if facts.writes else "read",
        "type": prog_type or "these",
        "allowed": _allowed(message),
        "in_call": bool(facts.helper),
        "uninitialised": facts.uninitialised,
        **{f"was_{kind}": facts.was == kind for kind in ("object", "packet", "zero")},
    }


def _with_address(facts: Facts, text: str, source: str) -> str:
    """The call in the line ``text`` with & before each variable that is passed by value; '' where there is none."""
    call = re.search(r"(\w+\.\w+)\(((?:[^()]|\([^()]*\))*)\)", text)
    if not call:
        return ""
    before = call[2].split(",")
    after = [
        re.sub(r"^(\s*)([A-Za-z_]\w*)$", r"\1&\2", argument)
        if i in _ADDRESSES.get(facts.helper, ())
        and not re.search(rf"\*\s*{re.escape(argument.strip())}\s*[=;,)]", source)
        else argument
        for i, argument in enumerate(before)
    ]
    return f"{call[1]}({','.join(after)})" if after != before else ""


def _ring(facts: Facts, source: str) -> str:
    """The name of the ring buffer that the variable was reserved in, or of the program's first one."""
    reserved = (
        re.search(rf"\b{facts.variable}\s*=\s*(?:\([^)]*\)\s*)?(\w+)\.ringbuf_reserve\(", source)
        if facts.variable
        else None
    )
    ring = reserved or re.search(r"\bBPF_RINGBUF_OUTPUT\(\s*(\w+)", source)
    return ring[1] if ring else "output"


def _allowed(message: str) -> str:
    """The range of return values in the verifier's message; kernel 6.1 writes it as (value; mask)."""
    if found := re.search(r"should have been in \((0x[0-9a-f]+); (0x[0-9a-f]+)\)", message):
        low, mask = int(found[1], 0), int(found[2], 0)
        return f"{low} to {low + mask}" if mask else str(low)
    found = re.search(r"should have been in \[(-?\d+), (-?\d+)\]", message)
    return f"{found[1]} to {found[2]}" if found else "that the kernel's message names"


def _knowledge(facts: Facts) -> str:
    """What the verifier knew of the value that it rejected."""
    if not (facts.register and facts.state):
        return ""
    named = f"{facts.variable} ({facts.register})" if facts.variable else facts.register
    plain = describe(facts.state)
    known = f"{named} is {plain}  [{facts.state}]" if plain else f"{named} is {facts.state}"
    return f"State before the rejected instruction: {known}"


def _excerpt(facts: Facts, steps: VerifierLog, source: str) -> str:
    """The learner's lines along the path, with marks where the value comes from and where it is rejected."""
    origin = facts.origin if facts.variable else 0
    before = sorted({step.line for step in steps if 0 < step.line < facts.line})[-(SHOWN - 2) :]
    parts, last = list[str](), 0
    for line in sorted({*before, origin or facts.line, facts.line}):
        if last and line > last + 1:
            parts.append("      ...")
        last, text = line, line_at(source, line)
        parts.append(f"{line:5} | {text}")
        if line == facts.line:
            parts.append(_mark(text, facts.variable, "^"))
        elif line == origin:
            parts.append(_mark(text, facts.variable, "-", f" {facts.variable} comes from here"))
    rounds = max(Counter(step.instruction for step in steps if step.line == facts.line).values())
    if rounds > 3:
        parts.append(
            f"(the verifier followed line {facts.line} {'' if steps.complete else 'at least '}{rounds:,} times)"
        )
    return "\n".join(parts)


def _mark(text: str, variable: str, sign: str, label: str = "") -> str:
    """A mark below ``text``: under the variable where it is there, else under the whole line."""
    uses = list(re.finditer(rf"\b{re.escape(variable)}\b", text)) if variable else []
    reads = [use for use in uses if not re.match(r"\s*=(?!=)", text[use.end() :])]
    found = (uses if label else reads or uses)[:1]
    start, end = found[0].span() if found else (len(text) - len(text.lstrip()), len(text.rstrip()))
    return f"      | {blank(text[:start])}{sign * max(end - start, 1)}{label}"


def _omitted(log: str, steps: VerifierLog) -> str:
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith(("bpf: ", "HINT: "))]
    count = len(lines) - len(steps.message)
    return f"({count} lines omitted; .log has all of them)" if count else ""

"""jump_table: what a program array holds, and how often each slot was jumped to."""

import re
from typing import NamedTuple

from . import bpf
from .errors import MapError
from .maps import to_frame


class JumpTable(NamedTuple):
    """A program array at one moment."""

    dispatchers: list[str]  # the functions whose C text jumps through it
    size: int  # slots, filled or not
    slots: dict[int, str]  # slot -> name of the program in it
    jumps: dict[int, int] | None  # slot -> how often it was jumped to; None: the program doesn't count
    empty: int | None  # how often a jump found its slot empty


def jump_table(table):
    """Look at the program array ``table``.

    The kernel's statistics leave out programs that were reached by a tail call. So the counts are
    the program's own: from its map ``jumps``, a u64 array or per-CPU array by slot, with one
    entry more for jumps to empty slots.
    """
    program = table.bpf
    frame = to_frame(table)
    names = _names()
    slots = {
        int(slot): names.get(int(id), f"program id {id}")
        for slot, id in zip(frame.key, frame.value, strict=True)
    }
    counts = _counts(program)
    return JumpTable(
        _dispatchers(program, table),
        table.max_entries,
        slots,
        None if counts is None else {slot: counts.get(slot, 0) for slot in slots},
        None if counts is None else counts.get(table.max_entries),
    )


def _names():
    """{program id: name} of all that is loaded in this Python."""
    found = {}
    for program in bpf.loaded():
        for name, function in program.funcs.items():
            with open(f"/proc/self/fdinfo/{function.fd}") as info:
                found |= {int(line.split()[1]): name.decode() for line in info if line.startswith("prog_id:")}
    return found


def _counts(program):
    try:
        frame = to_frame(program["jumps"])
    except MapError:
        return None
    return dict(zip(frame.key.tolist(), frame[frame.columns[-1]].tolist(), strict=True))


def _dispatchers(program, table):
    """The functions of the program whose text has NAME.call(...)."""
    name = next(name for name, known in program.tables.items() if known is table)
    name = name.decode() if isinstance(name, bytes) else name
    found = {}
    for jump in re.finditer(rf"\b{re.escape(name)}\s*\.\s*call\s*\(", program.source):
        heads = re.findall(r"^\w[\w\s*]*?(\w+)\s*\(([^;{}]*)\)\s*\{", program.source[: jump.start()], re.M)
        if heads:
            head, arguments = heads[-1]
            found[_function(head, arguments)] = None
    return list(found)


def _function(head, arguments):
    """BCC's name of a function whose head is a macro, as RAW_TRACEPOINT_PROBE(sys_enter)."""
    if head == "RAW_TRACEPOINT_PROBE":
        return f"raw_tracepoint__{arguments.strip()}"
    if head == "TRACEPOINT_PROBE":
        return "tracepoint__" + "__".join(map(str.strip, arguments.split(",")))
    return head

"""jump_table: what a program array holds, and how often each slot was jumped to."""

from collections import Counter
from contextlib import suppress
from typing import NamedTuple

from bcc import table as bcc_table
from bcc.libbcc import lib

from ..bpf import BPF, loaded
from ..diagnostics.errors import LabError, MapError
from ..maps import to_frame
from .bytecode import LOAD_64, MAP, Instruction, instructions

# Program id -> name. It outlives the programs: a slot keeps its program in the kernel when the BPF that loaded
# it is closed. The kernel gives an id again only after 2^31 others (kernel/bpf/syscall.c: bpf_prog_alloc_id()).
_names: dict[int, str] = {}


class JumpTable(NamedTuple):
    """A program array at one moment."""

    name: str
    dispatchers: list[str]  # the functions that jump through it
    size: int  # slots, filled or not
    slots: dict[int, str]  # filled slot -> name of the program in it
    jumps: (
        dict[int, int | None] | None
    )  # filled slot -> how often it was jumped to; None where the program doesn't count
    empty: int | None  # how often a jump found its slot empty; None where the program doesn't count


def jump_table(table: bcc_table.ProgArray, earlier: JumpTable | None = None) -> JumpTable:
    """Read the program array ``table``.

    The kernel's statistics leave out programs that were reached by a tail call. So the counts are
    the program's own: from its map ``jumps``, a u64 array or per-CPU array by slot, with one
    entry more for jumps to empty slots.

    A program array can't be read in bulk: it takes a system call for each slot. With an ``earlier``
    result, only the counts are read.

    Raises TypeError for what is no program array, MapError where ``jumps`` is no array of numbers,
    and UnloadedError for an unloaded program.
    """
    if not isinstance(table, bcc_table.ProgArray):
        raise TypeError(f"jump_table() takes a program array, as b['syscall'], not {type(table).__name__}")
    program = table.bpf
    counts = _counts(program)
    found = earlier or JumpTable(
        lib.bpf_table_name(program.module, table.map_id).decode(),
        _dispatchers(program, table),
        table.max_entries,
        _slots(table),
        None,
        None,
    )
    if counts is None:
        return found._replace(jumps=None, empty=None)
    return found._replace(
        jumps={slot: counts.get(slot) for slot in found.slots}, empty=counts.get(found.size)
    )


def _slots(table: bcc_table.ProgArray) -> dict[int, str]:
    """{filled slot: program's name}; with its id where another program in the array has the same name."""
    frame = to_frame(table)
    names = {id: _name(id) for id in frame.value.tolist()}
    same = Counter(names.values())
    return {
        slot: names[id] if same[names[id]] == 1 else f"{names[id]} (id {id})"
        for slot, id in zip(frame.key.tolist(), frame.value.tolist(), strict=True)
    }


def _name(id: int) -> str:
    """The name of the program with that id, where a BPF object of this Python has or had it loaded."""
    if id not in _names:
        for program in loaded():
            with suppress(LabError):  # a program may be unloaded meanwhile
                for name, function in list(program.funcs.items()):
                    with suppress(OSError), open(f"/proc/self/fdinfo/{function.fd}") as info:
                        ids = [int(line.split()[1]) for line in info if line.startswith("prog_id:")]
                        _names.update(dict.fromkeys(ids, name.decode()))
    return _names.get(id, f"program id {id}")


def _counts(program: BPF) -> dict[int, int] | None:
    try:
        table = program["jumps"]
    except MapError:
        return None
    if isinstance(table, bcc_table.Array | bcc_table.PerCpuArray):
        frame = to_frame(table)
        numbers = frame[frame.columns[-1]]
        if frame.columns[-1] in ("value", "total") and numbers.dtype.kind in "iu":
            return dict(enumerate(numbers.tolist()))
    declaration = "BPF_ARRAY(jumps, u64, slots + 1)"
    raise MapError(rule="map-of-counts", name="jumps", counted="jumps", declaration=declaration)


def _dispatchers(program: BPF, table: bcc_table.ProgArray) -> list[str]:
    """The functions whose bytecode has the array's file descriptor: a program can only jump through it.

    Their source would not tell: a jump may stand in a static function, which is inlined, or in a comment.
    """

    def refers(one: Instruction) -> bool:
        return one.opcode == LOAD_64 and one.src == MAP[0] and one.imm == table.map_fd

    return [
        name for name in program.functions if any(map(refers, instructions(program.dump_func(name.encode()))))
    ]

"""look: what the kernel made of a loaded function, read from the function's own file descriptor.

Names of helpers, program types and map types come from linux/bpf.h, names of kernel functions from
/proc/kallsyms.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bcc.libbcc import lib

from ..bcc_maps import map_names
from ..bpf import BPF
from ..diagnostics.errors import LabError
from ..diagnostics.names import check_name
from ..kernel import proginfo
from . import bytecode, machine
from .bytecode import CALL, LOAD_64, MAP, MAP_VALUE, TAIL_CALL, Instruction
from .lines import line_at, lines_of
from .runs import runs

Maps = dict[int, tuple[str, str]]  # id -> (name, what it is)
Symbols = tuple[dict[int, str], int]  # what machine.kernel_symbols() gives


@dataclass
class Row:
    """A line of C, an instruction of the bytecode, or one of the machine code."""

    line: int  # of the learner's source, counted from 1; 0 where it belongs to no line
    place: str  # the line, the number of the instruction, or the offset in hexadecimal
    text: str
    comment: str = ""  # what the text alone does not tell


@dataclass
class Insight:
    """A loaded function, seen three ways.

    ``facts`` are pairs of a name and a value; ``withheld`` says why ``machine`` is empty (and ``bytecode``,
    where that is).
    """

    name: str
    facts: list[tuple[str, str]]
    source: list[Row]
    bytecode: list[Row]
    machine: list[Row]
    withheld: str

    def __repr__(self) -> str:
        lines = [self.name, *(f"  {name}: {value}" for name, value in self.facts)]
        lines += ["", "line  C", *(f"{row.place:>4}  {row.text}".rstrip() for row in self.source)]
        for title, rows in [("bytecode", self.bytecode), ("machine code", self.machine)]:
            lines += ["", f"line  {title}", *map(_text, rows)]
        return "\n".join([*lines, *filter(None, [self.withheld])])


def _text(row: Row) -> str:
    comment = f"  ; {row.comment}" if row.comment else ""
    return f"{row.line or '-':>4}  {row.place:>5}: {row.text}{comment}"


def look(bpf: BPF, name: str) -> Insight:
    """The Insight of the function ``name`` of the program ``bpf``, as it is in the kernel now.

    Raises LabError where the program has no such function, or it is not loaded, and UnloadedError.
    """
    if not isinstance(bpf, BPF):
        raise TypeError(f"explain() takes a program, explain(b, 'hello'), not {type(bpf).__name__}")
    if not isinstance(name, str):
        raise TypeError(f"explain() takes the name of a function, a str, not {type(name).__name__}")
    check_name(name, bpf.functions)
    if name.encode() not in bpf.funcs:
        raise LabError(rule="not-loaded", function=name)
    fd = bpf.funcs[name.encode()].fd
    program = proginfo.Program(fd)
    maps, symbols = _maps(bpf), machine.kernel_symbols()
    compiled = bpf.dump_func(name.encode())
    before, after = bytecode.instructions(compiled), bytecode.instructions(program.xlated)
    origins = bytecode.origins(before, after)
    withheld = machine.withheld(program)
    native = [] if withheld else list(machine.disassembled(program, symbols[0]))
    added = {place for place, (same, _) in origins.items() if not same}
    places, addresses = lines_of(program, bpf, after, added, [address for address, *_ in native])
    return Insight(
        name,
        _facts(program, len(compiled), maps, runs(bpf, fd, _program_arrays(bpf))),
        [Row(n, str(n), text) for n, text in enumerate(re.split(r"\r\n|\n|\r", bpf.source), 1)],
        [_row(one, origins[one.place], line_at(one.place, places), maps, symbols) for one in after],
        [Row(line_at(address, addresses), f"{offset:x}", text) for address, offset, text in native],
        withheld,
    )


def _row(
    one: Instruction, origin: tuple[bool, list[Instruction]], line: int, maps: Maps, symbols: Symbols
) -> Row:
    same, before = origin
    text, comments = str(one), []
    if one.opcode == CALL:
        text, comment = _call(one, before, symbols)
        comments.append(comment)
    elif one.opcode == LOAD_64 and one.src in MAP + MAP_VALUE:
        what = "a value in the map" if one.src in MAP_VALUE else "the map"
        comments.append(f"{what} {maps.get(one.imm & 0xFFFFFFFF, ('of another program',))[0]}")
    elif one.target is not None:
        comments.append(f"{'if so, ' * text.startswith('if ')}jump to {one.target}")
    elif one.atomic:
        comments.append("atomic: no other CPU comes between")
    elif one.opcode == bytecode.MOVE and one.off == bytecode.THIS_CPU:
        comments.append("made the address of this CPU's copy")
    if not same:
        calls = ", ".join(proginfo.helper(was.imm) for was in before if was.opcode == CALL)
        comments.append("put in by the verifier" + (f" in place of a call of {calls}" if calls else ""))
    return Row(line, str(one.place), text, "; ".join(comments))


def _call(one: Instruction, before: list[Instruction], symbols: Symbols) -> tuple[str, str]:
    """What it calls, and a comment on it: the kernel shows an address where the number of a helper was."""
    if one.src == bytecode.OWN_FUNCTION:
        return f"call pc{one.imm:+d}", f"a function of this program, at {one.place + 1 + one.imm}"
    called, base = symbols
    number = next((was.imm for was in before if was.opcode == CALL and not was.src), None)
    helper = "" if number is None else proginfo.helper(number)
    name = "bpf_tail_call" if one.imm == TAIL_CALL else called.get(base + one.imm, helper)
    if not helper:
        return f"call {name or one.imm}", "a function of the kernel"
    if name == helper:
        return f"call {name}", f"helper number {number}"
    kind = "map" if helper.startswith("bpf_map_") else "program"
    return f"call {name}", f"helper number {number}, {helper}, for this type of {kind}"


def _facts(program: proginfo.Program, compiled: int, maps: Maps, runs: str) -> list[tuple[str, str]]:
    info = program.info
    used = [maps.get(id_, (f"id {id_}",)) for id_ in program.maps]
    facts = {
        "program": f"{proginfo.name_of('prog_type', info.type)}, id {info.id}",
        "bytecode": f"{_amount(info.xlated_prog_len)}; before the verifier {_amount(compiled)}",
        "verifier": f"processed {info.verified_insns} instructions" if info.verified_insns else "",
        "machine code": f"{info.jited_prog_len} bytes" if info.jited_prog_len else "none",
        "maps": ", ".join(map(" ".join, used)) or "none",
        "runs": runs,
    }
    return [(name, value) for name, value in facts.items() if value]


def _amount(size: int) -> str:
    return f"{size // 8} instructions, {size} bytes"


def _tables(bpf: BPF) -> Iterator[tuple[str, str, int]]:
    """(name, type, file descriptor) of each map of the program, as far as BCC knows them."""
    for n, name in enumerate(map_names(bpf)):
        kind = proginfo.name_of("map_type", lib.bpf_table_type_id(bpf.module, n))
        yield name, kind, lib.bpf_table_fd(bpf.module, name.encode())


def _program_arrays(bpf: BPF) -> list[str]:
    return [name for name, kind, _ in _tables(bpf) if kind == "prog_array"]


def _maps(bpf: BPF) -> Maps:
    units = {"ringbuf": "bytes", "user_ringbuf": "bytes"}
    maps = {}
    for name, kind, fd in _tables(bpf):
        info = proginfo.of_map(fd)
        maps[info.id] = name, f"({kind}, {info.max_entries:,} {units.get(kind, 'entries')})"
    return maps

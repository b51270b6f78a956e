"""look: what the kernel made of a loaded function, read from the function's own file descriptor.

Names of helpers, program types and map types come from linux/bpf.h, names of kernel functions from
/proc/kallsyms.
"""

import bisect
import functools
import math
import os
import platform
import re
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import capstone
from bcc.libbcc import lib

from ..bpf import BPF, check_name
from ..diagnostics.compiler import line_map
from ..diagnostics.errors import LabError
from ..kernel import proginfo
from ..maps import to_frame
from . import bytecode
from .bytecode import CALL, LOAD_64, MAP, MAP_VALUE, TAIL_CALL

_CPUS = {  # platform.machine() -> capstone's names
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}
# kernel/bpf/syscall.c: bpf_dump_raw_ok(), and kernel/ksyms_common.c: kallsyms_show_value()
_WITHHELD = (
    "The kernel withholds this code, because of the addresses in it. It shows it to a process with CAP_SYSLOG where "
    "kernel.kptr_restrict is 0 or 1, and to all where that is 0 and kernel.perf_event_paranoid at most 1. "
    "Here kernel.kptr_restrict is {kptr_restrict}, kernel.perf_event_paranoid {perf_event_paranoid}."
)
_counted = weakref.WeakKeyDictionary()  # program -> (since when, {id: its runs, and their ns, before that})


@dataclass
class Row:
    """A line of C, an instruction of the bytecode, or one of the machine code."""

    line: int  # of the learner's source, counted from 1; 0: of none
    place: str  # line; number of the instruction; hexadecimal offset
    text: str
    words: str = ""  # what the text does not say


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

    def __repr__(self):
        lines = [self.name, *(f"  {name}: {value}" for name, value in self.facts)]
        lines += ["", "line  C", *(f"{row.place:>4}  {row.text}".rstrip() for row in self.source)]
        for title, rows in [("bytecode", self.bytecode), ("machine code", self.machine)]:
            lines += ["", f"line  {title}", *map(_text, rows)]
        return "\n".join([*lines, *filter(None, [self.withheld])])


def _text(row):
    words = f"  ; {row.words}" if row.words else ""
    return f"{row.line or '-':>4}  {row.place:>5}: {row.text}{words}"


def look(bpf, name):
    """The Insight of the function ``name`` of the program ``bpf``, as it is in the kernel now."""
    if not isinstance(bpf, BPF):
        raise TypeError(f"explain() takes a program, explain(b, 'hello'), not {type(bpf).__name__}")
    if not isinstance(name, str):
        raise TypeError(f"explain() takes the name of a function, a str, not {type(name).__name__}")
    check_name(name.encode(), bpf.functions, "function")
    if name.encode() not in bpf.funcs:
        raise LabError(
            f"{name} is compiled, but not loaded yet: the kernel has made nothing of it.",
            fix=f"attach it first, or load it: b.load_func({name!r}, BPF.KPROBE)",
        )
    counted = _count_runs(bpf)
    program = proginfo.Program(bpf.funcs[name.encode()].fd)
    maps, symbols = _maps(bpf), _symbols()
    places, addresses = _lines(program, bpf)
    compiled = bpf.dump_func(name.encode())
    before, after = map(bytecode.instructions, (compiled, program.xlated))
    machine, withheld = _machine(program, addresses, symbols)
    return Insight(
        name,
        _facts(bpf, program, compiled, maps, counted),
        [Row(n, str(n), text) for n, text in enumerate(re.split(r"\r\n|\n|\r", bpf.source), 1)],
        [
            _row(one, origin, _at(one.place, places), maps, symbols)
            for one, origin in zip(after, bytecode.origins(before, after).values(), strict=True)
        ],
        machine,
        withheld,
    )


def _lines(program, bpf):
    """The program's line information: [(first instruction, learner's line)], [(first address, learner's line)].

    What clang ascribes to no line (0), or to a header of BCC's, goes with the line before it.
    """
    learners, line, lines = line_map(bpf.source, bpf._rewriting), 0, []
    for _, file, _, line_col in program.lines:
        if file == program.lines[0][1] and line_col >> 10:  # BPF_LINE_INFO_LINE_NUM
            line = learners.get(line_col >> 10, 0)
        lines.append(line)
    starts = [place for place, *_ in program.lines]
    return [sorted(zip(of, lines, strict=False)) for of in (starts, program.addresses)]


def _at(position, lines):
    """The line of that instruction, or address."""
    n = bisect.bisect(lines, (position, math.inf))
    return lines[n - 1][1] if n else 0


def _row(one, origin, line, maps, symbols):
    same, before = origin
    text, words = str(one), []
    if one.opcode == CALL:
        text, words = _call(one, before, symbols)
    elif one.opcode == LOAD_64 and one.src in MAP + MAP_VALUE:
        what = "a value in the map" if one.src in MAP_VALUE else "the map"
        words = [f"{what} {maps.get(one.imm & 0xFFFFFFFF, ('of another program',))[0]}"]
    elif one.target is not None:
        words = [f"{'if so, ' * text.startswith('if ')}jump to {one.target}"]
    elif one.atomic:
        words = ["atomic: no other CPU comes between"]
    elif one.opcode == bytecode.MOVE and one.off == bytecode.THIS_CPU:
        words = ["turned into the address of this CPU's copy"]
    if not same:
        words.append("put in by the verifier")
        if calls := [proginfo.helper(was.imm) for was in before if was.opcode == CALL]:
            words[-1] += f" in place of a call of {', '.join(calls)}"
    return Row(line, str(one.place), text, "; ".join(words))


def _call(one, before, symbols):
    """What it calls, and words on it: the kernel shows an address where the number of a helper was."""
    if one.src == bytecode.OWN_FUNCTION:
        return f"call pc{one.imm:+d}", [f"a function of this program, at {one.place + 1 + one.imm}"]
    called, base = symbols
    number = next((was.imm for was in before if was.opcode == CALL and not was.src), None)
    helper = "" if number is None else proginfo.helper(number)
    name = "bpf_tail_call" if one.imm == TAIL_CALL else called.get(base + one.imm, helper)
    if not helper:
        return f"call {name or one.imm}", ["a function of the kernel"]
    if name == helper:
        return f"call {name}", [f"helper number {number}"]
    kind = "map" if helper.startswith("bpf_map_") else "program"
    return f"call {name}", [f"what helper number {number}, {helper}, is for this type of {kind}"]


def _machine(program, lines, symbols):
    """The machine code as [Row], or why there is none."""
    size = program.info.jited_prog_len
    if not size:
        return [], "No machine code: the kernel interprets the bytecode (net.core.bpf_jit_enable is 0)."
    if not program.jited:
        names = ("kptr_restrict", "perf_event_paranoid")
        settings = {name: Path("/proc/sys/kernel", name).read_text().strip() for name in names}
        return [], _WITHHELD.format(**settings)
    if platform.machine() not in _CPUS:
        return [], f"No disassembler here for the {size} bytes of machine code of {platform.machine()}."
    engine = capstone.Cs(*_CPUS[platform.machine()])
    engine.skipdata = True
    rows = []
    for start, code in program.jited:
        within = functools.partial(_named, start=start, size=len(code), symbols=symbols[0])
        for address, _, operation, operands in engine.disasm_lite(code, start):
            text = f"{operation} {re.sub(r'0x[0-9a-f]+', within, operands)}".strip()
            rows.append(Row(_at(address, lines), f"{address - start:x}", text))
    return rows, ""


def _named(number, start, size, symbols):
    """For an address among the operands: the offset in this function, or the kernel function's name."""
    address = int(number[0], 16)
    return f"{address - start:#x}" if 0 <= address - start < size else symbols.get(address, number[0])


def _facts(bpf, program, compiled, maps, counted):
    info = program.info
    used = [maps.get(id_, (f"id {id_}",)) for id_ in program.maps]
    facts = {
        "program": f"{proginfo.name_of('prog_type', info.type)}, id {info.id}",
        "bytecode": f"{_amount(info.xlated_prog_len)}; before the verifier {_amount(len(compiled))}",
        "verifier": f"looked at {info.verified_insns} instructions" if info.verified_insns else "",
        "machine code": f"{info.jited_prog_len} bytes" if info.jited_prog_len else "none",
        "maps": ", ".join(map(" ".join, used)) or "none",
        "runs": _runs(bpf, info, counted),
    }
    return [(name, value) for name, value in facts.items() if value]


def _amount(size):
    return f"{size // 8} instructions, {size} bytes"


def _runs(bpf, info, counted):
    since, earlier = counted
    if not since:
        return f"not counted: {earlier}"
    count, time_ns = (
        now - then
        for now, then in zip((info.run_cnt, info.run_time_ns), earlier.get(info.id, (0, 0)), strict=True)
    )
    tail = _in_program_array(bpf, info.id)
    if tail and not count:
        return "not counted by the kernel: reached by tail call"
    each = f", on average {time_ns / count:,.0f} ns each" if count else ""
    return f"{count:,}{each} (counted since {since}{'; those by tail call are not' * tail})"


def _in_program_array(bpf, program):
    tables = [bpf[name] for name, kind, _ in _tables(bpf) if kind == "prog_array"]
    return any(program in to_frame(table).value.tolist() for table in tables)


def _count_runs(bpf):
    """Have the kernel count runs from the first call on, until the program is closed.

    -> (the time of that first call, {id: its runs and ns before}), or ("", why they are not counted)
    """
    if bpf not in _counted:
        programs = [proginfo.of_program(function.fd) for function in bpf.funcs.values()]
        try:
            fd = proginfo.count_runs()
        except OSError as e:
            return "", f"{e.strerror} (it takes CAP_SYS_ADMIN)"
        bpf.at_close.append(functools.partial(_stop_counting, bpf, fd))
        earlier = {info.id: (info.run_cnt, info.run_time_ns) for info in programs}
        _counted[bpf] = time.strftime("%H:%M:%S"), earlier
    return _counted[bpf]


def _stop_counting(bpf, fd):
    os.close(fd)
    _counted.pop(bpf, None)


def _tables(bpf):
    """(name, type, file descriptor) of each map of the program, as far as BCC knows them."""
    for n in range(lib.bpf_num_tables(bpf.module)):
        name = lib.bpf_table_name(bpf.module, n)
        kind = proginfo.name_of("map_type", lib.bpf_table_type_id(bpf.module, n))
        yield name.decode(), kind, lib.bpf_table_fd(bpf.module, name)


def _maps(bpf):
    """{id: (name, what it is)}"""
    infos = [(name, kind, proginfo.of_map(fd)) for name, kind, fd in _tables(bpf)]
    units = {"ringbuf": "bytes", "user_ringbuf": "bytes"}
    return {
        info.id: (name, f"({kind}, {info.max_entries:,} {units.get(kind, 'entries')})")
        for name, kind, info in infos
    }


def _symbols():
    """({address: name} of the kernel's functions, the address that calls count from); nothing where hidden."""
    lines = (line.split() for line in Path("/proc/kallsyms").read_text().splitlines())
    known = [(int(address, 16), name) for address, kind, name, *_ in lines if kind in "tTwW"]
    base = next((address for address, name in known if name == "__bpf_call_base"), 0)
    return (dict(reversed(known)), base) if base else ({}, 0)

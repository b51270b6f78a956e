"""Which line of the learner's source an instruction belongs to: what clang noted, and what it left out."""

import bisect
import math
from itertools import takewhile

from ..bpf import BPF
from ..diagnostics.lines import line_map
from ..kernel import proginfo
from .bytecode import Instruction, stack_addresses

Lines = list[tuple[int, int]]  # (first instruction or address, learner's line), in order of the former


def line_at(position: int, lines: Lines) -> int:
    """The line of that instruction, or address; 0 where it has none."""
    n = bisect.bisect(lines, (position, math.inf))
    return lines[n - 1][1] if n else 0


def lines_of(
    program: proginfo.Program, bpf: BPF, code: list[Instruction], added: set[int], machine: list[int]
) -> tuple[Lines, Lines]:
    """The learner's line of each piece of the bytecode ``code``, and of the machine code at the addresses ``machine``.

    clang notes no line for a constant that it puts into a register: it goes with what comes after it. (``added`` are
    the places of the verifier's own.) In the machine code a constant is one instruction, on arm64 where it has 16 bits.
    """
    starts, lines = [place for place, *_ in program.lines], _noted(program, bpf, stack_addresses(code))
    numbers = {one.place: n for n, one in enumerate(code)}
    bytecode, native = (
        list(zip(starts, lines, strict=True)),
        list(zip(program.addresses, lines, strict=False)),
    )
    for (start, line), (address, _) in zip(bytecode[:], native[:], strict=False):
        before = code[: numbers[start]][::-1]
        early = list(takewhile(lambda one: one.constant and one.place not in added.union(starts), before))
        bytecode += [(one.place, line) for one in early]
        first = machine.index(address) if address in machine else 0
        native += [(one, line) for one in machine[max(0, first - len(early)) : first]]
    return sorted(bytecode), sorted(native)


def _noted(program: proginfo.Program, bpf: BPF, addresses: set[int]) -> list[int]:
    """The learner's line of each entry of the program's line information.

    clang ascribes the address of a variable on the stack to an earlier line: it goes with what comes after it.
    What clang ascribes to no line (0), or to a header of BCC's, goes with the line before it.
    """
    learners = line_map(bpf.source, bpf.rewritten[0])
    lines = [  # line_col >> 10 is BPF_LINE_INFO_LINE_NUM
        0 if place in addresses or file != program.lines[0][1] else learners.get(line_col >> 10, 0)
        for place, file, _, line_col in program.lines
    ]
    for n in range(len(lines) - 2, -1, -1):
        if program.lines[n][0] in addresses:
            lines[n] = lines[n + 1]
    for n in range(1, len(lines)):
        lines[n] = lines[n] or lines[n - 1]
    return lines

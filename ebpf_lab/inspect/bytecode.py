"""BPF bytecode in the kernel's own notation (kernel/bpf/disasm.c), and what the verifier changed in it.

Nothing here asks the kernel: bytes go in, text comes out. BCC (0.26) has a disassembler too,
but it knows neither atomic operations nor 32-bit jumps.
"""

import struct
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

# An opcode, by linux/bpf_common.h and linux/bpf.h: three bits of class; then, in loads and stores,
# two of size and three of mode, in all others one for the source and four for the operation.
_LD, _LDX, _ST, _STX, _ALU32, _JMP, _JMP32, _ALU64 = range(8)
_SIZES = ("32", "16", "8", "64")
_ABS, _IND, _MEMSX, _ATOMIC = 1, 2, 4, 6  # modes
_OPERATIONS = ("+", "-", "*", "/", "|", "&", "<<", ">>", "neg", "%", "^", "", "s>>", "swap")
_CONDITIONS = ("", "==", ">", ">=", "&", "!=", "s>", "s>=", "", "", "<", "<=", "s<", "s<=")
_ATOMICS = {0x00: ("+", "add"), 0x40: ("|", "or"), 0x50: ("&", "and"), 0xA0: ("^", "xor")}
LOAD_64, CALL, EXIT, MOVE, ADD = 0x18, 0x85, 0x95, 0xBF, 0x07
STACK = 10  # the register that points to the stack
MAP, MAP_VALUE = (1, 5), (2, 6)  # src of a LOAD_64: BPF_PSEUDO_MAP_FD or _IDX, BPF_PSEUDO_MAP_VALUE or ...
OWN_FUNCTION = 1  # src of a CALL: BPF_PSEUDO_CALL
THIS_CPU = -1  # off of a MOVE: BPF_ADDR_PERCPU of linux/filter.h, which only the verifier writes
TAIL_CALL = 12  # BPF_FUNC_tail_call: the kernel shows its number, of other helpers the address


@dataclass
class Instruction:
    """One instruction; ``imm`` of a 64-bit load is all of its 64 bits, and it takes two places."""

    place: int
    opcode: int
    dst: int
    src: int
    off: int
    imm: int

    @property
    def target(self) -> int | None:
        """The place to which it may jump, or None."""
        kind, operation = self.opcode & 7, self.opcode >> 4
        if kind not in (_JMP, _JMP32) or operation in (CALL >> 4, EXIT >> 4):
            return None
        return self.place + 1 + (self.imm if self.opcode == _JMP32 else self.off)

    @property
    def atomic(self) -> bool:
        """Whether it reads and writes memory in one step."""
        return self.opcode & 7 == _STX and self.opcode >> 5 == _ATOMIC and self.imm < 0x100

    @property
    def constant(self) -> bool:
        """Whether it puts a number into a register."""
        return self.opcode in (0xB7, 0xB4) or (self.opcode == LOAD_64 and not self.src)

    def __str__(self) -> str:
        kind = self.opcode & 7
        return (_load_or_store if kind <= _STX else _jump if kind in (_JMP, _JMP32) else _arithmetic)(self)


def instructions(code: bytes) -> list[Instruction]:
    """The instructions of a program's bytes, on a little-endian CPU."""
    raw = [
        Instruction(place, opcode, registers & 15, registers >> 4, off, imm)
        for place, (opcode, registers, off, imm) in enumerate(struct.iter_unpack("<BBhi", code))
    ]
    for one, upper in pairwise(raw):
        if one.opcode == LOAD_64:
            one.imm = upper.imm << 32 | one.imm & 0xFFFFFFFF
    return [one for one in raw if one.opcode]  # the second place of a 64-bit load has opcode 0


def stack_addresses(code: list[Instruction]) -> set[int]:
    """The places of each two instructions that make the address of a variable on the stack: r1 = r10; r1 += -8."""
    return {
        place
        for one, two in pairwise(code)
        if (one.opcode, one.src) == (MOVE, STACK) and (two.opcode, two.dst) == (ADD, one.dst)
        for place in (one.place, two.place)
    }


def origins(before: list[Instruction], after: list[Instruction]) -> dict[int, tuple[bool, list[Instruction]]]:
    """{place in ``after``: (whether it is the same, the instructions of ``before`` that stood there)}

    Where several replace others, those others stand with the first of them. Addresses,
    numbers of helpers and distances of jumps differ everywhere, and don't count.
    """
    found: dict[int, tuple[bool, list[Instruction]]] = {}
    matcher = SequenceMatcher(None, _keys(before), _keys(after), autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        for n, one in enumerate(after[j:j_end]):
            block = before[i + n : i + n + 1] if tag == "equal" else before[i:i_end]
            same = [was for was in block if _key(was) == _key(one)][:1]
            found[one.place] = (True, same) if same else (False, block if n == 0 else [])
    return found


def _keys(code: list[Instruction]) -> list[tuple[Any, Any]]:
    """What to compare: each instruction, and for a jump also what it jumps to. The verifier adds jumps of its own."""
    at: dict[int | None, Any] = {one.place: _key(one) for one in code}
    return [(_key(one), at.get(one.target)) for one in code]


def _key(one: Instruction) -> tuple[int, ...]:
    if one.opcode == LOAD_64 and one.src:
        return one.opcode, one.dst
    if one.opcode == CALL:
        return (one.opcode,)
    off = 0 if one.target is not None else one.off
    return one.opcode, one.dst, one.src, off, one.imm


def _load_or_store(one: Instruction) -> str:
    kind, mode, bits = one.opcode & 7, one.opcode >> 5, _SIZES[one.opcode >> 3 & 3]
    if kind == _LD:
        return _load_special(one, mode, bits)
    signed = "s" if mode == _MEMSX else "u"
    at = f"({signed}{bits} *)(r{one.src if kind == _LDX else one.dst} {one.off:+d})"
    if kind == _STX and mode == _ATOMIC:
        return _atomic(one, at, "64" if bits == "64" else "")
    if kind == _LDX:
        return f"r{one.dst} = *{at}"
    return f"*{at} = " + (f"r{one.src}" if kind == _STX else str(one.imm))


def _load_special(one: Instruction, mode: int, bits: str) -> str:
    if mode == _ABS:
        return f"r0 = *(u{bits} *)skb[{one.imm}]"
    if mode == _IND:
        return f"r0 = *(u{bits} *)skb[r{one.src} + {one.imm}]"
    low, high = one.imm & 0xFFFFFFFF, one.imm >> 32
    if one.src in MAP:
        return f"r{one.dst} = map[id:{low}]"
    if one.src in MAP_VALUE:
        return f"r{one.dst} = map[id:{low}][0]+{high}"
    return f"r{one.dst} = {one.imm & (1 << 64) - 1:#x}"


def _atomic(one: Instruction, at: str, bits: str) -> str:
    operation, name = _ATOMICS.get(one.imm & ~1, ("", ""))
    if name and not one.imm & 1:  # with BPF_FETCH (1) it returns the value before
        return f"lock *{at} {operation}= r{one.src}"
    if name:
        return f"r{one.src} = atomic{bits}_fetch_{name}({at}, r{one.src})"
    return {
        0xE1: f"r{one.src} = atomic{bits}_xchg({at}, r{one.src})",
        0xF1: f"r0 = atomic{bits}_cmpxchg({at}, r0, r{one.src})",
        0x100: f"r{one.dst} = load_acquire({at.replace(f'r{one.dst}', f'r{one.src}')})",
        0x110: f"store_release({at}, r{one.src})",
    }.get(one.imm, f"unknown atomic operation {one.imm:#x}")


def _jump(one: Instruction) -> str:
    wide, operation = one.opcode & 7 == _JMP, one.opcode >> 4
    if one.opcode == CALL:
        return f"call {one.imm}"
    if one.opcode == EXIT:
        return "exit"
    if operation == 0:
        return f"goto pc{one.off:+d}" if wide else f"gotol pc{one.imm:+d}"
    if operation == 0xE:
        return f"may_goto pc{one.off:+d}"
    if operation >= len(_CONDITIONS) or not _CONDITIONS[operation]:
        return f"unknown opcode {one.opcode:#x}"
    register = "r" if wide else "w"
    other = f"{register}{one.src}" if one.opcode & 8 else f"{one.imm & 0xFFFFFFFF:#x}"
    return f"if {register}{one.dst} {_CONDITIONS[operation]} {other} goto pc{one.off:+d}"


def _arithmetic(one: Instruction) -> str:
    wide, operation = one.opcode & 7 == _ALU64, one.opcode >> 4
    if operation >= len(_OPERATIONS):
        return f"unknown opcode {one.opcode:#x}"
    dst, name = f"{'r' if wide else 'w'}{one.dst}", _OPERATIONS[operation]
    src = f"{dst[0]}{one.src}" if one.opcode & 8 else str(one.imm)
    if name == "neg":
        return f"{dst} = -{dst}"
    if name == "swap":
        order = "bswap" if wide else "be" if one.opcode & 8 else "le"
        return f"r{one.dst} = {order}{one.imm} r{one.dst}"
    if name in ("/", "%") and one.off == 1:
        name = "s" + name
    if one.opcode == MOVE and one.off == THIS_CPU:
        return f"{dst} = &(void __percpu *)({src})"
    if not name and one.opcode & 8 and one.off in (8, 16, 32):
        return f"{dst} = (s{one.off}){src}"
    return f"{dst} {name}= {src}"

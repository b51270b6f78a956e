import struct

import pytest

from ebpf_lab.inspect.bytecode import instructions, origins


def code(*parts):
    """Bytes of a program, from (opcode, dst, src, off, imm) of each instruction."""
    return b"".join(struct.pack("<BBhi", op, src << 4 | dst, off, imm) for op, dst, src, off, imm in parts)


FORMS = [
    ((0xB7, 1, 0, 0, -5), "r1 = -5"),
    ((0xB4, 1, 0, 0, 7), "w1 = 7"),
    ((0xBF, 6, 1, 0, 0), "r6 = r1"),
    ((0xBF, 0, 0, -1, 0), "r0 = &(void __percpu *)(r0)"),
    ((0xBC, 6, 1, 8, 0), "w6 = (s8)w1"),
    ((0xBF, 6, 1, 32, 0), "r6 = (s32)r1"),
    ((0x0F, 1, 2, 0, 0), "r1 += r2"),
    ((0x3F, 1, 2, 1, 0), "r1 s/= r2"),
    ((0x94, 1, 0, 1, 3), "w1 s%= 3"),
    ((0xC7, 1, 0, 0, 3), "r1 s>>= 3"),
    ((0x87, 1, 0, 0, 0), "r1 = -r1"),
    ((0xDC, 1, 0, 0, 16), "r1 = be16 r1"),
    ((0xD4, 1, 0, 0, 32), "r1 = le32 r1"),
    ((0xD7, 1, 0, 0, 64), "r1 = bswap64 r1"),
    ((0x79, 0, 1, 8, 0), "r0 = *(u64 *)(r1 +8)"),
    ((0x91, 0, 1, 8, 0), "r0 = *(s8 *)(r1 +8)"),
    ((0x7B, 10, 1, -8, 0), "*(u64 *)(r10 -8) = r1"),
    ((0x72, 10, 0, -8, 5), "*(u8 *)(r10 -8) = 5"),
    ((0x28, 0, 0, 0, 12), "r0 = *(u16 *)skb[12]"),
    ((0x40, 0, 7, 0, 3), "r0 = *(u32 *)skb[r7 + 3]"),
    ((0xDB, 0, 1, 0, 0), "lock *(u64 *)(r0 +0) += r1"),
    ((0xC3, 0, 1, 4, 0xA0), "lock *(u32 *)(r0 +4) ^= r1"),
    ((0xDB, 0, 1, 0, 0x41), "r1 = atomic64_fetch_or((u64 *)(r0 +0), r1)"),
    ((0xC3, 0, 1, 0, 0x01), "r1 = atomic_fetch_add((u32 *)(r0 +0), r1)"),
    ((0xDB, 0, 1, 0, 0xE1), "r1 = atomic64_xchg((u64 *)(r0 +0), r1)"),
    ((0xDB, 2, 1, 0, 0xF1), "r0 = atomic64_cmpxchg((u64 *)(r2 +0), r0, r1)"),
    ((0xDB, 2, 1, 8, 0x100), "r2 = load_acquire((u64 *)(r1 +8))"),
    ((0xDB, 2, 1, 8, 0x110), "store_release((u64 *)(r2 +8), r1)"),
    ((0x05, 0, 0, -3, 0), "goto pc-3"),
    ((0x06, 0, 0, 0, 70000), "gotol pc+70000"),
    ((0xE5, 0, 0, 2, 0), "may_goto pc+2"),
    ((0x15, 0, 0, 2, 0), "if r0 == 0x0 goto pc+2"),
    ((0x55, 0, 0, 2, -1), "if r0 != 0xffffffff goto pc+2"),
    ((0x6D, 1, 2, 2, 0), "if r1 s> r2 goto pc+2"),
    ((0xA6, 1, 0, 2, 9), "if w1 < 0x9 goto pc+2"),
    ((0x85, 0, 0, 0, 6), "call 6"),
    ((0x95, 0, 0, 0, 0), "exit"),
    ((0xF7, 0, 0, 0, 0), "unknown opcode 0xf7"),
]


@pytest.mark.parametrize(("parts", "text"), FORMS)
def test_an_instruction_is_written_as_the_kernel_writes_it(parts, text):
    assert str(instructions(code(parts))[0]) == text


LOADS = [(0, 5, 0, "r1 = 0x500000004"), (1, 0, 0, "r1 = map[id:4]"), (2, 8, 0, "r1 = map[id:4][0]+8")]


@pytest.mark.parametrize(("src", "upper", "_", "text"), LOADS)
def test_a_64_bit_load_takes_two_places(src, upper, _, text):
    load, after = instructions(code((0x18, 1, src, 0, 4), (0, 0, 0, 0, upper), (0x95, 0, 0, 0, 0)))
    assert str(load) == text and after.place == 2


def test_a_negative_64_bit_number_is_written_unsigned():
    (load,) = instructions(code((0x18, 1, 0, 0, -1), (0, 0, 0, 0, -1)))
    assert str(load) == "r1 = 0xffffffffffffffff"


def test_only_jumps_have_a_target():
    program = code(
        (0x15, 0, 0, 2, 0), (0x06, 0, 0, 0, -2), (0x05, 0, 0, 0, 0), (0x85, 0, 0, 0, 6), (0x95, 0, 0, 0, 0)
    )
    assert [one.target for one in instructions(program)] == [3, 0, 3, None, None]


@pytest.mark.parametrize(("first", "last"), [(9, 1), (1, 9)])
def test_instructions_of_the_verifier_are_told_from_the_programs_own(first, last):
    """A hash map's lookup: the verifier's own test of r0 comes before the program's, and looks the same."""
    start, rest, end = [(0xB7, 1, 0, 0, 1)] * first, [(0xB7, 2, 0, 0, 2)] * last, (0x95, 0, 0, 0, 0)
    test, own, add = (0x15, 0, 0, last, 0), (0x15, 0, 0, 1, 0), (0x07, 0, 0, 0, 56)
    before = instructions(code(*start, (0x85, 0, 0, 0, 1), test, *rest, end))
    after = instructions(code(*start, (0x85, 0, 0, 0, 330864), own, add, test, *rest, end))
    found = origins(before, after)
    assert [place for place, (same, _) in found.items() if not same] == [first + 1, first + 2]
    assert found[first] == (True, [before[first]])


def test_a_jump_to_a_replaced_instruction_is_still_the_programs_own():
    before = instructions(code((0x15, 1, 0, 0, 0), (0x85, 0, 0, 0, 1), (0x95, 0, 0, 0, 0)))
    after = instructions(code((0x15, 1, 0, 0, 0), (0x07, 1, 0, 0, 312), (0x95, 0, 0, 0, 0)))
    assert origins(before, after)[0] == (True, [before[0]]) and not origins(before, after)[1][0]


def test_a_call_that_the_verifier_replaced_is_named_once():
    before = instructions(code((0xBF, 2, 10, 0, 0), (0x85, 0, 0, 0, 1), (0x95, 0, 0, 0, 0)))
    after = instructions(
        code((0xBF, 2, 10, 0, 0), (0x07, 1, 0, 0, 312), (0x61, 0, 2, 0, 0), (0x95, 0, 0, 0, 0))
    )
    assert list(origins(before, after).values()) == [
        (True, [before[0]]),
        (False, [before[1]]),
        (False, []),
        (True, [before[2]]),
    ]

"""Machine code, disassembled: what the kernel's JIT compiler made of a program."""

import functools
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import capstone

from ..kernel import proginfo

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
# Bytes at most; a tail call jumps behind it (X86_TAIL_CALL_OFFSET of arch/x86/net/bpf_jit_comp.c).
_PROLOGUE = 64


def withheld(program: proginfo.Program) -> str:
    """Why there is no machine code to show, '' where there is."""
    size = program.info.jited_prog_len
    if not size:
        return "No machine code: the kernel interprets the bytecode (net.core.bpf_jit_enable is 0)."
    if not program.jited:
        names = ("kptr_restrict", "perf_event_paranoid")
        settings = {name: Path("/proc/sys/kernel", name).read_text().strip() for name in names}
        return _WITHHELD.format(**settings)
    if platform.machine() not in _CPUS:
        return f"No disassembler here for the {size} bytes of machine code of {platform.machine()}."
    return ""


def disassembled(program: proginfo.Program, symbols: dict[int, str]) -> Iterator[tuple[int, int, str]]:
    """(address, offset in its function, text) of each instruction; ``symbols`` names the kernel's functions."""
    engine = capstone.Cs(*_CPUS[platform.machine()])
    engine.skipdata = True  # bytes that are no instruction are shown as .byte; without this they end it
    programs = sorted((at, name) for at, name in symbols.items() if name.startswith("bpf_prog_"))
    for start, code in program.jited:
        named = functools.partial(_named, start=start, size=len(code), symbols=symbols, programs=programs)
        for address, _, operation, operands in engine.disasm_lite(code, start):
            text = f"{operation} {re.sub(r'0x[0-9a-f]+', named, operands)}".strip()
            yield address, address - start, text


def _named(
    number: re.Match[str], start: int, size: int, symbols: dict[int, str], programs: list[tuple[int, str]]
) -> str:
    """For an address among the operands: the offset in this function, or the name of what is there."""
    address = int(number[0], 16)
    if 0 <= address - start < size:
        return f"{address - start:#x}"
    # A tail call jumps over the first instructions of its target.
    inside = [f"{name}+{address - at:#x}" for at, name in programs if 0 < address - at < _PROLOGUE]
    return symbols.get(address, inside[-1] if inside else number[0])


def kernel_symbols() -> tuple[dict[int, str], int]:
    """({address: name} of the kernel's functions, the address that calls count from); ({}, 0) where hidden."""
    lines = (line.split() for line in Path("/proc/kallsyms").read_text().splitlines())
    known = [(int(address, 16), name) for address, kind, name, *_ in lines if kind in "tTwW"]
    base = next((address for address, name in known if name == "__bpf_call_base"), 0)
    return (dict(reversed(known)), base) if base else ({}, 0)

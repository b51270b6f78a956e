"""System calls: their names and numbers on this CPU, and those that neither Python nor BCC wraps."""

import ctypes as ct
import difflib
import functools
import os
import platform
import re
from pathlib import Path
from typing import Any

from ..diagnostics.errors import SetupError
from . import uapi

_libc = ct.CDLL(None, use_errno=True)
# How the function of a system call is named in the kernel, by CPU (bcc/__init__.py: _syscall_prefixes).
_FUNCTION = re.compile(r" ((?:__(?:x64|arm64|riscv|s390x)_)?sys_(\w+))$", re.M)


def syscall_nr(name: str) -> int:
    """The number of the system call ``name`` on this CPU: ``syscall_nr("execve")`` is 59 on x86_64, 221 on arm64.

    As libseccomp knows it. Raises ValueError, with the nearest names, where this CPU has no such call.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"syscall_nr() needs the name of a system call, as 'execve', not {type(name).__name__}"
        )
    number = _seccomp().seccomp_syscall_resolve_name_arch(_arch(), name.encode())
    if number >= 0:
        return number
    near = " or ".join(map(repr, difflib.get_close_matches(name, _names())))
    raise ValueError(
        f"{platform.machine()} has no system call {name!r}" + (f"; did you mean {near}?" if near else "")
    )


def syscall_name(number: int) -> str:
    """The name of the system call with that number on this CPU; ValueError where there is none."""
    found = 0 <= number < 1 << 31 and _seccomp().seccomp_syscall_resolve_num_arch(_arch(), int(number))
    if not found:
        raise ValueError(f"{platform.machine()} has no system call with the number {number}")
    return _copied(found)


@functools.cache
def functions() -> dict[str, str]:
    """{system call: the kernel's function for it}, as {'execve': '__x64_sys_execve'}; from /proc/kallsyms.

    Everybody may read the names there. BCC reads the addresses too, which only root sees.
    """
    found = {}
    for function, name in _FUNCTION.findall(Path("/proc/kallsyms").read_text()):
        if name not in found or function.startswith("__"):
            found[name] = function
    return found


def bpf(command: int, attr: Any) -> int:
    """bpf(2): ``attr`` is a ctypes object laid out as union bpf_attr; returns its result, raises OSError."""
    result = call(uapi.NR_BPF, command, ct.byref(attr), ct.sizeof(attr))
    if result < 0:
        raise OSError(ct.get_errno(), os.strerror(ct.get_errno()))
    return result


def call(number: int | None, *arguments: Any) -> int:
    """The system call of that number; -1 where it fails, with the reason in ctypes.get_errno().

    Raises OSError where ``number`` is None: on this CPU it is not known here (uapi.py).
    """
    if platform.system() != "Linux" or number is None:
        raise OSError(0, f"its number on {platform.system()}, {platform.machine()}, is not known here")
    return _libc.syscall(number, *arguments)


def fence() -> None:
    """Memory accesses before this call happen before those after it, as seen by the kernel on other CPUs.

    On x86_64 a program's loads keep their order, and so do its stores, without it. This command of membarrier(2) has a full
    barrier for its caller (kernel/sched/membarrier.c: membarrier_global_expedited(), since Linux 4.16) and
    returns in about 1 us; MEMBARRIER_CMD_GLOBAL waits for a grace period of RCU, about 16 ms.
    """
    if uapi.MACHINE != "x86_64":
        call(uapi.NR_MEMBARRIER, uapi.MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0)


@functools.cache
def _seccomp() -> ct.CDLL:
    try:
        library = ct.CDLL("libseccomp.so.2")
    except OSError as e:
        raise SetupError(
            f"The names of system calls come from libseccomp, which can't be loaded: {e}",
            fix="./lab setup, or: sudo apt-get install libseccomp2",
        ) from e
    library.seccomp_syscall_resolve_num_arch.restype = ct.c_void_p  # a string that the caller must free
    return library


def _arch() -> int:
    if not (arch := uapi.AUDIT_ARCH.get(platform.machine())):
        raise SetupError(f"The system calls of {platform.machine()} are not known here.")
    return arch


def _names() -> list[str]:
    found = (_seccomp().seccomp_syscall_resolve_num_arch(_arch(), number) for number in range(1024))
    return [_copied(name) for name in found if name]


def _copied(address: int) -> str:
    """The string there, which libseccomp leaves to its caller to free."""
    name = ct.string_at(address).decode()
    _libc.free(ct.c_void_p(address))
    return name

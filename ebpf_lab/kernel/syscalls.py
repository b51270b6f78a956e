"""System calls: their names and numbers on this CPU, and those that neither Python nor BCC wraps."""

import ctypes as ct
import difflib
import functools
import os
import platform
import re
from pathlib import Path

from ..diagnostics.errors import SetupError
from . import uapi

_libc = ct.CDLL(None, use_errno=True)
# How the function of a system call is named in the kernel, by CPU (bcc/__init__.py: _syscall_prefixes).
_FUNCTION = re.compile(r" ((?:__(?:x64|arm64|riscv|s390x)_)?sys_(\w+))$", re.M)


def syscall_nr(name):
    """The number of the system call ``name`` on this CPU: ``syscall_nr("execve")`` is 59 on x86_64, 221 on arm64.

    As libseccomp knows it. Raises ValueError, with the nearest names, where this CPU has none of that name.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"syscall_nr() takes the name of a system call, as 'execve', not {type(name).__name__}"
        )
    number = _seccomp().seccomp_syscall_resolve_name_arch(_arch(), name.encode())
    if number >= 0:
        return number
    near = " or ".join(map(repr, difflib.get_close_matches(name, _names())))
    raise ValueError(
        f"{platform.machine()} has no system call {name!r}" + (f"; did you mean {near}?" if near else "")
    )


def syscall_name(number):
    """The name of the system call with that number on this CPU; ValueError where there is none."""
    found = 0 <= number < 1 << 31 and _seccomp().seccomp_syscall_resolve_num_arch(_arch(), int(number))
    if not found:
        raise ValueError(f"{platform.machine()} has no system call with the number {number}")
    return _taken(found)


@functools.cache
def functions():
    """{system call: the kernel's function for it}, as {'execve': '__x64_sys_execve'}; from /proc/kallsyms.

    The names there can be read by everybody. BCC looks at the addresses too, which are zeros for all but uid 0.
    """
    found = {}
    for function, name in _FUNCTION.findall(Path("/proc/kallsyms").read_text()):
        if name not in found or function.startswith("__"):
            found[name] = function
    return found


def bpf(command, attr):
    """bpf(2): ``attr`` is a ctypes object laid out as union bpf_attr; returns its result, raises OSError."""
    if platform.system() != "Linux" or uapi.NR_BPF is None:
        raise OSError(0, f"its number on {platform.system()}, {platform.machine()}, is not known here")
    result = call(uapi.NR_BPF, command, ct.byref(attr), ct.sizeof(attr))
    if result < 0:
        raise OSError(ct.get_errno(), os.strerror(ct.get_errno()))
    return result


def call(number, *arguments):
    """The system call of that number; -1 where it fails, with the reason in ctypes.get_errno()."""
    return _libc.syscall(number, *arguments)


@functools.cache
def _seccomp():
    try:
        library = ct.CDLL("libseccomp.so.2")
    except OSError as e:
        raise SetupError(
            f"The names of system calls come from libseccomp, which can't be loaded: {e}",
            fix="./lab setup, or: sudo apt-get install libseccomp2",
        ) from e
    library.seccomp_syscall_resolve_num_arch.restype = ct.c_void_p  # a text that we have to free
    return library


def _arch():
    if not (arch := uapi.AUDIT_ARCH.get(platform.machine())):
        raise SetupError(f"The system calls of {platform.machine()} are not known here.")
    return arch


def _names():
    found = (_seccomp().seccomp_syscall_resolve_num_arch(_arch(), number) for number in range(1024))
    return [_taken(name) for name in found if name]


def _taken(text):
    name = ct.string_at(text).decode()
    _libc.free(ct.c_void_p(text))
    return name

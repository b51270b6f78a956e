"""System calls that neither Python nor BCC wraps."""

import ctypes as ct
import os
import platform

from .trial import BPF_SYSCALL

_libc = ct.CDLL(None, use_errno=True)


def bpf(command, attr):
    """bpf(2): ``attr`` is a ctypes object laid out as union bpf_attr; returns its result, raises OSError."""
    number = BPF_SYSCALL.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        raise OSError(0, f"its number on {platform.system()}, {platform.machine()}, is not known here")
    result = call(number, command, ct.byref(attr), ct.sizeof(attr))
    if result < 0:
        raise OSError(ct.get_errno(), os.strerror(ct.get_errno()))
    return result


def call(number, *arguments):
    """The system call of that number; -1 where it fails, with the reason in ctypes.get_errno()."""
    return _libc.syscall(number, *arguments)

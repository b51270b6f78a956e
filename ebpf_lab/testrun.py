"""fire: run a program an exact number of times in the kernel, without waiting for an event."""

import ctypes as ct
import errno
import os

from .diagnostics.errors import LabError
from .kernel import uapi
from .kernel.syscalls import bpf
from .loading.libbcc import bcc

_PACKET = 64  # bytes, all zero: the packet that a socket filter gets


def loaded(b: bcc.BPF, fn_name: str) -> bcc.BPF.Function:
    """The function ``fn_name``, loaded as a socket filter unless it is loaded already; raises VerifierError."""
    return b.funcs.get(fn_name.encode()) or b.load_func(fn_name, bcc.BPF.SOCKET_FILTER)


def fire(b: bcc.BPF, fn_name: str, times: int = 1, cpu: int | None = None) -> int:
    """Run the function ``fn_name`` of the program ``b`` ``times`` times, with BPF_PROG_TEST_RUN; returns ns per run.

    The kernel calls it directly, as a socket filter with a packet of zeros, on the CPU ``cpu`` or on any. No
    event is needed, and nothing else runs it, so the number of runs is exact. The time is the kernel's mean.
    A function that is loaded already keeps its type.

    Raises VerifierError, ValueError for a CPU that this process can't use, and LabError where the kernel
    can't test-run that type of program.
    """
    if times < 1:
        raise ValueError(f"times is how often the program runs, at least 1, not {times}")
    function = loaded(b, fn_name)
    packet = ct.create_string_buffer(_PACKET)
    allowed = os.sched_getaffinity(0)
    if cpu is not None and cpu not in allowed:
        raise ValueError(
            f"cpu={cpu} is not a CPU that this process can use: {', '.join(map(str, sorted(allowed)))}"
        )
    attr = uapi.TestRun(prog_fd=function.fd, data_in=ct.addressof(packet), data_size_in=_PACKET, repeat=times)
    try:
        os.sched_setaffinity(0, allowed if cpu is None else {cpu})
        bpf(uapi.PROG_TEST_RUN, attr)
    except OSError as e:
        if e.errno == errno.EINTR:  # Ctrl-C came, and Python raises KeyboardInterrupt next.
            return attr.duration
        raise LabError(
            f"The kernel can't test-run {fn_name} as the type of program that it was loaded as: {e.strerror}",
            fix="give fire() a function that is attached to nothing: it is loaded as a socket filter then",
        ) from e
    finally:
        os.sched_setaffinity(0, allowed)
    return attr.duration

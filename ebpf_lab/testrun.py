"""fire: run a loaded program exactly so many times, in the kernel, with no event in between."""

import ctypes as ct
import errno
import os

from .diagnostics.errors import LabError
from .kernel import uapi
from .kernel.syscalls import bpf
from .loading.libbcc import bcc

_PACKET = 64  # bytes, all zero: what a socket filter is given to look at


def loaded(b, fn_name):
    """The function ``fn_name``, loaded as a socket filter unless it is loaded already; raises VerifierError."""
    return b.funcs.get(fn_name.encode()) or b.load_func(fn_name, bcc.BPF.SOCKET_FILTER)


def fire(b, fn_name, times=1, cpu=None):
    """Run the function ``fn_name`` of the program ``b`` so many times, with BPF_PROG_TEST_RUN; -> ns a run.

    The kernel calls it itself, as a socket filter with an empty packet; nothing has to happen for it, and
    nothing else runs it. So the number of its events is exact. On the CPU ``cpu``, or on any. The time is the
    kernel's own mean. A function that is loaded already keeps its type.

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
            f"cpu={cpu} is none that this process can use: {', '.join(map(str, sorted(allowed)))}"
        )
    attr = uapi.TestRun(prog_fd=function.fd, data_in=ct.addressof(packet), data_size_in=_PACKET, repeat=times)
    try:
        os.sched_setaffinity(0, allowed if cpu is None else {cpu})
        bpf(uapi.PROG_TEST_RUN, attr)
    except OSError as e:
        if e.errno == errno.EINTR:  # Ctrl-C, which Python raises now
            return attr.duration
        raise LabError(
            f"The kernel can't test-run {fn_name} as the type of program that it was loaded as: {e.strerror}",
            fix="give fire() a function that is attached to nothing: it is loaded as a socket filter then",
        ) from e
    finally:
        os.sched_setaffinity(0, allowed)
    return attr.duration

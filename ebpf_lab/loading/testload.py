"""Load a program in a forked child first, where the verifier can be ended and its whole log read.

BCC asks the kernel for a log of any length, each time with a larger buffer, and a program that takes
the verifier a million steps has a log of 100 MB. So a function is test-loaded here, within SECONDS
and with at most BYTES of log. What the child loads ends with the child.
"""

import ctypes as ct
import errno
import mmap
import os
import select
import signal
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from ..kernel import uapi

SECONDS, BYTES = 10, 4 << 20
_HEADER = 4096  # bytes for the child's answer: its state, and the errno
_VERDICT = 1 << 16  # bytes for the log without the path
_LOADED, _REJECTED, _LOGGED = 1, 2, 3  # states; 0 while the child has no answer yet

Load = Callable[
    [ct.Array, int, int], int
]  # (log, its size, log level) -> a descriptor, or < 0 with errno set


@dataclass
class Rejection:
    """Why the kernel rejected a program: the errno (ETIMEDOUT after SECONDS), the end of the log, the ``path`` before it."""

    number: int
    verdict: str
    path: str

    def log(self, printed: str) -> str:
        """The whole log, with what BCC ``printed`` (the verdict again, and hints).

        A path that filled its buffer lacks its end, so the verdict follows it.
        """
        end = self.verdict.rstrip().rpartition("\n")[2]
        if self.verdict and self.path.rstrip().endswith(end):
            return self.path + "\n" + printed.replace(self.verdict, "").strip()
        return "\n".join([self.path, printed if self.verdict in printed else self.verdict + printed]).strip()


def rejection(load: Load) -> Rejection | None:
    """How the kernel rejects the program that ``load`` loads; None where it accepts it."""
    shared = mmap.mmap(-1, _HEADER + _VERDICT + BYTES)
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside threads; this child calls only BCC's loader, and then exits.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            _child(load, shared)
        finally:
            os._exit(0)
    _wait(child)
    state, number = struct.unpack_from("ii", shared)
    if state == _LOADED:
        return None
    if not state:
        return Rejection(errno.ETIMEDOUT, "", "")
    path = _text(shared, _HEADER + _VERDICT, BYTES)
    if state == _REJECTED and number != errno.E2BIG:
        # The child was ended while the kernel wrote the path into a ring, whose lines are not in order
        # yet. The path of a loop tells about that loop in any order.
        path = ""
    return Rejection(number, _text(shared, _HEADER, _VERDICT), path)


def _wait(child: int) -> None:
    """Wait for the child to exit, and end it after SECONDS; the verifier looks for signals (do_check())."""
    exited = os.pidfd_open(child)
    try:
        if not select.select([exited], [], [], SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(exited)
        os.waitpid(child, 0)


def _child(load: Load, shared: mmap.mmap) -> None:
    verdict = (ct.c_char * _VERDICT).from_buffer(shared, _HEADER)
    if load(verdict, _VERDICT, uapi.LOG_STATS) >= 0:
        struct.pack_into("ii", shared, 0, _LOADED, 0)
        return
    struct.pack_into("ii", shared, 0, _REJECTED, ct.get_errno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # BCC would print the log a second time.
    load((ct.c_char * BYTES).from_buffer(shared, _HEADER + _VERDICT), BYTES, uapi.LOG_LEVEL1)
    struct.pack_into("i", shared, 0, _LOGGED)


def _text(shared: mmap.mmap, start: int, size: int) -> str:
    return shared[start : start + size].partition(b"\0")[0].decode(errors="backslashreplace")

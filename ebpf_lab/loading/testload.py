"""A first load in a forked child, where the verifier can be ended, and asked for its words.

BCC asks the kernel for a log of any length, each time anew with a larger buffer,
and a program that takes the verifier a million steps has a log of 100 MB. So a
function is first loaded here: within SECONDS, with at most BYTES of log. What
the child loaded goes with it.
"""

import ctypes as ct
import errno
import mmap
import os
import select
import signal
import struct
import warnings
from dataclasses import dataclass

from ..kernel import uapi

SECONDS, BYTES = 10, 4 << 20
_HEAD = 4096  # bytes for the child's answer: whether it was loaded (1), or refused (2); errno
_VERDICT = 1 << 16  # bytes for the words without the path


@dataclass
class Refusal:
    """``number`` is the errno, ``verdict`` what the verifier said at the end, ``path`` all it said on the way."""

    number: int
    verdict: str
    path: str

    def words(self, printed):
        """All of it, with what BCC ``printed`` (the verdict again, and hints); a path too long ends without verdict."""
        end = self.verdict.rstrip().rpartition("\n")[2]
        if self.verdict and self.path.rstrip().endswith(end):
            return self.path + "\n" + printed.replace(self.verdict, "").strip()
        return "\n".join([self.path, printed if self.verdict in printed else self.verdict + printed]).strip()


def refusal(load):
    """None where the kernel takes the program that ``load(log, size, level)`` loads, else its Refusal.

    ``load`` returns a file descriptor, or less than 0 with ctypes' errno set.
    """
    shared = mmap.mmap(-1, _HEAD + _VERDICT + BYTES)
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside threads: this child calls only BCC's loader, and then ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            _child(load, shared)
        finally:
            os._exit(0)
    ended = os.pidfd_open(child)
    try:
        if not select.select([ended], [], [], SECONDS)[0]:
            os.kill(child, signal.SIGKILL)  # the verifier looks for signals, too (do_check())
    finally:
        os.close(ended)
        os.waitpid(child, 0)
    state, number = struct.unpack_from("ii", shared)
    if state == 1:
        return None
    verdict, path = _text(shared, _HEAD, _VERDICT), _text(shared, _HEAD + _VERDICT, BYTES)
    if not state:
        number, verdict, path = errno.ETIMEDOUT, "", ""
    elif (
        state == 2 and number != errno.E2BIG
    ):  # ended while it wrote the path, in a ring that has no order yet;
        path = ""  # rounds of a loop tell of that loop in any order
    return Refusal(number, verdict, path)


def _child(load, shared):
    verdict = (ct.c_char * _VERDICT).from_buffer(shared, _HEAD)
    if load(verdict, _VERDICT, uapi.LOG_STATS) >= 0:
        struct.pack_into("ii", shared, 0, 1, 0)
        return
    struct.pack_into("ii", shared, 0, 2, ct.get_errno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # BCC would say it all a second time
    load((ct.c_char * BYTES).from_buffer(shared, _HEAD + _VERDICT), BYTES, uapi.LOG_LEVEL1)
    struct.pack_into("i", shared, 0, 3)


def _text(shared, start, size):
    return shared[start : start + size].partition(b"\0")[0].decode(errors="backslashreplace")

"""BCC's own classes of perf buffer, ring buffer and program array, with errors that come back and can be read.

A perf or ring buffer has one reader: a callback, or what record(), watch() and
draw() share. The program's ``readers`` says who: {map's file descriptor: reader}.
"""

import contextlib
import ctypes as ct
import errno
import fcntl
import io
import os
import time

from bcc import table as bcc_table
from bcc.libbcc import lib

from .diagnostics.compiler import event_error
from .diagnostics.errors import BusyError, MapError
from .kernel import uapi

_GRACE = 1.0  # seconds that a poll may take beyond its timeout


class Calls:
    """What a program's callbacks need: their errors, and until when a poll may last."""

    def __init__(self):
        self.errors, self.until = [], float("inf")

    def polled(self, bpf, poll, timeout):
        """Call BCC's ``poll``; what a callback raised is raised again here."""
        self.until = time.monotonic() + max(timeout, 0) / 1000 + _GRACE
        try:
            poll()
        finally:
            if self.until == 0:
                _pause(bpf, 0)
            self.until = float("inf")
            errors, self.errors = self.errors, []
        if errors:
            raise errors[0]

    def guarded(self, callback, late=lambda: None):
        """``callback``, its exceptions kept: ctypes would print them and go on. -1 stops a ring buffer's poll."""

        def call(*arguments):
            if time.monotonic() > self.until > 0:
                self.until = 0
                late()
            try:
                return callback(*arguments) or 0
            except BaseException as e:
                self.errors.append(e)
                return -1

        return call


class RingBuf(bcc_table.RingBuf):
    """BCC's RingBuf, with one reader."""

    def event(self, data):
        """BCC's event(); raises CompileError where a field has a type that BCC doesn't know."""
        return ct.cast(data, ct.POINTER(event_class(self))).contents

    def open_ring_buffer(self, callback, ctx=None):
        """BCC's open_ring_buffer; b.ring_buffer_poll() raises what the callback raised."""
        claim(self, "the callback given to open_ring_buffer()")
        super().open_ring_buffer(self.bpf.calls.guarded(callback), ctx)


class PerfEventArray(bcc_table.PerfEventArray):
    """BCC's PerfEventArray, with one reader."""

    event = RingBuf.event

    def open_perf_buffer(self, callback, page_cnt=8, lost_cb=None, wakeup_events=1):
        """BCC's open_perf_buffer; b.perf_buffer_poll() raises what the callback raised.

        Lost events are said in the cell where there is no ``lost_cb``. A poll ends a second
        after its timeout even if events keep coming; what comes meanwhile is lost, and counted.
        """
        bpf = self.bpf
        claim(self, "the callback given to open_perf_buffer()")
        super().open_perf_buffer(
            bpf.calls.guarded(callback, late=lambda: _pause(bpf, 1)),
            page_cnt,
            bpf.calls.guarded(lost_cb or (lambda n: print(f"{n} events lost: the perf buffer was full"))),
            wakeup_events,
        )


class ProgArray(bcc_table.ProgArray):
    """BCC's ProgArray; what can't be put in, taken out or read is a MapError that says why."""

    changes = 0  # how often a slot was filled or emptied through this object

    def __getitem__(self, slot):
        """The id of the program in a slot."""
        self._check(slot)
        try:
            return super().__getitem__(slot)
        except KeyError:
            raise MapError(f"Slot {_number(slot)} of this program array is empty.") from None

    def __setitem__(self, slot, program):
        """Put a program in: what b.load_func() gave, or a file descriptor."""
        self._check(slot)
        if hasattr(program, "bpf"):
            program.bpf.check_loaded()  # After an unload, its descriptor's number may be another program's.
        fd = getattr(program, "fd", getattr(program, "value", program))
        if not isinstance(fd, int):
            raise TypeError(
                f"a program array takes what b.load_func(...) gives, not {type(program).__name__}"
            )
        try:
            super().__setitem__(slot, program)
        except Exception as e:
            reason = os.strerror(ct.get_errno())
            raise MapError(
                f"The kernel does not take this program into slot {_number(slot)}: {reason}.",
                fix=_NO_PROGRAM if ct.get_errno() == errno.EBADF else _OTHER_TYPE,
            ) from e
        self.changes += 1

    def __delitem__(self, slot):
        """Empty a slot."""
        self[slot]  # MapError where it is empty already
        super().__delitem__(slot)
        self.changes += 1

    def _check(self, slot):
        self.bpf.check_loaded()
        if not 0 <= _number(slot) < self.max_entries:
            raise MapError(
                f"This program array has no slot {_number(slot)}; it has {self.max_entries}: 0 to {self.max_entries - 1}.",
                fix="more slots in BPF_PROG_ARRAY(name, slots)",
            )


_OTHER_TYPE = (
    "a program array takes programs of one type only, that of the programs which jump through it: "
    "load them all with the same one, as b.load_func(name, BPF.RAW_TRACEPOINT)"
)
_NO_PROGRAM = "load the program first, with b.load_func(...): that file descriptor is no program's"


def _number(slot):
    if not isinstance(number := getattr(slot, "value", slot), int):
        raise TypeError(f"a slot of a program array is a number, not {type(slot).__name__}")
    return number


def guard(table):
    """Make a table of BCC's one of the classes above where there is one; others stay as they are."""
    for ours in (RingBuf, PerfEventArray, ProgArray):
        if type(table) is ours.__mro__[1]:
            table.__class__ = ours


def claim(table, reader):
    """Note that ``reader`` reads this buffer; BusyError where another one does."""
    readers = table.bpf.readers
    if (other := readers.get(table.map_fd)) and other is not reader:
        raise BusyError(
            f"The events of this buffer go to {other} already; each event is read once.",
            fix="use one of the two: BPF(...) again gives a buffer that nobody reads yet",
        )
    readers[table.map_fd] = reader


def event_class(table):
    """The ctypes class of a buffer's events, as BCC reads it out of the program's text; without fields where it can't."""
    if table._event_class is None:
        with contextlib.redirect_stderr(io.StringIO()) as words:
            try:
                table._event_class = bcc_table._get_event_class(table)
            except SystemExit as e:  # bcc/table.py ends Python for a type that it doesn't know
                raise event_error(words.getvalue(), table._name.decode(), table.bpf.source) from e
    return table._event_class


def _pause(bpf, on):
    """Keep the kernel from writing into a program's perf buffers, or let it again; it counts what it couldn't write."""
    for reader in bpf.perf_buffers.values():
        with contextlib.suppress(OSError):
            fcntl.ioctl(lib.perf_reader_fd(reader), uapi.PERF_EVENT_IOC_PAUSE_OUTPUT, on)

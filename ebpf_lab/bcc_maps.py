"""BCC's own classes of perf buffer, ring buffer and program array, with errors that come back and can be read.

A perf or ring buffer has one reader at a time: a callback, or the reader that record(), watch() and draw() share.
"""

import contextlib
import ctypes as ct
import errno
import fcntl
import os
import re
import time
from collections.abc import Callable
from typing import Any

from .bcc_types import event_class
from .diagnostics import increments
from .diagnostics.errors import BusyError, MapError
from .kernel import uapi
from .loading.libbcc import bcc, lib

bcc_table: Any = bcc.table

_GRACE = 1.0  # seconds that a poll may take beyond its timeout


class Callbacks:
    """The callbacks of a program's buffers: what they raised, and until when a poll may last."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.until = float("inf")

    def __str__(self) -> str:
        return "the callback given to open_ring_buffer() or open_perf_buffer()"

    def guarded(self, callback: Callable, late: Callable[[], None] = lambda: None) -> Callable:
        """``callback``, its exceptions kept: ctypes would print them and go on. -1 stops a ring buffer's poll."""

        def call(*arguments: Any) -> int:
            if time.monotonic() > self.until > 0:
                self.until = 0
                late()
            try:
                return callback(*arguments) or 0
            except BaseException as e:
                self.errors.append(e)
                return -1

        return call

    def close(self) -> None:
        """BCC frees the buffers itself."""


def callbacks_of(bpf: Any) -> Callbacks:
    """The callbacks of a program's buffers."""
    return bpf.own("callbacks", Callbacks)


def polled(bpf: Any, poll: Callable[[], None], timeout: float = float("inf")) -> None:
    """Call BCC's ``poll``, and raise here what a callback raised. It ends a second after ``timeout`` (ms)."""
    callbacks = callbacks_of(bpf)
    callbacks.until = time.monotonic() + max(timeout, 0) / 1000 + _GRACE
    try:
        poll()
    finally:
        if callbacks.until == 0:
            _pause(bpf, 0)
        callbacks.until = float("inf")
        errors, callbacks.errors = callbacks.errors, []
    if errors:
        raise errors[0]


class RingBuf(bcc.table.RingBuf):
    """BCC's RingBuf, with one reader."""

    def event(self, data: int) -> ct.Structure:
        """BCC's event(), with clang's layout; raises MapError where the struct of the events can't be read."""
        return ct.cast(data, ct.POINTER(event_class(self))).contents

    def open_ring_buffer(self, callback: Callable, ctx: Any = None) -> None:
        """BCC's open_ring_buffer; b.ring_buffer_poll() raises what the callback raised."""
        callbacks = callbacks_of(self.bpf)
        claim(self, callbacks)
        super().open_ring_buffer(callbacks.guarded(callback), ctx)


class PerfEventArray(bcc.table.PerfEventArray):
    """BCC's PerfEventArray, with one reader."""

    event = RingBuf.event

    def open_perf_buffer(
        self,
        callback: Callable,
        page_cnt: int = 8,
        lost_cb: Callable[[int], None] | None = None,
        wakeup_events: int = 1,
    ) -> None:
        """BCC's open_perf_buffer; b.perf_buffer_poll() raises what the callback raised.

        Without ``lost_cb``, lost events are printed in the cell. A poll ends a second after its timeout
        even if events keep coming; those that come meanwhile are lost, and counted.
        """
        bpf, callbacks = self.bpf, callbacks_of(self.bpf)
        claim(self, callbacks)
        super().open_perf_buffer(
            callbacks.guarded(callback, late=lambda: _pause(bpf, 1)),
            page_cnt,
            callbacks.guarded(lost_cb or (lambda n: print(f"{n} events lost: the perf buffer was full"))),
            wakeup_events,
        )


class PerfCounters(bcc.table.PerfEventArray):
    """A BPF_PERF_ARRAY: counters of the CPU or the kernel, which the program reads. BCC has one class for it and perf buffers."""


class ProgArray(bcc.table.ProgArray):
    """BCC's ProgArray; what can't be stored, deleted or read is a MapError that says why."""

    changes = 0  # how often a slot was filled or emptied through this object

    def __getitem__(self, slot: Any) -> Any:
        """The id of the program in a slot."""
        self._check(slot)
        try:
            return super().__getitem__(slot)
        except KeyError:
            raise MapError(
                f"Slot {_number(slot)} of this program array is empty.",
                fix="fill it first, with what b.load_func(...) returns",
            ) from None

    def __setitem__(self, slot: Any, program: Any) -> None:
        """Store a program: what b.load_func() returned, or a file descriptor."""
        self._check(slot)
        if hasattr(program, "bpf"):
            program.bpf.check_loaded()  # After an unload, its descriptor's number may be another program's.
        fd = getattr(program, "fd", getattr(program, "value", program))
        if not isinstance(fd, int):
            raise TypeError(
                f"a program array stores what b.load_func(...) returns, not {type(program).__name__}"
            )
        try:
            super().__setitem__(slot, program)
        except Exception as e:
            reason = os.strerror(ct.get_errno())
            raise MapError(
                f"The kernel rejected this program for slot {_number(slot)}: {reason}.",
                fix=_NO_PROGRAM if ct.get_errno() == errno.EBADF else _OTHER_TYPE,
            ) from e
        self.changes += 1

    def __delitem__(self, slot: Any) -> None:
        """Empty a slot."""
        self[slot]  # MapError where it is empty already
        super().__delitem__(slot)
        self.changes += 1

    def _check(self, slot: Any) -> None:
        self.bpf.check_loaded()
        if not 0 <= _number(slot) < self.max_entries:
            raise MapError(
                f"This program array has no slot {_number(slot)}; it has {self.max_entries}: 0 to {self.max_entries - 1}.",
                fix="more slots in BPF_PROG_ARRAY(name, slots)",
            )


_OTHER_TYPE = (
    "a program array accepts programs of one type only, that of the programs which jump through it: "
    "load them all with the same one, as b.load_func(name, BPF.RAW_TRACEPOINT)"
)
_NO_PROGRAM = "load the program first, with b.load_func(...): that file descriptor belongs to no program"


def _number(slot: Any) -> int:
    if not isinstance(number := getattr(slot, "value", slot), int):
        raise TypeError(f"a slot of a program array is a number, not {type(slot).__name__}")
    return number


# The kinds of map that have no entries to show, and what to use instead. Every other kind is read.
_USE_INSTEAD = {
    PerfCounters: "holds counters that only the program can read: have it store what perf_read() gives in a BPF_ARRAY",
    bcc_table.PerfEventArray: "is a stream of events, not a table of entries: use record()",
    bcc_table.RingBuf: "is a stream of events, not a table of entries: use record()",
    bcc_table.QueueStack: "can only be read by removing its entries: use its own pop(), peek() or values()",
    bcc_table.StackTrace: "holds stacks by their ids: use its own walk(id)",
    bcc_table.CgroupArray: "holds cgroups, which the kernel does not give back: keep the paths that you put in",
    bcc_table.XskMap: "holds sockets, which the kernel does not give back: keep those that you put in",
}


def instead_of(table: Any) -> str:
    """What to use in place of to_frame() for a map that has no entries to show, as a sentence; else ''."""
    return next(
        (f"a {kind.__name__} {use}" for kind, use in _USE_INSTEAD.items() if isinstance(table, kind)), ""
    )


def no_class(name: str, number: int) -> MapError:
    """The error for a map of a type (of enum bpf_map_type) that BCC's table.py has no class for."""
    kind = bcc_table.get_table_type_name(number)
    return MapError(
        f"Python can't read the map {name}: BCC has no class for maps of type {kind}.",
        fix="the program can use it; what you want to see, have it store in a BPF_HASH or BPF_ARRAY too",
    )


def map_names(bpf: Any) -> list[str]:
    """The names of a program's maps, in the order of their numbers in libbcc."""
    return [lib.bpf_table_name(bpf.module, n).decode() for n in range(lib.bpf_num_tables(bpf.module))]


def uncounted(bpf: Any) -> str:
    """The calls of increment() in a program that count nothing for a new key, as a sentence; '' for none."""
    made = (bcc_table.BPF_MAP_TYPE_HASH, bcc_table.BPF_MAP_TYPE_ARRAY, bcc_table.BPF_MAP_TYPE_PERCPU_ARRAY)
    others = [
        name for n, name in enumerate(map_names(bpf)) if lib.bpf_table_type_id(bpf.module, n) not in made
    ]
    return increments.uncounted(bpf.source, others)


def guard(table: Any) -> None:
    """Give a table of BCC's the class above for its kind; tables of other kinds stay as they are."""
    if type(table) is bcc_table.PerfEventArray and _has_counters(table):
        table.__class__ = PerfCounters
    for ours in (RingBuf, PerfEventArray, ProgArray):
        if type(table) is ours.__mro__[1]:
            table.__class__ = ours


def _has_counters(table: Any) -> bool:
    """Whether this was declared as a BPF_PERF_ARRAY; BCC's description and the kernel's are those of a perf buffer."""
    name = re.escape(table._name.decode())
    declared = rf'\bBPF_PERF_ARRAY\s*\(\s*{name}\b|"perf_array"\s*,[^;]*\b{name}\b'
    return re.search(declared, table.bpf.source) is not None


def claim(table: Any, reader: Any) -> None:
    """Note that ``reader`` reads this buffer, until release(); BusyError where another one does."""
    if (other := table.bpf.own(("reads", table.map_fd), lambda: reader)) is not reader:
        raise BusyError(
            f"The events of this buffer go to {other} already; each event is read once.",
            fix="use one of the two: BPF(...) again gives a buffer that nobody reads yet",
        )


def release(table: Any) -> None:
    """Note that nobody reads this buffer any more."""
    table.bpf.disown(("reads", table.map_fd))


def _pause(bpf: Any, on: int) -> None:
    """Stop the kernel from writing into a program's perf buffers, or let it write again; it counts what it couldn't write."""
    for reader in bpf.perf_buffers.values():
        with contextlib.suppress(OSError):
            fcntl.ioctl(lib.perf_reader_fd(reader), uapi.PERF_EVENT_IOC_PAUSE_OUTPUT, on)

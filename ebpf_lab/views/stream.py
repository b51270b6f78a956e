"""Trace lines, or the events of a perf or ring buffer, live: a sink of their reader thread."""

import threading
import time
import weakref
from collections import deque
from itertools import islice

import numpy as np
import traitlets
from bcc.table import RingBuf

from ..hooks import attached
from ..reading.buffer_reader import buffer_of
from ..reading.columns import columns
from ..reading.reader import PERIOD
from ..reading.trace_pipe import pipe_of
from .view import View

SHOWN = 300  # rows that the browser holds
KEPT = 2000  # rows that the filter looks through
QUIET = 10  # seconds without a row, after which the view says what to run


# program -> {map's file descriptor, or None for the trace pipe: its view}
_views = weakref.WeakKeyDictionary()


class StreamView(View, page="stream"):
    """What the widgets of watch(b) and watch(b["output"]) share. Fed by the reader thread, shown about ten times a second."""

    # One trait for all that the reader thread changes: each update is one message, whole.
    # running, rows (the newest: [number, cell, ...]), total, rate, lost (None: nobody counts), note
    shown = traitlets.Dict().tag(sync=True)
    running = traitlets.Bool(True).tag(sync=True)
    filter = traitlets.Unicode("").tag(sync=True)
    clears = traitlets.Int(0).tag(sync=True)  # the browser adds one to ask for an empty view
    ended = traitlets.Bool(False).tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)  # what a row is: lines, events
    heads = traitlets.List().tag(sync=True)  # [name, whether it is a number] of each column

    def __init__(self, bpf, reader, title, unit, heads, counted=True):
        super().__init__(title=title, unit=unit, heads=heads)
        self._bpf, self._reader = bpf, reader
        self._lock = threading.Lock()  # between the reader thread and the buttons
        self._new, self._kept, self._recent = deque(), deque(maxlen=KEPT), deque(maxlen=1000)
        self._count, self._gone, self._note = 0, 0 if counted else None, ""
        self._published = self._last = time.monotonic()
        self._publish(self._last)
        self._reader.add(self, bpf)
        bpf.at_close.append(self._unload)

    @classmethod
    def shown_for(cls, source):
        """The view of a source, made at the first call."""
        bpf, number = (source.bpf, source.map_fd) if hasattr(source, "map_fd") else (source, None)
        views = _views.setdefault(bpf, {})
        if number not in views:
            views[number] = cls(source)
        return views[number]

    def feed(self, items, lost, misfits=0):
        """Take more from the reader thread, and show it if a screen update is due."""
        now = time.monotonic()
        with self._lock:
            if len(items):
                self._last = now
                self._count += len(items)
                self._new.append((self._count, items[-KEPT:].copy()))
                while (
                    self._count - self._new[0][0] >= KEPT
                ):  # a million a second come, and ten times a second is shown
                    self._new.popleft()
            if lost is not None:
                self._gone += lost
            if misfits:
                self._note = (
                    "Some records are of another size than the struct: they were cut, or filled with zeros."
                )
            self._recent.append((now, len(items)))
        if now - self._published >= PERIOD * 0.9:
            self._published = now
            self._publish(now)

    def end(self, why):
        """No more lines will come: keep what is on the screen."""
        self._note = f"Ended: {why}."
        self.ended = True
        self.running = False
        self._publish(time.monotonic())

    def _unload(self):
        self._reader.remove(self)
        self.end("the program was unloaded")
        _views.pop(self._bpf, None)

    def _publish(self, now):
        with self._lock:
            while self._new:
                last, items = self._new.popleft()
                self._kept += enumerate(self._rows(items), last - len(items) + 1)
            newest = ([number, *row] for number, row in reversed(self._kept) if self._matches(row))
            quiet = self.running and now - self._last > QUIET
            self.shown = {
                "running": self.running,
                "rows": list(islice(newest, SHOWN))[::-1],
                "total": self._count,
                "rate": sum(n for when, n in self._recent if when > now - 1),
                "lost": self._gone,
                "note": self._note or (self._hint() if quiet else ""),
            }

    def _matches(self, row):
        wanted = self.filter.lower()
        return not wanted or any(wanted in str(cell).lower() for cell in row)

    def _hint(self):
        if hooks := attached(self._bpf):
            return (
                f"Nothing for {QUIET} s. The program waits at {hooks[0]}: run('/bin/true') in another cell."
            )
        return "The program is attached to no hook yet: attach(b, syscall='execve', fn_name='hello')."

    def _rows(self, items):
        """Lists of cells, one for each item."""
        raise NotImplementedError

    @traitlets.observe("running")
    def _switch(self, change):
        if not self.ended:
            self._last = time.monotonic()
            if change["new"]:
                self._reader.add(self, self._bpf)
            else:
                self._reader.remove(self)
            self._publish(time.monotonic())

    @traitlets.observe("filter")
    def _refilter(self, _):
        self._publish(time.monotonic())

    @traitlets.observe("clears")
    def _clear(self, _):
        with self._lock:
            self._new.clear()
            self._kept.clear()
            self._count, self._gone = 0, 0 if self._gone is not None else None
        self._publish(time.monotonic())

    def __repr__(self):
        shown = self.shown
        lost = "losses not counted" if shown["lost"] is None else f"{shown['lost']} lost"
        head = f"{self.title}: {shown['total']} {self.unit}, {lost}. {shown['note']}".strip()
        return "\n".join([head, *("  ".join(map(str, row[1:])).rstrip() for row in shown["rows"][-20:])])


class TraceView(StreamView):
    """The widget of watch(b)."""

    def __init__(self, bpf):
        heads = [["time (s)", True], ["comm", False], ["pid", True], ["cpu", True], ["message", False]]
        super().__init__(bpf, pipe_of(bpf), "Trace pipe", "lines", heads)

    def _rows(self, items):
        return [
            [
                f"{line.time / 1e9:.6f}" if line.time is not None else "",
                line.comm or "",
                line.pid or "",
                "" if line.cpu is None else line.cpu,
                line.message.rstrip("\n"),
            ]
            for line in items
        ]


class BufferView(StreamView):
    """The widget of watch(b["output"]): a column for each field of the event's struct."""

    def __init__(self, table):
        reader = buffer_of(table)
        heads = [
            [name, column.dtype.kind in "iuf"] for name, column in columns(np.empty(0, reader.dtype)).items()
        ]
        kind = "Ring buffer" if isinstance(table, RingBuf) else "Perf buffer"
        super().__init__(table.bpf, reader, kind, "events", heads, reader.counted)

    def _rows(self, items):
        return [
            list(map(_cell, row))
            for row in zip(*(column.tolist() for column in columns(items).values()), strict=True)
        ]


def _cell(value):
    """JavaScript has no whole numbers beyond 2^53."""
    return value if isinstance(value, int) and abs(value) < 1 << 53 else str(value)

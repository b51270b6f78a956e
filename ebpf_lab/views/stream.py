"""Trace lines, or the events of a perf or ring buffer, live: a sink of their reader."""

import threading
import time
from collections import deque
from itertools import islice
from typing import Any

import numpy as np
import traitlets
from bcc.table import RingBuf

from ..bpf import BPF
from ..diagnostics.printk import rejected_formats
from ..hooks import waiting
from ..reading.buffer_reader import buffer_of
from ..reading.columns import columns
from ..reading.reader import Reader, Share
from ..reading.trace_pipe import Line, pipe_of
from .live import LiveView

SHOWN = 300  # rows that the browser holds
KEPT = 2000  # rows that the filter looks through
QUIET = 10  # seconds without a row, after which the view says what to run


class StreamView(LiveView, page="stream"):
    """What the widgets of watch(b) and watch(b["output"]) share.

    Shows rows (the newest: [number, cell, ...]), total, rate, and lost (None: nobody counts).
    """

    patience = 1.0  # the rate is that of the last second

    filter = traitlets.Unicode("").tag(sync=True)
    clears = traitlets.Int(0).tag(sync=True)  # the browser adds one to ask for an empty view
    title = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)  # what a row is: lines, events
    heads: Any = traitlets.List().tag(sync=True)  # [name, whether it is a number] of each column

    def __init__(
        self,
        bpf: BPF,
        reader: Reader | Share,
        title: str,
        unit: str,
        heads: list,
        counted: bool = True,
        remark: str = "",
    ) -> None:
        super().__init__(title=title, unit=unit, heads=heads)
        self._bpf, self._reader = bpf, reader
        self._feeding = threading.Lock()  # the reader thread, this view's and the buttons take turns
        self._new: deque[tuple[int, Any]] = deque()  # (number of the last item, items) that are no rows yet
        self._kept: deque[tuple[int, list]] = deque(maxlen=KEPT)
        self._recent: deque[tuple[float, int]] = deque(maxlen=1000)
        self._count, self._lost, self._remark = 0, 0 if counted else None, remark
        self._last = time.monotonic()

    def feed(self, items: Any, lost: int | None, wrong_size: int = 0) -> None:
        """Take more items; the reader thread calls it."""
        now = time.monotonic()
        with self._feeding:
            if len(items):
                self._last = now
                self._count += len(items)
                self._new.append((self._count, items[-KEPT:].copy()))
                while self._count - self._new[0][0] >= KEPT:  # a million a second may come
                    self._new.popleft()
                self._recent.append((now, len(items)))
            if lost:
                self._lost = (self._lost or 0) + lost
            if wrong_size:
                self._remark = (
                    "Some records are of another size than the struct: they were cut, or filled with zeros."
                )
        if len(items) or lost:
            self._news.set()

    def _start(self) -> None:
        self._last = time.monotonic()
        self._reader.add(self)
        super()._start()

    def _halt(self) -> None:
        super()._halt()
        self._reader.remove(self)

    def _picture(self) -> dict[str, Any]:
        now = time.monotonic()
        with self._feeding:
            new, self._new = self._new, deque()
            shown = {
                "total": self._count,
                "rate": sum(n for when, n in self._recent if when > now - 1),
                "lost": self._lost,
                "note": self._remark,
            }
        for last, items in new:
            self._kept += enumerate(self._rows(items), last - len(items) + 1)
        newest = ([number, *row] for number, row in reversed(self._kept) if self._matches(row))
        if self.running and not shown["note"] and (now - self._last > QUIET or not self._count):
            shown["note"] = self._hint(now - self._last)
        return shown | {"rows": list(islice(newest, SHOWN))[::-1]}

    def _matches(self, row: list) -> bool:
        wanted = self.filter.lower()
        return not wanted or any(wanted in str(cell).lower() for cell in row)

    def _hint(self, quiet: float) -> str:
        """What to do where nothing comes, after so many seconds; a program that is attached gets some time."""
        if place := waiting(self._bpf):
            return f"Nothing for {QUIET} s. The program waits at {place}." if quiet > QUIET else ""
        return "The program is attached to no hook yet: attach(b, syscall='execve', fn_name='hello')."

    def _rows(self, items: Any) -> list[list]:
        """Lists of cells, one per item."""
        raise NotImplementedError

    @traitlets.observe("filter")
    def _refilter(self, _: Any) -> None:
        self.look()

    @traitlets.observe("clears")
    def _clear(self, _: Any) -> None:
        with self._looking, self._feeding:
            self._new.clear()
            self._kept.clear()
            self._count, self._lost = 0, 0 if self._lost is not None else None
        self.look()

    def __repr__(self) -> str:
        shown = self.shown
        lost = "losses not counted" if shown["lost"] is None else f"{shown['lost']} lost"
        head = f"{self.title}: {shown['total']} {self.unit}, {lost}. {shown['note']}".strip()
        return "\n".join([head, *("  ".join(map(str, row[1:])).rstrip() for row in shown["rows"][-20:])])


class TraceView(StreamView):
    """The widget of watch(b)."""

    def __init__(self, bpf: BPF) -> None:
        heads = [["time (s)", True], ["comm", False], ["pid", True], ["cpu", True], ["message", False]]
        super().__init__(bpf, pipe_of(bpf), "Trace pipe", "lines", heads, remark=_remark(bpf))

    def _rows(self, items: list[Line]) -> list[list]:
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


def _remark(bpf: BPF) -> str:
    rejected = rejected_formats(bpf.source)
    return f"{rejected[0].upper()}{rejected[1:]}." if rejected else ""


class BufferView(StreamView):
    """The widget of watch(b["output"]): one column per field of the event's struct."""

    def __init__(self, table: Any) -> None:
        reader = buffer_of(table)
        heads = [
            [name, column.dtype.kind in "iuf"] for name, column in columns(np.empty(0, reader.dtype)).items()
        ]
        kind = "Ring buffer" if isinstance(table, RingBuf) else "Perf buffer"
        super().__init__(table.bpf, reader, kind, "events", heads, reader.counted, reader.remark)

    def _rows(self, items: np.ndarray) -> list[list]:
        return [
            list(map(_cell, row))
            for row in zip(*(column.tolist() for column in columns(items).values()), strict=True)
        ]


def _cell(value: Any) -> Any:
    """A value as JSON can carry it: JavaScript has no whole numbers beyond 2^53."""
    return value if isinstance(value, int) and abs(value) < 1 << 53 else str(value)

"""The trace pipe, live: a sink of the reader thread in events."""

import threading
import time
import weakref
from collections import deque
from itertools import islice
from pathlib import Path

import anywidget
import traitlets

from ..events import PERIOD, pipe_of
from ..hooks import attached

SHOWN = 300  # lines that the browser holds
KEPT = 2000  # lines that the filter looks through
QUIET = 10  # seconds without a line, after which the view says what to run


_views = weakref.WeakKeyDictionary()  # program -> its view


class TraceView(anywidget.AnyWidget):
    """The widget of watch(b). Fed by the reader thread, about ten times a second."""

    _esm = Path(__file__).with_name("trace.js")
    _css = Path(__file__).with_name("trace.css")

    # One trait for all that the reader thread changes: each update is one message, whole.
    # running, lines (the newest: [number, seconds, comm, pid, cpu, message]), total, rate, lost, note
    shown = traitlets.Dict().tag(sync=True)
    running = traitlets.Bool(True).tag(sync=True)
    filter = traitlets.Unicode("").tag(sync=True)
    clears = traitlets.Int(0).tag(sync=True)  # the browser adds one to ask for an empty view
    ended = traitlets.Bool(False).tag(sync=True)

    def __init__(self, bpf):
        super().__init__()
        self._bpf, self._pipe = bpf, pipe_of(bpf)
        self._lock = threading.Lock()  # between the reader thread and the buttons
        self._kept, self._recent = deque(maxlen=KEPT), deque(maxlen=1000)
        self._count, self._gone, self._note = 0, 0, ""
        self._published = self._last = time.monotonic()
        self._publish(self._last)
        self._pipe.add(self, bpf)
        bpf.at_close.append(self._unload)

    @classmethod
    def shown_for(cls, bpf):
        """The view of a program, made at the first call."""
        if bpf not in _views:
            _views[bpf] = cls(bpf)
        return _views[bpf]

    def feed(self, lines, lost):
        """Take more lines from the reader thread, and show them if a screen update is due."""
        now = time.monotonic()
        with self._lock:
            for line in lines:
                self._count += 1
                self._kept.append((self._count, line))
            self._gone += lost
            if lines:
                self._last = now
            self._recent.append((now, len(lines)))
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
        self._pipe.remove(self)
        self.end("the program was unloaded")
        _views.pop(self._bpf, None)

    def _publish(self, now):
        with self._lock:
            newest = ([number, *_row(line)] for number, line in reversed(self._kept) if self._matches(line))
            quiet = self.running and now - self._last > QUIET
            self.shown = {
                "running": self.running,
                "lines": list(islice(newest, SHOWN))[::-1],
                "total": self._count,
                "rate": sum(n for when, n in self._recent if when > now - 1),
                "lost": self._gone,
                "note": self._note or (self._hint() if quiet else ""),
            }

    def _matches(self, line):
        wanted = self.filter.lower()
        return not wanted or any(wanted in str(part).lower() for part in (line.comm, line.pid, line.message))

    def _hint(self):
        if hooks := attached(self._bpf):
            return (
                f"Nothing for {QUIET} s. The program waits at {hooks[0]}: run('/bin/true') in another cell."
            )
        return "The program is attached to no hook yet: attach(b, syscall='execve', fn_name='hello')."

    @traitlets.observe("running")
    def _switch(self, change):
        if not self.ended:
            self._last = time.monotonic()
            if change["new"]:
                self._pipe.add(self, self._bpf)
            else:
                self._pipe.remove(self)
            self._publish(time.monotonic())

    @traitlets.observe("filter")
    def _refilter(self, _):
        self._publish(time.monotonic())

    @traitlets.observe("clears")
    def _clear(self, _):
        with self._lock:
            self._kept.clear()
            self._count = self._gone = 0
        self._publish(time.monotonic())

    def __repr__(self):
        shown = self.shown
        head = f"Trace pipe: {shown['total']} lines, {shown['lost']} lost. {shown['note']}".strip()
        return "\n".join([head, *("  ".join(map(str, row[1:])).rstrip() for row in shown["lines"][-20:])])

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": repr(self)}, metadata


def _row(line):
    seconds = f"{line.time / 1e9:.6f}" if line.time is not None else ""
    return [
        seconds,
        line.comm or "",
        line.pid or "",
        "" if line.cpu is None else line.cpu,
        line.message.rstrip("\n"),
    ]

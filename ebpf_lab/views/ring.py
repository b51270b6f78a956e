"""A ring buffer, live: what is in its own pages, drawn."""

import contextlib
import math
import threading
import time
import weakref

import bcc
import traitlets

from ..diagnostics.errors import BusyError
from ..reading.buffer_reader import buffer_of, lost_of
from ..reading.reader import PERIOD
from ..reading.ringbuf import Ring
from ..testrun import fire as run_once
from .view import View

STOPS = ["stopped", "1 a second", "10 a second", "100 a second", "1,000 a second", "at once"]  # of the slider
RATES = [0, 1, 10, 100, 1000, math.inf]  # records a second that the reader takes there
TICK = 0.01  # seconds between two reads of a reader that isn't slow
COUNTED = 4096  # records waiting that are counted one by one, at most
DRAWN = 300  # and drawn one by one; the browser may still find them too small
NEXT = 5  # and listed
QUIET = 10  # seconds with nothing written, after which the view says what to do

_views = weakref.WeakKeyDictionary()  # program -> {map's file descriptor: its view}


class RingView(View, page="ring"):
    """The widget of draw(b["output"]); a thread of its own looks at the ring, and reads at the slider's pace."""

    # One trait for all that the thread and the buttons change: size, reader, writer (bytes since the ring was
    # made), records ([position, length, state]), every (whether those are all that wait, or the next few),
    # waiting (how many, in words), lost (None: not counted), note, alt, held (a callback reads), ended,
    # and done: the writes, reads and pace that were seen to
    shown = traitlets.Dict().tag(sync=True)
    fire = traitlets.Unicode("").tag(sync=True)  # the function that Write one runs; "": no such button
    stops = traitlets.List(STOPS).tag(sync=True)
    pace = traitlets.Int(0).tag(sync=True)  # the slider, a place in stops
    writes = traitlets.Int(0).tag(sync=True)  # the browser adds one a click
    reads = traitlets.Int(0).tag(sync=True)

    def __init__(self, table):
        super().__init__()
        lost_of(table.bpf)  # raises here, not in the thread
        try:
            self._reader, self._held = buffer_of(table), ""
            self._reader.paced = True
        except BusyError:
            by = table.bpf.readers[table.map_fd]
            self._reader = None
            self._held = f"The records go to {by}, at each b.ring_buffer_poll(): here you can only look."
        self._bpf, self._ring, self._made = table.bpf, Ring(table.map_fd), time.monotonic()
        self._note, self._said = self._held, ""  # said until the next click, and until something moves
        self._seen, self._settled, self._budget, self._ended = (0, 0, []), False, 0, False
        self._stop, self._lock = threading.Event(), threading.Lock()  # between the thread and the buttons
        self.look()
        self._thread = threading.Thread(target=self._run, name="ring view", daemon=True)
        self._thread.start()
        self._bpf.at_close.append(self._unload)

    @classmethod
    def shown_for(cls, table, fire):
        """The view of a ring buffer, made at the first call; raises what loading the function ``fire`` raises."""
        if fire and fire.encode() not in table.bpf.funcs:
            table.bpf.load_func(fire, bcc.BPF.SOCKET_FILTER)
        views = _views.setdefault(table.bpf, {})
        view = views[table.map_fd] = views.get(table.map_fd) or cls(table)
        view.fire = fire or view.fire
        return view

    def look(self):
        """Look at the ring once, and show it if it changed."""
        with self._lock:
            before, self._seen = self._seen, self._look()
            reader, writer, heads = self._seen
            if before[:2] != (reader, writer):
                self._said = ""
            elif not writer and time.monotonic() - self._made > QUIET:
                self._said = "Nothing was written yet: Write one does, or what the program is attached to."
            known = bool(heads) == (reader < writer)
            self._settled = known and not any(head.busy for head in heads)
            every = known and len(heads) <= DRAWN
            shown = {
                "size": self._ring.size,
                "reader": reader,
                "writer": writer,
                "records": [[h.position, h.length, _state(h)] for h in (heads if every else heads[:NEXT])],
                "every": every,
                "waiting": _count(heads) if known else "too fast to count",
                "lost": lost_of(self._bpf),
                "note": self._note or self._said,
                "held": bool(self._held),
                "ended": self._ended,
                "done": [self.writes, self.reads, self.pace],
            }
            self.shown = shown | {"alt": _alt(shown)}

    def _look(self):
        """-> the reader's position, the writer's, headers of what waits; none if they pass too fast to be read."""
        for _ in range(3):
            reader, writer = self._ring.positions()
            if self._settled and self._seen[:2] == (reader, writer):
                return self._seen
            heads = self._ring.headers(COUNTED)
            if self._ring.positions()[0] == reader:  # else what was looked at may be written over by now
                return reader, writer, [head for head in heads if head.position < writer]
        return max(reader, writer - self._ring.size), writer, []

    def _run(self):
        before = shown = time.monotonic()
        while not self._stop.wait(TICK if RATES[self.pace] > 1 / PERIOD else PERIOD):
            try:
                now = time.monotonic()
                self._take(RATES[self.pace], now - before)
                before = now
                if now - shown >= PERIOD * 0.9:
                    shown = now
                    self.look()
            except Exception as e:  # nobody would see it in this thread
                self._note = f"The ring can't be read any more: {e}"
                self.shown = self.shown | {"note": self._note}
                return

    def _take(self, rate, seconds):
        """Read what a reader with that rate reads in so many seconds."""
        at, end = self._ring.positions()
        self._budget = min(self._budget + rate * seconds, rate if at < end else 1)
        before = None  # where it stood: no further where the next record is not committed yet
        while self._reader and before != at < end and self._budget >= 1:
            self._budget -= self._reader.step(None if rate == math.inf else int(self._budget)) or 1
            before, at = at, self._ring.positions()[0]

    @traitlets.observe("writes", "reads", "pace")
    def _asked(self, change):
        if self._ended:
            return
        self._note, said, self._budget = self._held, "", 0
        step = {"writes": self._write, "reads": self._read}.get(change["name"])
        times = change["new"] - change["old"] if step else 0  # several where a cell kept the kernel busy
        try:
            for _ in range(times):
                said = step()
        except Exception as e:  # nobody would see it: a button has no cell to raise in
            self._note = f"{type(e).__name__}: {e}"
        self.look()
        self._said = said
        self.look()

    def _write(self):
        """Run the program once -> what there is to say of it."""
        writer, lost = self._ring.positions()[1], lost_of(self._bpf)
        run_once(self._bpf, self.fire)
        if self._ring.positions()[1] > writer:
            return ""
        dropped = lost != lost_of(self._bpf)
        return f"{self.fire}() ran: {'dropped, no room in the ring' if dropped else 'nothing came into the ring'}."

    def _read(self):
        """Read one record -> what there is to say of it."""
        heads = self._ring.headers(1)
        self._reader.step(1)
        if not heads:
            return "There was nothing to read."
        if heads[0].busy:
            return "The next record was reserved, and not committed yet: the reader waits for it."
        return "The program had discarded that record: the reader skipped it." if heads[0].discarded else ""

    def _unload(self):
        self._stop.set()
        self._thread.join()
        self._note, self._ended = "Ended: the program was unloaded.", True
        with contextlib.suppress(Exception):  # whatever is wrong with the picture, the program is unloaded
            self.look()
        self.shown = self.shown | {"note": self._note, "ended": True}
        self._ring.close()
        if self._reader:
            self._reader.paced = False
        _views.pop(self._bpf, None)

    def __repr__(self):
        records = [f"next: at {at:,}, {size:,} bytes, {state}" for at, size, state in self.shown["records"]]
        return "\n".join(filter(None, [self.shown["alt"], *records[:NEXT], self.shown["note"]]))


def _state(head):
    return "busy" if head.busy else "discarded" if head.discarded else "ready"


def _count(heads):
    count = f"{len(heads):,}" if len(heads) < COUNTED else f"over {COUNTED:,}"
    return f"{count} record{'s' * (count != '1')}"


def _alt(shown):
    size, reader, writer = shown["size"], shown["reader"], shown["writer"]
    parts = f"{writer - reader:,} written and not read yet, {shown['waiting']}"
    parts += f"; {min(reader, reader - writer + size):,} read; {max(0, size - writer):,} free"
    parts += "; drops not counted" if shown["lost"] is None else f"; {shown['lost']:,} dropped"
    for name in ("writer", "reader"):
        at = shown[name]
        parts += f"; {name} at {at:,} ({at % size:,} in the ring, times round: {at // size:,})"
    return f"Ring buffer of {size:,} bytes: {parts}."

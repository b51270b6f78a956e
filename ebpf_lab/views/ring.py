"""A ring buffer, live: what is in its own pages, drawn."""

import math
import time
from typing import Any

import traitlets

from ..diagnostics.errors import BusyError
from ..reading.buffer_reader import BufferReader, buffer_of, lost_of
from ..reading.ringbuf import Header, Look, Ring
from ..testrun import fire as run_once
from .live import LiveView

# The slider's stops, and how many records per second the reader reads there.
STOPS = ["stopped", "1 per second", "10 per second", "100 per second", "1,000 per second", "at once"]
RATES = [0, 1, 10, 100, 1000, math.inf]
COUNTED = 4096  # records waiting that are counted one by one, at most
DRAWN = 300  # and drawn one by one; the browser may still find them too small
NEXT = 5  # and listed
QUIET = 10  # seconds with nothing written, after which the view says what to do
_HELD = "The records go to a callback, at each b.ring_buffer_poll(): here you can only look."


class RingView(LiveView, page="ring"):
    """The widget of draw(b["output"]): a sink of the buffer's reader, for which it sets the pace.

    Shows size, reader, writer (bytes since the ring was made), records ([position, length, state]), every (whether
    those are all that wait, or the next few), waiting (how many, as text), lost (None: not counted), alt,
    held (a callback reads), and done: the writes, reads and pace that were carried out.
    """

    fire = traitlets.Unicode("").tag(sync=True)  # the function that Write one runs; "": no such button
    stops = traitlets.List(STOPS).tag(sync=True)
    pace = traitlets.Int(0).tag(sync=True)  # the slider, a place in stops
    writes = traitlets.Int(0).tag(sync=True)  # the browser adds one a click
    reads = traitlets.Int(0).tag(sync=True)

    def __init__(self, table: Any) -> None:
        super().__init__()
        lost_of(table.bpf)  # raises here, not in the thread
        self._bpf, self._ring, self._made = table.bpf, Ring(table.map_fd), time.monotonic()
        self._seen: Look | None = None
        self._said, self._failed = "", ""  # what the last click did, until something moves; why it failed
        self._reader: BufferReader | None = buffer_of(table)
        try:
            self._reader.pace = RATES[self.pace]
            self._reader.add(self, skip_older=False)  # what is in the ring already is drawn, too
        except BusyError:  # the records go to a callback
            self._reader = None

    def feed(self, records: Any, lost: int | None, wrong_size: int) -> None:
        """The reader read something: the picture shows it."""
        if len(records):
            self._news.set()

    def end(self, why: str, error: Exception | None = None) -> None:
        """Stop for good, and keep on the screen what is shown."""
        if self.ended:
            return
        super().end(why, error)
        self._ring.close()
        if self._reader:
            self._reader.pace = math.inf
            self._reader.remove(self)

    def _picture(self) -> dict[str, Any]:
        before, self._seen = self._seen, self._ring.look(COUNTED, self._seen)
        reader, writer, heads = seen = self._seen
        if before and before[:2] != seen[:2]:
            self._said = ""
        elif not writer and time.monotonic() - self._made > QUIET:
            press = ", or press Write one" if self.fire else ""
            self._said = f"Nothing has been written yet: start what the program is attached to{press}."
        every = seen.known and len(heads) <= DRAWN
        shown = {
            "size": self._ring.size,
            "reader": reader,
            "writer": writer,
            "records": [[h.position, h.length, _state(h)] for h in (heads if every else heads[:NEXT])],
            "every": every,
            "waiting": _count(heads) if seen.known else "too fast to count",
            "lost": lost_of(self._bpf),
            "held": not self._reader,
            "done": [self.writes, self.reads, self.pace],
            "note": self._failed or ("" if self._reader else _HELD) or self._said,
        }
        return shown | {"alt": _alt(shown)}

    @traitlets.observe("pace")
    def _set_pace(self, _: Any) -> None:
        if self._reader and not self.ended:
            self._reader.pace = RATES[self.pace]
            self.look()

    @traitlets.observe("writes", "reads")
    def _clicked(self, change: Any) -> None:
        if self.ended:
            return
        self._failed, said = "", ""
        do = self._write if change["name"] == "writes" else self._read
        try:
            for _ in range(change["new"] - change["old"]):  # several where a cell kept the kernel busy
                said = do()
        except Exception as e:  # nobody would see it: a button has no cell to raise in
            self._failed = f"{type(e).__name__}: {e}"
        self.look()
        self._said = said
        self.look()

    def _write(self) -> str:
        """Run the program once; -> what there is to say about it."""
        writer, lost = self._ring.positions()[1], lost_of(self._bpf)
        run_once(self._bpf, self.fire)
        if self._ring.positions()[1] > writer:
            return ""
        dropped = lost != lost_of(self._bpf)
        return f"{self.fire}() ran: {'dropped, no room in the ring' if dropped else 'nothing came into the ring'}."

    def _read(self) -> str:
        """Read one record; -> what there is to say about it."""
        heads = self._ring.headers(1)
        if self._reader:
            self._reader.read_some(1)
        if not heads:
            return "There was nothing to read."
        if heads[0].busy:
            return "The next record was reserved, and not committed yet: the reader waits for it."
        return "The program had discarded that record: the reader skipped it." if heads[0].discarded else ""

    def __repr__(self) -> str:
        records = [f"next: at {at:,}, {size:,} bytes, {state}" for at, size, state in self.shown["records"]]
        return "\n".join(filter(None, [self.shown["alt"], *records[:NEXT], self.shown["note"]]))


def _state(head: Header) -> str:
    return "busy" if head.busy else "discarded" if head.discarded else "ready"


def _count(heads: list[Header]) -> str:
    count = f"{len(heads):,}" if len(heads) < COUNTED else f"over {COUNTED:,}"
    return f"{count} record{'s' * (count != '1')}"


def _alt(shown: dict[str, Any]) -> str:
    size, reader, writer = shown["size"], shown["reader"], shown["writer"]
    parts = f"{writer - reader:,} written and not read yet, {shown['waiting']}"
    parts += f"; {min(reader, reader - writer + size):,} read; {max(0, size - writer):,} free"
    parts += "; drops not counted" if shown["lost"] is None else f"; {shown['lost']:,} dropped"
    for name in ("writer", "reader"):
        at = shown[name]
        parts += f"; {name} at {at:,} ({at % size:,} in the ring, times round: {at // size:,})"
    return f"Ring buffer of {size:,} bytes: {parts}."

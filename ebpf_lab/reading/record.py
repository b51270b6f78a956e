"""record: what a program says while a block of code runs, as a DataFrame."""

import contextlib

import pandas as pd

from ..bpf import BPF
from .buffer_reader import BUFFERS, buffer_of
from .columns import columns
from .trace_pipe import pipe_of
from .unpack import Store

CAP = 1_000_000  # trace lines that one recording holds; later ones count as lost
CAP_BYTES = 1 << 30  # the same for the records of a perf or ring buffer


class Recording:
    """What a record() block got: the trace lines of a program. Grows while the block runs."""

    what = "lines"

    def __init__(self):
        self.lines, self._lost, self._ended = [], 0, ""

    def feed(self, lines, lost):
        """Take more lines; the sink's side of a reader thread."""
        room = CAP - len(self.lines)
        self.lines += lines[:room]
        self._lost += lost + max(0, len(lines) - room)

    def end(self, why):
        """No more will come."""
        self._ended = why

    @property
    def lost(self):
        """How many are missing: overwritten, or not written, before they were read. None where nobody counts."""
        return self._lost

    def __len__(self):
        return len(self.lines)

    def frame(self):
        """A row a line. Columns: time (Int64, ns of CLOCK_MONOTONIC), comm, pid, cpu (Int64), message.

        A line that does not parse keeps its text in ``message`` and has <NA> elsewhere.
        """
        dtypes = {"time": "Int64", "comm": "string", "pid": "Int64", "cpu": "Int64", "message": "string"}
        return pd.DataFrame(self.lines, columns=list(dtypes)).astype(dtypes)

    def __repr__(self):
        lost = "losses not counted" if self.lost is None else f"{self.lost} lost"
        ended = f"; ended early: {self._ended}" if self._ended else ""
        return f"<{len(self)} {self.what} recorded, {lost}{self._odd()}{ended}>"

    def _odd(self):
        return ""


class BufferRecording(Recording):
    """The same for the events of a perf or ring buffer.

    ``misfits`` counts records of another size than the event's struct; they were cut, or filled with zeros.
    """

    what = "events"

    def __init__(self, dtype, counted):
        super().__init__()
        self._store, self.misfits = Store(dtype, CAP_BYTES), 0
        self._lost = 0 if counted else None

    def feed(self, records, lost, misfits):
        """Take more records, a structured array."""
        self.misfits += misfits
        kept = records[: CAP_BYTES // records.itemsize - len(self)]
        if lost is not None:
            self._lost += lost
        if len(kept) < len(records):
            self._lost = (self._lost or 0) + len(records) - len(kept)
        self._store.add(kept)

    def __len__(self):
        return len(self._store)

    def array(self):
        """The events as a structured numpy array, with the memory layout of the C struct."""
        return self._store.array()

    def frame(self):
        """A row an event, in the order they came; a column a field of the C struct, with its dtype.

        Char arrays are text, as a category. Where BCC can't tell the struct there is one column, ``data``, of bytes.
        """
        found = {
            name: column if column.ndim == 1 else pd.Series(column.tolist(), dtype=object)
            for name, column in columns(self.array(), category=True).items()
        }
        return pd.DataFrame(found, copy=False)

    def _odd(self):
        return f", {self.misfits} of another size than the struct" if self.misfits else ""


@contextlib.contextmanager
def record(source):
    """Record events made while the block runs: ``with record(b["output"]) as events: ...``.

    ``source`` is a perf or ring buffer, or a program, for the lines of its trace pipe (those of every
    program on the machine). Only what is made after the block is entered is kept, in the
    order in which it came, and at the block's end everything sent before has been read.
    ``events.frame()`` is a DataFrame, ``events.lost`` the number of missing ones: as the kernel counts them,
    or for a ring buffer the program, in its map ``lost``; None where it has none.

    Raises TypeError for what is no source of events, UnloadedError for a program
    that is not in the kernel, BusyError for a buffer that a callback reads already, or where
    only the shared trace pipe can be had and somebody else reads it.
    """
    if isinstance(source, BPF):
        reader, program, recording = pipe_of(source), source, Recording()
    elif isinstance(source, BUFFERS):
        reader, program = buffer_of(source), source.bpf
        recording = BufferRecording(reader.dtype, reader.counted)
    else:
        raise TypeError(
            f"record() takes a source of events: a program, record(b), or a perf or ring buffer, "
            f'record(b["output"]). {type(source).__name__} is none; what a map holds, to_frame() reads.'
        )
    try:
        reader.add(recording, program)
        yield recording
    finally:
        reader.remove(recording)

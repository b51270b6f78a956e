"""record: what a program prints or sends while a block of code runs, as a DataFrame."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..bcc_maps import instead_of
from ..bpf import BPF
from ..diagnostics.errors import LabError
from ..diagnostics.printk import rejected_formats
from ..hooks import attached
from .buffer_reader import BUFFERS, buffer_of
from .columns import columns
from .reader import Reader, Share
from .trace_pipe import Line, pipe_of
from .unpack import Store

CAP = 1_000_000  # trace lines that one recording holds; later ones count as lost
CAP_BYTES = 1 << 30  # the same for the records of a perf or ring buffer


class Recording:
    """What a record() block got; a sink of a Reader. Grows while the block runs."""

    unit = ""

    def __init__(self, counted: bool = True, remark: str = "") -> None:
        self.lost = 0 if counted else None
        """How many are missing: overwritten, or not written, before they were read. None where nobody counts."""
        self.ended, self.remark = "", remark
        self.error: Exception | None = None

    def end(self, why: str, error: Exception | None = None) -> None:
        """No more will come; ``error`` is what made the reader fail."""
        if not self.ended:
            self.ended, self.error = why, error

    def _lose(self, count: int | None) -> None:
        if count:
            self.lost = (self.lost or 0) + count

    def _remarks(self) -> list[str]:
        return [self.remark] if self.remark else []

    def __len__(self) -> int:
        raise NotImplementedError

    def __repr__(self) -> str:
        lost = "losses not counted" if self.lost is None else f"{self.lost} lost"
        ended = [f"ended early: {self.ended}"] if self.ended else []
        return f"<{'; '.join([f'{len(self)} {self.unit} recorded, {lost}', *self._remarks(), *ended])}>"


class LineRecording(Recording):
    """The trace lines of a program."""

    unit = "lines"

    def __init__(self, remark: str = "") -> None:
        super().__init__(remark=remark)
        self.lines: list[Line] = []

    def feed(self, lines: list[Line], lost: int) -> None:
        """Take more lines; the reader calls it."""
        room = CAP - len(self.lines)
        self.lines += lines[:room]
        self._lose(lost + max(0, len(lines) - room))

    def frame(self) -> pd.DataFrame:
        """One row per line. Columns: time (Int64, ns of CLOCK_MONOTONIC), comm, pid, cpu (Int64), message.

        A line that does not parse keeps its text in ``message`` and has <NA> elsewhere.
        """
        dtypes = {"time": "Int64", "comm": "string", "pid": "Int64", "cpu": "Int64", "message": "string"}
        return pd.DataFrame(self.lines, columns=list(dtypes)).astype(dtypes)

    def __len__(self) -> int:
        return len(self.lines)


class BufferRecording(Recording):
    """The events of a perf or ring buffer.

    ``wrong_size`` counts records of another size than the event's struct; they were cut, or filled with zeros.
    """

    unit = "events"

    def __init__(self, dtype: np.dtype, counted: bool, remark: str = "") -> None:
        super().__init__(counted, remark)
        self._store, self.wrong_size = Store(dtype, CAP_BYTES), 0

    def feed(self, records: np.ndarray, lost: int | None, wrong_size: int) -> None:
        """Take more records, a structured array; the reader calls it."""
        self.wrong_size += wrong_size
        kept = records[: CAP_BYTES // records.itemsize - len(self)]
        self._lose((lost or 0) + len(records) - len(kept))
        self._store.add(kept)

    def array(self) -> np.ndarray:
        """The events as a structured numpy array, with the memory layout of the C struct."""
        return self._store.array()

    def frame(self) -> pd.DataFrame:
        """One row per event, in the order they came; one column per field of the C struct, with its dtype.

        Char arrays are text, as a category. Each member of a union is a column. Where the program
        sends no struct there is one column, ``data``, of bytes.
        """
        found = {
            name: column if column.ndim == 1 else pd.Series(column.tolist(), dtype=object)
            for name, column in columns(self.array(), category=True).items()
        }
        return pd.DataFrame(found, copy=False)

    def _remarks(self) -> list[str]:
        wrong = [f"{self.wrong_size} of another size than the struct"] if self.wrong_size else []
        return [*wrong, *super()._remarks()]

    def __len__(self) -> int:
        return len(self._store)


@contextlib.contextmanager
def record(source: Any) -> Iterator[Any]:
    """Record events made while the block runs: ``with record(b["output"]) as events: ...``.

    ``source`` is a perf or ring buffer, or a program, for the lines of its trace pipe (those of every
    program on the machine). Only what is made after the block is entered is kept, in the
    order in which it came, and at the block's end everything sent before has been read.
    ``events.frame()`` is a DataFrame, ``events.lost`` the number of missing ones: as the kernel counts them,
    or for a ring buffer the program, in its map ``lost``; None where it has none. ``repr(events)`` also tells
    why nothing came where that is known: a program that is attached to no hook, or a rejected printk format.

    Raises TypeError for what is no source of events, UnloadedError for a program
    that is not in the kernel, MapError for events whose struct can't be told, BusyError for a buffer that a callback reads already, or where
    only the shared trace pipe can be had and somebody else reads it. At the block's end it raises LabError
    where reading failed early.
    """
    reader: Reader | Share
    recording: LineRecording | BufferRecording
    if isinstance(source, BPF):
        reader, recording = pipe_of(source), LineRecording(rejected_formats(source.source))
    elif isinstance(source, BUFFERS):
        reader = buffer = buffer_of(source)
        recording = BufferRecording(buffer.dtype, buffer.counted, buffer.remark)
    else:
        raise TypeError(
            f"record() takes a source of events: a program, record(b), or a perf or ring buffer, "
            f'record(b["output"]). {type(source).__name__} is none; '
            f"{instead_of(source) or 'what a map holds, to_frame() reads'}."
        )
    try:
        reader.add(recording)
        yield recording
    finally:
        reader.remove(recording)
    if not (len(recording) or recording.ended or attached(source if isinstance(source, BPF) else source.bpf)):
        recording.remark = recording.remark or "the program is attached to no hook"
    if recording.error:
        raise LabError(f"The recording ended early: {recording.ended}.") from recording.error

"""BufferReader: reads a perf or ring buffer of a program, for recordings and views."""

import ctypes as ct
import math
import platform
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from bcc import table as bcc_table
from bcc.libbcc import lib
from bcc.table import _RINGBUF_CB_TYPE

from ..bcc_maps import PerfEventArray, RingBuf, claim, release
from ..bcc_types import event_class
from ..bpf import BPF
from ..diagnostics.errors import MapError
from ..loading.dtypes import dtype_of
from .perfbuf import LARGEST, PerfBuffers
from .reader import PERIOD, Reader
from .ringbuf import Ring
from .unpack import RAW, cut_out

BUFFERS = (PerfEventArray, RingBuf)
_TICK = 0.01  # seconds between two reads at a pace of more than one record per PERIOD
_COMMIT = 0.01  # seconds that a reserved record may take to be committed


class BufferReader(Reader):
    """The reader of one buffer; buffer_of() gives it. Feeds sinks (records, lost, how many of the wrong size).

    Records are a structured array; ``lost`` counts events, and is None where nobody counts them. A record of
    another size than the struct was cut, or filled with zeros.
    """

    name = "buffer"

    def __init__(self, table: Any) -> None:
        super().__init__()
        self.table = table
        self.dtype = dtype_of(event_class(table)) if event_class(table)._fields_ else RAW
        self.remark = "" if isinstance(table, RingBuf) else _too_large(self.dtype.itemsize)
        self._source: Any = None  # PerfBuffers or RingSource, while somebody listens
        self._lost: int | None = None
        self._pace, self._budget, self._since = math.inf, 0.0, 0.0

    def __str__(self) -> str:
        return "record(), watch() or draw()"

    @property
    def pace(self) -> float:
        """Records a second that its thread reads from a ring buffer; inf, the default: each as soon as it comes."""
        return self._pace

    @pace.setter
    def pace(self, rate: float) -> None:
        with self._lock:
            self._pace, self._budget, self._since = rate, 0.0, time.monotonic()
            self._patience = PERIOD if rate <= 1 / PERIOD or rate == math.inf else _TICK
            self._interrupt_wait()

    def read_some(self, count: int) -> int:
        """Read ``count`` records of a ring buffer, or as many as there are, for its sinks; -> how many there were."""
        with self._lock:
            records, wrong_size = self._source.take(count)
            if records is None:
                return 0
            self._feed(records, self._lost_since(), wrong_size)
            return len(records)

    @property
    def counted(self) -> bool:
        """Whether somebody counts lost events."""
        return not isinstance(self.table, RingBuf) or lost_of(self.table.bpf) is not None

    def _open(self) -> None:
        claim(self.table, self)
        try:
            self._source = _source_of(self.table, self.dtype)
            self._lost = self._count_lost()
        except BaseException:
            release(self.table)
            raise

    def _close(self) -> None:
        self._source.close()
        self._source = None
        release(self.table)

    def _files(self) -> list[int]:
        return self._source.files if self._source and self._pace == math.inf else []

    def _batches(self, until: int) -> Iterator[tuple[np.ndarray, int | None, int]]:
        if isinstance(self._source, PerfBuffers):
            records, wrong_size = self._source.take()
            yield records, self._lost_since(), wrong_size
            return
        end = self._source.positions()[1]
        deadline = time.monotonic() + _COMMIT
        while self._source.positions()[0] < end and time.monotonic() < deadline:
            records, wrong_size = self._source.take()
            if records is not None:
                yield records, 0 if self._lost is not None else None, wrong_size
                deadline = time.monotonic() + _COMMIT
        yield np.empty(0, self.dtype), self._lost_since(), 0

    def _read_in_thread(self) -> None:
        if self._pace == math.inf:
            self.read()
            return
        now = time.monotonic()
        at, end = self._source.positions()
        most = self._pace if at < end else 1  # what a second allows; or one record, while there is none
        self._budget = min(self._budget + self._pace * (now - self._since), most)
        self._since = now
        if self._budget >= 1:
            self._budget -= self._read_paced(int(self._budget))
        self._feed(
            np.empty(0, self.dtype), self._lost_since(), 0
        )  # losses are shown while nothing is read, too

    def _read_paced(self, count: int) -> int:
        """Read ``count`` records, whatever their sizes; a discarded one counts too. -> how many were read."""
        left, before = count, -1
        at, end = self._source.positions()
        while left and before != at < end:  # it stays where the next record is not committed yet
            left -= self.read_some(left) or 1
            before, at = at, self._source.positions()[0]
        return count - left

    def _lost_since(self) -> int | None:
        """How many were lost since this was last asked."""
        if self._lost is None:
            return None
        before, self._lost = self._lost, self._count_lost() or 0
        return self._lost - before

    def _count_lost(self) -> int | None:
        return self._source.lost() if isinstance(self._source, PerfBuffers) else lost_of(self.table.bpf)


def _too_large(size: int) -> str:
    if size <= LARGEST:
        return ""
    return f"an event of {size:,} bytes is larger than a perf record, {LARGEST:,} at most: use a ring buffer"


def buffer_of(table: Any) -> BufferReader:
    """The BufferReader of a perf or ring buffer, made at the first call; UnloadedError for an unloaded program."""
    table.bpf.check_loaded()
    return table.bpf.own(("buffer", table.map_fd), lambda: BufferReader(table))


def lost_of(bpf: BPF) -> int | None:
    """What a program counted in its map ``lost``, slot 0 of an array or per-CPU array; None without such a map."""
    try:
        table = bpf["lost"]
    except MapError:
        return None
    if not isinstance(table, bcc_table.Array | bcc_table.PerCpuArray):
        declaration = "BPF_ARRAY(lost, u64, 1)"
        raise MapError(rule="map-of-counts", name="lost", counted="lost events", declaration=declaration)
    value = table[0]
    return int(value.value if hasattr(value, "value") else sum(value))


def _source_of(table: Any, dtype: np.dtype) -> "PerfBuffers | RingSource":
    ordered = platform.machine() == "x86_64"  # loads happen in the order of the program, which Ring relies on
    if isinstance(table, RingBuf):
        return RingSource(table, dtype) if ordered else RingByCallback(table, dtype)
    return PerfBuffers(table, dtype)


class RingSource:
    """A ring buffer read from its memory."""

    def __init__(self, table: Any, dtype: np.dtype) -> None:
        self._ring, self._dtype, self.files = Ring(table.map_fd), dtype, [table.map_fd]

    def positions(self) -> tuple[int, int]:
        """As Ring.positions()."""
        return self._ring.positions()

    def take(self, count: int | None = None) -> tuple[np.ndarray | None, int | None]:
        """As Ring.take(), with the dtype of this buffer."""
        return self._ring.take(self._dtype, count)

    def close(self) -> None:
        """Unmap the ring."""
        self._ring.close()


class RingByCallback(RingSource):
    """A ring buffer read with BCC's callback, one event at a time: right on each CPU, and slow."""

    def __init__(self, table: Any, dtype: np.dtype) -> None:
        super().__init__(table, dtype)
        self._got: list[bytes] = []
        self._most = 0
        self._callback = _RINGBUF_CB_TYPE(self._take_one)
        self._manager = lib.bpf_new_ringbuf(table.map_fd, self._callback, None)

    def take(self, count: int | None = None) -> tuple[np.ndarray | None, int | None]:
        """The same as from the ring's memory."""
        self._got, self._most = [], count or 1 << 16
        lib.bpf_consume_ringbuf(self._manager)
        if not self._got:
            return None, None
        lengths = [len(data) for data in self._got]
        starts = np.cumsum([0, *lengths[:-1]])
        return cut_out(np.frombuffer(b"".join(self._got), np.uint8), starts, lengths, self._dtype)

    def close(self) -> None:
        """Free the manager, and unmap the ring."""
        lib.bpf_free_ringbuf(self._manager)
        super().close()

    def _take_one(self, _: Any, data: int, size: int) -> int:
        self._got.append(ct.string_at(data, size))
        return -1 if len(self._got) == self._most else 0  # at -1 libbpf stops, with this record consumed

"""BufferReader: reads a perf or ring buffer of a program, for recordings and views."""

import ctypes as ct
import functools
import platform
import select
import time

import numpy as np
from bcc import table as bcc_table
from bcc.libbcc import lib
from bcc.table import _RINGBUF_CB_TYPE

from ..bcc_maps import claim, event_class
from ..diagnostics.errors import MapError
from .columns import dtype_of
from .perfbuf import PerfBuffers
from .reader import PERIOD, Reader
from .ringbuf import Ring
from .unpack import RAW, cut_out

BUFFERS = (bcc_table.PerfEventArray, bcc_table.RingBuf)
_REST = 0.005  # seconds between two reads: each time that a reader has caught up, waking it costs the program time
_COMMIT = 0.01  # seconds that a reserved record may take to be committed


class BufferReader(Reader):
    """The reader of one buffer; buffer_of() gives it. Feeds sinks (records, lost, misfits).

    Records are a structured array; ``lost`` counts events, and is None where nobody counts them;
    ``misfits`` are records of another size than the struct, which were cut or filled with zeros.
    """

    name = "buffer"

    def __init__(self, table):
        super().__init__()
        self.table, self.paced = table, False  # paced: somebody else says when to read, and how much
        fields = event_class(table)._fields_
        self.dtype = dtype_of(event_class(table)) if fields else RAW
        self._source, self._lost = None, None

    def __str__(self):
        return "record(), watch() or draw()"

    def step(self, count):
        """Take ``count`` records out of a ring buffer, or as many as there are, and feed them to the sinks."""
        with self._lock:
            closed = self._source is None
            self._open()
            records, misfits = self._source.take(count)
            if records is not None:
                self._feed(records, self._lost_since(), misfits)
            if closed and not self._thread:
                self._idle()
            return 0 if records is None else len(records)

    def end(self, bpf):
        """Stop, tell the sinks, and free what is held. May be called twice."""
        super().end(bpf)
        with self._lock:
            self._idle()

    @property
    def counted(self):
        """Whether somebody counts lost events."""
        return not isinstance(self.table, bcc_table.RingBuf) or lost_of(self.table.bpf) is not None

    def lost(self):
        """How many events were lost until now, as the kernel or the program counts; None where neither does."""
        return self._source.lost() if isinstance(self._source, PerfBuffers) else lost_of(self.table.bpf)

    def _open(self):
        if self._source is None:
            claim(self.table, self)
            self._source = _source_of(self.table, self.dtype)
            self._lost = self.lost()

    def _idle(self):
        if self._source is not None and not self.paced:  # whoever paces it still holds the buffer
            self._source.close()
            self._source = None
            self.table.bpf.readers.pop(self.table.map_fd, None)

    def _batches(self, until):
        if isinstance(self._source, PerfBuffers):
            records, misfits = self._source.take()
            yield records, self._lost_since(), misfits
            return
        end = self._source.positions()[1]
        deadline = time.monotonic() + _COMMIT
        while self._source.positions()[0] < end and time.monotonic() < deadline:
            records, misfits = self._source.take()
            if records is not None:
                yield records, 0 if self._lost is not None else None, misfits
                deadline = time.monotonic() + _COMMIT
        yield np.empty(0, self.dtype), self._lost_since(), 0

    def _lost_since(self):
        """How many were lost since this was last asked."""
        if self._lost is None:
            return None
        before, self._lost = self._lost, self.lost()
        return self._lost - before

    def _read_in_thread(self):
        if not self.paced:
            self.read()
        else:
            self._feed(np.empty(0, self.dtype), self._lost_since(), 0)  # so that views go on

    def _wait(self):
        self._wake.wait(PERIOD if self.paced else _REST)
        if self._wake.is_set() or self.paced:
            return
        poll = select.poll()
        with self._lock:
            for fd in self._source.files if self._source else ():
                poll.register(fd, select.POLLIN)
        poll.poll(PERIOD * 1000)


def buffer_of(table):
    """The BufferReader of a perf or ring buffer, made at the first call; BusyError where a callback reads it."""
    bpf = table.bpf
    reader = bpf.readers.get(table.map_fd)
    if not isinstance(reader, BufferReader):
        reader = BufferReader(table)
        claim(table, reader)
        bpf.at_close.append(functools.partial(reader.end, bpf))
    return reader


def lost_of(bpf):
    """What a program counted in its map ``lost``, slot 0 of an array or per-CPU array; None without such a map."""
    try:
        table = bpf["lost"]
    except MapError:
        return None
    if not isinstance(table, bcc_table.Array | bcc_table.PerCpuArray):
        raise MapError(
            "The map named lost counts lost events, so it must be an array with the count in slot 0.",
            fix="BPF_ARRAY(lost, u64, 1), or another name for the map",
        )
    value = table[0]
    return int(value.value if hasattr(value, "value") else sum(value))


def _source_of(table, dtype):
    ordered = platform.machine() == "x86_64"  # loads in the order of the program, which Ring relies on
    if isinstance(table, bcc_table.RingBuf):
        return RingSource(table, dtype) if ordered else RingByCallback(table, dtype)
    return PerfBuffers(table, dtype)


class RingSource(Ring):
    """A ring buffer read from its memory."""

    def __init__(self, table, dtype):
        super().__init__(table.map_fd)
        self._dtype, self.files = dtype, [table.map_fd]

    def take(self, count=None):
        """Ring.take(), with the dtype of this buffer."""
        return super().take(self._dtype, count)


class RingByCallback(RingSource):
    """A ring buffer read with BCC's callback, an event at a time: right on each CPU, and slow."""

    def __init__(self, table, dtype):
        super().__init__(table, dtype)
        self._got, self._most = [], 0
        self._callback = _RINGBUF_CB_TYPE(self._take_one)
        self._manager = lib.bpf_new_ringbuf(table.map_fd, self._callback, None)

    def take(self, count=None):
        """The same as from the ring's memory."""
        self._got, self._most = [], count or 1 << 16
        lib.bpf_consume_ringbuf(self._manager)
        if not self._got:
            return None, None
        lengths = [len(data) for data in self._got]
        starts = np.cumsum([0, *lengths[:-1]])
        return cut_out(np.frombuffer(b"".join(self._got), np.uint8), starts, lengths, self._dtype)

    def close(self):
        """Free it all."""
        lib.bpf_free_ringbuf(self._manager)
        super().close()

    def _take_one(self, _, data, size):
        self._got.append(ct.string_at(data, size))
        return -1 if len(self._got) == self._most else 0  # libbpf stops there, the record taken

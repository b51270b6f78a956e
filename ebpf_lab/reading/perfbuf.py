"""PerfBuffers: a perf buffer for each CPU, as BCC's open_perf_buffer() makes them, read by ourselves.

BCC's reader learns of lost events only with the next event that is written. Read
from the perf event itself (PERF_FORMAT_LOST), the kernel's count is exact at any time.
"""

import ctypes as ct
import errno
import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from bcc.libbcc import lib
from bcc.utils import get_online_cpus

from ..kernel import uapi
from ..kernel.syscalls import call, fence
from .unpack import cut_out

PAGES = 8  # for each CPU: BCC's default
# Bytes that an event has at most: struct perf_event_header has a u16 for the size of all, which is a multiple of 8.
LARGEST = 0xFFF8 - 12
_HEAD, _TAIL = uapi.DATA_HEAD // 8, uapi.DATA_TAIL // 8  # as u64


class PerfBuffers:
    """The perf buffers of a BPF_PERF_OUTPUT map, one per CPU; close() takes them out of the map."""

    def __init__(self, table: Any, dtype: np.dtype) -> None:
        self._table, self._dtype = table, dtype
        self._unreadable = 0
        self._cpus: dict[int, _OneCpu] = {}
        try:
            for cpu in get_online_cpus():
                self._cpus[cpu] = _OneCpu(cpu)
                table[table.Key(cpu)] = table.Leaf(self._cpus[cpu].fd)
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> list[int]:
        """File descriptors to wait at."""
        return [cpu.fd for cpu in self._cpus.values()]

    def take(self) -> tuple[np.ndarray, int]:
        """Take out what each CPU has -> (records, how many were of the wrong size)."""
        heads = [cpu.head() for cpu in self._cpus.values()]
        fence()
        data = [cpu.data(head) for cpu, head in zip(self._cpus.values(), heads, strict=True)]
        fence()
        for cpu, head in zip(self._cpus.values(), heads, strict=True):
            cpu.free(head)
        starts: list[int] = []
        lengths: list[int] = []
        base, item = 0, self._dtype.itemsize
        for block in data:
            if item > LARGEST:
                self._unreadable += bool(len(block))
            elif samples(block, base, starts, lengths) < len(block):
                self._unreadable += 1
            base += len(block)
        # The kernel pads the data and the u32 before it, together, to 8 bytes. The length includes the padding.
        exact, padded = item, (item + 4 + 7) // 8 * 8 - 4
        lengths = [exact if length == padded else length for length in lengths]
        return cut_out(np.concatenate(data), starts, lengths, self._dtype)

    def lost(self) -> int:
        """How many events were lost since the buffers were opened, as the kernel counts.

        Of an event of more than LARGEST bytes, the kernel writes the size modulo 64 KiB, and its data over
        everything else in the buffer. What can't be read counts as one event, as nobody knows how many it was.
        """
        return sum(cpu.lost() for cpu in self._cpus.values()) + self._unreadable

    def close(self) -> None:
        """Take the buffers out of the map and free them. May be called twice."""
        for number, cpu in self._cpus.items():
            lib.bpf_delete_elem(self._table.map_fd, ct.byref(self._table.Key(number)))
            cpu.close()
        self._cpus = {}


class _OneCpu:
    def __init__(self, cpu: int) -> None:
        self._counted = True
        try:
            self.fd = _open(cpu, uapi.PERF_FORMAT_LOST)
        except OSError as e:
            if e.errno != errno.EINVAL:  # kernels before 6.0 reject that format
                raise
            self._counted, self.fd = False, _open(cpu, 0)
        self._lost_records = 0
        page = mmap.PAGESIZE
        try:
            self._map = mmap.mmap(self.fd, (1 + PAGES) * page)
        except BaseException:
            os.close(self.fd)
            raise
        self._words = np.frombuffer(self._map, np.uint64, page // 8)
        self._data = np.frombuffer(self._map, np.uint8, PAGES * page, page)

    def head(self) -> int:
        return int(self._words[_HEAD])

    def data(self, head: int) -> np.ndarray:
        """A copy of what was written up to ``head`` and not read yet."""
        start = int(self._words[_TAIL]) % len(self._data)
        end = start + head - int(self._words[_TAIL])
        block = np.concatenate([self._data[start:end], self._data[: max(0, end - len(self._data))]])
        if not self._counted:
            self._lost_records += lost_in(block)
        return block

    def free(self, head: int) -> None:
        """Let the kernel write there again."""
        self._words[_TAIL] = head

    def lost(self) -> int:
        if not self._counted:
            return self._lost_records
        return int(np.frombuffer(os.read(self.fd, 16), np.uint64)[1])  # struct read_format: value, lost

    def close(self) -> None:
        del self._words, self._data
        self._map.close()
        os.close(self.fd)


def _records(block: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Walk over perf records: (type, offset, size) of each; struct perf_event_header is u32, u16, u16.

    The walk ends before a record whose size can't be one.
    """
    words = block.data.cast("I") if len(block) else []
    offset = 0
    while offset < len(block):
        kind, size = words[offset // 4], words[offset // 4 + 1] >> 16
        if size % 8 or not _SHORTEST.get(kind, 8) <= size <= len(block) - offset:
            return
        yield kind, offset, size
        offset += size


_SHORTEST = {uapi.PERF_RECORD_SAMPLE: 16, uapi.PERF_RECORD_LOST: 24}


def samples(block: np.ndarray, base: int, starts: list[int], lengths: list[int]) -> int:
    """Add where the data of each sample starts and how long it is: after the header comes its u32 of size.

    Returns how many bytes of ``block`` are records; what follows them can't be read.
    """
    end = 0
    for kind, offset, size in _records(block):
        if kind == uapi.PERF_RECORD_SAMPLE:
            starts.append(base + offset + 12)
            lengths.append(size - 12)
        end = offset + size
    return end


def lost_in(block: np.ndarray) -> int:
    """Add up the PERF_RECORD_LOST: header, u64 id, u64 lost."""
    return sum(
        int(block[at + 16 : at + 24].view(np.uint64)[0])
        for kind, at, _ in _records(block)
        if kind == uapi.PERF_RECORD_LOST
    )


def _open(cpu: int, read_format: int) -> int:
    attr = uapi.PerfEventAttr(
        type=uapi.PERF_TYPE_SOFTWARE,
        size=ct.sizeof(uapi.PerfEventAttr),
        config=uapi.PERF_COUNT_SW_BPF_OUTPUT,
        sample_period=1,
        sample_type=uapi.PERF_SAMPLE_RAW,
        read_format=read_format,
        wakeup_events=1,
    )
    fd = call(uapi.NR_PERF_EVENT_OPEN, ct.byref(attr), -1, cpu, -1, ct.c_ulong(uapi.PERF_FLAG_FD_CLOEXEC))
    if fd < 0:
        raise OSError(ct.get_errno(), f"perf_event_open: {os.strerror(ct.get_errno())}")
    return fd

"""Ring: a ring buffer's own memory, mapped, and read in bulk with numpy.

Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, which user space
writes; a page with the producer's; then the data, mapped twice in a row, so that
a record that wraps around the end is still contiguous. Positions count bytes and
only grow. A record is a header of 8 bytes, whose first u32 is the length with two
flags, then the data, filled up to a multiple of 8.
"""

import mmap
from typing import NamedTuple

import numpy as np

from ..kernel import uapi
from ..kernel.syscalls import fence
from .unpack import cut_out, fitted

BUSY, DISCARDED, HEADER = uapi.RINGBUF_BUSY_BIT, uapi.RINGBUF_DISCARD_BIT, uapi.RINGBUF_HDR_SZ
_WALKED = 1 << 16  # records of mixed sizes looked at in one go
_TAKEN = 1 << 20  # bytes taken in one go, so that they stay in the CPU's cache from the headers to the copy


class Header(NamedTuple):
    """One record in the ring."""

    position: int  # where its header starts, in bytes since the ring was made
    length: int  # bytes of its data
    busy: bool  # reserved, not committed yet
    discarded: bool  # to be skipped by the reader


class Look(NamedTuple):
    """The ring at one moment."""

    reader: int  # the consumer's position, in bytes since the ring was made
    writer: int  # the producer's
    headers: list[Header]  # of the records between them; none where they passed too fast to be read

    @property
    def known(self) -> bool:
        """Whether the headers could be read."""
        return bool(self.headers) == (self.reader < self.writer)

    @property
    def settled(self) -> bool:
        """Whether it stays as it is until a position moves."""
        return self.known and not any(header.busy for header in self.headers)


class Ring:
    """The memory of the ring buffer whose map has the file descriptor ``fd``.

    take() is safe where loads happen in the order of the program, as on x86_64,
    and only for one reader at a time.
    """

    def __init__(self, fd: int) -> None:
        self.size = _max_entries(fd)
        page = mmap.PAGESIZE
        self._maps = [
            mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE),
            mmap.mmap(fd, page + 2 * self.size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page),
        ]
        self._consumer = np.frombuffer(self._maps[0], np.uint64, 1)
        self._producer = np.frombuffer(self._maps[1], np.uint64, 1)
        self._data = np.frombuffer(self._maps[1], np.uint8, 2 * self.size, page)
        self._words = self._data.view(np.uint32)
        self._heads = self._data.data.cast("I")  # one element of it costs a third of numpy's

    def close(self) -> None:
        """Unmap the ring."""
        self._heads.release()
        del self._consumer, self._producer, self._data, self._words
        for mapped in self._maps:
            mapped.close()

    def positions(self) -> tuple[int, int]:
        """-> (the consumer's, the producer's), in bytes since the ring was made."""
        return int(self._consumer[0]), int(self._producer[0])

    def headers(self, count: int) -> list[Header]:
        """The headers of the next ``count`` records that were not read yet, or of fewer."""
        position, end = self.positions()
        fence()  # The kernel writes a header before it moves the producer's position.
        found: list[Header] = []
        while position < end and len(found) < count:
            head = self._head(position)
            length = head & ~(BUSY | DISCARDED)
            found.append(Header(position, length, bool(head & BUSY), bool(head & DISCARDED)))
            position += stride(length)
        return found

    def look(self, most: int, earlier: Look | None = None) -> Look:
        """The ring as it is now, with ``most`` headers at most; the ``earlier`` look where nothing has moved since."""
        for _ in range(3):
            reader, writer = self.positions()
            if earlier and earlier.settled and earlier[:2] == (reader, writer):
                return earlier
            headers = self.headers(most)
            fence()
            if self.positions()[0] == reader:  # else what was looked at may be written over by now
                return Look(reader, writer, [header for header in headers if header.position < writer])
        return Look(max(reader, writer - self.size), writer, [])

    def take(self, dtype: np.dtype, count: int | None = None) -> tuple[np.ndarray | None, int | None]:
        """Take the next records out, ``count`` at most -> (records, how many were of the wrong size).

        Without ``count`` 1 MiB or a quarter of the ring at most. Both are None where
        the next record isn't there yet, or not committed.
        """
        start, end = self.positions()
        if start == end or (first := self._head(start)) & BUSY:
            return None, None
        length = first & ~DISCARDED
        step = stride(length)
        if step > end - start:
            return self._walk(dtype, start, end, 1)
        # The rest at the next call: the kernel has room again early.
        most = max(min(end - start, self.size // 4, _TAKEN) // step, 1)  # One record can be larger than that.
        most = min(most, count or most)
        at = start % self.size
        heads = self._words[at // 4 : (at + most * step) // 4 : step // 4]
        alike = heads == length
        if not alike.all():
            alike |= heads == length | DISCARDED
        # Each header that is alike says where the next one is: up to the first that differs, all are real.
        run = most if alike.all() else int(alike.argmin())
        if run < min(most, 8):
            return self._walk(dtype, start, end, min(count or _WALKED, _WALKED))
        rows = np.ndarray(run, f"V{length}", self._data, at + HEADER, step) if length else np.empty(run, "V0")
        heads = heads[:run]
        if (heads != length).any():
            rows = rows[heads == length]
        taken = fitted(rows, dtype)  # a copy, made before the kernel may write there again
        self._consumer[0] = start + run * step
        return taken

    def _walk(self, dtype: np.dtype, position: int, end: int, count: int) -> tuple[np.ndarray, int]:
        """The same one header after the other, for records of different sizes.

        A record that goes on beyond ``end`` can't be one: the rest counts as one of the wrong size.
        """
        starts, lengths, seen, unreadable = [], [], 0, 0
        while position < end and seen < count:
            head = self._head(position)
            if head & BUSY:
                break
            length = head & ~DISCARDED
            if stride(length) > end - position:
                position, unreadable = end, 1
                break
            if head == length:
                starts.append(position % self.size + HEADER)
                lengths.append(length)
            position += stride(length)
            seen += 1
        records, wrong_size = cut_out(self._data, starts, lengths, dtype)
        self._consumer[0] = position
        return records, wrong_size + unreadable

    def _head(self, position: int) -> int:
        return self._heads[position % self.size // 4]


def stride(length: int) -> int:
    """Bytes that a record with ``length`` bytes of data takes in the ring."""
    return HEADER + (length + 7) // 8 * 8


def _max_entries(fd: int) -> int:
    """The ring's size in bytes; from procfs, because uapi.py doesn't know the number of bpf(2) for every CPU."""
    with open(f"/proc/self/fdinfo/{fd}") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("max_entries:"))

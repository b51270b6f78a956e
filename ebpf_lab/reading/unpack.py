"""From the bytes of events to numpy arrays with one row per event."""

import contextlib
import mmap
from collections.abc import Sequence

import numpy as np

from ..kernel import uapi

_STEP = 1 << 18  # bytes asked for in one go
RAW = np.dtype([("data", object)])  # for events whose struct BCC can't tell: the bytes of each


def fitted(rows: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """-> (a copy of ``rows``, a void array, as an array of ``dtype``; how many rows had another size).

    What is longer than the struct is cut, and what is shorter filled with zero bytes.
    """
    if dtype is RAW:
        records = np.empty(len(rows), RAW)
        records["data"] = rows.tolist() if rows.itemsize else b""
        return records, 0
    if rows.itemsize == dtype.itemsize:
        records = np.empty(len(rows), rows.dtype)
        records[...] = rows
        return records.view(dtype), 0
    records = np.zeros((len(rows), dtype.itemsize), np.uint8)
    if common := min(rows.itemsize, dtype.itemsize):
        records[:, :common] = rows.copy().view(np.uint8).reshape(len(rows), -1)[:, :common]
    return records.view(dtype)[:, 0], len(rows)


def cut_out(
    data: np.ndarray, starts: Sequence[int], lengths: Sequence[int], dtype: np.dtype
) -> tuple[np.ndarray, int]:
    """The same for events that lie at the offsets ``starts`` of the bytes ``data``, each with its length."""
    starts, lengths = np.array(starts, np.int64), np.array(lengths, np.int64)
    records, wrong_size = np.zeros(len(starts), dtype), 0
    for length in np.unique(lengths).tolist():
        these = lengths == length
        rows = (
            data[starts[these, None] + np.arange(length)].view(f"V{length}")[:, 0]
            if length
            else starts[these].astype("V0")
        )
        records[these], count = fitted(rows, dtype)
        wrong_size += count
    return records, wrong_size


class Store:
    """Records in the order in which they came, in one piece of memory; ``most`` bytes at most."""

    def __init__(self, dtype: np.dtype, most: int) -> None:
        self._size, self._ready = 0, 0  # records, and bytes of memory that was asked for
        self._memory, self._room = None, np.empty(0, dtype)
        if not dtype.hasobject:
            # The kernel gives memory as it is written to. In small pages: in a VM it took up to 7 ms to clear
            # one of 2 MiB, slower than events can come, and so a ring of 64 MiB overflowed.
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | uapi.MAP_NORESERVE
            try:
                self._memory = mmap.mmap(-1, most, flags=flags)
            except OSError:  # refused: a limit of the address space, or vm.overcommit_memory=2
                return  # it grows as it is filled, then, which costs copies
            with contextlib.suppress(OSError):
                self._memory.madvise(mmap.MADV_NOHUGEPAGE)
            self._room = np.frombuffer(self._memory, dtype, most // dtype.itemsize)

    def __len__(self) -> int:
        return self._size

    def add(self, records: np.ndarray) -> None:
        """Copy these records to the end."""
        start, end = self._size, self._size + len(records)
        if self._memory:
            self._ask_for(end * records.itemsize)
            whole = f"V{records.itemsize}"  # else numpy copies a struct field by field
            self._room[start:end].view(whole)[...] = records.view(whole)
        else:
            if end > len(self._room):
                self._room, old = np.empty(2 * end, records.dtype), self.array()
                self._room[:start] = old
            self._room[start:end] = records
        self._size = end

    def array(self) -> np.ndarray:
        """All records. Memory is shared: it keeps these when more are added."""
        return self._room[: self._size]

    def _ask_for(self, end: int) -> None:
        """Half the price of a page fault for each page."""
        while self._ready < end and self._ready + _STEP <= len(self._memory):
            with contextlib.suppress(OSError):  # before Linux 5.14
                self._memory.madvise(uapi.MADV_POPULATE_WRITE, self._ready, _STEP)
            self._ready += _STEP

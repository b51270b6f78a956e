"""From the bytes of events to numpy arrays with one row per event."""

import contextlib
import mmap
from typing import Any

import numpy as np

from ..kernel import uapi

RAW = np.dtype([("data", object)])  # for events that are no struct: the bytes of each


def fitted(rows: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """-> (a copy of ``rows``, a void array, as an array of ``dtype``; how many rows had another size).

    What is longer than the struct is cut, and what is shorter filled with zero bytes.
    """
    if dtype is RAW:
        raw = np.empty(len(rows), RAW)
        raw["data"] = rows.tolist() if rows.itemsize else b""
        return raw, 0
    if rows.itemsize == dtype.itemsize:
        copy = np.empty(len(rows), rows.dtype)
        copy[...] = rows
        return copy.view(dtype), 0
    records = np.zeros((len(rows), dtype.itemsize), np.uint8)
    if common := min(rows.itemsize, dtype.itemsize):
        records[:, :common] = rows.copy().view(np.uint8).reshape(len(rows), -1)[:, :common]
    return records.view(dtype)[:, 0], len(rows)


def cut_out(data: np.ndarray, starts: Any, lengths: Any, dtype: np.dtype) -> tuple[np.ndarray, int]:
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
    """Records in the order in which they came, in one piece of memory; ``most`` bytes at most.

    The memory is reserved at the start, and the kernel gives pages of it as they are written to. An array that
    grows by copies would stop the reader for longer than a ring can hold what comes meanwhile.
    """

    def __init__(self, dtype: np.dtype, most: int) -> None:
        self._size, self._room = 0, np.empty(0, dtype)
        # As a void, a record is copied in one piece; else numpy copies it field by field.
        self._whole = dtype if dtype.hasobject else np.dtype(f"V{dtype.itemsize}")
        if not dtype.hasobject:
            # Where it is not to be had (an address space limit, vm.overcommit_memory=2), add() grows it by copies.
            with contextlib.suppress(OSError):
                self._room = np.frombuffer(_reserved(most), dtype, most // dtype.itemsize)

    def __len__(self) -> int:
        return self._size

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: the records, without the memory that is reserved for more."""
        return self.__dict__ | {"_room": self.array()}

    def add(self, records: np.ndarray) -> None:
        """Copy these records to the end."""
        start, end = self._size, self._size + len(records)
        if end > len(self._room):
            self._room, old = np.empty(2 * end, records.dtype), self.array()
            self._room[:start] = old
        self._room[start:end].view(self._whole)[...] = records.view(self._whole)
        self._size = end

    def array(self) -> np.ndarray:
        """All records. Memory is shared: it keeps these when more are added."""
        return self._room[: self._size]


def _reserved(size: int) -> mmap.mmap:
    """``size`` bytes of address space; OSError where that can't be had."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | uapi.MAP_NORESERVE)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        # In a VM, the kernel took up to 7 ms to clear a page of 2 MiB: a ring of 64 MiB overflowed.
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory

"""to_frame: what a map holds, as a DataFrame, read in bulk."""

import ctypes as ct
import errno
from collections.abc import Iterator

import numpy as np
import pandas as pd
from bcc import table as bcc_table
from bcc.utils import get_possible_cpus

from .bcc_maps import instead_of
from .diagnostics.errors import UnloadedError
from .histograms import ranges, scale_of
from .kernel import uapi
from .kernel.syscalls import bpf
from .loading.dtypes import dtype_of
from .reading.columns import columns

PER_CPU = (bcc_table.PerCpuHash, bcc_table.PerCpuArray)


def to_frame(table: bcc_table.TableBase) -> pd.DataFrame:
    """A snapshot of a map, one row per entry: ``to_frame(b["counter_table"])``.

    Columns: ``key`` and ``value``, or a column for each field of a struct, nested
    ones dotted (``key.x`` and ``value.x`` where both have an ``x``), and for each member of a union; their dtypes are
    those of the C types, char arrays are text. A per-CPU map has ``cpu0``, ``cpu1`` ...
    and ``total`` in place of ``value``. In a map of maps, ``value`` is the id of the inner
    map, in a program array that of the program. A histogram that is incremented at a bpf_log2l()
    has the range of each bucket too: ``low`` and ``high``, both within it.

    Of a map that is written meanwhile, the snapshot has each entry as it was at some
    time during the call. Reads with BPF_MAP_LOOKUP_BATCH, or with BCC's items() where
    the kernel has no such command for this kind of map. Memory: at most (key + value)
    x max_entries bytes.

    Raises TypeError for what is no map, or can't be read as a table, and
    UnloadedError for a map of a program that was unloaded.
    """
    if not isinstance(table, bcc_table.TableBase | bcc_table.QueueStack):
        raise TypeError(
            f"to_frame() takes a map of a program, as b['counter_table'], not {type(table).__name__}"
        )
    if instead := instead_of(table):
        raise TypeError(instead)
    if not table.bpf.module:  # a closed bcc.BPF; with one of ours, reading the attribute raises
        raise UnloadedError("The program of this map was closed.", fix="load it again")
    try:
        keys, values = batch(table)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EOPNOTSUPP, uapi.ENOTSUPP):
            raise
        keys, values = one_by_one(table)
    frame = _frame(keys, values, isinstance(table, PER_CPU))
    if scale_of(table) == "log2" and not {"low", "high"} & set(frame):
        bucket = frame.columns.get_loc(keys.dtype.names[-1] if keys.dtype.names else "key")
        low, high = ranges(frame.iloc[:, bucket].to_numpy())
        frame.insert(bucket + 1, "low", low)
        frame.insert(bucket + 2, "high", high)
    return frame


def _frame(keys: np.ndarray, values: np.ndarray, per_cpu: bool) -> pd.DataFrame:
    left = columns(keys, "" if keys.dtype.names is not None else "key")
    right = columns(values, "" if per_cpu or values.dtype.names is not None else "value")
    if per_cpu:
        right = dict(cell for name, cells in right.items() for cell in _by_cpu(name, cells))
    twice = left.keys() & right.keys()
    named = {f"key.{name}" if name in twice else name: column for name, column in left.items()}
    named |= {f"value.{name}" if name in twice else name: column for name, column in right.items()}
    # An array within an entry becomes a list in its cell.
    return pd.DataFrame(
        {
            name: column if column.ndim == 1 else pd.Series(column.tolist(), dtype=object)
            for name, column in named.items()
        },
        copy=False,
    )


def _by_cpu(name: str, cells: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The columns of a per-CPU field: ``cells`` has one row per entry, and one column per CPU."""
    before = f"{name}." if name else ""
    yield from ((f"{before}cpu{n}", cells[:, n]) for n in range(cells.shape[1]))
    if cells.dtype.kind in "iuf":
        yield f"{before}total", cells.sum(axis=1)


def batch(table: bcc_table.TableBase) -> tuple[np.ndarray, np.ndarray]:
    """(keys, values) by BPF_MAP_LOOKUP_BATCH; OSError where kernel or map don't have it."""
    key, value, cpus = _layout(table)
    chunk, chunks = max(table.max_entries, 1), []
    # Where the kernel goes on at the next call: 8 bytes or less, or for some kinds of map a key.
    position = (ct.c_uint8 * max(8, key.itemsize))()
    start, more = 0, True
    while more:
        keys, values = np.empty(chunk, key), np.empty((chunk, cpus), value)
        attr = uapi.Batch(
            start, ct.addressof(position), keys.ctypes.data, values.ctypes.data, chunk, table.map_fd
        )
        try:
            bpf(uapi.MAP_LOOKUP_BATCH, attr)
        except OSError as e:
            if e.errno == errno.ENOSPC:  # the next bucket of the hash has more entries than we have room for
                chunk *= 2
                continue
            if e.errno == errno.EINTR:
                continue
            if e.errno != errno.ENOENT:  # ENOENT: these were the last
                raise
            more = False
        start = ct.addressof(position)
        chunks.append((keys[: attr.count], values[: attr.count]))
    keys, values = chunks[0] if len(chunks) == 1 else map(np.concatenate, zip(*chunks, strict=True))
    return keys, _unpadded(values, table)


def one_by_one(table: bcc_table.TableBase) -> tuple[np.ndarray, np.ndarray]:
    """The same by BCC's items(): one or two system calls per entry."""
    key, value, cpus = _layout(table)
    entries = table.items()
    keys = np.frombuffer(b"".join(bytes(k) for k, _ in entries), key)
    if isinstance(table, PER_CPU):  # BCC has removed the padding
        value = dtype_of(table.sLeaf)
    values = np.frombuffer(b"".join(bytes(v) for _, v in entries), value).reshape(len(entries), cpus)
    return keys, values if isinstance(table, PER_CPU) else values[:, 0]


def _layout(table: bcc_table.TableBase) -> tuple[np.dtype, np.dtype, int]:
    """The dtype of a key, that of a value as the kernel copies it, and how many values an entry has."""
    if not isinstance(table, PER_CPU):
        return dtype_of(table.Key), dtype_of(table.Leaf), 1
    value = dtype_of(table.sLeaf)
    size = (value.itemsize + 7) // 8 * 8  # kernel/bpf/syscall.c, bpf_map_value_size()
    padded = np.dtype({"names": ["value"], "formats": [value], "offsets": [0], "itemsize": size})
    return dtype_of(table.Key), padded, len(get_possible_cpus())


def _unpadded(values: np.ndarray, table: bcc_table.TableBase) -> np.ndarray:
    return values["value"] if isinstance(table, PER_CPU) else values[:, 0]

"""to_frame: what a map holds, as a DataFrame, read in bulk."""

import ctypes as ct
import errno

import numpy as np
import pandas as pd
from bcc import table as bcc_table
from bcc.utils import get_possible_cpus

from .diagnostics.errors import LabError
from .kernel import uapi
from .kernel.syscalls import bpf
from .reading.columns import columns, dtype_of

# What can't be read as a table, and what to do instead.
_REFUSED = {
    bcc_table.PerfEventArray: "is a stream of events, not a table of entries: use record()",
    bcc_table.RingBuf: "is a stream of events, not a table of entries: use record()",
    bcc_table.QueueStack: "can only be read by taking its entries out: use its own pop(), peek() or values()",
    bcc_table.StackTrace: "holds stacks by their ids: use its own walk(id)",
}
_PER_CPU = (bcc_table.PerCpuHash, bcc_table.PerCpuArray)


def to_frame(table):
    """A snapshot of a map, a row an entry: ``to_frame(b["counter_table"])``.

    Columns: ``key`` and ``value``, or a column for each field of a struct, nested
    ones dotted (``key.x`` and ``value.x`` where both have an ``x``); their dtypes are
    those of the C types, char arrays are text. A per-CPU map has ``cpu0``, ``cpu1`` ...
    and ``total`` in place of ``value``. In a map of maps, ``value`` is the inner map's id, in
    a program array the program's.

    A snapshot of a map that is written meanwhile has each entry as it was at some
    time during the call. Reads with BPF_MAP_LOOKUP_BATCH, or where kernel or map
    have none with BCC's items(). Memory: at most (key + value) x max_entries bytes.

    Raises TypeError for what is no map, or can't be read as a table, and
    UnloadedError for a map of a program that was unloaded.
    """
    if not isinstance(table, bcc_table.TableBase | bcc_table.QueueStack):
        raise TypeError(
            f"to_frame() takes a map of a program, as b['counter_table'], not {type(table).__name__}"
        )
    for kind, instead in _REFUSED.items():
        if isinstance(table, kind):
            raise TypeError(f"a {kind.__name__} {instead}")
    if not table.bpf.module:  # an unloaded program raises UnloadedError by itself
        raise LabError("The program of this map was closed.", fix="load it again")
    try:
        keys, values = batch(table)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EOPNOTSUPP, uapi.ENOTSUPP):
            raise
        keys, values = one_by_one(table)
    return _frame(keys, values, isinstance(table, _PER_CPU))


def _frame(keys, values, per_cpu):
    left = columns(keys, "" if keys.dtype.names is not None else "key")
    right = columns(values, "" if per_cpu or values.dtype.names is not None else "value")
    if per_cpu:
        right = dict(cell for name, cells in right.items() for cell in _by_cpu(name, cells))
    twice = left.keys() & right.keys()
    named = {f"key.{name}" if name in twice else name: column for name, column in left.items()}
    named |= {f"value.{name}" if name in twice else name: column for name, column in right.items()}
    # An array within an entry becomes a list in its cell.
    named = {
        name: column if column.ndim == 1 else pd.Series(column.tolist(), dtype=object)
        for name, column in named.items()
    }
    return pd.DataFrame(named, copy=False)


def _by_cpu(name, cells):
    """A per-CPU field, with a row an entry and a column a CPU -> (column, array) for each CPU and the total."""
    before = f"{name}." if name else ""
    yield from ((f"{before}cpu{n}", cells[:, n]) for n in range(cells.shape[1]))
    if cells.dtype.kind in "iuf":
        yield f"{before}total", cells.sum(axis=1)


def batch(table):
    """-> (keys, values) as numpy arrays, by BPF_MAP_LOOKUP_BATCH; OSError where that can't be had."""
    key, value, cpus = _layout(table)
    chunk, chunks = max(table.max_entries, 1), []
    # Room for the token by which the kernel finds its place again: for some map types it is a key.
    token = (ct.c_uint8 * max(8, key.itemsize))()
    start, more = 0, True
    while more:
        keys, values = np.empty(chunk, key), np.empty((chunk, cpus), value)
        attr = uapi.Batch(
            start, ct.addressof(token), keys.ctypes.data, values.ctypes.data, chunk, table.map_fd
        )
        try:
            bpf(uapi.MAP_LOOKUP_BATCH, attr)
        except OSError as e:
            if e.errno == errno.ENOSPC:  # a bucket that grew: it doesn't fit in what is left
                chunk *= 2
                continue
            if e.errno == errno.EINTR:
                continue
            if e.errno != errno.ENOENT:  # ENOENT: that was all
                raise
            more = False
        start = ct.addressof(token)
        chunks.append((keys[: attr.count], values[: attr.count]))
    keys, values = chunks[0] if len(chunks) == 1 else map(np.concatenate, zip(*chunks, strict=True))
    return keys, _unpadded(values, table)


def one_by_one(table):
    """-> (keys, values), the same by BCC's items(): a system call or two for each entry."""
    key, value, cpus = _layout(table)
    entries = table.items()
    keys = np.frombuffer(b"".join(bytes(k) for k, _ in entries), key)
    if isinstance(table, _PER_CPU):  # BCC has taken the padding away
        value = dtype_of(table.sLeaf)
    values = np.frombuffer(b"".join(bytes(v) for _, v in entries), value).reshape(len(entries), cpus)
    return keys, values if isinstance(table, _PER_CPU) else values[:, 0]


def _layout(table):
    """-> (dtype of a key, dtype of a value as the kernel copies it, how many values an entry has)"""
    if not isinstance(table, _PER_CPU):
        return dtype_of(table.Key), dtype_of(table.Leaf), 1
    value = dtype_of(table.sLeaf)
    size = (value.itemsize + 7) // 8 * 8  # kernel/bpf/syscall.c, bpf_map_value_size()
    padded = np.dtype({"names": ["value"], "formats": [value], "offsets": [0], "itemsize": size})
    return dtype_of(table.Key), padded, len(get_possible_cpus())


def _unpadded(values, table):
    return values["value"] if isinstance(table, _PER_CPU) else values[:, 0]

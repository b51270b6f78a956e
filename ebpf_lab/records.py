"""From the bytes of events to numpy arrays with a row an event."""

import numpy as np

RAW = np.dtype([("data", object)])  # for events whose struct BCC can't tell: the bytes of each


def fitted(rows, dtype):
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


def cut_out(data, starts, lengths, dtype):
    """The same for events that lie at the offsets ``starts`` of the bytes ``data``, each with its length."""
    starts, lengths = np.array(starts, np.int64), np.array(lengths, np.int64)
    records, misfits = np.zeros(len(starts), dtype), 0
    for length in np.unique(lengths).tolist():
        these = lengths == length
        rows = (
            data[starts[these, None] + np.arange(length)].view(f"V{length}")[:, 0]
            if length
            else starts[these].astype("V0")
        )
        records[these], count = fitted(rows, dtype)
        misfits += count
    return records, misfits


def joined(arrays, dtype):
    """One array of several. numpy's concatenate() would leave out the padding of a struct."""
    if dtype is RAW or len(arrays) == 0:
        return np.concatenate([np.empty(0, dtype), *arrays])
    return (
        arrays[0]
        if len(arrays) == 1
        else np.concatenate([a.view(f"V{dtype.itemsize}") for a in arrays]).view(dtype)
    )

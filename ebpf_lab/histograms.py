"""Histograms: maps that count how many values fell into each bucket. BCC declares them with BPF_HISTOGRAM."""

import re
from typing import Any, Literal

import numpy as np

Scale = Literal["log2", "linear"]


def scale_of(table: Any) -> Scale | None:
    """How a map's buckets grow: "log2" where the program increments it at a bpf_log2l(), else "linear"; None for no histogram.

    BCC does not keep it: there one chooses between print_log2_hist() and print_linear_hist(). So it is read from the source.
    """
    source = table.bpf.source
    name = next((re.escape(_str(name)) for name, known in table.bpf.tables.items() if known is table), None)
    if not name or not re.search(rf'\bBPF_(HISTOGRAM\s*\(|TABLE\s*\("histogram",[^;]*,)\s*{name}\b', source):
        return None
    for used in re.findall(rf"\b{name}\s*\.\s*\w+\s*\(([^;]*)\)", source):
        if "bpf_log2" in used:
            return "log2"
        for variable in re.findall(r"[a-zA-Z_]\w*", used):
            if re.search(rf"\b{variable}\b[^;=,]*=\s*(?:\{{[^;}}]*|[^;,]*)\bbpf_log2l?\s*\(", source):
                return "log2"
    return "linear"


def ranges(buckets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the lowest, the highest) value in each log2 bucket, as print_log2_hist() has them: 4 is "8 -> 15", 1 is "0 -> 1"."""
    number = buckets.astype(np.uint64)
    low = np.where(number > 1, np.uint64(1) << np.maximum(number, 1) - np.uint64(1), 0).astype(np.uint64)
    high = np.where(number > 1, low + (low - np.uint64(1)), number)
    return low, high.astype(np.uint64)


def _str(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode()

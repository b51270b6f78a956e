"""A snapshot of a map as a DataFrame: this lab beside what one would use instead, in one process, one run.

    .venv/bin/python benchmarks/map_snapshot.py [LARGEST]

For u64 -> u64 hash maps of 100 to LARGEST (1,000,000) entries: the bare
BPF_MAP_LOOKUP_BATCH system call into fresh arrays; to_frame(); BCC's
items_lookup_batch() and items(), each into a DataFrame; `bpftool map dump -j`,
parsed. For per-CPU hashes: to_frame() and items(). Each figure is the median of
some rounds in turn (fewer for the slow ways). Written to map_snapshot.md and
map_snapshot.svg beside this file.
"""

import contextlib
import ctypes as ct
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import bcc
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ebpf_lab import BPF, to_frame
from ebpf_lab.kernel import uapi
from ebpf_lab.kernel.syscalls import bpf

WAYS = {
    "bare system call": "#7f7f7f",
    "to_frame()": "#1f77b4",
    "items_lookup_batch()": "#2ca02c",
    "items()": "#d62728",
    "bpftool map dump -j": "#9467bd",
}


def bare(table):
    keys, values = np.empty(table.max_entries, np.uint64), np.empty(table.max_entries, np.uint64)
    token = (ct.c_uint8 * 8)()
    attr = uapi.Batch(0, ct.addressof(token), keys.ctypes.data, values.ctypes.data, len(keys), table.map_fd)
    with contextlib.suppress(FileNotFoundError):  # ENOENT: that was all
        bpf(uapi.MAP_LOOKUP_BATCH, attr)
    return attr.count


def by_items(items):
    return pd.DataFrame([(k.value, v.value) for k, v in items], columns=["key", "value"])


def by_bpftool(table):
    info = dict(
        line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{table.map_fd}").read_text().splitlines()
    )
    command = ["bpftool", "-j", "map", "dump", "id", info["map_id"].strip()]
    entries = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    whole = [
        [int.from_bytes(bytes(int(x, 16) for x in e[f]), "little") for f in ("key", "value")] for e in entries
    ]
    return pd.DataFrame(whole, columns=["key", "value"])


def timed(ways, size):
    """-> {way: median seconds}, the ways in turn, each checked to have found all ``size`` entries."""
    taken = {name: [] for name in ways}
    for n in range(7):
        for name, way in ways.items():
            if n and sum(taken[name]) > 6:  # the slow ways: enough seen
                continue
            started = time.perf_counter()
            found = way()
            taken[name].append(time.perf_counter() - started)
            assert (found if isinstance(found, int) else len(found)) == size, name
            del found
    return {name: statistics.median(times) for name, times in taken.items()}


def plain(size):
    with BPF(text=f"\nBPF_HASH(t, u64, u64, {size});\n", keep=True) as b:
        table, keys = b["t"], np.arange(size, dtype=np.uint64)
        array = (ct.c_uint64 * size).from_buffer(keys)
        table.items_update_batch(array, array)
        return timed(
            {
                "bare system call": lambda: bare(table),
                "to_frame()": lambda: to_frame(table),
                "items_lookup_batch()": lambda: pd.DataFrame(
                    table.items_lookup_batch(), columns=["key", "value"]
                ),
                "items()": lambda: by_items(table.items()),
                "bpftool map dump -j": lambda: by_bpftool(table),
            },
            size,
        )


def per_cpu(size):
    with BPF(text=f"\nBPF_PERCPU_HASH(t, u64, u64, {size});\n", keep=True) as b:
        table = b["t"]
        for n in range(size):
            table[ct.c_uint64(n)] = table.Leaf(*[n] * table.total_cpu)

        def items():
            return pd.DataFrame([(k.value, sum(v)) for k, v in table.items()], columns=["key", "total"])

        return timed({"to_frame()": lambda: to_frame(table), "items()": items}, size)


def chart(sizes, results, path):
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, colour in WAYS.items():
        axes.loglog(sizes, [results[size][name] for size in sizes], "o-", color=colour, label=name)
    axes.set(xlabel="entries", ylabel="seconds", title="A snapshot of a u64 -> u64 hash map")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def main(largest):
    sizes = [10**n for n in range(2, 7) if 10**n <= largest]
    results = {size: plain(size) for size in sizes}
    largest = sizes[-1]
    ours = results[largest]["to_frame()"]
    small = min(largest, 100_000)
    cpu = per_cpu(small)
    lines = [
        "# A snapshot of a map as a DataFrame",
        "",
        f"Made by `benchmarks/map_snapshot.py` on Linux {platform.release()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}, bcc {bcc.__version__}, pandas {pd.__version__}. Milliseconds, medians.",
        "",
        "| entries | " + " | ".join(WAYS) + " |",
        "|--:|" + "--:|" * len(WAYS),
        *(
            f"| {size:,} | " + " | ".join(f"{1000 * results[size][w]:,.2f}" for w in WAYS) + " |"
            for size in sizes
        ),
        f"| times to_frame() at {largest:,} | "
        + " | ".join(f"{results[largest][w] / ours:.2f}" for w in WAYS)
        + " |",
        "",
        f"Per-CPU hash, {small:,} entries: to_frame() {1000 * cpu['to_frame()']:,.1f} ms, items() {1000 * cpu['items()']:,.1f} ms, "
        f"{cpu['items()'] / cpu['to_frame()']:.1f} times as long.",
        "",
        "![The same figures over the number of entries, both axes logarithmic](map_snapshot.svg)",
        "",
    ]
    here = Path(__file__)
    here.with_suffix(".md").write_text("\n".join(lines))
    chart(sizes, results, here.with_suffix(".svg"))
    print("\n".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

"""The events of a ring buffer, read: this lab beside BCC's ways, libbpf in C and memcpy, in one process, one run.

    .venv/bin/python benchmarks/ring_events.py [LARGEST]

An event has two numbers and two char arrays, 36 bytes; with its header it takes 48 bytes of
the ring. A ring that holds 1,000 to LARGEST (10,000,000) events is filled by
BPF_PROG_TEST_RUN, and then the CPU time of the reading alone is measured, the ways in
turn, nine rounds (fewer for the slow ways; once where that takes 3 s); the figures
are medians. The C is compiled here, against libbpf, where a C compiler is.

Then the ring is read while a program on another CPU fills it as fast as it can.
Written to ring_events.md and ring_events.svg beside this file.
"""

import ctypes as ct
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bcc
import numpy as np
import pandas as pd
from bcc.table import RingBuf
from matplotlib.figure import Figure

from ebpf_lab import BPF, record
from ebpf_lab.reading.buffer_reader import buffer_of
from ebpf_lab.reading.record import BufferRecording
from ebpf_lab.reading.ringbuf import Ring
from ebpf_lab.testrun import fire

PROGRAM = """
struct event { u32 pid; u32 uid; char command[16]; char message[12]; };
BPF_RINGBUF_OUTPUT(output, %d);
BPF_ARRAY(sent, u32, 1);
BPF_ARRAY(lost, u64, 1);
int burst(struct __sk_buff *skb) {
  int slot = 0;
  u32 *sent_until_now = sent.lookup(&slot);
  if (!sent_until_now) return 0;
  u32 n = (*sent_until_now)++;
  struct event e = {.pid = n, .uid = 1000 + (n & 3), .command = "worker-", .message = "Even pid"};
  e.command[7] = 'a' + (n & 15);
  if (n & 1) __builtin_memcpy(e.message, "Odd pid", 8);
  if (output.ringbuf_output(&e, sizeof(e), 0)) lost.increment(slot);
  return 0;
}
"""
IN_C = """
#include <string.h>
#include <bpf/libbpf.h>
static char *to;
static int copy(void *context, void *data, size_t size) { memcpy(to, data, size); to += size; return 0; }
void *open_ring(int fd) { return ring_buffer__new(fd, copy, 0, 0); }
long read_ring(void *ring, char *into) { to = into; return ring_buffer__consume(ring); }
void close_ring(void *ring) { ring_buffer__free(ring); }
"""
EVENT, BYTES = "BCC's event() to a DataFrame", "BCC's callback, bytes"
FRAME, ARRAY, TAKE = "record(), .frame()", "record(), .array()", "bare Ring.take()"
FRESH, COPY, MEMCPY = "libbpf in C, fresh memory", "libbpf in C", "memcpy"
STYLE = {
    EVENT: ("#d62728", "o"),
    BYTES: ("#ff7f0e", "s"),
    FRAME: ("#9467bd", "^"),
    ARRAY: ("#1f77b4", "D"),
    TAKE: ("#17becf", "v"),
    FRESH: ("#8c564b", "P"),
    COPY: ("#2ca02c", "X"),
    MEMCPY: ("#7f7f7f", "*"),
}
RINGS, RUNS, AT_ONCE = (4, 16, 64), 5, 20_000_000  # MiB; runs of each; events a run


def library(folder):
    """The C above, compiled in ``folder`` and loaded; a string, why not, where that can't be."""
    source, built = Path(folder, "ring.c"), Path(folder, "ring.so")
    source.write_text(IN_C)
    try:
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", built, source, "-lbpf"], capture_output=True, check=True
        )
    except FileNotFoundError:
        return "no C compiler"
    except subprocess.CalledProcessError:
        return "no libbpf-dev"
    loaded = ct.CDLL(built)
    loaded.open_ring.restype, loaded.open_ring.argtypes = ct.c_void_p, [ct.c_int]
    loaded.read_ring.restype, loaded.read_ring.argtypes = ct.c_long, [ct.c_void_p, ct.c_void_p]
    loaded.close_ring.restype, loaded.close_ring.argtypes = None, [ct.c_void_p]
    return loaded


class Nobody:
    """A sink that keeps the buffer's reader and its ring open between two recordings."""

    def feed(self, *_):
        pass

    def end(self, *_):
        pass


class Ways:
    """The ways to read one ring. Each fills it with ``size`` events, and gives (CPU seconds of reading, what was read)."""

    def __init__(self, b, size, in_c):
        self.b, self.size, self.in_c, self.table = b, size, in_c, b["output"]
        self.ring, self.dtype = Ring(self.table.map_fd), buffer_of(self.table).dtype
        self.into, self.bytes = np.ones(size, self.dtype), np.ones((2, size * self.dtype.itemsize), np.uint8)
        self.c_ring = None if isinstance(in_c, str) else in_c.open_ring(self.table.map_fd)
        self.callback, self.got = None, []
        # BCC's own methods, without what the lab puts around them.
        RingBuf.open_ring_buffer(self.table, lambda *event: self.callback(*event))
        buffer_of(self.table).pace = 0  # it reads at the end of a recording only
        buffer_of(self.table).add(Nobody())

    def all(self):
        """{name: way}"""
        ways = {
            EVENT: self.event,
            BYTES: self.by_bytes,
            FRAME: self.frame,
            ARRAY: self.array,
            TAKE: self.take,
        }
        return ways | ({FRESH: self.fresh, COPY: self.copy} if self.c_ring else {}) | {MEMCPY: self.memcpy}

    def close(self):
        self.ring.close()
        if self.c_ring:
            self.in_c.close_ring(self.c_ring)

    def timed(self, read, fill=True):
        if fill:
            fire(self.b, "burst", self.size)
        started = time.thread_time()
        found = read()
        return time.thread_time() - started, found

    def consumed(self, callback, result):
        self.callback, self.got = callback, []

        def read():
            self.b.ring_buffer_consume()
            return result(self.got)

        return self.timed(read)

    def event(self):
        def one(_, data, size):
            e = RingBuf.event(self.table, data)
            self.got.append(
                {"pid": e.pid, "uid": e.uid, "command": e.command.decode(), "message": e.message.decode()}
            )
            return 0

        return self.consumed(one, pd.DataFrame)

    def by_bytes(self):
        def one(_, data, size):
            self.got.append(ct.string_at(data, size))
            return 0

        return self.consumed(one, list)

    def recorded(self, result):
        with record(self.table) as events:
            fire(self.b, "burst", self.size)
            started = time.thread_time()
        found = result(events)
        return time.thread_time() - started, found

    def frame(self):
        return self.recorded(BufferRecording.frame)

    def array(self):
        return self.recorded(BufferRecording.array)

    def take(self):
        def read():
            left = self.size
            while left:
                left -= len(self.ring.take(self.dtype)[0])
            return range(self.size)

        return self.timed(read)

    def fresh(self):
        def read():
            into = np.empty(self.size, self.dtype)
            return into[: self.in_c.read_ring(self.c_ring, into.ctypes.data)]

        return self.timed(read)

    def copy(self):
        return self.timed(lambda: self.into[: self.in_c.read_ring(self.c_ring, self.into.ctypes.data)])

    def memcpy(self):
        start, to = (row.ctypes.data for row in self.bytes)
        return self.timed(lambda: ct.memmove(to, start, self.bytes.shape[1]) and range(self.size), fill=False)


def at(size, in_c):
    """-> {way: ns per event}, for a ring that holds ``size`` events."""
    pages = 1 << (size * 48 // 4096).bit_length()
    taken, said = {}, {}
    with BPF(text=PROGRAM % pages, keep=True) as b:
        ways = Ways(b, size, in_c)
        for n in range(9):
            for name, way in ways.all().items():
                times = taken.setdefault(name, [])
                if n and sum(times) > 3:  # the slow ways: enough seen
                    continue
                seconds, found = way()
                times.append(seconds)
                assert len(found) == size, name
                said[name] = pd.DataFrame(found[:20]) if name in (EVENT, FRAME) else None
                del found
        ways.close()
    assert (said[EVENT].drop(columns="pid") == said[FRAME].drop(columns="pid").astype(object)).all(axis=None)
    return {name: statistics.median(times) / size * 1e9 for name, times in taken.items()}


def at_once(mebibytes, results):
    """One run of a program that fills a ring as fast as it can, on another CPU than the reader's."""
    cpus = sorted(os.sched_getaffinity(0))
    with BPF(text=PROGRAM % (mebibytes * 256), keep=True) as b:
        b.load_func("burst", BPF.SOCKET_FILTER)
        producer = threading.Thread(target=fire, args=(b, "burst", AT_ONCE, cpus[-1]))
        with record(b["output"]) as events:
            started = time.perf_counter()
            producer.start()
            producer.join()
            rate = AT_ONCE / (time.perf_counter() - started)
        assert len(events) + events.lost == AT_ONCE
        results[mebibytes].append((rate, events.lost))


def chart(sizes, results, path):
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    shown = sorted(
        results[sizes[-1]].items(), key=lambda way: -way[1]
    )  # the legend in the order of the lines
    for name, _ in shown:
        colour, marker = STYLE[name]
        axes.loglog(sizes, [results[size][name] for size in sizes], marker + "-", color=colour, label=name)
    axes.set(xlabel="events in the ring", ylabel="ns per event", title="Reading the events of a ring buffer")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main(largest):
    sizes = [10**n for n in range(3, 8) if 10**n <= largest]
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        in_c = library(folder)
        results = {size: at(size, in_c) for size in sizes}
    both = {mebibytes: [] for mebibytes in RINGS}
    for _ in range(RUNS):
        for mebibytes in RINGS:
            at_once(mebibytes, both)
    report(sizes, results, both, in_c, busy, Path(__file__))


def report(sizes, results, both, in_c, busy, here):
    lines = [
        "# The events of a ring buffer, read",
        "",
        f"Made by `benchmarks/ring_events.py` on Linux {platform.release()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}, bcc {bcc.__version__}, numpy {np.__version__}, pandas {pd.__version__}; "
        f"others used the CPUs too (load {busy:.1f} at the start). An event is a struct of 36 bytes: two u32, and char arrays of 16 and 12. "
        "Nanoseconds of CPU time per event, for the reading alone, medians.",
        "",
        "| events | " + " | ".join(f"{size:,}" for size in sizes) + " |",
        "|:--|" + "--:|" * len(sizes),
    ]
    for name in STYLE:
        cells = [f"{results[size][name]:,.1f}" if name in results[size] else in_c for size in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")

    for slow, fast in (EVENT, ARRAY), (EVENT, FRAME), (ARRAY, FRESH), (TAKE, COPY):
        cells = [f"{results[n][slow] / results[n][fast]:,.1f}" if fast in results[n] else in_c for n in sizes]
        lines.append(f"| times: {slow} / {fast} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "BCC's event() gives dicts, its callback returns 0, which is the fast way; the DataFrame's text columns are strings there and categories with `record()`. "
        'What a recording holds, and the C in "fresh memory", is memory that the kernel hands out during the reading; '
        "the plain C copies each record to memory that was used before, and Ring.take() gives chunks that are not kept: compare each with its own kind. "
        "memcpy copies the same 36 bytes per event, in one piece.",
        "",
        "![Nanoseconds per event over the number of events, both axes logarithmic: BCC's ways stay level far above; "
        "record() falls with the number of events until it is near the C](ring_events.svg)",
        "",
        "## Read while it is filled",
        "",
        f"A program on one CPU sends {AT_ONCE:,} events as fast as it can, while `record()` reads on another; {RUNS} runs of each, in turn.",
        "",
        "| ring, MiB | million events a second, each run | lost, each run |",
        "|--:|:--|:--|",
        *(
            f"| {mebibytes} | {', '.join(f'{rate / 1e6:.1f}' for rate, _ in runs)} | {', '.join(f'{lost:,}' for _, lost in runs)} |"
            for mebibytes, runs in both.items()
        ),
        "",
    ]
    here.with_suffix(".md").write_text("\n".join(lines))
    chart(sizes, results, here.with_suffix(".svg"))
    print("\n".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)

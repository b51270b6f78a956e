"""The exercises of chapter 3."""

import os
import tempfile

from bcc.table import RingBuf

from ..bpf import BPF
from ..reading.record import record
from ..reading.ringbuf import Ring, stride
from ..testrun import fire
from ..workload import run
from .common import Result, check_attached, exercise, listed, output_of
from .hello import try_odd_even


@exercise("odd-even-events")
def odd_even_events(b: BPF) -> Result:
    """`hello`, at execve, sends pid and message to `output`: one message for odd pids, another one for even pids."""
    return try_odd_even(b, output_of(b, "pid", "message"), "of all processes that were seen")


@exercise("opened-files")
def opened_files(b: BPF) -> Result:
    """A program sends pid and name of each file that is opened."""
    output = output_of(b, "pid", "name")
    check_attached(b)
    with tempfile.TemporaryDirectory(prefix="files-", dir="/tmp") as folder:
        files = [os.path.join(folder, name) for name in ("one", "two", "three")]
        for file in files:
            open(file, "w").close()
        with record(output) as events:
            pids = run(["/bin/cat", *files], times=5).pids
    frame = events.frame()
    named = {pid: set(frame[frame.pid == pid].name.astype(str)) for pid in pids}
    sent = f"5 processes (first pid {pids[0]}), each of which opens {', '.join(files)}"
    saw = f"from pid {pids[0]}: {listed([named[pids[0]]])}; {events!r}"
    if missing := [(pid, file) for pid in pids for file in files if file not in named[pid]]:
        return Result(False, f"no event of pid {missing[0][0]} names {missing[0][1]}", sent, saw)
    return Result(True, "each file that a process opens is seen by its name", sent, saw)


@exercise("never-lose")
def never_lose(b: BPF) -> Result:
    """A ring holds what `burst` sends at 3,000 events per second while the reader is away for half a second."""
    output, times = output_of(b), 1500
    if not isinstance(output, RingBuf):
        return Result(False, "output is no ring buffer")
    ring = Ring(output.map_fd)
    try:
        fire(b, "burst", times=times)
        headers = ring.headers(times)
    finally:
        ring.close()
    needed = sum(stride(header.length) for header in headers[:1]) * times
    sent = f"{times:,} runs of burst while nobody reads"
    saw = f"{len(headers):,} records in a ring of {ring.size:,} bytes"
    if len(headers) < times:
        return Result(False, f"{times - len(headers):,} events found no room", sent, saw)
    if ring.size >= 2 * (needed + 1):
        return Result(False, "nothing is lost, but half of the ring would do", sent, saw)
    return Result(True, "there is room for all, and not more than it takes", sent, saw)

"""The exercises of chapter 3."""

import os
import tempfile
from dataclasses import replace
from typing import Any

from bcc.table import RingBuf

from ..bcc_maps import map_names
from ..bpf import BPF
from ..hooks import attached
from ..reading.buffer_reader import lost_of
from ..reading.record import BufferRecording, record
from ..reading.ringbuf import Ring, stride
from ..testrun import fire
from ..workload import run
from .common import check_attached, check_function, exercise, not_atomic, output_of
from .hello import EDGE, Messages, drive_execve, judge_odd_even
from .verdict import NotYet, Result, listed
from .workloads import call_by_name

THREAD = (
    "thread {thread} of the process {pid} made a call, and the event has the thread's number as its pid; "
    "the process's is the upper half of bpf_get_current_pid_tgid()"
)


@exercise(
    "odd-even-events",
    next="write into the ring itself, without a copy: ringbuf_reserve() and ringbuf_submit().",
)
def odd_even_events(b: BPF) -> Result:
    """`hello`, at execve, sends pid and message to `output`: one message for odd pids, another one for even pids."""
    calls, events = drive_execve(b, output_of(b, "pid", "message"))
    frame = events.frame()
    got: Messages = {pid: list(frame[frame.pid == pid].message.astype(str)) for pid, _ in calls}
    for pid, thread in calls:
        if not got[pid] and (frame.pid == thread).any():
            raise NotYet(THREAD.format(thread=thread, pid=pid))
        if len(got[pid]) > 1:
            raise NotYet(
                f"pid {pid} called execve once, and sent {len(got[pid])} events: {listed([set(got[pid])])}"
            )
    verdict = judge_odd_even(calls, got, repr(events))
    return replace(verdict, done=False, why=wrong) if verdict and (wrong := wrong_size(events)) else verdict


@exercise(
    "opened-files",
    next="send the name at sys_exit_openat, and only where args->ret is negative: who looks for files that are not there?",
)
def opened_files(b: BPF) -> Result:
    """A program sends pid and name of each file that is opened, once."""
    output = output_of(b, "pid", "name")
    check_attached(b)
    with tempfile.TemporaryDirectory(prefix="a-folder-with-a-long-name-", dir="/tmp") as folder:
        files = [os.path.join(folder, name) for name in ("one", "two", "three")]
        edge, looked_at = os.path.join(folder, "edge"), os.path.join(folder, "not-opened")
        with record(output) as events:
            pids = run(["/bin/cat", *files], times=5).pids
            run(["/bin/sh", "-c", f"[ -e {looked_at} ]"])
            second = call_by_name("second", "openat", edge).pids[0]
    frame = events.frame()
    frame = frame.assign(name=frame.name.astype(str))
    names = {pid: list(frame[frame.pid == pid].name) for pid in [*pids, second]}
    sent = f"5 processes (first pid {pids[0]}), each of which opens {', '.join(files)}"
    saw = f"from pid {pids[0]}: {listed([set(names[pids[0]])])}; {events!r}; hook: {', '.join(attached(b))}"
    if missing := [(pid, file) for pid in pids for file in files if file not in names[pid]]:
        return Result(False, f"no event of pid {missing[0][0]} names {missing[0][1]}", sent, saw)
    if twice := [(pid, file) for pid in pids for file in files if names[pid].count(file) > 1]:
        return Result(
            False, f"pid {twice[0][0]} opened {twice[0][1]} once, and sent it more than once", sent, saw
        )
    if (frame.name == looked_at).any():
        return Result(False, f"{looked_at} was sent, which was looked at, not opened", sent, saw)
    if wrong := wrong_at_edge(events, second, edge):
        return Result(False, wrong, sent, saw)
    return Result(True, "each opened file is seen by its name", sent, saw)


def wrong_at_edge(events: BufferRecording, pid: int, name: str) -> str:
    """What is wrong with the event of a process whose second thread made a call with a name at the end of a page."""
    frame = events.frame()
    senders = list(frame[frame.name.astype(str) == name].pid)
    if pid in senders:
        return wrong_size(events)
    return THREAD.format(thread=senders[0], pid=pid) if senders else EDGE


def wrong_size(events: BufferRecording) -> str:
    """Whether events were cut off, as a sentence, or ''."""
    if events.wrong_size:
        return (
            "the events have another size than their struct: sizeof(data), of the whole variable, is its size"
        )
    return ""


@exercise(
    "never-lose",
    next="give the event half the text. How many pages does the ring need then?",
)
def never_lose(b: BPF) -> Result:
    """A ring holds what `burst` sends at 3,000 events per second while the reader is away for half a second."""
    output, times = output_of(b, "time", "cpu", "text"), 1500
    if not isinstance(output, RingBuf):
        return Result(False, "output is no ring buffer")
    check_function(b, "burst")
    headers, size = _left_unread(b, output, times)
    needed = sum(stride(header.length) for header in headers[:1]) * times
    sent = f"{times:,} runs of burst while nobody reads"
    saw = f"{len(headers):,} records in a ring of {size:,} bytes"
    if len(headers) < times:
        return Result(False, f"{times - len(headers):,} events found no room", sent, saw)
    if len(headers) > times:
        return Result(False, "burst is to send one event each time it runs", sent, saw)
    if size >= 2 * (needed + 1):
        return Result(False, "nothing is lost, but half of the ring would do", sent, saw)
    if wrong := _wrong_event(b, output) or _wrong_losses(b, size // needed * times):
        return Result(False, wrong, sent, saw)
    return Result(True, "there is room for all, and not more than it takes", sent, saw)


def _left_unread(b: BPF, output: RingBuf, times: int) -> tuple[list[Any], int]:
    """The headers that lie in the ring when `burst` has run so often, and the ring's bytes."""
    ring = Ring(output.map_fd)
    try:
        fire(b, "burst", times=times)
        return ring.headers(2 * times + 1), ring.size
    finally:
        ring.close()


def _wrong_event(b: BPF, output: RingBuf) -> str:
    """What is missing in an event that `burst` sent before: the exercise changes the ring, not the event."""
    cpu = max(os.sched_getaffinity(0))
    with record(output) as events:  # which also empties the ring
        fire(b, "burst", times=2, cpu=cpu)
    if wrong := wrong_size(events):
        return wrong
    frame = events.frame()
    before, event = frame.iloc[-2], frame.iloc[-1]
    if not (0 < before.time <= event.time and event.cpu == cpu and event.text == "Hello World"):
        return f"an event has {event.to_dict()}: leave its time, its CPU and its text as they were, and change the ring"
    return ""


def _wrong_losses(b: BPF, times: int) -> str:
    """Where the program counts losses in `lost`: whether it does when the ring is full."""
    if "lost" not in map_names(b):
        return ""
    before = lost_of(b)
    sent = 4 * times
    headers, _ = _left_unread(b, b["output"], sent)
    missing, counted = sent - len(headers), lost_of(b)
    if before or counted != missing:
        return f"of {sent:,} more events {missing:,} found no room, but lost went from {before} to {counted}"
    return not_atomic(b, "lost")

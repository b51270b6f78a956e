"""The exercises of chapter 1."""

import re
import tempfile
from typing import Any

from ..bpf import BPF
from ..hooks import attach, attached
from ..reading.record import record
from ..workload import run
from .common import Result, check_attached, exercise, listed


@exercise("odd-even")
def odd_even(b: BPF) -> Result:
    """`hello`, at execve, has one message for odd pids and another one for even pids."""
    return try_odd_even(b, b, "lines of other programs are among them")


def try_odd_even(b: BPF, source: Any, remark: str) -> Result:
    """The same for any ``source`` that record() reads; ``remark`` says what else is among its messages."""
    attach(b, syscall="execve", fn_name="hello")
    pids: list[int] = []
    with record(source) as sent_by:
        while len({pid % 2 for pid in pids}) < 2:  # on a busy machine, others may get every second pid
            pids += run("/bin/true", times=24).pids
    got: dict[int, set[str]] = {pid: set() for pid in pids}
    frame = sent_by.frame()
    for pid, message in zip(frame.pid, frame.message, strict=True):
        if pid in got:  # a pid in the message doesn't make it another message
            got[pid].add(re.sub(r"\d+", "N", message).strip())
    sent = f"{len(pids)} processes: pids {pids[0]} to {pids[-1]}"
    odd, even = ([got[pid] for pid in pids if pid % 2 == half] for half in (1, 0))
    saw = f"odd pids: {listed(odd)}; even pids: {listed(even)} ({remark})"
    if silent := [pid for pid in pids if not got[pid]]:
        return Result(False, f"there was nothing for pid {silent[0]}", sent, saw)
    only_odd = odd[0].intersection(*odd) - even[0].union(*even)
    only_even = even[0].intersection(*even) - odd[0].union(*odd)
    if not (only_odd or only_even):
        return Result(False, "odd and even pids got the same message", sent, saw)
    if not (only_odd and only_even):
        return Result(False, f"{'even' if only_odd else 'odd'} pids got no message of their own", sent, saw)
    return Result(True, "odd and even pids have messages of their own", sent, saw)


@exercise("chdir")
def chdir(b: BPF) -> Result:
    """A program that attaches itself to chdir prints the folder's name."""
    check_attached(b)
    with tempfile.TemporaryDirectory(prefix="folder-", dir="/tmp") as folder, record(b) as lines:
        went = run(["/bin/sh", "-c", f"cd {folder}"], times=5).pids
        stayed = run(["/bin/sh", "-c", ":"], times=5).pids
    sent = f"5 processes that go to {folder} (first pid {went[0]}), 5 that stay (first pid {stayed[0]})"
    named = {line.pid for line in lines.lines if folder in line.message}
    of_went = [{line.message.strip() for line in lines.lines if line.pid == pid} for pid in went]
    saw = f"from those that go: {listed(of_went)}; hook: {', '.join(attached(b))}"
    if missing := [pid for pid in went if pid not in named]:
        return Result(False, f"no line of pid {missing[0]} names the folder it went to", sent, saw)
    if named & set(stayed):
        return Result(False, "a process that stayed where it was got a line too", sent, saw)
    return Result(True, "each change of folder is seen, with the folder's name", sent, saw)

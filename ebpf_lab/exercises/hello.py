"""The exercises of chapter 1."""

import os
import re
import tempfile
from collections.abc import Callable
from typing import Any

from ..bpf import BPF
from ..hooks import attached
from ..reading.record import record
from ..workload import run
from .common import check_attached, exercise, put_at
from .verdict import Result, listed
from .workloads import call_by_name, execs_by_threads

Calls = list[tuple[int, int]]  # (process, the thread of it that called execve)
Messages = dict[int, list[str]]  # process -> what was printed or sent for it


@exercise(
    "odd-even",
    next="print the process's name, too. bpf_get_current_comm(&name, sizeof(name)) copies it into a char name[16].",
)
def odd_even(b: BPF) -> Result:
    """`hello`, at execve, has one message for odd pids and another one for even pids."""
    calls, lines = drive_execve(b, b)
    frame = lines.frame()
    process = {thread: pid for pid, thread in calls}
    got: Messages = {pid: [] for pid, _ in calls}
    for thread, message in zip(frame.pid, frame.message, strict=True):  # the kernel's "pid" is the thread
        if thread in process:
            got[process[thread]].append(message.strip())
    return judge_odd_even(calls, got, f"lines of other programs are among them; {lines.lost} lost")


def drive_execve(b: BPF, source: Any) -> tuple[Calls, Any]:
    """Have processes call execve, odd and even ones, by their main thread and by another; what was recorded."""
    put_at(b, "execve", "hello")
    calls: Calls = []
    with record(source) as sent_by:
        while len({pid % 2 for pid, _ in calls}) < 2:  # on a busy machine, others may get every second pid
            calls += [(pid, pid) for pid in run("/bin/true", times=24).pids]
        while len({pid % 2 for pid, thread in calls if (pid - thread) % 2}) < 2:
            calls += execs_by_threads(8)
    return calls, sent_by


def judge_odd_even(calls: Calls, got: Messages, remark: str) -> Result:
    """Whether odd and even processes have a message each; ``remark`` says what else is among the messages."""
    main = [pid for pid, thread in calls if pid == thread]
    sent = (
        f"{len(main)} processes: pids {main[0]} to {main[-1]}; "
        f"and {len(calls) - len(main)} that call execve from a second thread"
    )
    odd, even = ([set(got[pid]) for pid, _ in calls if pid % 2 == half] for half in (1, 0))
    saw = f"odd pids: {listed(odd)}; even pids: {listed(even)} ({remark})"
    if silent := [pid for pid, _ in calls if not got[pid]]:
        return Result(False, f"there was nothing for pid {silent[0]}", sent, saw)
    own, own_of_main = _own_messages(calls, got), _own_messages([(pid, pid) for pid in main], got)
    if all(own):
        return Result(True, "odd and even pids have messages of their own", sent, saw)
    if all(own_of_main):
        pid, thread = next((pid, thread) for pid, thread in calls if (pid - thread) % 2)
        why = (
            f"the thread's number decides, not the process's: thread {thread} of the process {pid}, for example. "
            "The pid is the upper half of bpf_get_current_pid_tgid()"
        )
        return Result(False, why, sent, saw)
    return Result(False, _why_not(own_of_main, odd, even), sent, saw)


def _why_not(own: tuple[set[str], set[str]], odd: list[set[str]], even: list[set[str]]) -> str:
    for half, messages in (("odd", odd), ("even", even)):
        if any(one == {""} for one in messages):
            return (
                f"the message of {half} pids is an empty text. (Does a pointer lead to it, as in char *m = "
                '"odd"? Under BCC a text behind a pointer does not exist in the kernel: copy it into an array)'
            )
    if not any(own):
        return "odd and even pids got the same message. (A pid or a time in it doesn't make it another one)"
    return f"{'even' if own[0] else 'odd'} pids got no message of their own"


def _own_messages(calls: Calls, got: Messages) -> tuple[set[str], set[str]]:
    """What all odd pids got and no even one did, and the reverse: whole messages, or words of them.

    A pid in a message doesn't make it another message. Nor do other numbers, unless they alone tell odd and even apart.
    """

    def without_pid(call: tuple[int, int], text: str) -> str:
        return re.sub(r"\d+", lambda found: "N" if int(found[0]) in call else found[0], text)

    own = _compared(calls, got, lambda call, text: {without_pid(call, text)})
    if not all(own):
        own = _compared(calls, got, lambda _, text: {re.sub(r"\d+", "N", text)})
    return own if all(own) else _compared(calls, got, lambda *one: set(re.findall(r"\w+", without_pid(*one))))


def _compared(
    calls: Calls, got: Messages, parts: Callable[[tuple[int, int], str], set[str]]
) -> tuple[set[str], set[str]]:
    found: dict[int, list[set[str]]] = {0: [], 1: []}
    for call in calls:
        found[call[0] % 2].append(set().union(*(parts(call, text) for text in got[call[0]])) - {""})
    odd, even = found[1], found[0]
    return odd[0].intersection(*odd) - even[0].union(*even), even[0].intersection(*even) - odd[0].union(*odd)


@exercise(
    "chdir",
    next="attach it to sys_enter_unlinkat, whose args->pathname is the file, and see who deletes files.",
)
def chdir(b: BPF) -> Result:
    """A program that attaches itself to chdir prints the folder's name."""
    check_attached(b)
    with tempfile.TemporaryDirectory(prefix="a-folder-with-a-long-name-", dir="/tmp") as folder:
        inner = os.path.join(folder, "inner")
        os.mkdir(inner)
        with record(b) as lines:
            went = run(["/bin/sh", "-c", f"cd {folder}"], times=5).pids
            at_edge = call_by_name("main", "chdir", inner).pids[0]
            stayed = run(["/bin/sh", "-c", f"[ -d {folder} ]"], times=5).pids + run(["/bin/ls", folder]).pids
    sent = f"5 processes that go to {folder} (first pid {went[0]}), 6 that only look at it (first pid {stayed[0]})"
    named = {line.pid for line in lines.lines if folder in line.message}
    of_went = [{line.message.strip() for line in lines.lines if line.pid == pid} for pid in went]
    saw = f"from those that go: {listed(of_went)}; hook: {', '.join(attached(b))}"
    if missing := [pid for pid in went if pid not in named]:
        return Result(False, f"no line of pid {missing[0]} names the folder it went to", sent, saw)
    if named & set(stayed):
        return Result(False, "a process that stayed where it was got a line too", sent, saw)
    if not any(line.pid == at_edge and inner in line.message for line in lines.lines):
        return Result(False, EDGE, sent, saw)
    return Result(True, "each change of folder is seen, with the folder's name", sent, saw)


EDGE = (
    "a name that ends with its page of memory did not arrive: a copy of the field's size goes on behind the "
    "name's end, where that process has no memory. bpf_probe_read_user_str() stops at the NUL"
)

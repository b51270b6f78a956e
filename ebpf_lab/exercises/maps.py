"""The exercises of chapter 2."""

import os

from ..bpf import BPF
from ..hooks import attach
from ..kernel import syscalls
from ..workload import run
from .common import OTHER_USER, Result, check_at_sys_enter, counts_of, exercise


@exercise("two-calls")
def two_calls(b: BPF) -> Result:
    """`count_execve` and `count_chdir`, each at its system call, count per uid into one map, `counter_table`."""
    attach(b, syscall="execve", fn_name="count_execve")
    attach(b, syscall="chdir", fn_name="count_chdir")
    run(["/bin/sh", "-c", "cd /; cd /tmp"], times=7, uid=OTHER_USER)
    count = counts_of(b).get(OTHER_USER, 0)
    sent = f"7 processes of uid {OTHER_USER}, each with one execve and two chdir: 21 calls"
    saw = f"counter_table has {count} for uid {OTHER_USER}"
    if count != 21:
        return Result(False, "the count of both system calls together is not right", sent, saw)
    return Result(True, "two programs count into one map", sent, saw)


@exercise("every-call")
def every_call(b: BPF) -> Result:
    """A program that attaches itself to the raw tracepoint sys_enter counts every call per uid."""
    check_at_sys_enter(b)
    before = counts_of(b).get(OTHER_USER, 0)
    run(["/bin/sh", "-c", "cd /" + "; umask 022" * 100], times=7, uid=OTHER_USER)
    count = counts_of(b).get(OTHER_USER, 0) - before
    sent = f"7 processes of uid {OTHER_USER}, each with a hundred calls of umask and some more"
    saw = f"counter_table has {count:,} for uid {OTHER_USER}"
    if count < 700:
        return Result(False, "some system calls were not counted, or not under this uid", sent, saw)
    return Result(True, "every system call is counted", sent, saw)


@exercise("by-number")
def by_number(b: BPF) -> Result:
    """The same, with the number of the system call as the key, for the whole machine."""
    check_at_sys_enter(b)
    number, times = 100_000 + os.getpid(), 230  # no system call has this number, so only this check calls it
    for _ in range(times):
        syscalls.call(number)
    count = counts_of(b).get(number, 0)
    sent, saw = f"{times} calls of the number {number}", f"counter_table has {count} for it"
    if count != times:
        return Result(False, "the calls were not counted under their number", sent, saw)
    return Result(True, "each call is counted under its number", sent, saw)

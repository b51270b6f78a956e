"""The exercises of chapter 2."""

import random
import threading

from ..bpf import BPF
from ..hooks import attached
from ..kernel import syscalls
from ..workload import run
from .common import check_at_sys_enter, counts_of, exercise, map_of, not_atomic, put_at
from .truth import calls_of
from .verdict import Result
from .workloads import GROUP, OTHER_USER

# Numbers that Linux gives to no system call, so that only a check calls them: syscall_64.tbl and asm-generic/unistd.h.
UNUSED = range(387, 403)
LOST = ". (Where some are missing: did two CPUs read, add and write at once?)"


@exercise(
    "two-calls",
    next="make the key a struct of the uid and a number for the system call, and count both apart in the same map.",
)
def two_calls(b: BPF) -> Result:
    """`count_execve` and `count_chdir`, each at its system call, count per uid into one map, `counter_table`."""
    map_of(b, "counter_table")
    put_at(b, "execve", "count_execve")
    put_at(b, "chdir", "count_chdir")
    run("/bin/true", times=7, uid=OTHER_USER, gid=GROUP)
    first = counts_of(b)
    run(["/bin/sh", "-c", "cd /; cd /tmp"], times=5, uid=OTHER_USER, gid=GROUP)
    then = counts_of(b)
    sent = f"user {OTHER_USER}: 7 calls of execve, then 5 of execve and 10 of chdir"
    saw = f"after the 7: {told(first)}. After all: {told(then)}"
    if first.get(OTHER_USER) != 7:
        return Result(False, f"execve is not counted rightly: {_wrong(first, OTHER_USER, 7)}", sent, saw)
    if then[OTHER_USER] != 7 + 5 + 10:
        return Result(
            False,
            f"the count of both system calls together is not right: {_wrong(then, OTHER_USER, 22)}",
            sent,
            saw,
        )
    return Result(True, "two programs count into one map", sent, saw)


def told(counts: dict[int, int], mine: tuple[int, ...] = (OTHER_USER,)) -> str:
    """The counts, the keys that are ``mine`` first, with what their keys may be."""
    meanings = {
        OTHER_USER: "the user",
        GROUP: "the user's group",
        GROUP << 32 | OTHER_USER: "group and user in one number",
    }
    keys = sorted(counts, key=lambda key: (key not in mine, key not in meanings, -counts[key]))
    shown = [
        f"{counts[key]:,} for {key}" + (f" ({meanings[key]})" if key in meanings else "") for key in keys[:4]
    ]
    more = [f"{len(keys) - 4} more keys"] if len(keys) > 4 else []
    return "counter_table has " + (", ".join(shown + more) or "no entries")


def _wrong(counts: dict[int, int], key: int, right: int) -> str:
    """What is wrong with the count of a key."""
    count = counts.get(key, 0)
    if not count and GROUP in counts:
        return "the key is the group's number; the uid is the lower half"
    if not count and GROUP << 32 | OTHER_USER in counts:
        return "the key is both halves in one number; the uid is the lower one"
    if not count:
        return "nothing is counted under it"
    if count == 2 * right:
        return "each call was counted twice"
    if count > right:
        return f"{count - right:,} too many"
    return f"{right - count:,} of {right:,} are missing"


@exercise("every-call", next="make the pid the key. Which process makes the most system calls?")
def every_call(b: BPF) -> Result:
    """A program that attaches itself to where all system calls begin counts every call per uid, and loses none."""
    check_at_sys_enter(b)
    counts_of(b)
    calls = "i=0; while [ $i -lt 4000 ]; do umask 022; i=$((i+1)); done"
    with calls_of(OTHER_USER) as so_far:
        run(["/bin/sh", "-c", calls], times=2, uid=OTHER_USER, gid=GROUP, parallel=True)
        right = sum(so_far().values())
    counts = counts_of(b)
    sent = f"2 processes of user {OTHER_USER} side by side: {right:,} system calls"
    saw = f"{told(counts)}; hook: {', '.join(attached(b))}"
    if counts.get(OTHER_USER) != right:
        return Result(
            False, f"not every call is counted once: {_wrong(counts, OTHER_USER, right)}{LOST}", sent, saw
        )
    if why := not_atomic(b, "counter_table"):
        return Result(False, why, sent, saw)
    return Result(True, "every system call is counted", sent, saw)


@exercise(
    "by-number",
    next="count one user's calls only: yours. Which calls does your notebook make while nothing happens in it?",
)
def by_number(b: BPF) -> Result:
    """The same, with the number of the system call as the key, for the whole machine."""
    check_at_sys_enter(b)
    counts_of(b)
    one, other = random.sample(UNUSED, 2)
    threads = [threading.Thread(target=_call_often, args=(one, other)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run("/bin/true", times=23)
    counts, right = counts_of(b), {one: 2 * 6000, other: 2 * 3000}
    sent = f"{right[one]:,} calls of the number {one} and {right[other]:,} of {other}, by two threads"
    saw = f"{told(counts, (one, other))}; hook: {', '.join(attached(b))}"
    if not {one, other} & counts.keys():
        return Result(False, "the calls were not counted under their number", sent, saw)
    if wrong := [number for number in right if counts.get(number, 0) != right[number]]:
        what = _wrong(counts, wrong[0], right[wrong[0]])
        return Result(False, f"the count of {wrong[0]} is not right: {what}{LOST}", sent, saw)
    if counts.get(syscalls.syscall_nr("execve"), 0) < 23:
        return Result(False, "23 processes were started too, and their execve was not counted", sent, saw)
    if why := not_atomic(b, "counter_table"):
        return Result(False, why, sent, saw)
    return Result(True, "each call is counted under its number", sent, saw)


def _call_often(one: int, other: int) -> None:
    for _ in range(3000):
        for number in (one, one, other):
            syscalls.call(number)

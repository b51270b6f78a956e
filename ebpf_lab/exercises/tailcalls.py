"""The exercises of chapter 4."""

import os
import tempfile
from collections import Counter

from ..bcc_maps import instead_of, map_names
from ..bpf import BPF
from ..hooks import attached
from ..maps import PER_CPU, to_frame
from ..reading.record import record
from ..testrun import fire
from ..workload import run
from .common import (
    check_at_sys_enter,
    check_function,
    counts_of,
    exercise,
    fill_slot,
    map_of,
    not_atomic,
    output_of,
)
from .ringbuffer import wrong_at_edge
from .truth import calls_of
from .verdict import NotYet, Result, listed
from .workloads import GROUP, OTHER_USER, STRANGER, call_by_name


@exercise("probe", next="give openat a target of its own as well, and look at the jump table below.")
def probe(b: BPF) -> Result:
    """A dispatcher that attaches itself to sys_enter jumps to `hello_exec` for each execve of WATCHED."""
    check_at_sys_enter(b)
    map_of(b, "jumps")
    number = fill_slot(b, "execve", "hello_exec")
    with calls_of(OTHER_USER) as so_far:
        run("/bin/true", times=23, uid=OTHER_USER, gid=GROUP)
        run("/bin/true", times=7, uid=STRANGER, gid=GROUP)
        calls = so_far()
    count = counts_of(b, "jumps").get(number, 0)
    sent = f"23 programs started as user {OTHER_USER}, and 7 as {STRANGER}"
    saw = f"jumps has {count} for execve; hook: {', '.join(attached(b))}"
    if count != 23:
        return Result(False, "not each execve of the watched user, and of no other, was a jump", sent, saw)
    if why := _wrong_counts(b, calls, number):
        return Result(False, why, sent, saw)
    return Result(True, "each execve is a jump", sent, saw)


def _wrong_counts(b: BPF, calls: dict[int, int], number: int) -> str:
    """What is wrong with the counts in `jumps`, where calls that found their slot empty are the last entry, as in the dispatcher."""
    others, counted = sum(calls.values()) - calls[number], counts_of(b, "jumps").get(512, 0)
    if b["jumps"].max_entries > 512 and counted != others:
        return (
            f"{others:,} calls of the watched user found their slot empty, and jumps has {counted:,} "
            "in its last entry, 512: the line behind the tail call counts there, and runs where there was no jump"
        )
    return not_atomic(b, "jumps")


@exercise(
    "own-target",
    next="write hello_open, for openat: there the name is the second argument, PT_REGS_PARM2.",
)
def own_target(b: BPF) -> Result:
    """`hello_chdir`, in the slot of chdir, counts its jumps and sends pid and name of the folder."""
    output = output_of(b, "pid", "name")
    map_of(b, "jumps")
    number = fill_slot(b, "chdir", "hello_chdir")
    if "hello" in b.functions:
        b.attach_raw_tracepoint(tp="sys_enter", fn_name="hello")
    check_at_sys_enter(b)
    with tempfile.TemporaryDirectory(prefix="a-folder-with-a-long-name-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        edge, go = os.path.join(folder, "edge"), ["/bin/sh", "-c", f"cd {folder}; cd /"]
        with record(output) as events, calls_of(OTHER_USER) as so_far:
            pids = run(go, times=7, uid=OTHER_USER, gid=GROUP).pids
            second = call_by_name("second", "chdir", edge, uid=OTHER_USER).pids[0]
            strangers = run(go, times=3, uid=STRANGER, gid=GROUP).pids
            calls = so_far()
    frame, count = events.frame(), counts_of(b, "jumps").get(number, 0)
    frame = frame.assign(name=frame.name.astype(str))
    names = {pid: Counter(frame[frame.pid == pid].name) for pid in pids}
    sent = f"7 shells of user {OTHER_USER}, each of which goes to {folder} and to /; one more chdir; 3 shells of {STRANGER}"
    saw = f"jumps has {count} for chdir; from pid {pids[0]}: {listed([set(names[pids[0]])])}"
    if count != 15:
        return Result(False, "not each of the 15 chdir of the watched user was counted as a jump", sent, saw)
    if any(not {folder, "/"} <= named.keys() for named in names.values()):
        return Result(False, "not each folder was sent by its name", sent, saw)
    if any(named.total() != 2 for named in names.values()) or frame.pid.isin(strangers).any():
        return Result(False, "more was sent than one event for each chdir of the watched user", sent, saw)
    if why := wrong_at_edge(events, second, edge) or _wrong_counts(b, calls, number):
        return Result(False, why, sent, saw)
    return Result(True, "each change of folder jumps to your target", sent, saw)


@exercise(
    "chain",
    next="put third into slot 1, too. Which result will there be? Say it first, then fire first.",
)
def chain(b: BPF) -> Result:
    """`first` jumps to `second`, and that to `third`, which writes (input + 1) * 2 into `result`."""
    for name in ("input", "result", "next"):
        map_of(b, name)
    for name in ("first", "second", "third"):
        check_function(b, name)
    for slot, name in enumerate(("second", "third"), start=1):
        b["next"][slot] = b.load_func(name, BPF.SOCKET_FILTER)
    numbers = [7, 41, 5_000_000_007]  # the last one needs all of a u64
    results = [_result(b, number) for number in numbers]
    sent, saw = f"the numbers {', '.join(map(str, numbers))}", f"results: {', '.join(map(str, results))}"
    if results != [(number + 1) * 2 for number in numbers]:
        return Result(False, "the result is not (number + 1) * 2", sent, saw)
    del b["next"][2]
    _check_second(b)
    _check_third(b)
    del b["next"][1]
    _check_first(b)
    return Result(True, "three programs, one result", sent, saw)


def _check_second(b: BPF) -> None:
    """NotYet where with slot 2 empty there is more, or less, than first's number plus 1."""
    number = 1_000_003
    if _result(b, number):
        raise NotYet("with slot 2 empty there was a result all the same: third isn't reached by a jump")
    if _holding(b, (number + 1) * 2):
        raise NotYet("with slot 2 empty the number was doubled all the same: that is third's part")
    if not (found := _holding(b, number + 1)):
        raise NotYet(
            f"with slot 2 empty, and the input {number}, no map holds {number + 1}: second is to add 1"
        )
    _check_per_cpu(b, found)


def _check_third(b: BPF) -> None:
    """NotYet where third does not go on with what second left in the map."""
    before, other = 2_000_003, 3_000_017
    _result(b, before)
    if (result := _result(b, other, "third")) != (before + 1) * 2:
        raise NotYet(
            f"third found {before + 1}, as second had left it, and made {result} of it: it is to double that"
        )


def _check_first(b: BPF) -> None:
    """NotYet where with slot 1 empty first leaves anything else than the number, or second does not go on with it."""
    number, other = 4_000_037, 5_000_011
    if _result(b, number) or _holding(b, number + 1):
        raise NotYet("with slot 1 empty 1 was added all the same: that is second's part")
    if not (found := _holding(b, number)):
        raise NotYet(
            f"with slot 1 empty, and the input {number}, no map holds it: second can't go on with it"
        )
    _check_per_cpu(b, found)
    _result(b, other, "second")
    if not _holding(b, number + 1):
        raise NotYet(f"second found {number}, as first had left it, and no map holds {number + 1}")


def _check_per_cpu(b: BPF, names: list[str]) -> None:
    if not any(isinstance(b[name], PER_CPU) for name in names):
        raise NotYet(
            f"all CPUs share the value in {names[0]}: two chains at once would write over each other's. A per-CPU "
            "map has one for each"
        )


def _holding(b: BPF, number: int) -> list[str]:
    """The maps, but `input`, that hold this number."""
    tables = {name: b[name] for name in map_names(b) if name not in ("input", "next")}
    return [
        name
        for name, table in tables.items()
        if not instead_of(table) and number in to_frame(table).iloc[:, 1:].to_numpy()
    ]


def _result(b: BPF, number: int, fn_name: str = "first") -> int:
    """Run a function with this input; what is in `result` then, 0 where nothing was written."""
    b["input"][0], b["result"][0] = type(b["input"][0])(number), type(b["result"][0])(0)
    fire(b, fn_name, cpu=min(os.sched_getaffinity(0)))
    return b["result"][0].value

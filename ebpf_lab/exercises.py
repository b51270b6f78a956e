"""check: whether an "On your own" program does what its task asks, tried in the real kernel."""

import html
import os
import re
import tempfile
from dataclasses import dataclass

from . import syscalls
from .bpf import BPF
from .errors import LabError
from .events import record
from .hooks import attach, attached
from .maps import to_frame
from .workload import run


@dataclass(frozen=True)
class Verdict:
    """What check() found; true where the task is done.

    ``sent`` is the workload, ``saw`` what came of it, ``log`` all that the compiler
    or the kernel said where the program failed.
    """

    done: bool
    why: str
    sent: str = ""
    saw: str = ""
    log: str = ""

    def __bool__(self):
        return self.done

    def __repr__(self):
        parts = [f"{'done' if self.done else 'not yet'}: {self.why}"]
        parts += [f"  sent: {self.sent}"] * bool(self.sent) + [f"  saw:  {self.saw}"] * bool(self.saw)
        return "\n".join(parts)

    def _repr_html_(self):
        mark = "✓ Done" if self.done else "✗ Not yet"
        rows = "".join(
            f"<br><b>{name}</b> {html.escape(text)}"
            for name, text in (("Sent:", self.sent), ("Saw:", self.saw))
            if text
        )
        why = html.escape(self.why).replace("\n", "<br>")
        return (
            f"<div role='status'><b>{mark}.</b> <span style='white-space: pre-wrap'>{why}</span>{rows}</div>"
        )


def check(name, program):
    """Try ``program`` (C text) as a solution of the exercise ``name``; a Verdict, true where it is one.

    It is loaded beside whatever runs, driven with a workload that its author
    didn't see, and unloaded again. A program that fails is 'not yet', with the
    reason; only an exercise that doesn't exist raises (ValueError).
    """
    if name not in _EXERCISES:
        raise ValueError(f"there is no exercise {name!r}; there are: {', '.join(_EXERCISES)}")
    if not isinstance(program, str):
        return Verdict(False, f"the program must be its C text, a str, not {type(program).__name__}")
    try:
        # A blank more makes it a text of its own, so that it doesn't replace the learner's running copy.
        with BPF(text=program + " ", keep=True) as b:
            return _EXERCISES[name](b)
    except (LabError, TimeoutError) as e:
        return Verdict(False, f"{type(e).__name__}: {e}", log=getattr(e, "log", ""))


def _odd_even(b):
    """`hello`, at execve, has one message for odd pids and another one for even pids."""
    attach(b, syscall="execve", fn_name="hello")
    pids = []
    with record(b) as lines:
        while len({pid % 2 for pid in pids}) < 2:  # a busy machine may take every second pid away
            pids += run("/bin/true", times=24).pids
    said = {pid: set() for pid in pids}
    for line in lines.lines:
        if line.pid in said:  # other programs print too; their numbers don't make a message another one
            said[line.pid].add(re.sub(r"\d+", "N", line.message).strip())
    sent = f"{len(pids)} processes: pids {pids[0]} to {pids[-1]}"
    odd, even = ([said[pid] for pid in pids if pid % 2 == half] for half in (1, 0))
    saw = f"odd pids: {_list(odd)}; even pids: {_list(even)} (lines of other programs are among them)"
    silent = [pid for pid, messages in said.items() if not messages]
    if silent:
        return Verdict(False, f"there was no line for pid {silent[0]}", sent, saw)
    only_odd = set.intersection(*odd) - set.union(*even)
    only_even = set.intersection(*even) - set.union(*odd)
    if not (only_odd or only_even):
        return Verdict(False, "odd and even pids got the same message", sent, saw)
    if not (only_odd and only_even):
        whose = "even" if only_odd else "odd"
        return Verdict(False, f"{whose} pids got no message of their own", sent, saw)
    return Verdict(True, "odd and even pids have messages of their own", sent, saw)


def _chdir(b):
    """A program that attaches itself to chdir, and prints the folder's name."""
    if not attached(b):
        return Verdict(False, "the program is attached to nothing: TRACEPOINT_PROBE names its own hook")
    with tempfile.TemporaryDirectory(prefix="folder-", dir="/tmp") as folder, record(b) as lines:
        went = run(["/bin/sh", "-c", f"cd {folder}"], times=5).pids
        stayed = run(["/bin/sh", "-c", ":"], times=5).pids
    sent = f"5 processes that go to {folder} (first pid {went[0]}), 5 that stay (first pid {stayed[0]})"
    named = {
        pid for pid in went + stayed for line in lines.lines if line.pid == pid and folder in line.message
    }
    of_went = [{line.message.strip() for line in lines.lines if line.pid == pid} for pid in went]
    saw = f"from those that go: {_list(of_went)}; hook: {', '.join(attached(b))}"
    if missing := [pid for pid in went if pid not in named]:
        return Verdict(False, f"no line of pid {missing[0]} names the folder it went to", sent, saw)
    if named & set(stayed):
        return Verdict(False, "a process that stayed where it was got a line too", sent, saw)
    return Verdict(True, "each change of folder is seen, with the folder's name", sent, saw)


def _two_calls(b):
    """`count_execve` and `count_chdir`, each at its system call, count per uid into one map, `counter_table`."""
    attach(b, syscall="execve", fn_name="count_execve")
    attach(b, syscall="chdir", fn_name="count_chdir")
    run(["/bin/sh", "-c", "cd /; cd /tmp"], times=7, uid=_NOBODY)
    count = _counts(b).get(_NOBODY, 0)
    sent = f"7 processes of uid {_NOBODY}, each with one execve and two chdir: 21 calls"
    saw = f"counter_table has {count} for uid {_NOBODY}"
    if count != 21:
        return Verdict(False, "the count of both system calls together is not right", sent, saw)
    return Verdict(True, "two programs count into one map", sent, saw)


def _every_call(b):
    """A program that attaches itself to the raw tracepoint sys_enter counts every call per uid."""
    if "rawtracepoint:sys_enter" not in attached(b):
        return Verdict(
            False, "it is not attached to the raw tracepoint sys_enter: RAW_TRACEPOINT_PROBE does that"
        )
    before = _counts(b).get(_NOBODY, 0)
    run(["/bin/sh", "-c", "cd /" + "; umask 022" * 100], times=7, uid=_NOBODY)
    count = _counts(b).get(_NOBODY, 0) - before
    sent = f"7 processes of uid {_NOBODY}, each with a hundred calls of umask and some more"
    saw = f"counter_table has {count:,} for uid {_NOBODY}"
    if count < 700:
        return Verdict(False, "some system calls were not counted, or not under this uid", sent, saw)
    return Verdict(True, "every system call is counted", sent, saw)


def _by_number(b):
    """The same, with the number of the system call as the key, for the whole machine."""
    if "rawtracepoint:sys_enter" not in attached(b):
        return Verdict(
            False, "it is not attached to the raw tracepoint sys_enter: RAW_TRACEPOINT_PROBE does that"
        )
    number, times = 100_000 + os.getpid(), 230  # no system call has this number, so nobody else calls it
    for _ in range(times):
        syscalls.call(number)
    count = _counts(b).get(number, 0)
    sent, saw = f"{times} calls of the number {number}", f"counter_table has {count} for it"
    if count != times:
        return Verdict(False, "the calls were not counted under their number", sent, saw)
    return Verdict(True, "each call is counted under its number", sent, saw)


def _counts(b):
    """What a program's counter_table holds, whatever kind of map it is: {key: count}."""
    try:
        frame = to_frame(b["counter_table"])
    except TypeError as e:  # the learner's map is of a kind that can't be read
        raise LabError(str(e)) from e
    if "key" not in frame:
        raise LabError("the key of counter_table is not one number")
    return dict(zip(frame.key.tolist(), frame[frame.columns[-1]].tolist(), strict=True))


def _list(messages):
    found = sorted(set().union(*messages))
    return (
        ", ".join(map(repr, found[:4])) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
        or "nothing"
    )


_EXERCISES = {
    "odd-even": _odd_even,
    "chdir": _chdir,
    "two-calls": _two_calls,
    "every-call": _every_call,
    "by-number": _by_number,
}
_NOBODY = 54321  # a user that no program of this machine runs as, so that its counts are ours alone

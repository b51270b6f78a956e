"""check: whether an "On your own" program does what its task asks, tried in the real kernel."""

import html
import re
import tempfile
from dataclasses import dataclass

from .bpf import BPF
from .errors import LabError
from .events import record
from .hooks import attach, attached
from .workload import run


@dataclass(frozen=True)
class Verdict:
    """What check() found; true where the task is done. ``sent`` is the workload, ``saw`` what came of it."""

    done: bool
    why: str
    sent: str = ""
    saw: str = ""

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
        return Verdict(False, f"{type(e).__name__}: {e}")


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
    saw = f"odd pids: {_list(odd)}; even pids: {_list(even)}"
    silent = [pid for pid, messages in said.items() if not messages]
    if silent:
        return Verdict(False, f"there was no line for pid {silent[0]}", sent, saw)
    only_odd = set.intersection(*odd) - set.union(*even)
    only_even = set.intersection(*even) - set.union(*odd)
    if not (only_odd and only_even):
        return Verdict(False, "odd and even pids got the same message", sent, saw)
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


def _list(messages):
    found = sorted(set().union(*messages))
    return (
        ", ".join(map(repr, found[:4])) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
        or "nothing"
    )


_EXERCISES = {"odd-even": _odd_even, "chdir": _chdir}

"""check: whether an "On your own" program does what its task asks, tried in the real kernel."""

import html
import os
import re
import tempfile
from dataclasses import dataclass

from bcc.table import RingBuf

from ..bpf import BPF
from ..diagnostics.errors import LabError
from ..hooks import attach, attached
from ..kernel import syscalls
from ..maps import to_frame
from ..reading.buffer_reader import BUFFERS, buffer_of
from ..reading.record import record
from ..reading.ringbuf import Ring, stride
from ..reading.unpack import RAW
from ..testrun import fire
from ..workload import run


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
        with BPF(text=program + " ", keep=True, cflags=[f"-DWATCHED={_NOBODY}"]) as b:
            return _EXERCISES[name](b)
    except _NotYet as e:
        return Verdict(False, str(e))
    except (LabError, TimeoutError) as e:
        return Verdict(False, f"{type(e).__name__}: {e}", log=getattr(e, "log", ""))


class _NotYet(Exception):
    """What keeps an exercise from being tried at all."""


def _odd_even(b):
    """`hello`, at execve, has one message for odd pids and another one for even pids."""
    return _odd_even_of(b, b, "lines of other programs are among them")


def _odd_even_events(b):
    """The same in a buffer named output, with fields pid and message."""
    return _odd_even_of(b, _buffer(b, "pid", "message"), "of all processes that were seen")


def _odd_even_of(b, source, remark):
    attach(b, syscall="execve", fn_name="hello")
    pids = []
    with record(source) as sent_by:
        while len({pid % 2 for pid in pids}) < 2:  # a busy machine may take every second pid away
            pids += run("/bin/true", times=24).pids
    said = {pid: set() for pid in pids}
    frame = sent_by.frame()
    for pid, message in zip(frame.pid, frame.message, strict=True):
        if pid in said:  # other programs print too; their numbers don't make a message another one
            said[pid].add(re.sub(r"\d+", "N", message).strip())
    sent = f"{len(pids)} processes: pids {pids[0]} to {pids[-1]}"
    odd, even = ([said[pid] for pid in pids if pid % 2 == half] for half in (1, 0))
    saw = f"odd pids: {_list(odd)}; even pids: {_list(even)} ({remark})"
    silent = [pid for pid, messages in said.items() if not messages]
    if silent:
        return Verdict(False, f"there was nothing for pid {silent[0]}", sent, saw)
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
    _attached(b)
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
    _at_sys_enter(b)
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
    _at_sys_enter(b)
    number, times = 100_000 + os.getpid(), 230  # no system call has this number, so nobody else calls it
    for _ in range(times):
        syscalls.call(number)
    count = _counts(b).get(number, 0)
    sent, saw = f"{times} calls of the number {number}", f"counter_table has {count} for it"
    if count != times:
        return Verdict(False, "the calls were not counted under their number", sent, saw)
    return Verdict(True, "each call is counted under its number", sent, saw)


def _opened_files(b):
    """A program sends pid and name of each file that is opened."""
    output = _buffer(b, "pid", "name")
    _attached(b)
    with tempfile.TemporaryDirectory(prefix="files-", dir="/tmp") as folder:
        files = [os.path.join(folder, name) for name in ("one", "two", "three")]
        for file in files:
            open(file, "w").close()
        with record(output) as events:
            pids = run(["/bin/cat", *files], times=5).pids
    frame = events.frame()
    named = {pid: set(frame[frame.pid == pid].name.astype(str)) for pid in pids}
    sent = f"5 processes (first pid {pids[0]}), each of which opens {', '.join(files)}"
    saw = f"from pid {pids[0]}: {_list([named[pids[0]]])}; {events!r}"
    if missing := [(pid, file) for pid in pids for file in files if file not in named[pid]]:
        return Verdict(False, f"no event of pid {missing[0][0]} names {missing[0][1]}", sent, saw)
    return Verdict(True, "each file that a process opens is seen by its name", sent, saw)


def _never_lose(b):
    """A ring that holds what `burst` sends at 3,000 events a second while the reader is away for half a second."""
    output, times = _buffer(b), 1500
    if not isinstance(output, RingBuf):
        return Verdict(False, "output is no ring buffer")
    ring = Ring(output.map_fd)
    try:
        fire(b, "burst", times=times)
        headers = ring.headers(times)
        needed = sum(stride(header.length) for header in headers[:1]) * times
        sent = f"{times:,} runs of burst while nobody reads"
        saw = f"{len(headers):,} records in a ring of {ring.size:,} bytes"
        if len(headers) < times:
            return Verdict(False, f"{times - len(headers):,} events found no room", sent, saw)
        if ring.size >= 2 * (needed + 1):
            return Verdict(False, "nothing is lost, but half of the ring would do", sent, saw)
        return Verdict(True, "there is room for all, and not more than it takes", sent, saw)
    finally:
        ring.close()


def _probe(b):
    """A dispatcher that attaches itself to sys_enter jumps to `hello_exec` for each execve of WATCHED."""
    _at_sys_enter(b)
    number = _put(b, "execve", "hello_exec")
    run("/bin/true", times=23, uid=_NOBODY)
    count = int(to_frame(b["jumps"]).value[number])
    sent, saw = f"23 programs started as user {_NOBODY}", f"jumps has {count} for execve"
    return Verdict(
        count == 23, "each execve is a jump" if count == 23 else "not each execve was a jump", sent, saw
    )


def _own_target(b):
    """`hello_chdir`, in the slot of chdir, counts its jumps and sends pid and name of the folder."""
    output = _buffer(b, "pid", "name")
    number = _put(b, "chdir", "hello_chdir")
    b.attach_raw_tracepoint(tp="sys_enter", fn_name="hello")
    with tempfile.TemporaryDirectory(prefix="folder-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        with record(output) as events:
            pids = run(["/bin/sh", "-c", f"cd {folder}; cd /"], times=7, uid=_NOBODY).pids
    frame, count = events.frame(), to_frame(b["jumps"]).value[number]
    names = {pid: set(frame[frame.pid == pid].name.astype(str)) for pid in pids}
    sent = f"7 shells of user {_NOBODY}, each of which goes to {folder} and to /"
    saw = f"jumps has {count} for chdir; from pid {pids[0]}: {_list([names[pids[0]]])}"
    if count != 14:
        return Verdict(False, "not each of the 14 chdir was counted as a jump", sent, saw)
    if any(not {folder, "/"} <= named for named in names.values()):
        return Verdict(False, "not each folder was sent by its name", sent, saw)
    return Verdict(True, "each change of folder jumps to your target", sent, saw)


def _chain(b):
    """`first` jumps to `second`, and that to `third`, which writes (input + 1) * 2 into `result`."""
    for slot, name in enumerate(("second", "third"), start=1):
        b["next"][slot] = b.load_func(name, BPF.SOCKET_FILTER)
    numbers, results = [7, 41, 12345], []
    for number in numbers:
        b["input"][0] = type(b["input"][0])(number)
        fire(b, "first")
        results.append(b["result"][0].value)
    b["result"][0] = type(b["result"][0])(0)
    del b["next"][2]
    fire(b, "first")
    sent, saw = f"the numbers {', '.join(map(str, numbers))}", f"results: {', '.join(map(str, results))}"
    if results != [(number + 1) * 2 for number in numbers]:
        return Verdict(False, "the result is not (number + 1) * 2", sent, saw)
    if b["result"][0].value:
        return Verdict(
            False,
            "with slot 2 empty there was a result all the same: third isn't reached by a jump",
            sent,
            saw,
        )
    return Verdict(True, "three programs, one result", sent, saw)


def _put(b, syscall, function):
    """Load ``function`` into the slot of a system call; -> its number."""
    number = syscalls.syscall_nr(syscall)
    b["syscall"][number] = b.load_func(function, BPF.RAW_TRACEPOINT)
    return number


def _buffer(b, *fields):
    """The program's buffer `output`, whose events have these fields."""
    output = b["output"]
    if not isinstance(output, BUFFERS):
        raise _NotYet("output is no perf or ring buffer: BPF_RINGBUF_OUTPUT(output, 16) makes one")
    known = buffer_of(output).dtype.names
    if fields and known == RAW.names:
        raise _NotYet("no function sends a struct to output yet")
    if missing := [field for field in fields if field not in known]:
        raise _NotYet(f"the events of output have no field {missing[0]}; they have: {', '.join(known)}")
    return output


def _attached(b):
    if not attached(b):
        raise _NotYet("the program is attached to nothing: TRACEPOINT_PROBE names its own hook")


def _at_sys_enter(b):
    if "rawtracepoint:sys_enter" not in attached(b):
        raise _NotYet("it is not attached to the raw tracepoint sys_enter: RAW_TRACEPOINT_PROBE does that")


def _counts(b):
    """What a program's counter_table holds, whatever kind of map it is: {key: count}."""
    try:
        frame = to_frame(b["counter_table"])
    except TypeError as e:  # the learner's map is of a kind that can't be read
        raise _NotYet(str(e)) from e
    if "key" not in frame:
        raise _NotYet("the key of counter_table is not one number")
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
    "odd-even-events": _odd_even_events,
    "opened-files": _opened_files,
    "never-lose": _never_lose,
    "probe": _probe,
    "own-target": _own_target,
    "chain": _chain,
}
# A user that no program of this machine runs as, nor another notebook's checks, so that its counts are ours alone:
# above what systemd and directory services give out. The dispatchers of chapter 4 know it as WATCHED.
_NOBODY = 2_100_000_000 + 3 * os.getpid()

"""record: what a program says, read while a block of code runs.

One reader thread serves each source, here a program's trace pipe, and any
number of recordings and views (sinks) listen to it. A sink has two methods:
``feed(lines, lost)``, called about ten times a second, and ``end(why)``, called
when the program is unloaded.
"""

import contextlib
import errno
import functools
import os
import re
import threading
import time
import weakref
from pathlib import Path
from typing import NamedTuple

from . import tracefs
from .bpf import BPF
from .errors import BusyError, LabError

PERIOD = 0.1  # seconds between two reads, and so between two updates of a screen
CAP = 1_000_000  # lines that one recording holds; later ones count as lost

# Line formats: kernel/trace/trace_output.c, trace_print_context() and trace.c, print_trace_line().
# The name is padded to 16 bytes, so that blanks and dashes in it are no riddle.
_START = re.compile(
    rb"^(?:(?P<comm>.{16})-(?P<pid>\d+) +(?:\([ \d-]+\) +)?\[(?P<cpu>\d+)\] (?:\S+ +)?"
    rb" *(?P<seconds>\d+)\.(?P<micros>\d{6}): (?P<event>\w+): |CPU:\d+ \[LOST (?P<lost>\d*) ?EVENTS\]\n?)",
    re.M,
)


class Line(NamedTuple):
    """One line of the trace pipe; ``message`` is all of it, and the rest None, where it doesn't parse."""

    time: int | None  # ns of CLOCK_MONOTONIC, to the microsecond; None on a pipe with another clock
    comm: str | None
    pid: int | None
    cpu: int | None
    message: str


def parse(text):
    """-> (list of Line, number of lost events) of what one read of a trace pipe gave.

    A read always gives whole events. Lines without the kernel's usual beginning
    are the rest of a message with newlines in it, and stay with that message.
    """
    starts = list(_START.finditer(text))
    lines, lost = [], 0
    before = text[: starts[0].start()] if starts else text
    if before.strip():
        lines += [Line(None, None, None, None, _text(line)) for line in before.splitlines() if line]
    for start, after in zip(starts, [*starts[1:], None], strict=True):
        rest = text[start.end() : after.start() if after else len(text)].removesuffix(b"\n")
        if start["pid"] is None:
            lost += int(start["lost"] or 1)  # '[LOST EVENTS]': the kernel itself can't tell how many
            lines += [Line(None, None, None, None, _text(line)) for line in rest.splitlines() if line]
        elif start["event"] == b"bpf_trace_printk":
            when = int(start["seconds"]) * 1_000_000_000 + int(start["micros"]) * 1000
            lines.append(
                Line(when, _text(start["comm"].lstrip()), int(start["pid"]), int(start["cpu"]), _text(rest))
            )
        else:  # another tool traces another event into the shared pipe
            lines.append(Line(None, None, None, None, _text(start[0] + rest)))
    return lines, lost


def _text(data):
    return data.decode(errors="backslashreplace")


class TracePipe:
    """Reads a trace pipe, and feeds sinks; pipe_of() gives a program's.

    The lines are those of every program on the machine: the kernel has one
    printk event for all. ``instance`` is the tracefs instance to read, our own,
    which gets a copy of each line, and goes with its program; without one it is
    the machine's shared pipe, which only one process should read.
    """

    def __init__(self, instance=None):
        self._instance, self._folder = instance, instance or tracefs.root()
        self._sinks = {}  # sink -> its program
        self._lock = threading.RLock()  # one read at a time, and sinks that don't change meanwhile
        self._wake, self._thread, self._fd = threading.Event(), None, None
        self._monotonic = "[mono]" in (self._folder / "trace_clock").read_text()

    @property
    def private(self):
        """Whether the lines come from an instance of our own."""
        return self._instance is not None

    def add(self, sink, bpf):
        """Feed ``sink``, for the program ``bpf``, all lines made from now on."""
        with self._lock:
            if self._fd is None:
                self._fd = _open_pipe(self._folder)
            self.read()  # what is older goes to the sinks that were there, or to nobody
            if not self._thread:
                self._enable(1)
                self._thread = threading.Thread(target=self._run, name="trace pipe", daemon=True)
                self._thread.start()
            self._sinks[sink] = bpf

    def remove(self, sink):
        """Feed ``sink`` everything made until now, then nothing more."""
        with self._lock:
            if sink in self._sinks:
                self.read()
                del self._sinks[sink]
                self._wake.set()

    def end(self, bpf):
        """Stop feeding the sinks of a program that is being unloaded, and tell them. May be called twice."""
        with self._lock:
            for sink in [sink for sink, program in self._sinks.items() if program is bpf]:
                self.remove(sink)
                sink.end("the program was unloaded")
            thread = self._thread
            idle = not self._sinks
        if thread and idle:
            thread.join()
        if self.private:
            with self._lock:
                self._close()
                with contextlib.suppress(OSError):
                    self._instance.rmdir()

    def read(self):
        """Feed the sinks all that was made before this call."""
        with self._lock:
            now = time.monotonic_ns()
            more = True
            while more:
                lines, lost, more = self._read_some(now)
                for sink in list(self._sinks):
                    sink.feed(lines, lost)

    def _read_some(self, until, size=1 << 20):
        """About ``size`` bytes of the pipe -> (lines, lost, whether there is more from before ``until``)."""
        lines, lost, done = [], 0, 0
        while done < size:
            try:
                text = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return lines, lost, False
            if not text:
                return lines, lost, False
            done += len(text)
            new, dropped = parse(text)
            lost += dropped
            if not self._monotonic:
                new = [line._replace(time=None) for line in new]
            lines += new
            if self._monotonic and new and (new[-1].time or 0) > until:  # a program can be faster than we are
                return lines, lost, False
        return lines, lost, self._monotonic or time.monotonic_ns() < until + 1_000_000_000

    def _run(self):
        while True:
            self._wake.wait(PERIOD)
            with self._lock:
                self._wake.clear()
                try:
                    if self._sinks:
                        self.read()
                        continue
                except Exception as e:  # nobody would see it in this thread: tell those who wait for lines
                    for sink in self._sinks:
                        sink.end(f"the reader failed: {type(e).__name__}: {e}")
                    self._sinks = {}
                self._thread = None
                if self.private:
                    self._enable(0)
                else:  # others on this machine may want to read
                    self._close()
                return

    def _close(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _enable(self, on):
        if self.private:
            (self._instance / "events/bpf_trace/bpf_trace_printk/enable").write_text(str(on))


_pipes = weakref.WeakKeyDictionary()  # program -> its TracePipe
_shared = []  # the TracePipe of the machine's own pipe, once it was needed


def pipe_of(bpf):
    """The TracePipe of a program, made at the first call."""
    if bpf not in _pipes:
        at_close = bpf.at_close  # UnloadedError for a program that is none any more
        try:
            pipe = TracePipe(tracefs.make_instance())
        except OSError:
            if not _shared:
                _shared.append(TracePipe())
            pipe = _shared[0]
        at_close.append(functools.partial(pipe.end, bpf))
        _pipes[bpf] = pipe
    return _pipes[bpf]


def _open_pipe(folder):
    try:
        return os.open(folder / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as e:
        if e.errno != errno.EBUSY:  # which Linux answers from 6.5 on; before, readers took each other's lines
            raise LabError(f"This process may not read {folder}/trace_pipe: {e.strerror}", fix=_OPEN) from e
        who = ", ".join(_readers(folder / "trace_pipe")) or "another process"
        raise BusyError(
            f"{folder}/trace_pipe is being read by {who}; the kernel lets only one process read it.",
            fix=f"stop that reader, or {_OPEN}: then this one gets a tracefs instance of its own",
        ) from e


_OPEN = "open the lab with ./lab"


def _readers(pipe):
    """The processes that have ``pipe`` open, each as 'name (pid 1)'."""
    wanted, readers = os.stat(pipe), set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.path.samestat(link.stat(), wanted):
                pid = link.parts[2]
                readers.add(f"{Path('/proc', pid, 'comm').read_text().strip()} (pid {pid})")
    return sorted(readers)


class Recording:
    """The lines that a record() block got. Grows while the block runs."""

    def __init__(self):
        self.lines, self._lost, self._ended = [], 0, ""

    def feed(self, lines, lost):
        """Take more lines; the sink's side of a reader thread."""
        room = CAP - len(self.lines)
        self.lines += lines[:room]
        self._lost += lost + max(0, len(lines) - room)

    def end(self, why):
        """No more lines will come."""
        self._ended = why

    @property
    def lost(self):
        """How many lines are missing: overwritten before they were read, as the kernel counts them."""
        return self._lost

    def __len__(self):
        return len(self.lines)

    def frame(self):
        """A row a line. Columns: time (Int64, ns of CLOCK_MONOTONIC), comm, pid, cpu (Int64), message.

        A line that does not parse keeps its text in ``message`` and has <NA> elsewhere.
        """
        import pandas as pd

        dtypes = {"time": "Int64", "comm": "string", "pid": "Int64", "cpu": "Int64", "message": "string"}
        return pd.DataFrame(self.lines, columns=list(dtypes)).astype(dtypes)

    def __repr__(self):
        ended = f"; ended early: {self._ended}" if self._ended else ""
        return f"<{len(self)} lines recorded, {self.lost} lost{ended}>"


@contextlib.contextmanager
def record(source):
    """Record the trace lines made while the block runs: ``with record(b) as lines: ...``.

    ``source`` is a program (BPF). Only lines made after the block is entered are
    kept, in the order in which they came, and at its end everything sent before
    has been read. The lines are those of every program on the machine.
    ``lines.frame()`` is a DataFrame, ``lines.lost`` the number of missing ones.

    Raises TypeError for what is no source of events, UnloadedError for a program
    that is not in the kernel, BusyError where only the shared pipe can be had and
    somebody else reads it.
    """
    if not isinstance(source, BPF):
        raise TypeError(
            f"record() takes a source of events, here a program: record(b). "
            f"{type(source).__name__} is none; a map is read with its own items()."
        )
    pipe = pipe_of(source)
    recording = Recording()
    try:
        pipe.add(recording, source)
        yield recording
    finally:
        pipe.remove(recording)

"""record: what a program says, read while a block of code runs.

One reader thread serves each source, here a program's trace pipe, and any
number of recordings and views (sinks) listen to it. A sink has two methods:
``feed(lines, lost)``, called about ten times a second, and ``end(why)``, called
when the program is unloaded.
"""

import contextlib
import os
import re
import threading
import time
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

    time: int | None  # ns of CLOCK_MONOTONIC, to the microsecond
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
    """Reads trace lines for one program; pipe_of() gives it.

    The lines are those of every program on the machine: the kernel has one
    printk event for all. They come from a tracefs instance of our own, which gets
    a copy of each and goes when the program goes; where that can't be had, from
    the machine's shared pipe, which only one process may read.
    """

    def __init__(self, bpf):
        self._bpf, self._sinks = bpf, []
        self._lock = threading.RLock()  # one read at a time, and sinks that don't change meanwhile
        self._wake, self._thread = threading.Event(), None
        self.view = None  # the one that watch() made
        try:
            self._instance = tracefs.make_instance()
        except OSError:
            self._instance = None
        try:
            self._fd = _open_pipe(self._instance or tracefs.root())
        except BaseException:
            self._remove_instance()
            raise
        bpf.readers.add(self)

    @property
    def private(self):
        """Whether the lines come from an instance of our own."""
        return self._instance is not None

    def add(self, sink):
        """Feed ``sink`` all lines made from now on."""
        with self._lock:
            if self._thread:
                self.read()  # what is older goes to the sinks that were there
            else:
                self._begin()
            self._sinks.append(sink)

    def remove(self, sink):
        """Feed ``sink`` everything made until now, then nothing more."""
        with self._lock:
            if sink in self._sinks:
                self.read()
                self._sinks.remove(sink)
                self._wake.set()

    def close(self):
        """Stop reading, remove the instance and tell the sinks."""
        with self._lock:
            sinks, self._sinks, thread = self._sinks, [], self._thread
            self._wake.set()
        if thread and thread is not threading.current_thread():
            thread.join()
        for sink in sinks:
            sink.end("the program was unloaded")
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
                self._remove_instance()
        self._bpf.readers.discard(self)

    def read(self):
        """Feed the sinks all that was made before this call."""
        with self._lock:
            now = time.monotonic_ns()
            while True:
                lines, lost, more = self._read_some(now)
                for sink in list(self._sinks):
                    sink.feed(lines, lost)
                if not more:
                    return

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
            lines += new
            lost += dropped
            if self.private and new and (new[-1].time or 0) > until:  # a program can be faster than we are
                return lines, lost, False
        return lines, lost, self.private or time.monotonic_ns() < until + 1_000_000_000

    def _begin(self):
        self.read()  # to nobody: lines that came since the last sink left
        if self.private:
            self._enable(1)
        self._thread = threading.Thread(target=self._run, name="trace pipe", daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            self._wake.wait(PERIOD)
            with self._lock:
                self._wake.clear()
                if not self._sinks:
                    self._thread = None
                    if self.private:
                        self._enable(0)
                    return
                self.read()

    def _enable(self, on):
        (self._instance / "events/bpf_trace/bpf_trace_printk/enable").write_text(str(on))

    def _remove_instance(self):
        if self._instance:
            with contextlib.suppress(OSError):
                self._instance.rmdir()


def pipe_of(bpf):
    """The TracePipe of a program, made at the first call."""
    if not isinstance(bpf, BPF):
        raise TypeError(f"the trace pipe belongs to a program: give the BPF object, not {type(bpf).__name__}")
    return next((r for r in bpf.readers if isinstance(r, TracePipe)), None) or TracePipe(bpf)


def _open_pipe(folder):
    try:
        fd = os.open(folder / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError as e:
        raise LabError(
            f"This process may not read {folder}/trace_pipe.", fix="open the lab with ./lab", log=str(e)
        ) from e
    except OSError as e:
        raise _busy(folder, e) from e
    with contextlib.suppress(BlockingIOError):
        try:
            os.read(fd, 0)
        except OSError as e:
            os.close(fd)
            raise _busy(folder, e) from e
    return fd


def _busy(folder, error):
    """The BusyError that names who reads the pipe."""
    pipe, holders = str(folder / "trace_pipe"), []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link).endswith("/trace_pipe") and link.parts[2] != str(os.getpid()):
                name = Path("/proc", link.parts[2], "comm").read_text().strip()
                holders.append(f"{name} (pid {link.parts[2]})")
    who = ", ".join(sorted(set(holders))) or "another process"
    return BusyError(
        f"{pipe} is being read by {who}; the kernel lets only one process read it.",
        fix="stop that reader, or give this one the right to make a tracefs instance of its own (./lab does)",
        log=str(error),
    )


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
    pipe.add(recording)
    try:
        yield recording
    finally:
        pipe.remove(recording)

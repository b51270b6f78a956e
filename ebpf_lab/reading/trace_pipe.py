"""The trace pipe: what bpf_trace_printk says, line by line."""

import contextlib
import errno
import functools
import os
import re
import time
import weakref
from pathlib import Path
from typing import NamedTuple

from ..diagnostics.errors import BusyError, LabError
from ..kernel import tracefs
from .reader import Reader

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


class TracePipe(Reader):
    """Reads a trace pipe; pipe_of() gives a program's. Feeds sinks (lines, how many are lost).

    The lines are those of every program on the machine: the kernel has one
    printk event for all. ``instance`` is the tracefs instance to read, our own,
    which gets a copy of each line, and goes with its program; without one it is
    the machine's shared pipe, which only one process should read.
    """

    name = "trace pipe"

    def __init__(self, instance=None):
        super().__init__()
        self._instance, self._folder, self._fd = instance, instance or tracefs.root(), None
        self._monotonic = "[mono]" in (self._folder / "trace_clock").read_text()

    @property
    def private(self):
        """Whether the lines come from an instance of our own."""
        return self._instance is not None

    def end(self, bpf):
        """Stop, tell the sinks, and remove the instance of our own. May be called twice."""
        super().end(bpf)
        if self.private:
            with self._lock:
                self._close()
                with contextlib.suppress(OSError):
                    self._instance.rmdir()

    def _open(self):
        if self._fd is None:
            self._fd = _open_pipe(self._folder)
        if self.private:
            self._enable(1)

    def _idle(self):
        if self.private:
            self._enable(0)
        else:  # others on this machine may want to read
            self._close()

    def _batches(self, until):
        more = True
        while more:
            lines, lost, more = self._read_some(until)
            yield lines, lost

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

    def _close(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _enable(self, on):
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

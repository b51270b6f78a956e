"""The trace pipe: what bpf_trace_printk prints, line by line."""

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..bpf import BPF
from ..diagnostics.errors import BusyError, LabError
from ..kernel import tracefs
from .reader import Reader, Share

# Line formats: kernel/trace/trace_output.c, trace_print_context() and trace.c, print_trace_line().
# The kernel pads the name to 16 bytes, so a name with blanks, dashes or newlines is not ambiguous.
# Numbers are those that the columns of a frame can hold: a message may look like a line of the kernel's.
_START = re.compile(
    rb"^(?:(?P<comm>[\s\S]{16})-(?P<pid>\d{1,10}) +(?:\([ \d-]+\) +)?\[(?P<cpu>\d{1,10})\] (?:\S+ +)?"
    rb" *(?P<seconds>[0-8]?\d{1,9})\.(?P<micros>\d{6}): (?P<event>\w+): "
    rb"|CPU:\d+ \[LOST (?P<lost>\d{0,18}) ?EVENTS\]\n?)",
    re.M,
)


class Line(NamedTuple):
    """One line of the trace pipe; ``message`` is the whole line, and the rest None, where it doesn't parse."""

    time: int | None  # ns of CLOCK_MONOTONIC, to the microsecond; None on a pipe with another clock
    comm: str | None
    pid: int | None
    cpu: int | None
    message: str


def parse(text: bytes) -> tuple[list[Line], int]:
    """What one read of a trace pipe gave -> (its lines, the number of lost events).

    A read always gives whole events. Lines without the kernel's usual beginning
    are the rest of a message with newlines in it, and stay with that message.
    Where there is no such message before them, each is a line that doesn't parse.
    """
    starts = list(_START.finditer(text))
    ends = [*(start.start() for start in starts), len(text)]
    lines, lost = _unparsed(text[: ends[0]]), 0
    for start, end in zip(starts, ends[1:], strict=True):
        rest = text[start.end() : end].removesuffix(b"\n")
        if start["pid"] is None:
            lost += int(start["lost"] or 1)  # '[LOST EVENTS]': the kernel can't tell how many either
            lines += _unparsed(rest)
        elif start["event"] == b"bpf_trace_printk":
            when = int(start["seconds"]) * 1_000_000_000 + int(start["micros"]) * 1000
            lines.append(
                Line(when, _text(start["comm"].lstrip()), int(start["pid"]), int(start["cpu"]), _text(rest))
            )
        else:  # another tool traces another event into the shared pipe
            lines.append(Line(None, None, None, None, _text(start[0] + rest)))
    return lines, lost


def _unparsed(text: bytes) -> list[Line]:
    return [Line(None, None, None, None, _text(line)) for line in text.splitlines() if line]


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


class TracePipe(Reader):
    """Reads a trace pipe; pipe_of() gives a program's. Feeds sinks (lines, how many are lost).

    The lines are those of every program on the machine: the kernel has one printk event for all.
    ``instance`` is the tracefs instance to read. It belongs to one program, gets a copy of each line, and is
    removed by close(). Without one it is the machine's shared pipe, which only one process can read.
    """

    name = "trace pipe"

    def __init__(self, instance: Path | None = None) -> None:
        super().__init__()
        self._instance, self._folder = instance, instance or tracefs.root()
        self._fd = -1  # while it is closed
        self._monotonic = "[mono]" in (self._folder / "trace_clock").read_text()

    def close(self) -> None:
        """Finish all sinks, and remove the instance of our own. May be called twice."""
        super().close()
        if self._instance:
            with self._lock:
                self._close_pipe()
                with contextlib.suppress(OSError):
                    self._instance.rmdir()

    def _open(self) -> None:
        if self._fd < 0:
            self._fd = _open_pipe(self._folder)
        self._enable(1)

    def _close(self) -> None:
        self._enable(0)
        if not self._instance:  # others on this machine may want to read
            self._close_pipe()

    def _files(self) -> list[int]:
        return [self._fd]

    def _batches(self, until: int) -> Iterator[tuple[list[Line], int]]:
        more = True
        while more:
            lines, lost, more = self._read_some(until)
            yield lines, lost

    def _read_some(self, until: int, size: int = 1 << 20) -> tuple[list[Line], int, bool]:
        """About ``size`` bytes of the pipe -> (lines, lost, whether there is more from before ``until``)."""
        lines: list[Line] = []
        lost = done = 0
        while done < size:
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return lines, lost, False
            if not data:
                return lines, lost, False
            done += len(data)
            new, dropped = parse(data)
            lost += dropped
            if not self._monotonic:
                new = [line._replace(time=None) for line in new]
            lines += new
            if (
                self._monotonic and new and (new[-1].time or 0) > until
            ):  # a program can print faster than this reads
                return lines, lost, False
        return lines, lost, self._monotonic or time.monotonic_ns() < until + 1_000_000_000

    def _close_pipe(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _enable(self, on: int) -> None:
        if self._instance:
            (self._instance / "events/bpf_trace/bpf_trace_printk/enable").write_text(str(on))


_shared: list[TracePipe] = []  # the reader of the machine's own pipe, once a program needed it


def pipe_of(bpf: BPF) -> TracePipe | Share:
    """The reader of a program's trace lines, made at the first call; UnloadedError for an unloaded program."""
    bpf.check_loaded()
    return bpf.own("trace pipe", _make_pipe)


def _make_pipe() -> TracePipe | Share:
    try:
        return TracePipe(tracefs.make_instance())
    except OSError:
        if not _shared:
            _shared.append(TracePipe())
        return Share(_shared[0])


def _open_pipe(folder: Path) -> int:
    try:
        return os.open(folder / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as e:
        # Older kernels let two readers take each other's lines (commit c2489bb7e6be).
        if e.errno != errno.EBUSY:
            raise LabError(f"This process may not read {folder}/trace_pipe: {e.strerror}", fix=_OPEN) from e
        who = ", ".join(_readers(folder / "trace_pipe")) or "another process"
        raise BusyError(
            f"{folder}/trace_pipe is being read by {who}; the kernel lets only one process read it.",
            fix=f"stop that reader, or {_OPEN}: then this one gets a tracefs instance of its own",
        ) from e


_OPEN = "open the lab with ./lab"


def _readers(pipe: Path) -> list[str]:
    """The processes that have ``pipe`` open, each as 'name (pid 1)'."""
    wanted, readers = os.stat(pipe), set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.path.samestat(link.stat(), wanted):
                pid = link.parts[2]
                readers.add(f"{Path('/proc', pid, 'comm').read_text().strip()} (pid {pid})")
    return sorted(readers)

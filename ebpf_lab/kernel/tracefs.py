"""The mounted tracefs: its tracepoints, and private instances of its trace buffer."""

import itertools
import os
import re
from pathlib import Path

from ..diagnostics.errors import SetupError

_numbers = itertools.count()


def root() -> Path:
    """The mounted tracefs; SetupError where there is none."""
    for path in (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing")):
        try:
            os.stat(path / "events")
        except FileNotFoundError:
            continue
        except PermissionError:
            if os.path.ismount(path):
                raise SetupError(
                    f"{path} is mounted, but this process may not look into it.",
                    fix="open the lab with ./lab: its notebooks get the capability CAP_DAC_READ_SEARCH",
                ) from None
        else:
            return path
    raise SetupError(
        "tracefs is not mounted: without /sys/kernel/tracing there are no tracepoints and no trace pipe.",
        fix="./lab setup, or: sudo mount -t tracefs nodev /sys/kernel/tracing",
    )


def event_exists(category: str, event: str) -> bool:
    """Whether the kernel has this tracepoint."""
    # Names only: a path would lead elsewhere, and a name too long for a file raises OSError.
    named = all(re.fullmatch(r"\w{1,100}", name) for name in (category, event))
    return named and (root() / "events" / category / event / "id").exists()


def events(category: str = "*") -> list[str]:
    """Names of the kernel's tracepoints, as 'category:event'."""
    return [
        f"{path.parent.parent.name}:{path.parent.name}" for path in root().glob(f"events/{category}/*/id")
    ]


def make_instance() -> Path:
    """Make a trace buffer of our own (Documentation/trace/ftrace.rst, "Instances"); OSError where not allowed.

    Its clock is CLOCK_MONOTONIC, as that of bpf_ktime_get_ns(). Its name has our
    pid, so that leftovers.sweep() can tell when no process uses it any more.
    """
    path = root() / "instances" / f"ebpf_lab-{os.getpid()}-{next(_numbers)}"
    path.mkdir()
    try:
        (path / "trace_clock").write_text("mono")
    except OSError:
        path.rmdir()
        raise
    return path

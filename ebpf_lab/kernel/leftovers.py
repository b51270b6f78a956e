"""What a killed process leaves behind in the kernel's file systems, and how it is found.

The kernel frees programs and maps when the process with their file descriptors
ends, however it ends. It keeps tracefs instances and pinned maps. So the names of
ours have the pid of the process that made them.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from ..diagnostics.errors import SetupError
from . import tracefs

BPFFS = Path("/sys/fs/bpf")


def sweep() -> list[str]:
    """Remove the instances and pins of lab processes that have died; returns their names.

    An instance whose trace_pipe somebody reads stays: its removal fails with EBUSY.
    """
    swept = []
    with contextlib.suppress(SetupError, OSError):
        for path in (tracefs.root() / "instances").glob("ebpf_lab-*"):
            if not _alive(path) and _try(path.rmdir):
                swept.append(path.name)
    for path in BPFFS.glob("ebpf_lab-*"):
        if not _alive(path) and _try(path.unlink):
            swept.append(path.name)
    return swept


def _alive(path: Path) -> bool:
    return Path("/proc", path.name.split("-")[1]).exists()


def _try(remove: Callable[[], None]) -> bool:
    try:
        remove()
    except OSError:
        return False
    return True

"""What a killed process leaves behind in the kernel's file systems, and how it is found.

Programs and maps go with the file descriptors of their process, however it ends.
Folders and files don't: a tracefs instance, a pinned map. So ours are named
for the process that made them.
"""

import contextlib
from pathlib import Path

from ..diagnostics.errors import SetupError
from . import tracefs

BPFFS = Path("/sys/fs/bpf")


def sweep():
    """Remove the instances and pins of lab processes that died without doing so; returns their names.

    The kernel refuses (EBUSY) to remove an instance whose trace_pipe is open, so
    nobody's reader is ever cut off.
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


def _alive(path):
    return Path("/proc", path.name.split("-")[1]).exists()


def _try(remove):
    try:
        remove()
    except OSError:
        return False
    return True

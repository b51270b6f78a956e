"""What no package here brings: looked for once, and remembered until the kernel or apt's lists change.

It is noted beside what ./lab installed, in .venv: a line that tells the kernel and the state of apt's lists, then a
name per line.
"""

import platform
from pathlib import Path

from ..kernel import headers

# apt-get update changes the first where it finds anything new; users change the others.
APT_STATE = [Path("/var/lib/apt/lists"), Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d")]


def known() -> set[str]:
    """What was looked for in vain, with this kernel and these lists."""
    try:
        state, *names = _notes().read_text().splitlines()
    except (OSError, ValueError):  # no notes, or an empty file
        return set()
    return set(names) if state == _state() else set()


def remember(names: list[str]) -> None:
    """Add ``names`` to what is known."""
    _notes().write_text("\n".join([_state(), *sorted(known().union(names))]) + "\n")


def _notes() -> Path:
    return headers.VENV / "libexec/ebpf-lab/unavailable"


def _state() -> str:
    times = [str(path.stat().st_mtime_ns) for path in APT_STATE if path.exists()]
    return " ".join([platform.release(), *times])

"""What views of counts share: names for keys, and how much a count changed in the last second."""

import pwd
from collections import deque
from collections.abc import Callable
from typing import Any

from ..diagnostics.errors import SetupError
from ..kernel.syscalls import syscall_name

TOP = 20  # keys that are shown


class Rate:
    """How much each count changed in the last second."""

    def __init__(self) -> None:
        self.past: deque[tuple[float, dict]] = (
            deque()
        )  # (when, the counts then), of a little more than a second

    def update(self, counts: dict, now: float) -> Callable[[Any], int]:
        """Take the counts of ``now`` (s) in; -> a function from a key to its change."""
        self.past.append((now, counts))
        while len(self.past) > 2 and self.past[1][0] < now - 1:
            self.past.popleft()
        then, before = self.past[0]
        seconds = max(now - then, 1)
        return lambda key: round((counts[key] - before.get(key, 0)) / seconds) if before else 0


def label(key: Any, kind: str) -> str:
    """A key of the given kind, as a learner reads it: users and system calls by name."""
    if kind == "uid":
        try:
            return f"{pwd.getpwuid(int(key)).pw_name} ({key})"
        except (KeyError, OverflowError):
            return str(key)
    if kind in ("syscall", "syscall_nr"):
        return syscall_label(int(key))
    return str(key)


def syscall_label(number: int) -> str:
    """The name of a system call; its number where it has no name here."""
    try:
        return syscall_name(number)
    except (ValueError, SetupError):
        return str(number)

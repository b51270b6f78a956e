"""What libbcc and clang write to file descriptor 2, and the one lock around their calls."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from .interrupts import held_back

# Held during each call of libbcc: two compiles at once crash it, and file descriptor 2 is the process's.
lock = threading.RLock()


@contextmanager
def captured() -> Iterator[SimpleNamespace]:
    """Capture file descriptor 2 during the block: afterwards, ``text`` of the object given has it all."""
    output = SimpleNamespace(text="")
    with held_back(), lock, open(os.memfd_create("stderr"), "w+b") as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield output
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            output.text = file.read().decode(errors="backslashreplace")


def _after_fork() -> None:
    """Give a forked child a lock of its own: another thread of the parent may hold the inherited one."""
    global lock
    lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)

"""Ctrl-C, held back while it could leave something half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """Deliver a Ctrl-C that comes during the block when the block has ended."""
    if threading.current_thread() is not threading.main_thread():  # Python interrupts only the main thread.
        yield
        return
    came: list[tuple] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: came.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])

"""Ctrl-C, held back where it could leave something half done."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def held_back():
    """A Ctrl-C that comes during the block is delivered when the block is done."""
    if threading.current_thread() is not threading.main_thread():  # Python interrupts only that one
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *signal_and_frame: came.append(signal_and_frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])

"""Reader: a thread that reads one source of events, and hands them to recordings and views."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

PERIOD = 0.1  # seconds that a reader waits for events at most, and between two updates of a screen at least
REST = 0.005  # seconds between two reads: each time that a reader has caught up, waking it costs the program time


class Sink(Protocol):
    """What a Reader feeds: a recording or a view."""

    @property
    def feed(self) -> Callable[..., None]:
        """Called with what one read gave: items, how many were lost meanwhile, and more that a subclass of Reader names."""

    def end(self, why: str, error: Exception | None = None) -> None:
        """Called when nothing more will come; ``error`` is what ended it early."""


class Reader:
    """Reads one source for all its sinks. The thread lives while there are sinks.

    A subclass says how: ``_open()`` before the first sink is fed, ``_close()`` after the last one,
    ``_files()`` to wait at, and ``_batches(until)``, which yields what feed() is called with, until all
    that was made before ``until`` (ns of CLOCK_MONOTONIC) has been read.
    """

    name = "reader"  # of the thread

    def __init__(self) -> None:
        self._sinks: list[Sink] = []
        self._lock = threading.RLock()  # one read at a time, and sinks that don't change meanwhile
        self._thread: threading.Thread | None = None
        self._wake = -1  # an eventfd that ends the thread's wait
        self._patience = PERIOD

    def add(self, sink: Sink, skip_older: bool = True) -> None:
        """Feed ``sink`` all that is made from now on. What is older goes to the sinks that were there, or to nobody."""
        with self._lock:
            if not self._thread:
                self._open()
            if skip_older:
                try:
                    self.read()
                except Exception as e:
                    self._fail(e)
                    raise
            self._sinks.append(sink)
            if not self._thread:
                self._wake = os.eventfd(0)
                run = threading.Thread(target=self._run, args=[self._wake], name=self.name, daemon=True)
                self._thread = run
                run.start()

    def remove(self, sink: Sink) -> None:
        """Feed ``sink`` everything made until now, then nothing more; an error ends it and all other sinks.

        Nothing happens where it is no sink.
        """
        thread = None
        with self._lock:
            if sink in self._sinks:
                try:
                    self.read()
                except Exception as e:
                    thread = self._fail(e)
                finally:
                    if self._sinks:  # else it has failed
                        self._sinks = [other for other in self._sinks if other is not sink]
                        thread = self._stop_if_idle()
        if thread and thread is not threading.current_thread():
            thread.join()

    def finish(self, sink: Sink) -> None:
        """Feed ``sink`` everything made until now, and end it, because its program is being unloaded."""
        error = None
        try:
            self.remove(sink)
        except Exception as e:  # the program is unloaded all the same
            error = e
        sink.end("the program was unloaded", error)

    def close(self) -> None:
        """Finish all sinks. May be called twice."""
        for sink in list(self._sinks):
            self.finish(sink)

    def read(self) -> None:
        """Feed the sinks all that was made before this call."""
        with self._lock:
            for batch in self._batches(time.monotonic_ns()):
                self._feed(*batch)

    def _feed(self, *batch: Any) -> None:
        for sink in list(self._sinks):
            sink.feed(*batch)

    def _run(self, wake: int) -> None:
        with open(wake, "rb"):  # closed with the thread
            while True:
                self._wait(wake)
                with self._lock:
                    if self._thread is not threading.current_thread():
                        return
                    try:
                        self._read_in_thread()
                    except Exception as e:  # raised in this thread, nobody would see it
                        self._fail(e)

    def _read_in_thread(self) -> None:
        self.read()

    def _wait(self, wake: int) -> None:
        """Rest, then wait for something to read, but no longer than ``_patience``. A write to ``wake`` ends both."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        if not poll.poll(1000 * REST):
            with self._lock:
                for fd in self._files():
                    poll.register(fd, select.POLLIN)
            if wake not in dict(poll.poll(1000 * self._patience)):
                return
        os.eventfd_read(wake)

    def _fail(self, error: Exception) -> threading.Thread | None:
        """End all sinks because of ``error``: what was being read is gone for each; -> the thread, which ends."""
        sinks, self._sinks = self._sinks, []
        thread = self._stop_if_idle()
        for sink in sinks:
            sink.end(f"the reader failed: {type(error).__name__}: {error}", error)
        return thread

    def _stop_if_idle(self) -> threading.Thread | None:
        """Without sinks, close the source and let the thread end; -> that thread."""
        if self._sinks:
            return None
        self._interrupt_wait()
        thread, self._thread = self._thread, None
        self._close()
        return thread

    def _interrupt_wait(self) -> None:
        if self._thread:
            os.eventfd_write(self._wake, 1)

    def _open(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _files(self) -> list[int]:
        raise NotImplementedError

    def _batches(self, until: int) -> Iterator[tuple[Any, ...]]:
        raise NotImplementedError


class Share:
    """One program's share in a reader of several programs: it is closed without ending the others' sinks."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._sinks = reader, list[Sink]()

    def add(self, sink: Sink) -> None:
        """As Reader.add()."""
        self._reader.add(sink)
        self._sinks.append(sink)

    def remove(self, sink: Sink) -> None:
        """As Reader.remove()."""
        self._sinks = [other for other in self._sinks if other is not sink]
        self._reader.remove(sink)

    def close(self) -> None:
        """As Reader.close(), for the sinks of this program."""
        for sink in self._sinks:
            self._reader.finish(sink)
        self._sinks = []

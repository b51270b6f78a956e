"""Reader: one thread that reads one source of events, for all who want to know."""

import threading
import time

PERIOD = 0.1  # seconds between two reads, and so between two updates of a screen


class Reader:
    """Reads one source and feeds sinks: recordings and views, each with a program that it belongs to.

    A sink has two methods: ``feed(items, lost, ...)``, called with what one read gave,
    and ``end(why)``, called when the program is unloaded. What a source needs is in
    a subclass: ``_open``, ``_batches`` (what feed() is called with, up to what is there
    at that moment), ``_wait`` and ``_idle`` (nobody listens any more).
    """

    name = "reader"  # of the thread

    def __init__(self):
        self._sinks = {}  # sink -> its program
        self._lock = threading.RLock()  # one read at a time, and sinks that don't change meanwhile
        self._wake, self._thread = threading.Event(), None

    def add(self, sink, bpf):
        """Feed ``sink``, for the program ``bpf``, all that is made from now on."""
        with self._lock:
            if not self._thread:
                self._open()
            self.read()  # what is older goes to the sinks that were there, or to nobody
            if not self._thread:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
            self._sinks[sink] = bpf

    def remove(self, sink):
        """Feed ``sink`` everything made until now, then nothing more."""
        with self._lock:
            if sink in self._sinks:
                self.read()
                del self._sinks[sink]
                self._wake.set()

    def end(self, bpf):
        """Stop feeding the sinks of a program that is being unloaded, and tell them. May be called twice."""
        with self._lock:
            for sink in [sink for sink, program in self._sinks.items() if program is bpf]:
                self.remove(sink)
                sink.end("the program was unloaded")
            thread = self._thread
            idle = not self._sinks
        if thread and idle:
            thread.join()

    def read(self):
        """Feed the sinks all that was made before this call."""
        with self._lock:
            for batch in self._batches(time.monotonic_ns()):
                self._feed(*batch)

    def _feed(self, *batch):
        for sink in list(self._sinks):
            sink.feed(*batch)

    def _run(self):
        while True:
            self._wait()
            with self._lock:
                self._wake.clear()
                try:
                    if self._sinks:
                        self._read_in_thread()
                        continue
                except Exception as e:  # nobody would see it in this thread: tell those who wait
                    for sink in self._sinks:
                        sink.end(f"the reader failed: {type(e).__name__}: {e}")
                    self._sinks = {}
                self._thread = None
                self._idle()
                return

    def _read_in_thread(self):
        self.read()

    def _wait(self):
        self._wake.wait(PERIOD)

"""LiveView: what all live views share, from the first watch() of a source until its program is unloaded."""

import contextlib
import threading
import time
from typing import Any, NamedTuple, Self

import traitlets

from ..bpf import BPF
from ..reading.reader import PERIOD
from .view import View

SHARE = 0.1  # of one core's time that looking and drawing may take


class LiveView(View):
    """A widget that a thread of its own keeps up to date while it is running.

    A subclass returns from ``_picture()`` what it shows, as a dict for its JavaScript. Where it hears of news, it
    sets ``_news``: what comes after a pause is shown at once, later news ten times a second.
    """

    patience = PERIOD  # seconds without news after which it looks again

    # All that the thread changes is in shown, so that each update is one message: what _picture() gives, running,
    # and note, a line of text.
    running = traitlets.Bool(True).tag(sync=True)
    ended = traitlets.Bool(False).tag(sync=True)

    def __init__(self, *_: Any, **traits: Any) -> None:
        super().__init__(**traits)
        self._looking = threading.RLock()  # the thread and the buttons take turns
        self._news, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._note = ""

    @classmethod
    def shown_for(cls, source: Any, **options: Any) -> Self:
        """The view of a program or a map, made at the first call and after one that has ended."""
        bpf, key = (source, cls) if isinstance(source, BPF) else (source.bpf, (cls, source.map_fd))

        def make() -> _Shown:
            view = cls(source, **options)
            view.look()  # raises here, not in the thread, what reading raises
            view._start()
            return _Shown(view)

        bpf.check_loaded()
        if bpf.own(key, make).view.ended:
            bpf.disown(key)
        return bpf.own(key, make).view

    def look(self) -> None:
        """Look at the source once, and show it if it changed."""
        with self._looking:
            shown = self._picture()
            self.shown = shown | {"running": self.running, "note": self._note or shown.get("note", "")}

    def end(self, why: str, error: Exception | None = None) -> None:
        """Stop for good, and keep on the screen what is shown."""
        if self.ended:
            return
        self._halt()
        self._note = f"Ended: {why}."
        self.ended, self.running = True, False
        with contextlib.suppress(Exception):  # the program is unloaded, whatever is wrong with the picture
            self.look()
        self.shown = self.shown | {"note": self._note, "running": False}

    def _picture(self) -> dict[str, Any]:
        raise NotImplementedError

    def _start(self) -> None:
        self._note = ""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()

    def _halt(self) -> None:
        self._stop.set()
        self._news.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        rest, due = 0.0, 0.0  # due: when the next update is due at ten a second; one may come a period early
        while not self._stop.wait(rest):
            if news := self._news.wait(self.patience):
                self._stop.wait(max(0, due - PERIOD - time.monotonic()))
            self._news.clear()
            if self._stop.is_set():
                return
            if news:
                due = max(due, time.monotonic()) + PERIOD
            started = time.thread_time()
            try:
                self.look()
            except Exception as e:  # raised in this thread, nobody would see it
                self.end(f"an error stopped this view. {type(e).__name__}: {e}", e)
                return
            rest = max(0, (time.thread_time() - started) / SHARE - PERIOD)

    @traitlets.observe("running")
    def _switch(self, change: Any) -> None:
        if self.ended:
            return
        self._halt()
        if change["new"]:
            try:
                self._start()
            except Exception as e:  # where a button was pressed, only the view can show it
                self._note = f"Not started. {type(e).__name__}: {e}"
                self.running = False
                raise
        self.look()


class _Shown(NamedTuple):
    """What a program owns of a view. A widget's own close() would take it off the screen."""

    view: LiveView

    def close(self) -> None:
        self.view.end("the program was unloaded")

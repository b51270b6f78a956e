"""A map, live: a bar for each key, and a table beside it."""

import io
import math
import pwd
import re
import threading
import time
import weakref
from collections import deque

import traitlets
from matplotlib.figure import Figure

from ..diagnostics.errors import SetupError
from ..kernel.syscalls import syscall_name
from ..maps import to_frame
from .view import View

PERIOD = 0.1  # seconds between two looks at the map, at least
SHARE = 0.1  # of one core's time that looking and drawing may take
TOP = 20  # bars
TEXT = "#010203"  # drawn in this colour, then given the page's own: light and dark themes both

_views = weakref.WeakKeyDictionary()  # program -> {map's file descriptor: its view}


class MapView(View, page="map"):
    """The widget of watch(b["map"]); a thread of its own reads the map and draws."""

    # One trait for all that the thread changes: svg, alt, heads, rows (lists of text), more, note, running
    shown = traitlets.Dict().tag(sync=True)
    running = traitlets.Bool(True).tag(sync=True)
    ended = traitlets.Bool(False).tag(sync=True)

    def __init__(self, table, key):
        super().__init__()
        self._table, self._key = table, key or _key_of(table)
        self._order, self._past, self._last = [], deque(), None
        self._stop, self._thread, self._note = threading.Event(), None, ""
        self.look()  # raises here, not in the thread, what to_frame() raises
        self._start()
        table.bpf.at_close.append(self._unload)

    @classmethod
    def shown_for(cls, table, key):
        """The view of a map, made at the first call; anew when ``key`` is another."""
        views = _views.setdefault(table.bpf, {})
        view = views.get(table.map_fd)
        if view is None or (key and key != view._key):
            if view:
                view.running = False
            view = views[table.map_fd] = cls(table, key)
        return view

    def look(self):
        """Read the map once, and show it if it changed."""
        frame = to_frame(self._table)
        now = time.monotonic()
        number = "total" if "total" in frame else "value"
        bars = list(frame.columns[:1]) == ["key"] and number in frame and frame[number].dtype.kind in "iuf"
        shown = self._bars(dict(zip(frame.key, frame[number], strict=True)), now) if bars else _rows(frame)
        shown |= {"running": self.running, "note": self._note}
        if shown != self._last:
            self._last = shown
            drawn = (
                {"svg": _draw(shown["bars"], self._key), "alt": _alt(shown)}
                if bars
                else {"svg": "", "alt": ""}
            )
            self.shown = {name: shown[name] for name in ("heads", "rows", "more", "note", "running")} | drawn

    def _changes(self, counts, now):
        """How much a key's count changed in the last second, a function."""
        self._past.append((now, counts))
        while len(self._past) > 2 and self._past[1][0] < now - 1:
            self._past.popleft()
        then, before = self._past[0]
        seconds = max(now - then, 1)
        return lambda key: round((counts[key] - before.get(key, 0)) / seconds) if before else 0

    def _bars(self, counts, now):
        change = self._changes(counts, now)
        # Largest first; but two that differ by less than a tenth stay as they are, so that bars don't jump.
        place = {key: n for n, key in enumerate(self._order)}
        self._order = sorted(
            counts, key=lambda k: (-_tenths(counts[k]), place.get(k, len(place)), -counts[k], k)
        )
        top = self._order[:TOP]
        bars = [(_label(key, self._key), int(counts[key]), change(key)) for key in top]
        rows = [[label, f"{count:,}", f"{change:+,}"] for label, count, change in bars]
        more = len(counts) - len(top)
        return {
            "bars": bars,
            "heads": [self._key, "count", "a second"],
            "rows": rows,
            "more": f"and {more:,} more" if more else "",
        }

    def _start(self):
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="map view", daemon=True)
        self._thread.start()

    def _run(self):
        pause = PERIOD
        while not self._stop.wait(pause):
            started = time.thread_time()
            try:
                self.look()
            except Exception as e:  # nobody would see it in this thread
                self._note = f"The map can't be read: {e}"
                self.shown = self.shown | {"note": self._note}
                return
            pause = max(PERIOD, (time.thread_time() - started) / SHARE)

    def _halt(self):
        self._stop.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def _unload(self):
        self._halt()
        self._note = "Ended: the program was unloaded."
        self.ended, self.running = True, False
        self.look()
        _views.pop(self._table.bpf, None)

    @traitlets.observe("running")
    def _switch(self, change):
        if not self.ended:
            self._halt()
            if change["new"]:
                self._start()
            self.look()

    def __repr__(self):
        lines = ["  ".join(map(str, row)) for row in [self.shown["heads"], *self.shown["rows"]]]
        return "\n".join([*lines, *filter(None, [self.shown["more"], self.shown["note"]])])


def _key_of(table):
    """What the program calls the map's keys: the variable that it looks the map up with, as 'uid'; else 'key'."""
    names = [name for name, known in table.bpf.tables.items() if known is table]
    name = names[0] if names else ""
    used = re.search(rf"\b{re.escape(str(name))}\.\w+\(&?(\w+)", table.bpf.source) if name else None
    return used[1] if used else "key"


def _label(key, kind):
    if kind == "uid":
        try:
            return f"{pwd.getpwuid(int(key)).pw_name} ({key})"
        except (KeyError, OverflowError):
            return str(key)
    if kind in ("syscall", "syscall_nr"):
        return _syscall(int(key))
    return str(key)


def _syscall(number):
    try:
        return syscall_name(number)
    except (ValueError, SetupError):
        return str(number)


def _tenths(count):
    return round(math.log(count, 1.1)) if count > 0 else -1


def _rows(frame):
    more = len(frame) - TOP
    return {
        "heads": list(frame.columns),
        "rows": [[str(cell) for cell in row] for row in frame.head(TOP).itertuples(index=False)],
        "more": f"and {more:,} more" if more > 0 else "",
    }


def _alt(shown):
    figures = ", ".join(f"{label} {count:,}" for label, count, _ in shown["bars"]) or "no entries yet"
    return f"Bar chart of counts: {figures}. {shown['more']}".strip()


def _draw(bars, key):
    """The chart as SVG text. A Figure of its own, never pyplot: that is for one thread."""
    figure = Figure(figsize=(6.4, 0.55 + 0.27 * max(len(bars), 3)))
    axes = figure.add_axes((0.26, 0, 0.72, 1 - 0.3 / figure.get_figheight()))
    largest = max((count for _, count, _ in bars), default=1) or 1
    axes.barh(range(len(bars)), [count for _, count, _ in bars], color="#4c8dc9", height=0.75)
    for place, (_, count, change) in enumerate(bars):
        text = f"{count:,}" + (f"  {change:+,}/s" if change else "")
        axes.text(count + largest * 0.01, place, text, va="center", color=TEXT, fontsize=9)
    labels = [label if len(label) <= 22 else label[:21] + "…" for label, _, _ in bars]
    axes.set_yticks(range(len(bars)), labels, color=TEXT, fontsize=9)
    axes.set(xlim=(0, largest * 1.3), ylim=(max(len(bars), 3) - 0.4, -0.6), xticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"count per {key}", loc="left", color=TEXT, fontsize=10)
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :].replace(TEXT, "currentColor")

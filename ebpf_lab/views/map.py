"""A map, live: a bar for each key, and a table beside it."""

import io
import math
import time
from typing import Any

import numpy as np
import pandas as pd
from bcc import table as bcc_table
from matplotlib.figure import Figure

from ..bcc_maps import uncounted
from ..histograms import ranges, scale_of
from ..inspect.keys import key_of
from ..maps import to_frame
from .counts import TOP, Rate, label
from .live import LiveView

BUCKETS = 65  # of a histogram that are shown: a log2 one of u64 has no more
TEXT = "#010203"  # drawn in this colour, then given the page's own, so that it can be read in light and dark themes


class MapView(LiveView, page="map"):
    """The widget of watch(b["map"]). Shows svg, alt, heads, rows (lists of text) and more."""

    def __init__(self, table: Any, key: str | None) -> None:
        super().__init__()
        self._table, self._scale = table, scale_of(table)
        self.key = key or ("value" if self._scale else key_of(table))
        self._order: list = []
        self._rate = Rate()
        self._drawn: tuple[list, str] | None = None  # the bars and the key that self._svg shows
        self._svg = ""
        self._remark = uncounted(table.bpf)

    def _picture(self) -> dict[str, Any]:
        return self._content() | {"note": self._remark}

    def _content(self) -> dict[str, Any]:
        frame = to_frame(self._table)
        if self._scale:
            return self._histogram(frame)
        number = "total" if "total" in frame else "value"
        if list(frame.columns[:1]) == ["key"] and number in frame and frame[number].dtype.kind in "iuf":
            return self._chart(dict(zip(frame.key, frame[number], strict=True)))
        return _rows(frame)

    def _chart(self, counts: dict) -> dict[str, Any]:
        change = self._rate.update(counts, time.monotonic())
        # Largest first; but two that differ by less than a tenth stay as they are, so that bars don't jump.
        place = {key: n for n, key in enumerate(self._order)}
        self._order = sorted(
            counts, key=lambda k: (-_tenths(counts[k]), place.get(k, len(place)), -counts[k], k)
        )
        bars = [(label(key, self.key), int(counts[key]), change(key)) for key in self._order[:TOP]]
        return self._bars(bars, _more(len(counts) - len(bars)))

    def _histogram(self, frame: pd.DataFrame) -> dict[str, Any]:
        """The buckets in order, from the first to the last that counted something, as BCC's print_log2_hist() has them."""
        filled = frame[frame.value > 0].sort_values(list(frame.columns[:-1]))
        if "key" not in frame:  # a histogram for each value of a struct's other fields
            return _rows(filled)
        counts = dict(zip(filled.key.tolist(), filled.value.tolist(), strict=True))
        if counts and max(counts) - min(counts) < bcc_table.linear_index_max:
            counts = {key: counts.get(key, 0) for key in range(min(counts), max(counts) + 1)}
        change = self._rate.update(counts, time.monotonic())
        shown = list(counts)[:BUCKETS]
        names = [str(key) for key in shown]
        if self._scale == "log2":
            limits = zip(*ranges(np.array(shown, np.uint64)), strict=True)
            names = [f"{low} -> {high}" for low, high in limits]
        bars = [(name, counts[key], change(key)) for name, key in zip(names, shown, strict=True)]
        return self._bars(bars, _more(len(counts) - len(bars)))

    def _bars(self, bars: list[tuple[str, int, int]], more: str) -> dict[str, Any]:
        if (bars, self.key) != self._drawn:
            self._drawn, self._svg = (bars, self.key), _draw(bars, self.key)
        return {
            "svg": self._svg,
            "alt": _alt(bars, more),
            "heads": [self.key, "count", "per second"],
            "rows": [[name, f"{count:,}", f"{change:+,}"] for name, count, change in bars],
            "more": more,
        }

    def __repr__(self) -> str:
        lines = ["  ".join(map(str, row)) for row in [self.shown["heads"], *self.shown["rows"]]]
        return "\n".join([*lines, *filter(None, [self.shown["more"], self.shown["note"]])])


def _tenths(count: float) -> int:
    return round(math.log(count, 1.1)) if count > 0 else -1


def _rows(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "svg": "",
        "alt": "",
        "heads": list(frame.columns),
        "rows": [[str(cell) for cell in row] for row in frame.head(TOP).itertuples(index=False)],
        "more": _more(len(frame) - TOP),
    }


def _more(count: int) -> str:
    return f"and {count:,} more" if count > 0 else ""


def _alt(bars: list, more: str) -> str:
    figures = ", ".join(f"{name} {count:,}" for name, count, _ in bars) or "no entries yet"
    return f"Bar chart of counts: {figures}. {more}".strip()


def _draw(bars: list, key: str) -> str:
    """The chart as SVG. It has a Figure of its own, because pyplot is for one thread only."""
    figure = Figure(figsize=(6.4, 0.55 + 0.27 * max(len(bars), 3)))
    axes = figure.add_axes((0.26, 0, 0.72, 1 - 0.3 / figure.get_figheight()))
    largest = max((count for _, count, _ in bars), default=1) or 1
    axes.barh(range(len(bars)), [count for _, count, _ in bars], color="#4c8dc9", height=0.75)
    for place, (_, count, change) in enumerate(bars):
        text = f"{count:,}" + (f"  {change:+,}/s" if change else "")
        axes.text(count + largest * 0.01, place, text, va="center", color=TEXT, fontsize=9)
    names = [name if len(name) <= 22 else name[:21] + "…" for name, _, _ in bars]
    axes.set_yticks(range(len(bars)), names, color=TEXT, fontsize=9)
    axes.set(xlim=(0, largest * 1.3), ylim=(max(len(bars), 3) - 0.4, -0.6), xticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"count per {key}", loc="left", color=TEXT, fontsize=10)
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :].replace(TEXT, "currentColor")

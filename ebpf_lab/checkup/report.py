"""The report of doctor(): rows, and how a terminal and a notebook show them."""

import html
import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

_HEADS, _WIDTHS = ("state", "what", "found", "what it means"), (8, 13, 31, 42)
COLOURS = {"ok": (32, "#2e9e5b"), "degraded": (33, "#c98a1b"), "missing": (31, "#d0453e")}  # terminal, HTML


@dataclass(frozen=True)
class Row:
    """One thing that the lab needs; ``state`` is 'ok', 'degraded' or 'missing'."""

    name: str
    state: str
    found: str
    means: str
    fix: str = ""


@dataclass(frozen=True, repr=False)
class Report:
    """The rows of a checkup; ``ok`` where none is missing."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return not any(row.state == "missing" for row in self.rows)

    def __str__(self) -> str:
        """Four columns, 100 characters wide in all; a fix has a line of its own."""
        lines = [_line(*_HEADS), _line(*("-" * width for width in _WIDTHS))]
        for row in self.rows:
            texts = (row.state, row.name, row.found, row.means)
            columns = [textwrap.wrap(*cell) for cell in zip(texts, _WIDTHS, strict=True)]
            lines += [_line(*cells) for cells in itertools.zip_longest(*columns, fillvalue="")]
            lines += [_line("", "", line) for line in textwrap.wrap(f"Fix: {row.fix}", 75) if row.fix]
        states = [row.state for row in self.rows]
        count = ", ".join(f"{states.count(state)} {state}" for state in ("missing", "degraded", "ok"))
        return "\n".join([*lines, "", count])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        fine = [row for row in self.rows if row.state == "ok"]
        rest = [row for row in self.rows if row.state != "ok"]
        shown = _html(rest) if rest else ""
        return f"{shown}<details><summary>{len(fine)} ok</summary>{_html(fine)}</details>"


def _html(rows: Sequence[Row]) -> str:
    """Three columns, which a narrow window has room for."""
    names = ("state", "found", "what it means")
    heads = "".join(f'<th scope="col" style="text-align: left">{name}</th>' for name in names)
    lines = ""
    for row in rows:
        state, name, found, means, fix = map(
            html.escape, (row.state, row.name, row.found, row.means, row.fix)
        )
        texts = (f"{state}<br><b>{name}</b>", found, means + (fix and f"<br><b>Fix:</b> {fix}"))
        cells = "".join(f'<td style="text-align: left">{text}</td>' for text in texts)
        lines += f'<tr style="border-left: 4px solid {COLOURS[row.state][1]}">{cells}</tr>'
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _line(*cells: str) -> str:
    return "  ".join(map(str.ljust, cells, _WIDTHS)).rstrip()

"""A loaded function, seen three ways, as it was when explain() was called."""

from typing import Any

from ..inspect.program import Insight
from .view import View

TITLES = {"source": "C", "bytecode": "Bytecode", "machine": "Machine code"}


class ProgramView(View, page="program"):
    """The widget of explain(b, name); ``insight`` is what it shows."""

    # shown: name, facts, columns (each title, rows of [line, place, text, comment], and a note where there are none)

    def __init__(self, insight: Insight) -> None:
        super().__init__()
        self.insight = insight
        self.shown = {
            "name": insight.name,
            "facts": [list(fact) for fact in insight.facts],
            "columns": [_column(title, getattr(insight, kind), insight) for kind, title in TITLES.items()],
        }

    def __repr__(self) -> str:
        return repr(self.insight)


def _column(title: str, rows: list, insight: Insight) -> dict[str, Any]:
    shown = [[row.line, row.place, row.text, row.comment] for row in rows]
    return {"title": title, "rows": shown, "note": "" if rows else insight.withheld}

"""A loaded function, seen three ways: a picture of the moment in which it was asked for."""

from pathlib import Path

import anywidget
import traitlets

TITLES = {"source": "C", "bytecode": "Bytecode", "machine": "Machine code"}


class ProgramView(anywidget.AnyWidget):
    """The widget of explain(b, name); ``insight`` is what it shows."""

    _esm = Path(__file__).with_name("program.js")
    _css = Path(__file__).with_name("program.css")

    # name, facts, columns (each title, rows of [line, place, text, words], and a note where there are none)
    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, insight):
        super().__init__()
        self.insight = insight
        self.shown = {
            "name": insight.name,
            "facts": [list(fact) for fact in insight.facts],
            "columns": [_column(title, getattr(insight, kind), insight) for kind, title in TITLES.items()],
        }

    def __repr__(self):
        return repr(self.insight)

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": repr(self)}, metadata


def _column(title, rows, insight):
    shown = [[row.line, row.place, row.text, row.words] for row in rows]
    return {"title": title, "rows": shown, "note": "" if rows else insight.withheld}

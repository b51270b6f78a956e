"""View: a widget with JavaScript and CSS in files of its own, and text for where widgets can't be shown."""

from pathlib import Path
from typing import Any

import anywidget


class View(anywidget.AnyWidget):
    """A widget drawn by common.js and ``<page>.js``, styled by common.css and ``<page>.css``; its repr() is its text."""

    def __init_subclass__(cls, page: str = "", **kwargs: Any) -> None:
        if page:
            cls._esm = _read("common.js") + _read(f"{page}.js")
            cls._css = _read("common.css") + _read(f"{page}.css")
        super().__init_subclass__(**kwargs)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | {"text/plain": repr(self)}, metadata


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text()

"""View: a widget with JavaScript and CSS in files of its own, and text for where widgets can't be shown."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets


class View(anywidget.AnyWidget):
    """A widget drawn by common.js and ``<page>.js``, styled by common.css and ``<page>.css``; its repr() is its text.

    ``shown`` is what the JavaScript draws.
    """

    shown = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, page: str = "", **kwargs: Any) -> None:
        if page:
            cls._esm = _read("common.js") + _read(f"{page}.js")
            cls._css = _read("common.css") + _read(f"{page}.css")
        super().__init_subclass__(**kwargs)

    def open(self) -> None:
        """Give the page the widget with its first picture; without one, a slow page would draw nothing and fail."""
        if self.shown:
            super().open()

    @traitlets.observe("shown")
    def _opened(self, change: Any) -> None:
        if not change["old"]:
            self.open()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | {"text/plain": repr(self)}, metadata


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text()

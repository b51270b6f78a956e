"""What every widget of this lab has: JavaScript and CSS in files of its own, and text for where widgets can't be shown."""

from pathlib import Path

import anywidget


class View(anywidget.AnyWidget):
    """A widget drawn by ``<page>.js`` and ``<page>.css``, after what is common to all; its repr() is its text."""

    def __init_subclass__(cls, page=None, **kwargs):
        if page:
            cls._esm, cls._css = (_read(f"common.{kind}") + _read(f"{page}.{kind}") for kind in ("js", "css"))
        super().__init_subclass__(**kwargs)

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": repr(self)}, metadata


def _read(name):
    return Path(__file__).with_name(name).read_text()

"""Matplotlib's charts with alt text, which JupyterLab drops from outputs that are images."""

import html

import numpy as np
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure

POINTS = 30  # of a line that the text names, at most


def with_alt(figure: Figure) -> str:
    """HTML that shows ``figure``, with the figures of its lines as alt text."""
    image = print_figure(figure, base64=True)
    return f'<img alt="{html.escape(alt(figure))}" src="data:image/png;base64,{image}">'


def alt(figure: Figure) -> str:
    """A chart's lines as text: the axes' names, then each line's name and points."""
    parts = []
    for axes in figure.axes:
        parts.append(f"{axes.get_title() or 'Line chart'}: {axes.get_ylabel()} by {axes.get_xlabel()}.")
        for line in axes.lines:
            x, y = map(np.asarray, line.get_data())
            every = -(-len(x) // POINTS) or 1
            points = ", ".join(f"{b:g} at {a:g}" for a, b in zip(x[::every], y[::every], strict=True))
            parts.append(f"{line.get_label()}: {points}.")
    return " ".join(parts)

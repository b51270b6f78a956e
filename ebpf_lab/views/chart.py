"""Matplotlib's charts with alt text, which JupyterLab doesn't take for an output that is an image."""

import html

from IPython.core.pylabtools import print_figure

POINTS = 30  # of a line, that are named at most


def with_alt(figure):
    """HTML that shows ``figure`` as it is, and gives its lines' figures to who can't see it."""
    image = print_figure(figure, base64=True)
    return f'<img alt="{html.escape(alt(figure))}" src="data:image/png;base64,{image}">'


def alt(figure):
    """What a chart's lines say, in words: the axes' names, and of each line its name and its points."""
    parts = []
    for axes in figure.axes:
        parts.append(f"{axes.get_title() or 'Line chart'}: {axes.get_ylabel()} by {axes.get_xlabel()}.")
        for line in axes.lines:
            x, y = line.get_data()
            every = -(-len(x) // POINTS) or 1
            points = ", ".join(f"{b:g} at {a:g}" for a, b in zip(x[::every], y[::every], strict=True))
            parts.append(f"{line.get_label()}: {points}.")
    return " ".join(parts)

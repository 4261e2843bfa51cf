"""Pictures and films of explanations, where no widget runs: for the cell, for paper, for slides, for the web.

`paper` makes the figure, `moving` the films; importing this imports no matplotlib, so that a cell's picture comes at once.
"""

from notebook_explain.figures.thumbnail import strip_png

__all__ = ["strip_png"]

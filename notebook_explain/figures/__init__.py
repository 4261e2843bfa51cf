"""Images and videos of explanations for where no widget runs: notebook cells, papers, slides and the web.

Importing this package does not import matplotlib, so that the image of a cell is drawn without delay.
"""

from notebook_explain.figures.thumbnail import strip_png

__all__ = ["strip_png"]

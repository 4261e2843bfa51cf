"""The views: one anywidget per kind of explanation, the wire format, the offline page. No torch, no models, no methods."""

from notebook_explain.widgets.compare_viewer import CompareViewer
from notebook_explain.widgets.html import page
from notebook_explain.widgets.pyramid_viewer import PyramidViewer
from notebook_explain.widgets.tube_viewer import TubeViewer

__all__ = ["CompareViewer", "PyramidViewer", "TubeViewer", "page"]

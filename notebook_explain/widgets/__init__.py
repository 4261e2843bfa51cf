"""Viewers: one anywidget per kind of explanation, their wire format and offline pages. No torch, models or methods."""

from notebook_explain.widgets.compare_viewer import CompareViewer
from notebook_explain.widgets.concept_viewer import ConceptViewer
from notebook_explain.widgets.html import page
from notebook_explain.widgets.pyramid_viewer import PyramidViewer
from notebook_explain.widgets.tube_viewer import TubeViewer
from notebook_explain.widgets.visualization_viewer import VisualizationViewer

__all__ = ["CompareViewer", "ConceptViewer", "PyramidViewer", "TubeViewer", "VisualizationViewer", "page"]

"""Feature visualization: make clips that a network responds to."""

from notebook_explain.methods.feature_visualization.animate import animate
from notebook_explain.methods.feature_visualization.canvases import Canvas, Flow, Pixels, Spectrum
from notebook_explain.methods.feature_visualization.explainer import FeatureVisualization

__all__ = ["Canvas", "FeatureVisualization", "Flow", "Pixels", "Spectrum", "animate"]

"""Canvases: what a made clip is written on."""

from notebook_explain.methods.feature_visualization.canvases.base import SIDE, Canvas, Paint, check_canvas
from notebook_explain.methods.feature_visualization.canvases.flow import Flow
from notebook_explain.methods.feature_visualization.canvases.pixels import Pixels
from notebook_explain.methods.feature_visualization.canvases.spectrum import Spectrum

__all__ = ["SIDE", "Canvas", "Flow", "Paint", "Pixels", "Spectrum", "check_canvas"]

"""Explanations: frozen values of numpy arrays, with their clip and their provenance. This package never imports torch."""

from notebook_explain._errors import ExplainError
from notebook_explain.explanations.blocks.frame_signal import Course, Quantity
from notebook_explain.explanations.blocks.report import BlockReport, ClassTable, Numbers
from notebook_explain.explanations.geometry import Geometry, stretch
from notebook_explain.explanations.io.save_load import load, save
from notebook_explain.explanations.progress import Progress
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.targets import Target, TargetResult
from notebook_explain.explanations.text import in_words, percent
from notebook_explain.explanations.threshold import DEFAULT_THRESHOLD, Kept, kept
from notebook_explain.explanations.tubes import LayerMap, Tubes

Explanation = Tubes | Pyramid  # the kinds that have a viewer

__all__ = [
    "DEFAULT_THRESHOLD",
    "BlockReport",
    "ClassTable",
    "Course",
    "ExplainError",
    "Explanation",
    "Geometry",
    "Kept",
    "LayerMap",
    "Numbers",
    "Progress",
    "Provenance",
    "Pyramid",
    "Quantity",
    "Target",
    "TargetResult",
    "Tubes",
    "in_words",
    "kept",
    "load",
    "percent",
    "save",
    "stretch",
]

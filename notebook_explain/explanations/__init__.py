"""Explanations: frozen values of numpy arrays, with their clip and their provenance. This package never imports torch."""

from typing import TYPE_CHECKING

from notebook_explain._deprecated import renamed_names
from notebook_explain._errors import ExplainError
from notebook_explain.explanations.blocks.frame_signal import FrameSignal, Quantity
from notebook_explain.explanations.blocks.report import BlockReport, ClassChannelTable, LabelledValues
from notebook_explain.explanations.concepts.clip_concepts import ClipConcepts
from notebook_explain.explanations.concepts.concept import TCAV, Concept, Effect, Refusal
from notebook_explain.explanations.concepts.concepts import Concepts
from notebook_explain.explanations.concepts.curves import ConceptCurves
from notebook_explain.explanations.evaluation.intervals import Interval
from notebook_explain.explanations.evaluation.result import Evaluation
from notebook_explain.explanations.evaluation.rows import Better, EvaluationRow, MetricInfo
from notebook_explain.explanations.evaluation.tables import Comparison, EvaluationTable, TableRow
from notebook_explain.explanations.geometry import Geometry, stretch
from notebook_explain.explanations.io.save_load import load, save
from notebook_explain.explanations.layer_map import LayerMap
from notebook_explain.explanations.predictions import HeadPrediction, Predictions
from notebook_explain.explanations.progress import Progress
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.reliability import EmptyCause, Reliability
from notebook_explain.explanations.targets import Mask, Target, TargetResult
from notebook_explain.explanations.text import in_words, percent
from notebook_explain.explanations.threshold import (
    DEFAULT_THRESHOLD,
    Kept,
    default_threshold,
    kept,
    threshold_for_share,
)
from notebook_explain.explanations.tubes import Tubes
from notebook_explain.explanations.visualization.synthesis import Facet, Neighbour, Synthesis, Verdict
from notebook_explain.explanations.visualization.visualization import Visualization
from notebook_explain.explanations.what_if.temporal_reliance import OrderUse, TemporalReliance
from notebook_explain.explanations.what_if.text import Moved, change_words
from notebook_explain.explanations.what_if.what_if import AppliedEdit, Side, WhatIf

Explanation = Tubes | Pyramid | Concepts | Visualization  # the kinds that have a viewer

__all__ = [
    "DEFAULT_THRESHOLD",
    "TCAV",
    "AppliedEdit",
    "Better",
    "BlockReport",
    "ClassChannelTable",
    "ClipConcepts",
    "Comparison",
    "Concept",
    "ConceptCurves",
    "Concepts",
    "Effect",
    "EmptyCause",
    "Evaluation",
    "EvaluationRow",
    "EvaluationTable",
    "ExplainError",
    "Explanation",
    "Facet",
    "FrameSignal",
    "Geometry",
    "HeadPrediction",
    "Interval",
    "Kept",
    "LabelledValues",
    "LayerMap",
    "Mask",
    "MetricInfo",
    "Moved",
    "Neighbour",
    "OrderUse",
    "Predictions",
    "Progress",
    "Provenance",
    "Pyramid",
    "Quantity",
    "Refusal",
    "Reliability",
    "Side",
    "Synthesis",
    "TableRow",
    "Target",
    "TargetResult",
    "TemporalReliance",
    "Tubes",
    "Verdict",
    "Visualization",
    "WhatIf",
    "change_words",
    "default_threshold",
    "in_words",
    "kept",
    "load",
    "percent",
    "save",
    "stretch",
    "threshold_for_share",
]

if not TYPE_CHECKING:  # type checkers would take any name for one of this package
    __getattr__ = renamed_names(
        __name__, {"ClassTable": "ClassChannelTable", "Course": "FrameSignal", "Numbers": "LabelledValues"}
    )

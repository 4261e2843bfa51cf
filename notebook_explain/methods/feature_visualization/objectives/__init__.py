"""Objectives: what a made clip is to raise. They add, subtract and scale, and print as the code that makes them.

``Logit("kick") - Logit("punch")``, ``Channel("layer3", 12)``, ``Logit("kick") + 0.5 * Unit("layer4", 7)``.
"""

from notebook_explain.explanations import Target
from notebook_explain.methods.feature_visualization.objectives.base import (
    Objective,
    Scaled,
    Sum,
    as_objectives,
    layers_of,
)
from notebook_explain.methods.feature_visualization.objectives.features import Channel, Direction, Unit
from notebook_explain.methods.feature_visualization.objectives.logit import Logit
from notebook_explain.methods.feature_visualization.objectives.pyramid_units import of_unit

__all__ = [
    "Channel",
    "Direction",
    "Logit",
    "Objective",
    "Scaled",
    "Sum",
    "Target",
    "Unit",
    "as_objectives",
    "layers_of",
    "of_unit",
]

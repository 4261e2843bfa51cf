"""Rows of an evaluation: one value of one metric for one map."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Better(str, Enum):
    """Direction of a metric: whether high or low values are good, or neither."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True)
class MetricInfo:
    """A metric as readers see it.

    Attributes
    ----------
    name : str
        With the knobs that differ from the defaults, such as "Insertion(fill='freeze')".
    better : Better
    summary : str
        What it measures, in one sentence.
    knobs : dict
        All its settings.
    """

    name: str
    better: Better
    summary: str = ""
    knobs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Through JSON and back, so that a loaded metric equals the saved one.
        object.__setattr__(self, "knobs", json.loads(json.dumps(self.knobs, default=str)))

    @property
    def has_order(self) -> bool:
        """True if one end of the scale is better."""
        return self.better is not Better.NEITHER


@dataclass(frozen=True)
class EvaluationRow:
    """Value of one metric for the map of one method, for one clip and target.

    Attributes
    ----------
    clip : int
        Index into `Evaluation.clips`.
    target : str
        Name of what was explained.
    method, metric : str
    value : float
        Finite.
    class_name : str
        Class of the target; the first class of a difference.
    """

    clip: int
    target: str
    method: str
    metric: str
    value: float
    class_name: str

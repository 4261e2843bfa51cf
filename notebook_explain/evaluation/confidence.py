"""Average drop and increase in confidence: the probability of the class when only what the map marks is shown.

The clip is shown in proportion to the positive part of the map, scaled to a maximum of 1; the fill takes the rest.

Reference: Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++: Generalized Gradient-Based Visual Explanations for
Deep Convolutional Networks, WACV 2018, arXiv:1710.11063.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch

from notebook_explain._validation import check_choice
from notebook_explain.evaluation.fills import FILLS
from notebook_explain.evaluation.metric import Case, score_of
from notebook_explain.explanations.evaluation.rows import Better

_SOFT_FILLS = tuple(fill for fill in FILLS if fill != "linear")  # imputation knows shown and hidden voxels only


@dataclass(frozen=True)
class AverageDrop:
    """Share of the class's probability that is lost when only what the map marks is shown.

    Attributes
    ----------
    fill : "blur", "freeze" or "mean"
        What takes the place of the rest (``fills``).
    """

    fill: str = "blur"
    better: ClassVar[Better] = Better.LOWER

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, _SOFT_FILLS)

    def __call__(self, case: Case) -> float | None:
        """Return max(0, p - p shown) / p."""
        whole, shown = _probabilities(case, self.fill, type(self).__name__)
        return max(0.0, whole - shown) / whole if whole > 0 else None


@dataclass(frozen=True)
class IncreaseInConfidence:
    """Share of the maps for which the class's probability rises when only what the map marks is shown.

    Attributes
    ----------
    fill : "blur", "freeze" or "mean"
        What takes the place of the rest (``fills``).
    """

    fill: str = "blur"
    better: ClassVar[Better] = Better.HIGHER

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, _SOFT_FILLS)

    def __call__(self, case: Case) -> float | None:
        """Return 1 if the probability rises, else 0."""
        whole, shown = _probabilities(case, self.fill, type(self).__name__)
        return float(shown > whole)


def _probabilities(case: Case, fill: str, name: str) -> tuple[float, float]:
    """Return the class's probability for the whole clip, and with only what the map marks."""
    read = partial(score_of, score="probability", name=name, advice=f"leave {name} out")
    key = "marked", case.method, fill
    if key not in case.memo:
        positive = np.maximum(case.attribution, 0)
        peak = positive.max()
        share = torch.from_numpy(positive / peak if peak > 0 else positive)[None].to(case.example.video.device)
        case.memo[key] = case.scores(lambda first, end: share[first:end], 1, fill)
    return float(read(case.ends(fill))[1]), float(read(case.memo[key])[0])

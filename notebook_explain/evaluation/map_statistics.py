"""Statistics of maps that need neither passes nor truth: how concentrated they are, and how much methods agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from notebook_explain.evaluation.correlation import spearman
from notebook_explain.evaluation.metric import Case
from notebook_explain.explanations.evaluation.rows import Better


@dataclass(frozen=True)
class Sparsity:
    """Gini index of the map's absolute values: 0 if all are equal, near 1 if a few voxels hold everything."""

    better: ClassVar[Better] = Better.NEITHER

    def __call__(self, case: Case) -> float | None:
        """Return the index; ``None`` for a map of zeros."""
        return gini(case.attribution)


@dataclass(frozen=True)
class Agreement:
    """Mean rank correlation of the method's map with those of the other methods."""

    better: ClassVar[Better] = Better.NEITHER
    compares_methods: ClassVar[bool] = True

    def __call__(self, case: Case) -> float | None:
        """Return the mean; ``None`` without other methods, or if all of their maps are constant."""
        found = [spearman(case.attribution, other) for other in case.others.values()]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else None


def gini(values: NDArray[Any]) -> float | None:
    """Return the Gini index of absolute values (Hurley and Rickard 2009, arXiv:0811.4706); None if all are 0."""
    size = np.sort(np.abs(np.asarray(values, np.float64)).ravel())
    total, number = size.sum(), len(size)
    if total == 0:
        return None
    weights = (number - np.arange(1, number + 1) + 0.5) / number
    return float(1 - 2 * (size / total) @ weights)

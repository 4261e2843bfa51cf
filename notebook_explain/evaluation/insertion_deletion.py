"""Insertion and deletion: how the score grows when the strongest cells are shown first, and falls when they are hidden first.

The map is averaged over an even grid of space-time cells, which are ranked by that (signed) mean. The curve of the score
over the share of cells is summarised by the area below it, by the trapezoid rule over 0..1.

Reference: Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018,
arXiv:1806.07421.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._validation import check_choice, check_int
from notebook_explain.evaluation.cells import Cells, Size, check_grid
from notebook_explain.evaluation.fills import FILLS
from notebook_explain.evaluation.metric import SCORES, Case, score_of
from notebook_explain.explanations.evaluation.rows import Better

GRID: Size = (8, 8, 8)


@dataclass(frozen=True)
class _Curve:
    fill: str = "blur"
    steps: int = 32
    grid: Size = GRID
    score: str = "probability"

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, FILLS)
        check_choice("score", self.score, SCORES)
        object.__setattr__(self, "steps", check_int("steps", self.steps, least=2))
        object.__setattr__(self, "grid", check_grid(self.grid))


@dataclass(frozen=True)
class Insertion(_Curve):
    """Area under the score while the strongest cells are shown first, on a clip of which everything is hidden.

    Attributes
    ----------
    fill : "blur", "freeze", "mean" or "linear"
        What hides the rest (``fills``).
    steps : int
        Steps of the curve; 32 for a quick look, 128 for tables.
    grid : (time, height, width) ints
        Number of cells.
    score : "probability" or "logit"
    """

    better: ClassVar[Better] = Better.HIGHER

    def __call__(self, case: Case) -> float | None:
        """Return the area."""
        return area(self.curve(case))

    def curve(self, case: Case) -> NDArray[np.float64]:
        """Return the score at each step: float64 (steps + 1,), from everything hidden to the whole clip."""
        return _curve(self, case, lambda order, count: order < count, first=0)


@dataclass(frozen=True)
class Deletion(_Curve):
    """Area under the score while the strongest cells are hidden first.

    Attributes
    ----------
    fill, steps, grid, score
        As for `Insertion`.
    """

    better: ClassVar[Better] = Better.LOWER

    def __call__(self, case: Case) -> float | None:
        """Return the area."""
        return area(self.curve(case))

    def curve(self, case: Case) -> NDArray[np.float64]:
        """Return the score at each step: float64 (steps + 1,), from the whole clip to everything hidden."""
        return _curve(self, case, lambda order, count: order >= count, first=1)


def _curve(
    metric: _Curve, case: Case, is_shown: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], first: int
) -> NDArray[np.float64]:
    cells = Cells(case.example.clip.size, metric.grid)
    steps = min(metric.steps, cells.count)
    device = case.example.video.device
    order = cells.expand(torch.from_numpy(cell_order(case, cells))[None].to(device, torch.int32))
    counts = torch.from_numpy(np.round(np.arange(1, steps) * cells.count / steps)).to(device, torch.int32)

    def shown(start: int, end: int) -> torch.Tensor:
        return is_shown(order, counts[start:end, None, None, None])

    name = type(metric).__name__
    read = partial(score_of, score=metric.score, name=name, advice=f"pass {name}(score='logit')")
    ends, inner = read(case.ends(metric.fill)), read(case.scores(shown, steps - 1, metric.fill))
    return np.concatenate([ends[[first]], inner, ends[[1 - first]]])


def cell_order(case: Case, cells: Cells) -> NDArray[np.int64]:
    """Return the rank of each cell by its mean, from 0 for the strongest; ties are drawn by lot."""
    means = cells.means(case.attribution)
    lots = case.rng("ties").permutation(cells.count)
    ranks = np.empty(cells.count, np.int64)
    ranks[np.lexsort((lots, -means))] = np.arange(cells.count)
    return ranks


def area(curve: NDArray[np.float64]) -> float:
    """Return the area under a curve with even steps over 0..1, by the trapezoid rule."""
    return float((curve[1:] + curve[:-1]).mean() / 2)

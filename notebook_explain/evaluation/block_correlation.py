"""Block correlation: whether blocks with more evidence matter more to the score.

The clip is divided into blocks. Each block in turn is hidden, and the drop of the logit is compared with the sum of the map
in the block, by Pearson's correlation. It is 1 for a map whose sums are proportional to what hiding each block costs.

Reference: Ancona, Ceolini, Oztireli, Gross: Towards better understanding of gradient-based attribution methods for Deep
Neural Networks (sensitivity-n), ICLR 2018, arXiv:1711.06104, with disjoint blocks instead of random sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from notebook_explain._validation import check_choice
from notebook_explain.evaluation.cells import Cells, Size, check_grid
from notebook_explain.evaluation.correlation import pearson
from notebook_explain.evaluation.fills import FILLS
from notebook_explain.evaluation.metric import Case
from notebook_explain.explanations.evaluation.rows import Better


@dataclass(frozen=True)
class BlockCorrelation:
    """Correlation of the sum of the map in each block with the drop of the logit when that block is hidden.

    Attributes
    ----------
    fill : "blur", "freeze", "mean" or "linear"
        What hides a block (``fills``).
    grid : (time, height, width) ints
        Number of blocks; 64 by default.
    """

    fill: str = "blur"
    grid: Size = (4, 4, 4)
    better: ClassVar[Better] = Better.HIGHER

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, FILLS)
        object.__setattr__(self, "grid", check_grid(self.grid))

    def __call__(self, case: Case) -> float | None:
        """Return the correlation; ``None`` if the sums or the drops are constant."""
        cells = Cells(case.example.clip.size, self.grid)
        key = "drops", self
        if key not in case.memo:  # the drops do not depend on the map
            hidden = torch.eye(cells.count, device=case.example.video.device)

            def shown(first: int, end: int) -> torch.Tensor:
                return cells.expand(1 - hidden[first:end])

            whole = case.ends(self.fill).logits[1]
            case.memo[key] = whole - case.scores(shown, cells.count, self.fill).logits
        return pearson(cells.sums(case.attribution), case.memo[key])

"""Heads of a network: the scores that can be explained, their probabilities, and their means over a region of the clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from notebook_explain.explanations.targets import CLASSES, Target
from notebook_explain.models.output_cells import Cells
from notebook_explain.models.regions import cell_weights, has_region


@dataclass(frozen=True, eq=False)
class Head:
    """Scores of a network that belong together: of classes, of one binary logit, of labels, or values.

    Attributes
    ----------
    table : float tensor (cell, output)
        Scores of every cell: of frames, voxels or views, where the network returns several. Probabilities for "log".
    link : str
        Function that turns logits into probabilities: "softmax", "sigmoid", "log" if only probabilities are known, whose
        logarithm is explained, or "none" for values.
    kind : "classes", "binary", "multilabel" or "regression"
    unit : str
        Of the values of a regression.
    cells : Cells or None
        What the cells are; ``None`` if there is one.
    is_activated : bool
        The network itself applies the link, in each cell.
    has_two_names : bool
        The two classes are no and yes, with minus the only output as the logit of no.
    """

    table: torch.Tensor
    link: str = "softmax"
    kind: str = CLASSES
    unit: str = ""
    cells: Cells | None = None
    is_activated: bool = False
    has_two_names: bool = False

    @property
    def logits(self) -> torch.Tensor:
        """Scores (1, class), averaged over all cells."""
        return self.logits_in(None)

    @property
    def outputs(self) -> torch.Tensor:
        """Scores (1, output) as the network has them: one for a binary head, whether it has one name or two."""
        return self._averaged(self.table, None)

    def logits_in(self, target: Target | None) -> torch.Tensor:
        """Return scores (1, class), averaged over the region of a target.

        Raises
        ------
        ValueError
            The network has no cells to choose from, or none of them lies in the region.
        """
        found = self._averaged(self.table, target)
        return torch.cat([-found, found], 1) if self.has_two_names else found

    def probabilities(self, target: Target | None = None) -> torch.Tensor | None:
        """Return probabilities (1, class) in the region of a target, detached; None for values.

        They are those of the mean logits; of a network that returns probabilities itself, the mean over its cells.
        """
        if self.link == "none":
            return None
        if not self.is_activated:
            return _activated(self.logits_in(target).detach(), self.link)
        table = self.table.detach()
        table = torch.cat([-table, table], 1) if self.has_two_names else table
        return self._averaged(_activated(table, self.link), target)

    def _averaged(self, table: torch.Tensor, target: Target | None) -> torch.Tensor:
        if target is None or not has_region(target):
            mean = table.mean(0, keepdim=True)
        else:
            weights = torch.from_numpy(cell_weights(target, self.cells)).to(table)
            mean = (weights @ table)[None]
        return mean.clamp_min(torch.finfo(mean.dtype).tiny).log() if self.link == "log" else mean


def _activated(logits: torch.Tensor, link: str) -> torch.Tensor:
    return {"sigmoid": logits.sigmoid, "log": logits.exp}.get(link, lambda: logits.softmax(-1))()

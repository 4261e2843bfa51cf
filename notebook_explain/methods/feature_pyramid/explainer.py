"""Class Feature Pyramids: from a class down through the whole network, layer by layer, the kernels that inform it.

A pyramid begins at the class and goes down. What a unit reads is shared out among those who made it, by what each adds
to it (``contributions``): a unit's positive evidence is 1, its children have their part of that. A unit that several
parents read is expanded once, with the sum of what they give it. Which channel is whose is found once for a model, for
any architecture (``models.connectivity``). Where a norm's weight is negative, less of a kernel's output is what helps;
its unit's direction says so, and its children are those that make it less.

Reference: Stergiou, Kapidis, Kalliatakis, Chrysoulas, Poppe, Veltkamp: Class Feature Pyramids for Video Explanation,
ICCV Workshops 2019, arXiv:1909.08611. ``published`` holds the rule of its released code, which does otherwise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.explanations import ExplainError, TargetResult
from notebook_explain.explanations.pyramids import Pyramid
from notebook_explain.methods.common import fitted, provenance
from notebook_explain.methods.feature_pyramid.assembling import assembled
from notebook_explain.methods.feature_pyramid.climbing import Climb, Group, Operand, climb
from notebook_explain.methods.feature_pyramid.contributions import by_gradient, exact, fast
from notebook_explain.methods.feature_pyramid.passing import Passed
from notebook_explain.models import Recording, VideoModel, score_of
from notebook_explain.models.connectivity import Connections, connections

Floats = NDArray[np.float64]
CONTRIBUTIONS, SELECTIONS = ("exact", "fast", "gradient"), ("mass", "topk", "minmax")


@dataclass(frozen=True)
class FeaturePyramid:
    """Explain a class by the kernels that inform it, through the whole depth of the network.

    Attributes
    ----------
    contribution : str
        "exact": what a channel adds to the mean of a kernel's pre-activation. "fast": the same, borders and strides
        left out. "gradient": what it adds to the class's score by way of the kernel, to first order.
    selection : str
        Which children of a unit are followed: "mass", the fewest that carry `mass` of its positive evidence; "topk",
        the `k` largest; "minmax", those whose share, scaled so that the smallest is 0 and the largest 1, is at least
        `theta`.
    mass : float in 0..1
    k : int
    theta : float in 0..1
    most : int
        Units that a row keeps, those of the highest score.
    depth : int or None
        How many rows to go down; the whole network for None.
    """

    contribution: str = "exact"
    selection: str = "mass"
    mass: float = 0.9
    k: int = 8
    theta: float = 0.6
    most: int = 64
    depth: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("contribution", self.contribution, CONTRIBUTIONS),
            ("selection", self.selection, SELECTIONS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        for name in ("mass", "theta"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie above 0, up to 1, got {getattr(self, name)!r}")
        for name in ("k", "most", "depth"):
            value = getattr(self, name)
            if not (value is None and name == "depth") and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a whole number, 1 or more, got {value!r}")

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Pyramid:
        """Explain one class of one clip.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index or Target
            ``None`` explains the top class.

        Returns
        -------
        Pyramid

        Raises
        ------
        TypeError, ValueError
            An unknown target, several targets, or something that is not a model or a clip.
        ExplainError
            The network has no convolutions that feed one another, or its classes come from no layer that can be seen.
        """
        start = time.perf_counter()
        clip, seen = fitted(model, clip)
        if isinstance(target, (list, tuple)):
            raise TypeError("a pyramid has one target; make one for each: [explainer(model, clip, t) for t in targets]")
        wired = connections(model)
        passed = Passed(wired, self.contribution == "gradient")

        def compute(recording: Recording) -> tuple[TargetResult, list[Group], Climb]:
            (one,) = model.resolve(recording.heads, target)
            gradients = self._gradients(passed, score_of(recording, one)) if passed.gradients else {}
            tops = _tops(wired, str(one.head), int(one.label), None if one.against is None else int(one.against.label))
            rows, walk = self._climb(wired, passed, gradients, tops)
            return model.results(recording, (one,))[0], rows, walk

        (result, rows, walk), said = model.run(seen, (), compute, passed.around)
        caveats = (*model.caveats, *model.remarks(clip), *said, *wired.notes)
        method = f"Class feature pyramid, {self.contribution} contributions"
        told = provenance(method, self, model, start, int(passed.gradients), caveats)
        return assembled(model, wired, passed, seen, result, rows, walk, told)

    def _climb(
        self, wired: Connections, passed: Passed, gradients: dict[Group, torch.Tensor], tops: Any
    ) -> tuple[list[Group], Climb]:
        def contributions(group: Group, nodes: list[int]) -> list[Operand]:
            return _operands(self.contribution, wired, passed, gradients, group, nodes)

        rows, walk = [], Climb()
        signed = self.contribution != "gradient"
        for group, found in climb(wired, tops, contributions, self._choose, self.most, self.depth, signed):
            walk = found
            if walk.kept[group]:
                rows.append(group)
        return rows, walk

    def _gradients(self, passed: Passed, score: torch.Tensor) -> dict[Group, torch.Tensor]:
        keys = [key for key, made in passed.raw.items() if made.requires_grad]
        found = torch.autograd.grad(score, [passed.raw[key] for key in keys], allow_unused=True)
        return {key: gradient for key, gradient in zip(keys, found, strict=True) if gradient is not None}

    def _choose(self, shares: Floats) -> NDArray[np.int64]:
        """Places of the children to follow, the largest first; none without positive evidence."""
        ranked: NDArray[np.int64] = np.argsort(-shares, kind="stable").astype(np.int64)
        ranked = ranked[shares[ranked] > 0]
        if self.selection == "topk":
            return ranked[: self.k]
        if self.selection == "minmax":
            spread = shares.max() - shares.min()
            strong: NDArray[np.bool_] = (shares[ranked] - shares.min()) >= self.theta * spread
            return ranked[strong]
        carried = np.cumsum(shares[ranked])
        return ranked[: int(np.searchsorted(carried, self.mass * carried[-1] - 1e-12)) + 1]


def _tops(wired: Connections, head: str, label: int, against: int | None) -> dict[Group, dict[int, float]]:
    """Where a pyramid begins: the kernels of the classifier that are the class, and those of one that is subtracted."""
    tops: dict[Group, dict[int, float]] = {}
    for index, sign in ((label, 1.0), (against, -1.0)):
        if index is None:
            continue
        links = wired.heads.get(head)
        found = [] if links is None or index >= len(links) else [each for each in links[index] if each.kind != "gate"]
        if not found:
            raise ExplainError(
                "the logits come out of an operation that cannot be seen through, so no pyramid can begin there; "
                "SaliencyTubes explain this model"
            )
        for link in found:
            value = sign * (-1.0 if link.slope < 0 else 1.0) / len(found)
            tops.setdefault((link.node, link.at), {})[link.channel] = value
    total = sum(abs(value) for nodes in tops.values() for value in nodes.values())
    return {group: {at: value / total for at, value in nodes.items()} for group, nodes in tops.items()}


def _operands(
    how: str, wired: Connections, passed: Passed, gradients: dict[Group, torch.Tensor], group: Group, nodes: list[int]
) -> list[Operand]:
    """What chosen nodes of a layer or sum read, and what each channel adds to them."""
    if group not in passed.calls or (how == "gradient" and group not in gradients):
        return []
    call, places = passed.calls[group], np.array(nodes, np.int64)
    levels = [each.cpu().numpy() for each in passed.levels[group]]
    if group[0] == "sum":
        each = wired.sums[group[1]]
        added = levels
        if how == "gradient":
            slope = gradients[group].detach().double()
            whole = [
                (slope * read.double()).movedim(each.axis, -1).flatten(0, -2).sum(0) for read in passed.read[group]
            ]
            added = [one.cpu().numpy() for one in whole]
        return [
            Operand(addend.links, places, addend.sign * values[places][:, None], level)
            for addend, values, level in zip(each.addends, added, levels, strict=True)
        ]
    layer = wired.layers[group[1]]
    if how == "gradient":
        pairs = by_gradient(call, passed.read[group][0], gradients[group], nodes)
    elif how == "fast":
        pairs = fast(call, passed.levels[group][0], nodes)
    else:
        pairs = exact(call, passed.means[group][0], nodes)
    first = np.array([layer.reads(node).start for node in nodes], np.int64)
    return [Operand(layer.links, first, pairs.cpu().numpy(), levels[0])]

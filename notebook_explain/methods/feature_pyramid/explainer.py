"""Class Feature Pyramids: from a class down through the whole network, layer by layer, the kernels that inform it.

A pyramid begins at the class and goes down. What a unit reads is shared out among those who made it, by what each adds
(``contributions``). A unit that several parents read is expanded once, with the sum of what they give it. Which channel
is whose is found once for a model, for any architecture (``models.connectivity``). Where a norm's weight is negative,
less of a kernel's output is what helps; its unit's direction says so, and its children are those that make it less.

Contributions by gradient are to the class's score, for and against taken together; exact ones are to the mean of the
unit right above, and what speaks for the class is passed on from row to row. The first name kernels that the network
misses more when they are taken away (``python -m benchmarks.ablation``), and are the default for that; the second hold
exactly, layer by layer.

Reference: Stergiou, Kapidis, Kalliatakis, Chrysoulas, Poppe, Veltkamp: Class Feature Pyramids for Video Explanation,
ICCV Workshops 2019, arXiv:1909.08611. ``published`` holds the rule of its released code, which does otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_int
from notebook_explain.explanations import Provenance, TargetResult
from notebook_explain.explanations.progress import Progress
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.methods.feature_pyramid import paper
from notebook_explain.methods.feature_pyramid.builder import PyramidBuilder
from notebook_explain.methods.feature_pyramid.descent import Descent, Group, OperandContributions, descend, order
from notebook_explain.methods.feature_pyramid.layer_records import LayerRecords
from notebook_explain.methods.feature_pyramid.operands import class_units, operands
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import Recording, VideoModel, score_of
from notebook_explain.models.channel_graph import ChannelGraph, connections

Floats = NDArray[np.float64]
_Rows = tuple[int, Iterator[tuple[Group, Descent]], list[str]]
CONTRIBUTIONS, SELECTIONS = ("gradient", "exact", "fast"), ("mass", "topk", "minmax")
CORRECTED, PAPER = MODES = ("corrected", "paper")


@dataclass(frozen=True)
class FeaturePyramid:
    """Explain a class by the kernels that inform it, through the whole depth of the network.

    Attributes
    ----------
    contribution : str
        "gradient": what a channel adds to the class's score by way of a kernel, to first order. "exact": what it adds to
        the mean of the kernel's pre-activation. "fast": the same, borders and strides left out.
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
    mode : str
        "corrected", all of the above. "paper": the published rule with `theta`, three rows deep unless `depth` says
        otherwise; `contribution`, `selection`, `mass` and `k` do not matter then. It shares these faults of the released
        code: a negative sum turns the choice round, groups are mixed up, norms, sums and concatenations are not seen, the
        first step does not look at the clip. It does not imitate the others (``paper`` lists both).
    """

    contribution: str = "gradient"
    selection: str = "mass"
    mass: float = 0.9
    k: int = 8
    theta: float = 0.6
    most: int = 64
    depth: int | None = None
    mode: str = CORRECTED

    def __post_init__(self) -> None:
        for name, value, known in (
            ("contribution", self.contribution, CONTRIBUTIONS),
            ("selection", self.selection, SELECTIONS),
            ("mode", self.mode, MODES),
        ):
            check_choice(name, value, known)
        for name in ("mass", "theta"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} must lie above 0, up to 1, got {getattr(self, name)!r}")
        for name in ("k", "most", "depth"):
            if not (self.depth is None and name == "depth"):
                check_int(name, getattr(self, name))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Pyramid:
        """Explain one class of one clip; where that takes a while and somebody watches, under a progress bar.

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
        found: Pyramid = run_with_progress(self.stream(model, clip, target), "pyramid")
        return found

    def stream(self, model: VideoModel, clip: Any, target: Any = None) -> Iterator[Progress]:
        """The same step by step: the pyramid so far after each row, from the class down.

        Between two steps the model is as it was; whoever stops asking for the next one cancels the rest. The pyramid is
        that of the parameters as they were in the forward pass.

        Yields
        ------
        Progress
            Stages "connections" (once for a model), "pass" and "rows"; ``partial`` is a Pyramid from the first row on.
        """
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(
                "a pyramid has one target; make one for each: [explainer(model, clip, t) for t in targets]"
            )
        wired = connections(model)
        yield Progress("connections", 1, 1, time.perf_counter() - start)
        how = self.contribution if self.mode != PAPER else PAPER
        passed = LayerRecords(wired, gradients=how == "gradient", taps=how == "exact")

        def compute(recording: Recording) -> tuple[TargetResult, dict[Group, dict[int, float]]]:
            (one,) = model.resolve(recording.heads, target)
            passed.finish(score_of(recording, one))
            against = None if one.against is None else int(one.against.label)
            return model.results(recording, (one,))[0], class_units(wired, str(one.head), int(one.label), against)

        (result, tops), said = model.run(seen, (), compute, passed.around)
        yield Progress("pass", 1, 1, time.perf_counter() - start)
        total, rows, remarks = self._rows(wired, passed, tops)
        caveats = (*model.caveats, *model.remarks(clip), *said, *wired.notes)

        def told() -> Provenance:
            return provenance(self._method(), self, model, start, int(passed.gradients), (*remarks, *caveats))

        assembly = PyramidBuilder(model, wired, passed, seen, result, told)
        for done, (group, walk) in enumerate(_guarded(rows)):
            if walk.kept[group]:
                assembly.add(group, walk)
            if done + 1 == total:
                remarks += self._ended(walk, assembly.rows[-1].name)
            yield Progress("rows", done + 1, total, time.perf_counter() - start, assembly.pyramid())

    def _rows(self, wired: ChannelGraph, passed: LayerRecords, tops: dict[Group, dict[int, float]]) -> _Rows:
        """How many rows there will be at most, the rows, and what is to be said of them."""
        if self.mode == PAPER:
            (group, nodes), *others = tops.items()
            if others or len(nodes) > 1:
                raise UsageError("the published rule explains one class, not a difference; give one label or index")
            layers, said = paper.path(wired, group, self.depth or paper.DEPTH)
            down = paper.walk_down(passed, layers, next(iter(nodes)), self.theta, self.most)
            return len(layers), down, [paper.CAVEAT, *said]

        def contributions(group: Group, nodes: list[int]) -> list[OperandContributions]:
            return operands(self.contribution, wired, passed, group, nodes)

        groups = order(wired, list(tops))
        signed = self.contribution != "gradient"
        rows = descend(groups, tops, contributions, self._choose, self.most, self.depth, signed)
        return len(groups), rows, []

    def _ended(self, walk: Descent, last: str) -> list[str]:
        """What is to be said where the way down ends before the clip."""
        whole = self.mode == PAPER or self.depth is not None
        if whole or any(kept for group, kept in walk.kept.items() if group[0] == "input"):
            return []
        return [f"Below {last} nothing speaks for the class on balance: the pyramid ends there."]

    def _method(self) -> str:
        if self.mode == PAPER:
            return "Class feature pyramid, the published rule"
        return f"Class feature pyramid, {self.contribution} contributions"

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


def _guarded(rows: Iterator[tuple[Group, Descent]]) -> Iterator[tuple[Group, Descent]]:
    """Each row in a mode of ours, which is never the caller's between two of them."""
    while True:
        with torch.inference_mode(False), torch.no_grad():
            found = next(rows, None)
        if found is None:
            return
        yield found

"""Class Feature Pyramids: from a class down through the whole network, layer by layer, the kernels that inform it.

A pyramid starts at the class and descends. The evidence of a unit is distributed among the units it reads, by what each
contributes. A unit that several parents read is expanded once. Which channel comes from which kernel is found once per
model, for any architecture (``models.channel_graph``); below an operation that cannot be traced, such as an LSTM, units
are found by gradient x activation. Directions are signs of gradients: where a norm's weight is negative, less of a
kernel's output helps.

Contributions by gradient are to the class score: the sum of evidence for and against the class. Contributions to
pre-activations are to the mean of the unit right above, and the part that supports the class is passed on from row to row:
they add up exactly, but one level at a time. Ablating kernels with a high gradient x activation lowers the margin of the
class most (``python -m benchmarks.ablation``), so it is the default.

The steps of the work are files of this folder: ``layer_records``, ``operands``, ``contributions``, ``descent``,
``builder``.

Reference: Stergiou, Kapidis, Kalliatakis, Chrysoulas, Poppe, Veltkamp: Class Feature Pyramids for Video Explanation,
ICCV Workshops 2019, arXiv:1909.08611. The rule of its released code differs; it is in ``paper``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from notebook_explain._deprecated import warn_renamed
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import stage
from notebook_explain._validation import check_choice, check_int
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.explanations.progress import Progress
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.targets import REGRESSION
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.methods.feature_pyramid import paper
from notebook_explain.methods.feature_pyramid.builder import PyramidBuilder
from notebook_explain.methods.feature_pyramid.contributions import (
    APPROXIMATE,
    CONTRIBUTIONS,
    FIRST_ORDER,
    GRADIENT,
    OLD_NAMES,
    PREACTIVATION,
    PRODUCT,
)
from notebook_explain.methods.feature_pyramid.descent import descend
from notebook_explain.methods.feature_pyramid.descent_caveats import DescentCaveats
from notebook_explain.methods.feature_pyramid.descent_state import SELECTIONS, DescentOptions, DescentRow
from notebook_explain.methods.feature_pyramid.layer_order import order_layers
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecorder, LayerRecords
from notebook_explain.methods.feature_pyramid.operands import class_units
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import Recording, VideoModel, score_of
from notebook_explain.models.channel_graph import ChannelGraph, channel_graph
from notebook_explain.models.regions import has_any_region

_NO_REGION = (
    "only contributions by gradient have a region or a moment; leave out where= and frames=, or the contribution"
)
CORRECTED, PAPER = MODES = ("corrected", "paper")
WORDS = {
    PRODUCT: "gradient x activation",
    GRADIENT: "net contributions (gradient)",
    PREACTIVATION: "contributions to pre-activations",
    APPROXIMATE: "approximate contributions to pre-activations",
}
_Units = dict[LayerKey, dict[int, float]]


@dataclass(frozen=True)
class FeaturePyramid:
    """Explain a class by the kernels that inform it, through the whole depth of the network.

    Attributes
    ----------
    contribution : str
        "gradient_x_activation": units of a layer are ranked by the sum of their output times the score's gradient there,
        over all paths to the class; links show what a channel adds to the class score through a kernel, to first order.
        "gradient": the same links, and units are ranked by what they add through the units above that are shown.
        "preactivation": what a channel adds to the mean of the kernel's pre-activation, exact for one level.
        "preactivation_approximate": the same, ignoring borders and strides. "exact" and "fast" are old names of the last
        two.
    selection : str
        Children of a unit to follow; with "gradient_x_activation" also units of a layer to keep. "mass": the fewest that
        carry the fraction `mass` of the positive evidence. "topk": the `k` largest. "minmax": those whose share is at
        least `theta` after scaling all shares to 0..1. The strongest children that work against a unit are shown too.
    mass : float in 0..1
        Fraction of the positive evidence that `selection="mass"` follows.
    k : int
        Number of children that `selection="topk"` follows.
    theta : float in 0..1
        Least scaled share that `selection="minmax"` follows.
    most : int
        Largest number of units in a row; those with the highest scores are kept.
    depth : int or None
        Number of rows to expand; None for the whole network.
    mode : str
        "corrected": all of the above. "paper": the published rule with `theta`, three rows deep unless `depth` is
        given; `contribution`, `selection`, `mass` and `k` are ignored. It keeps these faults of the released code: a
        negative sum reverses the selection, groups are mixed up, norms, sums and concatenations are ignored, and the
        first step does not depend on the clip. Other faults are not imitated (``paper`` lists both).
    """

    contribution: str = PRODUCT
    selection: str = "mass"
    mass: float = 0.9
    k: int = 8
    theta: float = 0.6
    most: int = 64
    depth: int | None = None
    mode: str = CORRECTED

    def __post_init__(self) -> None:
        if self.contribution in OLD_NAMES:
            new_name = OLD_NAMES[self.contribution]
            warn_renamed(f"contribution={self.contribution!r}", f"contribution={new_name!r}")
            object.__setattr__(self, "contribution", new_name)
        for name, value, choices in (
            ("contribution", self.contribution, CONTRIBUTIONS),
            ("selection", self.selection, SELECTIONS),
            ("mode", self.mode, MODES),
        ):
            check_choice(name, value, choices)
        for name in ("mass", "theta"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} must be greater than 0 and at most 1, got {getattr(self, name)!r}")
        for name in ("k", "most", "depth"):
            if not (self.depth is None and name == "depth"):
                check_int(name, getattr(self, name))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Pyramid:
        """Explain one class of one clip, under a line of progress where that takes a while.

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
        ValueError, TypeError
            An unknown target, several targets, an unusable clip.
        ExplainError
            A network without convolutions that feed one another, or logits whose sources are unknown.
        """
        pyramid: Pyramid = run_with_progress(self.stream(model, clip, target), "pyramid")
        return pyramid

    def stream(self, model: VideoModel, clip: Any, target: Any = None) -> Iterator[Progress]:
        """Explain step by step and yield the pyramid so far after each row, from the class down.

        Between two steps the model is unchanged; stop iterating to cancel the rest. The pyramid describes the parameters
        at the time of the forward pass.

        Yields
        ------
        Progress
            Stages "connections" (once per model), "pass" and "rows"; ``partial`` is a Pyramid from the first row on.
        """
        start = time.perf_counter()
        clip, fitted_clip = prepare_clip(model, clip)
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(
                "a pyramid has one target; make one for each: [explainer(model, clip, t) for t in targets]"
            )
        stage("connections")
        graph = channel_graph(model)
        yield Progress("connections", 1, 1, time.perf_counter() - start)

        stage("pass")
        result, records, classes, pass_caveats = self._record(model, graph, fitted_clip, target)
        yield Progress("pass", 1, 1, time.perf_counter() - start)

        layers, caveats = self._layers(graph, classes)
        stage("rows", 0, len(layers))
        model_caveats = (*model.caveats, *model.clip_caveats(clip), *pass_caveats, *graph.notes)
        builder = PyramidBuilder(model, graph, records, fitted_clip, result)
        descent_caveats = DescentCaveats(self.contribution in FIRST_ORDER, result.kind == REGRESSION)
        for done, row in enumerate(self._descend(graph, records, layers, classes), 1):
            builder.add(row)
            if row.channels and self.mode != PAPER:
                descent_caveats.add(row, builder.rows[-1].name)
            is_short = done == len(layers) and not builder.reaches_clip and self.depth is None and self.mode != PAPER
            found = (*caveats, *descent_caveats.caveats(), *(descent_caveats.end_caveats() if is_short else ()))
            passes_back = int(self.mode != PAPER)
            origin = provenance(self._method(), self, model, start, passes_back, (*found, *model_caveats))
            yield Progress("rows", done, len(layers), time.perf_counter() - start, builder.pyramid(origin))

    def _record(
        self, model: VideoModel, graph: ChannelGraph, clip: Clip, target: Any
    ) -> tuple[TargetResult, LayerRecords, _Units, tuple[str, ...]]:
        """Run the model once; return the result, the records, the units that stand for the class, and caveats."""
        is_paper = self.mode == PAPER
        recorder = LayerRecorder(
            graph,
            with_gradients=not is_paper and self.contribution in FIRST_ORDER,
            with_tap_means=not is_paper and self.contribution == PREACTIVATION,
            colours_first=model.preprocessing.channels_first,
        )

        def compute(recording: Recording) -> tuple[Target, TargetResult, LayerRecords]:
            (resolved,) = model.resolve(recording.heads, target)
            if has_any_region(resolved) and (is_paper or self.contribution not in FIRST_ORDER):
                raise UsageError(_NO_REGION)
            records = recorder.finish(None if is_paper else score_of(recording, resolved))
            return resolved, model.results(recording, (resolved,))[0], records

        (resolved, result, records), caveats = model.run(clip, (), compute, recorder.hooks)
        return result, records, class_units(graph, resolved), caveats

    def _layers(self, graph: ChannelGraph, classes: _Units) -> tuple[list[LayerKey], list[str]]:
        """Return the layers to descend through, the class first, and caveats."""
        if self.mode != PAPER:
            return order_layers(graph, list(classes)), []
        (top, channels), *others = classes.items()
        if others or len(channels) > 1:
            raise UsageError("the published rule explains one class, not a difference; give one label or index")
        layers, caveats = paper.select_layers(graph, top, self.depth or paper.DEPTH)
        return layers, [paper.CAVEAT, *caveats]

    def _descend(
        self, graph: ChannelGraph, records: LayerRecords, layers: list[LayerKey], classes: _Units
    ) -> Iterator[DescentRow]:
        if self.mode == PAPER:
            (label,) = classes[layers[0]]
            return paper.descend(records, layers, label, self.theta, self.most)
        options = DescentOptions(
            self.contribution, self.selection, self.mass, self.k, self.theta, max_units=self.most, depth=self.depth
        )
        return descend(graph, records, layers, classes, options)

    def _method(self) -> str:
        if self.mode == PAPER:
            return "Class feature pyramid, the published rule"
        return f"Class feature pyramid by {WORDS[self.contribution]}"

"""Block signals: what the building blocks of a network do with a clip, and how much they affect a score.

* Signals that modules report for each frame (SRTG's factors, SoftPool's weights of frames, the frames that MTNet keeps),
  for each class (the early guess of class regularization), or for classes and channels.
* The change of the score when a block is ablated: a recursion or a class regularization becomes the identity, a plane of
  a FAST convolution no longer reads its neighbours. All blocks of a kind are ablated together, or one at a time.
* The contribution of each stream of a multi-temporal convolution to the score at each time step: gradient times
  activation, summed over its channels and positions.

Modules report these through the protocol in ``layers/signal_types.py``, so any block can take part. The papers of the
blocks are named in their files in ``layers``; explaining networks by their blocks has no paper of its own.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain.clip import Clip
from notebook_explain.explanations import BlockReport, FrameSignal, LabelledValues, Quantity, Target, TargetResult
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.targets import REGRESSION
from notebook_explain.layers.signal_types import reporting_modules
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.models import Layer, Recording, VideoModel, score_of

EVIDENCE = "evidence {} {!r} in the {}"
SHARES = "contribution of each stream to the score"
_NO_STREAMS = "Evidence of the streams of {!r} is left out because the output of one has no positions ({})."
Ablations = dict[str, list[tuple[str, str]]]  # label to the (module, part) that are ablated together


class Part(NamedTuple):
    """Part of the output of a block: some channels of a tensor."""

    block: str
    kind: str
    name: str
    layer: Layer
    channels: slice


@dataclass(frozen=True)
class BlockSignals:
    """Explain a score by the signals and ablations of a network's building blocks.

    Attributes
    ----------
    each : bool
        Ablate one block at a time, each with a forward pass. By default all blocks of a kind are ablated together.
    """

    each: bool = False

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> BlockReport:
        """Explain one clip, under a line of progress where that takes a while.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index or Target
            ``None`` is the top class.

        Returns
        -------
        BlockReport

        Raises
        ------
        TypeError, ValueError
            The network has no such block; several targets or an unknown one; or an argument that is not a model or a clip.
        """
        with working("block signals"):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> BlockReport:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(
                "a block report has one target; make one report for each: [explainer(model, clip, t) for t in targets]"
            )
        parts, caveats = _parts(model)
        ablations = _ablations(model.module, self.each)
        if not (parts or ablations or reporting_modules(model.module)):
            raise UsageError(
                f"{type(model.module).__name__} has no module that reports signals; add some with ne.layers.swap()"
            )
        recorder = SignalRecorder(model)

        def compute(recording: Recording) -> tuple[Any, ...]:
            (resolved,) = model.resolve(recording.heads, target)
            result = model.results(recording, (resolved,))[0]
            streams = _evidence(recording, score_of(recording, resolved), parts, result) if parts else []
            return result, resolved, recording.heads[str(resolved.head)].logits.shape[1], streams

        layers = list({part.layer.name: part.layer for part in parts}.values())
        (result, resolved, class_count, streams), pass_caveats = model.run(seen, layers, compute, recorder.hooks)
        rows = {layer.name: layer.geometry.rows for layer in recorder.layers_at_selected_frames(layers)}
        streams = [replace(signal, rows=rows[part.layer.name]) for signal, part in zip(streams, parts, strict=True)]
        effects = _effects(model, seen, resolved, result.logit, ablations)
        classes = tuple(model.label(str(resolved.head), index) for index in range(class_count))
        frame_signals = (*recorder.frame_signals(), *streams)
        labelled_values = (*effects, *_shares(parts, streams), *recorder.labelled_values(classes))
        caveats = [*recorder.caveats_of(clip, pass_caveats), *caveats]
        source = provenance("Block signals", self, model, start, int(bool(parts)), caveats)
        source = replace(source, forwards=1 + len(ablations))
        return BlockReport(seen, result, frame_signals, labelled_values, recorder.tables(classes), source)


def _parts(model: VideoModel) -> tuple[list[Part], list[str]]:
    """Return the parts of all blocks, and a caveat for each block with a part that has no positions."""
    parts: list[Part] = []
    caveats: list[str] = []
    for block, module in model.module.named_modules():
        method = getattr(module, "parts", None)
        try:
            parts += [
                Part(block, type(module).__name__, name, model.layer(block + path), channels)
                for name, (path, channels) in (method() if callable(method) else {}).items()
            ]
        except ValueError as error:
            caveats.append(Caveat(_NO_STREAMS.format(block, error), CaveatCode.OMITTED_SIGNAL))
    return parts, caveats


def _evidence(recording: Recording, score: torch.Tensor, parts: list[Part], target: TargetResult) -> list[FrameSignal]:
    """Return the evidence of each part over time: gradient times activation, summed over its channels and positions."""
    gradients = recording.backward(score)
    evidence = []
    for block, kind, name, layer, channels in parts:
        values = recording.evidence(layer, gradients, channels=channels).values.sum((1, 2)).cpu().numpy()
        what, rows = (
            EVIDENCE.format("about" if target.kind == REGRESSION else "for", target.name, name),
            layer.geometry.rows,
        )
        evidence.append(FrameSignal(block, kind, what, values, rows, 0.0, Quantity.EVIDENCE))
    return evidence


def _shares(parts: list[Part], streams: list[FrameSignal]) -> list[LabelledValues]:
    """Return the contribution of each part of a block to the score, summed over time."""
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for part, signal in zip(parts, streams, strict=True):
        sums[part.block, part.kind][part.name] = float(signal.values.sum())
    return [
        LabelledValues(
            block, kind, SHARES, tuple(shares), np.array(list(shares.values())), 0.0, quantity=Quantity.EVIDENCE
        )
        for (block, kind), shares in sums.items()
    ]


def _ablations(network: nn.Module, each: bool) -> Ablations:
    """Return the parts of all modules that can be ablated, grouped by name or one by one."""
    ablations: Ablations = defaultdict(list)
    for name, module in network.named_modules():
        method = getattr(module, "ablations", None)
        for part in method() if callable(method) else ():
            ablations[f"{name}: {part}" if each else part].append((name, part))
    return dict(ablations)


def _effects(model: VideoModel, seen: Clip, target: Target, score: float, ablations: Ablations) -> list[LabelledValues]:
    """Return the score minus the score with each ablation."""
    if not ablations:
        return []
    values = []
    for index, parts in enumerate(ablations.values(), 1):
        stage("ablation", index, len(ablations))
        ablated, _ = model.run(
            seen, (), lambda recording: float(score_of(recording, target).detach()), _ablation_context(parts)
        )
        values.append(score - ablated)
    labels = tuple(name if len(parts) == 1 else f"{name}, {len(parts)} blocks" for name, parts in ablations.items())
    return [LabelledValues("", "", ADDED, labels, np.array(values), 0.0, quantity=Quantity.ABLATION)]


def _ablation_context(parts: list[tuple[str, str]]) -> Callable[[nn.Module], AbstractContextManager[None]]:
    @contextmanager
    def ablated(shadow: nn.Module) -> Iterator[None]:
        modules: dict[str, Any] = dict(shadow.named_modules())
        with ExitStack() as stack:
            for name, part in parts:
                stack.enter_context(modules[name].ablations()[part]())
            yield

    return ablated

"""Block signals: what the building blocks of a network say of themselves, and what they add to a score.

* what a block tells of each frame (SRTG's factors, the frames that SoftPool listens to and that MTNet keeps), of each
  class (the early guess of class regularization), or of classes and kernels;
* what the score loses when a block is taken out: a recursion or a class regularization lets everything through, a plane
  of a FAST convolution no longer sees its neighbours. All blocks of a kind are taken out at once, or one at a time;
* what each stream of a multi-temporal convolution adds to the score at each moment: gradient times activation, summed
  over its channels and places.

The blocks tell it themselves (``layers/told.py``), so anybody's block can take part. The papers of the blocks stand in
their files in ``layers``; explaining networks by them is our own.
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
from notebook_explain.clip import Clip
from notebook_explain.explanations import BlockReport, Course, Numbers, Quantity, Target
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.layers.signal_types import blocks_of
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import fitted, provenance
from notebook_explain.models import Layer, Recording, VideoModel, score_of

EVIDENCE = "evidence for {!r} in the {}"
SHARES = "what each stream adds to the score"
Ablations = dict[str, list[tuple[str, str]]]  # in words; the (block, part) that go together


class Part(NamedTuple):
    """A part of what a block returns: some channels of a tensor."""

    block: str
    kind: str
    name: str
    layer: Layer
    channels: slice


@dataclass(frozen=True)
class BlockSignals:
    """Let the building blocks of a network explain themselves.

    Attributes
    ----------
    each : bool
        Take out each block by itself: a forward pass for each. Otherwise all that are alike at once.
    """

    each: bool = False

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> BlockReport:
        """Explain one clip.

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
            No block in the network; several targets, an unknown one, or something that is not a model or a clip.
        """
        start = time.perf_counter()
        clip, seen = fitted(model, clip)
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(
                "a report has one target; make one for each: [explainer(model, clip, t) for t in targets]"
            )
        parts, unplaced = _parts(model)
        ablations = _ablations(model.module, self.each)
        if not (parts or ablations or blocks_of(model.module)):
            raise UsageError(
                f"{type(model.module).__name__} has no building block that tells anything; ne.layers.swap() puts some in"
            )
        heard = SignalRecorder(model)

        def compute(recording: Recording) -> tuple[Any, ...]:
            (one,) = model.resolve(recording.heads, target)
            result = model.results(recording, (one,))[0]
            streams = _evidence(recording, score_of(recording, one), parts, result.name) if parts else []
            return result, one, recording.heads[str(one.head)].logits.shape[1], streams

        layers = list({part.layer.name: part.layer for part in parts}.values())
        (result, one, classes, streams), said = model.run(seen, layers, compute, heard.around)
        rows = {layer.name: layer.geometry.rows for layer in heard.placed(layers)}
        streams = [replace(course, rows=rows[part.layer.name]) for course, part in zip(streams, parts, strict=True)]
        added = _added(model, seen, one, result.logit, ablations)
        names = tuple(model.label(str(one.head), at) for at in range(classes))
        courses = (*heard.courses(), *streams)
        numbers = (*added, *_shares(parts, streams), *heard.numbers(names))
        caveats = (*heard.caveats, *model.remarks(clip), *said, *heard.remarks, *unplaced)
        made = provenance("Block signals", self, model, start, int(bool(parts)), caveats)
        return BlockReport(
            seen, result, courses, numbers, heard.tables(names), replace(made, forwards=1 + len(ablations))
        )


def _parts(model: VideoModel) -> tuple[list[Part], list[str]]:
    """Streams whose evidence can be told apart, and a sentence on each block where it cannot."""
    found, unplaced = [], []
    for block, module in model.module.named_modules():
        told = getattr(module, "parts", None)
        try:
            found += [
                Part(block, type(module).__name__, name, model.layer(block + path), channels)
                for name, (path, channels) in (told() if callable(told) else {}).items()
            ]
        except ValueError as error:
            unplaced.append(f"The streams of {block!r} are not told apart, one of them has no places left ({error}).")
    return found, unplaced


def _evidence(recording: Recording, score: torch.Tensor, parts: list[Part], target: str) -> list[Course]:
    """A course for each part: gradient times activation, summed over its channels and places."""
    gradients = recording.gradients(score)
    found = []
    for block, kind, name, layer, channels in parts:
        gradient, activations = gradients[layer.name][:, channels], recording.volume(layer)[:, channels]
        values = torch.einsum("bcthw,bcthw->bt", gradient.float(), activations.float())[0].cpu().numpy()
        found.append(
            Course(block, kind, EVIDENCE.format(target, name), values, layer.geometry.rows, 0.0, Quantity.EVIDENCE)
        )
    return found


def _shares(parts: list[Part], streams: list[Course]) -> list[Numbers]:
    """What each part of a block adds to the score, over all moments."""
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for part, course in zip(parts, streams, strict=True):
        sums[part.block, part.kind][part.name] = float(course.values.sum())
    return [
        Numbers(block, kind, SHARES, tuple(each), np.array(list(each.values())), 0.0, quantity=Quantity.EVIDENCE)
        for (block, kind), each in sums.items()
    ]


def _ablations(module: nn.Module, each: bool) -> Ablations:
    """What can be taken out."""
    found: Ablations = defaultdict(list)
    for name, block in module.named_modules():
        told = getattr(block, "ablations", None)
        for part in told() if callable(told) else ():
            found[f"{name}: {part}" if each else part].append((name, part))
    return dict(found)


def _added(model: VideoModel, seen: Clip, target: Target, score: float, ablations: Ablations) -> list[Numbers]:
    """The score, less the score without."""
    if not ablations:
        return []
    values = []
    for gone in ablations.values():
        around = _without(gone)
        less, _ = model.run(seen, (), lambda recording: float(score_of(recording, target).detach()), around)
        values.append(score - less)
    labels = tuple(words if len(gone) == 1 else f"{words}, {len(gone)} blocks" for words, gone in ablations.items())
    return [Numbers("", "", ADDED, labels, np.array(values), 0.0, quantity=Quantity.ABLATION)]


def _without(gone: list[tuple[str, str]]) -> Callable[[nn.Module], AbstractContextManager[None]]:
    @contextmanager
    def around(shadow: nn.Module) -> Iterator[None]:
        modules: dict[str, Any] = dict(shadow.named_modules())
        with ExitStack() as out:
            for name, part in gone:
                out.enter_context(modules[name].ablations()[part]())
            yield

    return around

"""Scores of targets for several variants of a clip, in one pass where the network keeps the clips of a batch apart.

Networks return their scores in many forms (``models.outputs``), which are read for a single clip. The output of a batch, and
the tensors that tell logits from probabilities, are cut into one part for each clip. `BatchScores.probe` compares two clips of
a batch with passes of single clips; a network that mixes them, or takes a single clip only, gets one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from notebook_explain.explanations import Target
from notebook_explain.models.classifier_outputs import ClassifierOutputs
from notebook_explain.models.heads import Head
from notebook_explain.models.output_kinds import OutputSpec
from notebook_explain.models.outputs import LastActivations, has_one_tensor, to_heads
from notebook_explain.models.recording import dense
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.target_resolution import score_in

if TYPE_CHECKING:
    from notebook_explain.models.video_model import VideoModel

_TOLERANCE, _TOLERANCE_HALF = 1e-3, 2e-2  # of scores, between a batch and single clips


class BatchScores:
    """Compute the scores of resolved targets for a batch of clips, with gradients where these are enabled.

    Parameters
    ----------
    model : VideoModel
    targets : sequence of Target
        As `VideoModel.resolve` returns them.
    read : function, optional
        ``read(heads, target)`` returns what is read off the heads of one clip for one target, a tensor of any shape; by
        default the score.

    Attributes
    ----------
    is_together : bool
        A batch shares a pass.
    needs_graph : bool
        Only gradients tell which of the returned tensors holds logits.
    forwards : int
        Number of clips that were run.
    """

    def __init__(
        self,
        model: VideoModel,
        targets: Sequence[Target],
        read: Callable[[Mapping[str, Head], Target], torch.Tensor] = score_in,
    ) -> None:
        self.targets, self.read = tuple(targets), read
        self.is_together = self.needs_graph = False
        self.forwards = 0
        self._arrange, self._spec = model.preprocessing.arrange, model.output_spec

    def probe(self, shadow: nn.Module, videos: torch.Tensor) -> None:
        """Find out how the network takes a batch, from two clips (2, channel, time, height, width)."""
        with torch.no_grad():
            self.is_together = False
            self.probe_output(shadow, videos[:1])
            single = self(shadow, videos)
            half = videos.dtype in (torch.float16, torch.bfloat16)
            tolerance = _TOLERANCE_HALF if half else _TOLERANCE
            self.is_together = True
            try:
                found = self(shadow, videos)
            except Exception:  # whatever a network raises that takes a batch of one only
                self.is_together = False
            else:
                scale = single.abs().clamp_min(1)
                self.is_together = bool(((found - single).abs() <= tolerance * scale).all())

    def probe_output(self, shadow: nn.Module, video: torch.Tensor) -> None:
        """Find out whether gradients are needed to read the output, from one clip (1, channel, time, height, width)."""
        with torch.no_grad():
            self.needs_graph = not has_one_tensor(self._run(shadow, video)[0])

    def __call__(self, shadow: nn.Module, videos: torch.Tensor) -> torch.Tensor:
        """Return scores, float tensor (clip, target), with further axes if `read` returns them.

        Parameters
        ----------
        shadow : nn.Module
            As ``VideoModel.on_shadow`` passes it.
        videos : float tensor (clip, channel, time, height, width)
            Normalised.
        """
        if self.needs_graph and not torch.is_grad_enabled():
            with torch.enable_grad():
                return self(shadow, videos.detach().clone().requires_grad_()).detach()
        if not self.is_together and len(videos) > 1:
            return torch.cat([self(shadow, video[None]) for video in videos])
        try:
            output, activations, classifiers = self._run(shadow, videos)
        except torch.cuda.OutOfMemoryError:
            if len(videos) == 1:
                raise
            half = len(videos) // 2
            return torch.cat([self(shadow, videos[:half]), self(shadow, videos[half:])])
        count = len(videos)
        rows = []
        for index in range(count):
            heads = heads_of_clip(output, activations, classifiers, self._spec, index, count)
            rows.append(torch.stack([self.read(heads, target) for target in self.targets]))
        return torch.stack(rows)

    def _run(self, shadow: nn.Module, videos: torch.Tensor) -> tuple[Any, LastActivations, ClassifierOutputs]:
        activations, classifiers = LastActivations(), ClassifierOutputs()
        handles = classifiers.watch(shadow)
        try:
            with LocalRandomness(), activations:
                output = shadow(dense(self._arrange(videos.clone())))  # networks may write into their input
        finally:
            for handle in handles:
                handle.remove()
        self.forwards += len(videos)
        return output, activations, classifiers


def heads_of_clip(
    output: Any,
    activations: LastActivations,
    classifiers: ClassifierOutputs,
    spec: OutputSpec,
    index: int,
    count: int,
) -> dict[str, Head]:
    """Return the heads of one clip of a batch.

    Parameters
    ----------
    output : object
        As the network returned it for the batch.
    activations, classifiers
        What was watched in the pass.
    spec : OutputSpec
        What is known of the network's outputs.
    index, count : int
        Of the clip in the batch, and number of clips.
    """
    if count == 1:
        return to_heads(output, activations, spec, classifiers, needs_gradient=False)[0]
    own, last = LastActivations(), ClassifierOutputs()
    own.calls = [
        (name, _part(before, index, count), _part(after, index, count))
        for name, before, after in activations.calls
        if _has_parts(before, count) and _has_parts(after, count)
    ]
    last.calls = [(m, _part(values, index, count)) for m, values in classifiers.calls if _has_parts(values, count)]
    return to_heads(_part(output, index, count), own, spec, last, needs_gradient=False)[0]


def _has_parts(value: Any, count: int) -> bool:
    return not isinstance(value, torch.Tensor) or (value.ndim > 0 and len(value) % count == 0)


def _part(value: Any, index: int, count: int) -> Any:
    """Return what belongs to one clip of a batch in what a network returned; other tensors, such as a loss, are left out."""
    if isinstance(value, torch.Tensor):
        rows = len(value) // count
        return value[index * rows : (index + 1) * rows]
    if isinstance(getattr(value, "logits", None), torch.Tensor):
        return SimpleNamespace(logits=_part(value.logits, index, count))
    if isinstance(value, Mapping):
        return {key: _part(entry, index, count) for key, entry in value.items() if _has_parts(entry, count)}
    if isinstance(value, (list, tuple)):
        return tuple(_part(entry, index, count) for entry in value if _has_parts(entry, count))
    if hasattr(value, "__dict__"):
        return SimpleNamespace(**_part(vars(value), index, count))
    return value

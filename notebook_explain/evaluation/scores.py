"""Scores of a target for many variants of a clip, in batches that fit the memory.

Several variants of a clip share a pass (``models.batch_scores``). The first batch is compared with passes of single clips; a
network whose output does not agree, because it mixes the clips of a batch, gets one variant at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.models import VideoModel
from notebook_explain.models.batch_scores import heads_of_clip
from notebook_explain.models.classifier_outputs import ClassifierOutputs
from notebook_explain.models.heads import Head
from notebook_explain.models.outputs import LastActivations
from notebook_explain.models.prediction import predicted_heads
from notebook_explain.models.recording import dense
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.target_resolution import score_in, target_result

Heads = dict[str, Head]
CPU_BYTES = 8 * 2**20  # of the largest activation of a batch; larger batches leave the cache and are slower
MOST_CPU, MOST_GPU = 16, 64  # clips in a batch
_COPIES = 6  # activations of this size that a pass holds at once, with room to spare


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a target for variants of a clip.

    Attributes
    ----------
    logits : float64 array (variant,)
        Logit, value, or difference of two.
    probabilities : float64 array (variant,) or None
        ``None`` for a difference and for values.
    """

    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None

    def of(self, score: str) -> NDArray[np.float64] | None:
        """Return the "logit" or the "probability" of each variant."""
        return self.logits if score == "logit" else self.probabilities


class Scorer:
    """Runs a model on variants of clips, and counts the passes.

    Parameters
    ----------
    model : VideoModel
    batch : int, optional
        Clips in a pass; by default as many as fit the memory.

    Attributes
    ----------
    forwards : int
        Number of clips that were run.
    caveats : dict of str to None
        Caveats about the passes, in order.
    """

    def __init__(self, model: VideoModel, batch: int | None = None) -> None:
        self.model, self.forwards = model, 0
        self.caveats: dict[str, None] = {}
        self._batch = batch
        self._mixes_clips: bool | None = None  # unknown

    def video(self, clip: Clip) -> torch.Tensor:
        """Return the network's input of a clip that fits: (1, channel, time, height, width), normalised."""
        reference = reference_parameter(self.model.module)
        return self.model.preprocessing.tensor(clip, reference.device, torch.float32).contiguous()

    def resolve(self, video: torch.Tensor, target: Any) -> tuple[Target, TargetResult]:
        """Return a target with head and index filled in, and the prediction for it."""
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(f"a pair (clip, target) has one target, got {target!r}; give a pair for each target")

        def run(shadow: nn.Module) -> tuple[Target, TargetResult]:
            with torch.inference_mode(False):
                heads = self._single(shadow, video)
                self.model.check_labels(heads)
                (resolved,) = self.model.resolve(heads, target)
                recording = SimpleNamespace(targets=[], heads=heads, biases=dict.fromkeys(heads))
                return resolved, target_result(self.model.labels, cast(Any, recording), resolved)

        return cast(tuple[Target, TargetResult], self._on_shadow(run))

    def scores(self, variants: Callable[[int, int], torch.Tensor], count: int, target: Target) -> Scores:
        """Return the scores of a resolved target.

        Parameters
        ----------
        variants : function
            ``variants(first, end)`` returns clips (end - first, channel, time, height, width), normalised.
        count : int
            Number of variants.
        target : Target
        """

        def run(shadow: nn.Module) -> list[tuple[float, float | None]]:
            found: list[tuple[float, float | None]] = []
            with torch.inference_mode(False), torch.no_grad():
                while len(found) < count:
                    first = len(found)
                    size = self._size(shadow, lambda: variants(0, 1))
                    try:
                        found += self._scored(shadow, variants(first, min(first + size, count)), target)
                    except torch.cuda.OutOfMemoryError:
                        if size == 1:
                            raise
                        self._batch = size // 2
            return found

        pairs = self._on_shadow(run)
        probabilities = [probability for _, probability in pairs]
        known = None if None in probabilities else np.array(probabilities, np.float64)
        return Scores(np.array([logit for logit, _ in pairs], np.float64), known)

    def _on_shadow(self, run: Callable[[nn.Module], Any]) -> Any:
        result, caveats = self.model.on_shadow(run)
        self.caveats.update(dict.fromkeys(caveats))
        return result

    def _scored(self, shadow: nn.Module, videos: torch.Tensor, target: Target) -> list[tuple[float, float | None]]:
        """Return the score and the probability of each clip of a batch."""
        if len(videos) == 1 or self._mixes_clips:
            return [_score(self._single(shadow, video[None]), target) for video in videos]
        # Networks may write into their input, which is needed again for the comparison.
        found = self._batched(shadow, videos.clone() if self._mixes_clips is None else videos, target)
        if self._mixes_clips is None:
            ends = [0, len(videos) - 1]
            single = [_score(self._single(shadow, videos[index][None]), target) for index in ends]
            tolerance = 1e-3 if reference_parameter(shadow).dtype in (torch.float32, torch.float64) else 2e-2
            self._mixes_clips = found is None or not all(
                abs(found[index][0] - score) <= tolerance * max(1.0, abs(score))
                for index, (score, _) in zip(ends, single, strict=True)
            )
            if self._mixes_clips:
                return self._scored(shadow, videos, target)
        assert found is not None
        return found

    def _single(self, shadow: nn.Module, video: torch.Tensor) -> Heads:
        spec, arrange = self.model.output_spec, self.model.preprocessing.arrange
        heads, caveats, forwards = predicted_heads(shadow, video.to(reference_parameter(shadow)), arrange, spec)
        self.forwards += forwards
        self.caveats.update(dict.fromkeys(caveats))
        return heads

    def _batched(
        self, shadow: nn.Module, videos: torch.Tensor, target: Target
    ) -> list[tuple[float, float | None]] | None:
        """Return the scores of a batch; None if the network does not take it while that is being found out."""
        count, arrange = len(videos), self.model.preprocessing.arrange
        activations, classifiers = LastActivations(), ClassifierOutputs()
        handles = classifiers.watch(shadow)
        try:
            with LocalRandomness(), activations:
                output = shadow(dense(arrange(videos.to(reference_parameter(shadow)))))
            self.forwards += count
            spec = self.model.output_spec
            return [
                _score(heads_of_clip(output, activations, classifiers, spec, index, count), target)
                for index in range(count)
            ]
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception:
            if self._mixes_clips is None:  # the network takes a batch of one only
                return None
            raise
        finally:
            for handle in handles:
                handle.remove()

    def _size(self, shadow: nn.Module, example: Callable[[], torch.Tensor]) -> int:
        """Return the number of clips in a pass."""
        if self._batch is None:
            self._batch = self._measured_size(shadow, example())
        return self._batch

    def _measured_size(self, shadow: nn.Module, video: torch.Tensor) -> int:
        """Choose a number of clips from the largest activation of one pass."""
        largest = [video.numel() * video.element_size()]

        def measure(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                largest.append(output.numel() * output.element_size())

        leaves = [part for part in shadow.modules() if next(part.children(), None) is None]
        handles = [part.register_forward_hook(measure) for part in leaves]
        try:
            self._single(shadow, video)
        finally:
            for handle in handles:
                handle.remove()
        if video.device.type != "cuda":
            return max(1, min(MOST_CPU, CPU_BYTES // max(largest)))
        free, _ = torch.cuda.mem_get_info(video.device)
        return int(max(1, min(MOST_GPU, free // (2 * _COPIES * max(largest)))))


def _score(heads: Heads, target: Target) -> tuple[float, float | None]:
    """Return the score of a resolved target, and its probability unless it is a difference or a value."""
    score = float(score_in(heads, target))
    if target.against is not None:
        return score, None
    found = heads[str(target.head)].probabilities(target)
    return score, None if found is None else float(found[0, int(target.label)])

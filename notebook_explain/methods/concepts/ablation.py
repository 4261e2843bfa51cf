"""Ablation: how far the score falls when everything that a concept covers in a clip is replaced by a fill.

Beside each concept, a control is hidden in the same clip: what as many voxels cost wherever they lie (``controls``). Where the
fill equals the clip nothing is hidden, and no pass is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain.clip import Clip
from notebook_explain.explanations import Target
from notebook_explain.explanations.targets import CLASSES
from notebook_explain.models import VideoModel
from notebook_explain.models.batch_scores import BatchScores
from notebook_explain.models.fills import background
from notebook_explain.models.heads import Head
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.target_resolution import score_in

Floats = NDArray[np.float64]
BATCH, BATCH_ELSEWHERE = 8, 32  # clips in a pass, on a CPU and on other devices
_EQUAL = 1e-5  # of the network's input: smaller differences between clip and fill are rounding


@dataclass(frozen=True, eq=False)
class ClipAblation:
    """Ablations of one clip.

    Attributes
    ----------
    drops, controls : float64 array (fill, concept)
        Fall of the margin without the concept, and without as many voxels elsewhere.
    changes : float64 array (fill, concept)
        Sum over the concept's voxels of the mean absolute difference between clip and fill.
    voxels : float64 array (concept,)
        Number of voxels of each concept.
    """

    drops: Floats
    controls: Floats
    changes: Floats
    voxels: Floats


def margin(heads: Mapping[str, Head], target: Target) -> torch.Tensor:
    """Return the logit of a class minus the mean of the others; the score itself of a difference, a label or a value."""
    score, head = score_in(heads, target), heads[str(target.head)]
    logits = head.logits_in(target)[0]
    if target.against is not None or head.kind != CLASSES or len(logits) < 2:
        return score
    return score - (logits.sum() - score) / (len(logits) - 1)


class Ablation:
    """Hides parts of clips and measures the margin.

    Parameters
    ----------
    model : VideoModel
    target : Target
        Resolved.
    fills : sequence of str
    batch : int, optional
        Clips in a pass.

    Attributes
    ----------
    forwards : int
        Number of clips that were run.
    caveats : dict of str to None
    """

    def __init__(self, model: VideoModel, target: Target, fills: Sequence[str], batch: int | None = None) -> None:
        self.model, self.target, self.fills = model, target, tuple(fills)
        device = reference_parameter(model.module).device
        self.batch = batch or (BATCH if device.type == "cpu" else BATCH_ELSEWHERE)
        self.caveats: dict[str, None] = {}
        self._scores = BatchScores(model, [target], margin)
        self._is_probed = False

    @property
    def forwards(self) -> int:
        """Number of clips that were run."""
        return self._scores.forwards

    def __call__(self, clip: Clip, masks: NDArray[np.bool_], controls: NDArray[np.bool_]) -> ClipAblation:
        """Ablate every concept in one clip.

        Parameters
        ----------
        clip : Clip
            A clip that fits.
        masks, controls : bool array (concept, time, height, width)
            Voxels of each concept, and of its control.
        """
        parts = torch.from_numpy(np.concatenate([masks, controls]))
        count = len(masks)
        found, caveats = self.model.on_shadow(lambda shadow: self._run(shadow, clip, parts))
        self.caveats.update(dict.fromkeys(caveats))
        drops, changes = found
        voxels = masks.sum((1, 2, 3), dtype=float)
        scale = voxels / np.maximum(controls.sum((1, 2, 3)), 1)  # controls of supervoxels have nearly as many voxels
        return ClipAblation(drops[:, :count], scale * drops[:, count:], changes[:, :count], voxels)

    def _run(self, shadow: nn.Module, clip: Clip, parts: torch.Tensor) -> tuple[Floats, Floats]:
        """Return the fall of the margin (fill, part) without each part, and the change of the input."""
        with torch.inference_mode(False), torch.no_grad():
            reference, p = reference_parameter(shadow), self.model.preprocessing
            video = p.tensor(clip, reference.device, reference.dtype)
            parts = parts.to(video.device)
            fills, changes = [], []
            for fill in self.fills:
                other = background(video, fill, p.mean, p.std).expand_as(video)
                other = torch.where((other - video).abs() <= _EQUAL * video.abs().clamp_min(1), video, other)
                fills.append(other)
                changes.append((parts.flatten(1).float() @ (other - video).abs().mean(1).flatten().float()).cpu())
            jobs = [(f, k) for f, change in enumerate(changes) for k in range(len(parts)) if change[k] > 0]
            drops = np.zeros((len(fills), len(parts)))
            if jobs and not self._is_probed:
                self._scores.probe(shadow, torch.cat([fills[jobs[0][0]], video]))
                self._is_probed = True
            variants: list[Callable[[], torch.Tensor]] = [lambda: video]
            variants += [partial(_hidden, video, fills[f], parts[k]) for f, k in jobs]
            margins = self._margins(shadow, variants) if jobs else []
            for (f, k), value in zip(jobs, margins[1:], strict=bool(jobs)):
                drops[f, k] = margins[0] - value
            return drops, torch.stack(changes).double().numpy()

    def _margins(self, shadow: nn.Module, variants: Sequence[Callable[[], torch.Tensor]]) -> list[float]:
        """Return the margin of every variant of a clip, each made when its batch runs."""
        found: list[float] = []
        for first in range(0, len(variants), self.batch):
            videos = torch.cat([variant() for variant in variants[first : first + self.batch]])
            found += self._scores(shadow, videos)[:, 0].double().tolist()
        return found


def _hidden(video: torch.Tensor, fill: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    return torch.where(part, fill, video)

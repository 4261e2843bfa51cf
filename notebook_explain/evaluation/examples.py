"""Examples: clips with the target that is explained and, for synthetic samples, the voxels that truly show it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.evaluation.scores import Scorer
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.models import VideoModel
from notebook_explain.samples import Sample

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClipTarget:
    """A clip and what to explain in it, before any pass.

    Attributes
    ----------
    index : int
        Of the clip, from 0; several targets of one clip share it.
    clip : object
        As the user passed it.
    target : object
        Label, index, Target, or ``None`` for the top class.
    mask, other_mask : bool array (time, height, width) or None
        Of a sample: the parts that perform the target's action, and those that perform others.
    """

    index: int
    clip: Any
    target: Any
    mask: Mask | None = None
    other_mask: Mask | None = None


@dataclass(frozen=True, eq=False)
class Example:
    """A clip as the network sees it, with a resolved target and its truth.

    Attributes
    ----------
    index : int
        Of the clip.
    given : Clip
        As it was read; explainers get this one.
    clip : Clip
        As the network sees it.
    video : float tensor (1, channel, time, height, width)
        The network's input, normalised.
    target : Target
        With head and index.
    result : TargetResult
        The network's prediction for the target.
    mask, other_mask : bool array (time, height, width) or None
        In frames and pixels of ``clip``.
    """

    index: int
    given: Clip
    clip: Clip
    video: torch.Tensor
    target: Target
    result: TargetResult
    mask: Mask | None
    other_mask: Mask | None


def list_clip_targets(clips: Any) -> list[ClipTarget]:
    """Return the clips and targets of an evaluation.

    Parameters
    ----------
    clips : clip, sample, or sequence of clips, paths, arrays, samples, and pairs (clip, target)
        A sample has one entry for each of its actions, and its top class if it has none. A pair of a sample and a label
        that is not among its actions has no truth.

    Raises
    ------
    TypeError, ValueError
        Not a sequence, or an empty one.
    """
    if isinstance(clips, (str, os.PathLike, Clip, Sample)):
        clips = [clips]
    if isinstance(clips, np.ndarray) or not hasattr(clips, "__iter__"):
        raise UsageTypeError(
            f"clips must be a list of clips, paths or samples, or of pairs (clip, target); got {type(clips).__name__}"
        )
    found = [entry for index, given in enumerate(clips) for entry in _clip_targets(index, given)]
    if not found:
        raise UsageError("clips is empty; give at least one clip, such as [ne.samples.single('kick')]")
    return found


def _clip_targets(index: int, given: Any) -> Iterator[ClipTarget]:
    is_pair = isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], (int, float))
    clip, target = given if is_pair else (given, None)
    if not isinstance(clip, Sample):
        yield ClipTarget(index, clip, target)
    elif is_pair:
        label = target.label if isinstance(target, Target) else target
        yield _of_sample(index, clip, target, clip.labels.index(label) if label in clip.labels else None)
    else:
        for position, label in enumerate(clip.labels):
            yield _of_sample(index, clip, label, position)
        if not clip.labels:
            yield ClipTarget(index, clip, None)


def _of_sample(index: int, sample: Sample, target: Any, position: int | None) -> ClipTarget:
    if position is None:
        return ClipTarget(index, sample, target)
    others = [mask for k, mask in enumerate(sample.masks) if k != position]
    return ClipTarget(index, sample, target, sample.masks[position], np.any(others, 0) if others else None)


def prepare_example(model: VideoModel, scorer: Scorer, entry: ClipTarget) -> Example:
    """Return a clip as the network sees it, with its target resolved by one pass."""
    given, clip = model.prepare(Clip.of(entry.clip) if isinstance(entry.clip, Sample) else entry.clip)
    video = scorer.video(clip)
    target, result = scorer.resolve(video, entry.target)
    mask, other = (None if part is None else _fit_mask(model, part) for part in (entry.mask, entry.other_mask))
    return Example(entry.index, given, clip, video, target, result, mask, other)


def _fit_mask(model: VideoModel, mask: Mask) -> Mask:
    """Return a mask sampled and resized as the frames are."""
    frames = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=3)
    return model.preprocessing.fit(Clip(frames)).frames[..., 0] > 127


def clip_name(clip: Any) -> str:
    """Return the name of a clip as the user passed it: of its file without folders, or of the sample."""
    if isinstance(clip, Sample):
        return clip.caption
    if isinstance(clip, Clip):
        return clip.name
    if isinstance(clip, (str, os.PathLike)):
        return Path(clip).name
    return "array"

"""Reliance of a network on time: the frames shuffled, reversed, slowed down and held."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import working
from notebook_explain._validation import check_int
from notebook_explain.explanations.what_if.temporal_reliance import TemporalReliance
from notebook_explain.models import VideoModel
from notebook_explain.models.content_key import clip_key
from notebook_explain.models.provenance import provenance_of
from notebook_explain.what_if.clip_scores import ClipResult, ClipScorer
from notebook_explain.what_if.edits import Freeze, Reverse, Shuffle, Slow, edited_clip

MOST_SEEDS = 1000


def temporal_reliance(model: VideoModel, clip: Any, target: Any = None, seeds: int = 8) -> TemporalReliance:
    """Return what a network says of a clip whose frames come in another order, or are held.

    Each variant costs one forward pass; they share batches, and equal variants are run once.

    Parameters
    ----------
    model : VideoModel
        From ``notebook_explain.adapt``.
    clip : Clip, path, or uint8 array (time, height, width, 3)
        It is fitted to the network first, so that all variants have the frames that the network sees.
    target : None, label, index or Target
        ``None`` is the top class.
    seeds : int
        Number of random orders, 2 to 1000.

    Raises
    ------
    TypeError, ValueError
        Not a model, a clip or a target; the network takes a single frame.
    ExplainError
        The network fails, or returns NaN.
    """
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    count = check_int("seeds", seeds, least=2)
    if count > MOST_SEEDS:
        raise UsageError(f"seeds must be at most {MOST_SEEDS}, got {seeds!r}")
    with working("temporal reliance"):
        return _measured(model, clip, target, count)


def _measured(model: VideoModel, clip: Any, target: Any, seeds: int) -> TemporalReliance:
    start = time.perf_counter()
    given, seen = model.prepare(clip)
    length = len(seen)
    if length < 2:
        raise UsageError("this network takes a single frame, so there is no order of frames that it could rely on")
    variants = [
        [],
        *([Shuffle(seed)] for seed in range(seeds)),
        *([Freeze(frame)] for frame in range(length)),
        *([Freeze(frame - 1 if frame else 1, (frame, frame + 1))] for frame in range(length)),
        [Reverse()],
        [Slow(2)],
    ]
    scorer = ClipScorer(model, target)
    clips = [model.fit(edited_clip(seen, edits)) for edits in variants]
    keys = [clip_key(one) for one in clips]
    distinct = dict(zip(keys, clips, strict=True))
    results = dict(zip(distinct, scorer(list(distinct.values())), strict=True))
    values = np.array([_value(results[key]) for key in keys])
    caveats = [*model.caveats, *model.clip_caveats(given), *given.caveats, *scorer.caveats]
    origin = provenance_of(model, "Temporal reliance", {"seeds": seeds}, start, caveats, forwards=scorer.forwards)
    shuffled, frozen, held = np.split(values[1:-2], [seeds, seeds + length])
    first = results[keys[0]].target
    return TemporalReliance(seen, first, shuffled, frozen, held, float(values[-2]), float(values[-1]), origin)


def _value(result: ClipResult) -> float:
    """Return the probability of the target; the score of a regression and of a difference."""
    return result.target.logit if result.target.probability is None else result.target.probability

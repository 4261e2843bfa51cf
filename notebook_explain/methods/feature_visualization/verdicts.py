"""Verdicts of another network on a made clip, and on the same frames in a random order."""

from __future__ import annotations

from typing import Any

import numpy as np

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations.visualization.synthesis import Best, Synthesis, Verdict
from notebook_explain.models import VideoModel
from notebook_explain.models.provenance import provenance_of

SEED = 0


def verdict_on(one: Synthesis, model: Any) -> Verdict:
    """Return the verdict of a model on a made clip."""
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    frames = one.clip.frames
    shuffled = frames[np.random.default_rng(SEED).permutation(len(frames))]
    best, mixed = _best(model, one.clip), _best(model, Clip(shuffled, source="shuffled"))
    is_class = one.objective.startswith("Logit(") and any(one.name in names for names in model.labels.values())
    named = bool(best) and best[0][0] == one.name
    return Verdict(provenance_of(model, "", {}, 0.0, ()).model, best, mixed, named if is_class else None)


def _best(model: VideoModel, clip: Clip) -> Best:
    head = next(iter(model(clip).heads))
    return () if head.probabilities is None else head.top(3)

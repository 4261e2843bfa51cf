"""Predict without explaining: one forward pass of a shadow, without gradients."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from notebook_explain._progress import working
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.predictions import HeadPrediction, Predictions
from notebook_explain.models.heads import Head
from notebook_explain.models.output_kinds import OutputSpec
from notebook_explain.models.outputs import has_one_tensor
from notebook_explain.models.provenance import provenance_of
from notebook_explain.models.recording import heads_of_pass
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.target_resolution import head_label

if TYPE_CHECKING:
    from notebook_explain.models.video_model import VideoModel

_Found = tuple[dict[str, Head], tuple[str, ...], int]
_OF_MAPS = {CaveatCode.ASSUMED_POSITIONS, CaveatCode.NO_GRADIENT}  # say nothing about predictions


def predict(model: VideoModel, clip: Any) -> Predictions:
    """Return what a model says about a clip; see ``VideoModel.__call__``."""
    with working("prediction"):
        return _predict(model, clip)


def _predict(model: VideoModel, clip: Any) -> Predictions:
    start = time.perf_counter()
    clip, seen = model.prepare(clip)

    def run(shadow: nn.Module) -> _Found:
        reference = reference_parameter(shadow)
        with torch.inference_mode(False):
            video = model.preprocessing.tensor(seen, reference.device, reference.dtype)
            return predicted_heads(shadow, video, model.preprocessing.arrange, model.output_spec)

    (heads, pass_caveats, forwards), more_caveats = model.on_shadow(run)
    model.check_labels(heads)
    about_model = (c for c in model.caveats if not isinstance(c, Caveat) or c.code not in _OF_MAPS)
    caveats = (*about_model, *model.clip_caveats(clip), *pass_caveats, *_cell_caveats(heads), *more_caveats)
    origin = provenance_of(model, "Prediction", {}, start, caveats, forwards=forwards)
    return Predictions(tuple(_prediction(model, name, head) for name, head in heads.items()), seen, origin)


def predicted_heads(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    spec: OutputSpec,
) -> _Found:
    """Run a shadow once without gradients; once more with them, if they are needed to tell logits from features."""
    with torch.no_grad():
        output, find_heads = heads_of_pass(shadow, video, arrange, spec)
    if not has_one_tensor(output):
        try:
            with torch.enable_grad():
                _, find_heads = heads_of_pass(shadow, video, arrange, spec)
                return *find_heads(), 2
        except RuntimeError:  # a part of the network runs in inference mode
            pass
    return *find_heads(), 1


def _cell_caveats(heads: Mapping[str, Head]) -> list[Caveat]:
    """Return a caveat for scores that are a mean over frames, voxels or views."""
    nouns = dict.fromkeys(head.cells.noun for head in heads.values() if head.cells is not None)
    return [
        Caveat(f"The network returns one score per {noun}; this is their mean.", CaveatCode.SCORE) for noun in nouns
    ]


def _prediction(model: VideoModel, name: str, head: Head) -> HeadPrediction:
    logits = head.logits.detach().float()[0].cpu().numpy()
    found = head.probabilities()
    probabilities = None if found is None else found[0].detach().float().cpu().numpy().astype(np.float32)
    labels = tuple(head_label(model.labels, name, head, index) for index in range(len(logits)))
    return HeadPrediction(name, labels, logits.astype(np.float32), probabilities, head.kind, head.unit)

"""Scores of many clips, or of one as fast as one forward pass: logits and probabilities of every class of every head."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target
from notebook_explain.models import VideoModel
from notebook_explain.models.batch_scores import BatchScores
from notebook_explain.models.heads import Head
from notebook_explain.models.shadow import reference_parameter

BATCH, BATCH_ELSEWHERE = 8, 32  # clips in a pass, on a CPU and on other devices
_ANY = Target(0)


class HeadScores(NamedTuple):
    """Scores of one head for one clip.

    Attributes
    ----------
    logits : float32 array (class,)
    probabilities : float32 array (class,) or None
        None for values of a regression.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None


@dataclass(frozen=True)
class _Part:
    """Classes of one head in a row of scores."""

    name: str
    classes: int
    has_probabilities: bool


class ClipScores:
    """Scores of clips with one model; how the network takes a batch is found out once.

    Parameters
    ----------
    model : VideoModel
    """

    def __init__(self, model: VideoModel) -> None:
        self.parts: tuple[_Part, ...] = ()
        self.batch = BatchScores(model, [_ANY], self._read)
        self.is_probed = False

    def __call__(self, model: VideoModel, clips: Sequence[Clip]) -> tuple[list[dict[str, HeadScores]], tuple[str, ...]]:
        """Return the scores of each clip, and caveats about the passes.

        Parameters
        ----------
        model : VideoModel
        clips : sequence of Clip
            As `VideoModel.fit` returns them.
        """
        rows, caveats = model.on_shadow(lambda shadow: self._rows(shadow, model, clips))
        return [self._scores(row) for row in rows], caveats

    def _rows(self, shadow: nn.Module, model: VideoModel, clips: Sequence[Clip]) -> NDArray[np.float32]:
        reference = reference_parameter(shadow)
        most = BATCH if reference.device.type == "cpu" else BATCH_ELSEWHERE
        found = []
        with torch.inference_mode(False), torch.no_grad():
            for first in range(0, len(clips), most):
                videos = torch.cat(
                    [
                        model.preprocessing.tensor(clip, reference.device, reference.dtype)
                        for clip in clips[first : first + most]
                    ]
                )
                if not self.is_probed:
                    pair = videos[:2] if len(videos) > 1 else torch.cat([videos, videos.flip(-1)])
                    self.batch.probe(shadow, pair)
                    self.is_probed = True
                found.append(self.batch(shadow, videos)[:, 0].float().cpu().numpy())
        return np.concatenate(found)

    def _read(self, heads: Mapping[str, Head], _: Target) -> torch.Tensor:
        """Return logits and probabilities of all heads in one row."""
        row, parts = [], []
        for name, head in heads.items():
            logits, probabilities = head.logits[0], head.probabilities()
            row.append(logits.detach().float())
            row += [] if probabilities is None else [probabilities[0].float()]
            parts.append(_Part(name, len(logits), probabilities is not None))
        self.parts = tuple(parts)
        return torch.cat(row)

    def _scores(self, row: NDArray[np.float32]) -> dict[str, HeadScores]:
        found, first = {}, 0
        for part in self.parts:
            logits = row[first : first + part.classes]
            first += part.classes
            probabilities = row[first : first + part.classes] if part.has_probabilities else None
            first += part.classes if part.has_probabilities else 0
            found[part.name] = HeadScores(logits, probabilities)
        return found


_found: weakref.WeakKeyDictionary[VideoModel, ClipScores] = weakref.WeakKeyDictionary()


def clip_scores(model: VideoModel, clips: Sequence[Clip]) -> tuple[list[dict[str, HeadScores]], tuple[str, ...]]:
    """Return scores and caveats, as `ClipScores` does; what was found out about a model is kept while the model lives."""
    known = _found.get(model)
    if known is None:
        known = _found[model] = ClipScores(model)
    return known(model, clips)


def scores(model: VideoModel, clips: Sequence[Clip]) -> list[dict[str, HeadScores]]:
    """Return what a model says of each clip: one forward pass for each, in batches where the network keeps clips apart.

    The first call of a model runs it a few times more, to find out how it takes a batch.

    Parameters
    ----------
    model : VideoModel
        As it was adapted, or as `edits.edited_model` returns it.
    clips : sequence of Clip
        They are fitted to the network.

    Returns
    -------
    list of dict
        For each clip, `HeadScores` by name of the head; the name of an only head is "".

    Raises
    ------
    TypeError, ExplainError
        Not a model or clips; the output holds no class scores, or NaN.
    """
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    fitted = [model.fit(clip) for clip in clips]
    return clip_scores(model, fitted)[0] if fitted else []

"""Scores of a clip of which masks hide parts, by a copy of the model whose parameters do not change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.models import Recording, VideoModel, shadow_of
from notebook_explain.models.batch_scores import BatchScores
from notebook_explain.models.fills import background
from notebook_explain.models.shadow import reference_parameter

FILL_WORDS = {"blur": "the blurred clip", "mean": "its mean colour", "freeze": "its mean over time", "grey": "grey"}
_BATCH = {"cpu": 8}  # clips in a pass
_BATCH_ELSEWHERE = 32


class MaskedScores:
    """Scores of targets for a clip behind masks. The first pass, of the whole clip, runs at construction.

    Parameters
    ----------
    model : VideoModel
    clip : Clip
        As the network receives it.
    target : None, label, index, Target, or a list of these
    fill : str
        What hidden parts show (``models.fills``).

    Attributes
    ----------
    targets : tuple of Target
        As `VideoModel.resolve` returns them.
    results : tuple of TargetResult
        Predictions for the whole clip.
    caveats : tuple of str
        Of the passes so far.
    batch : int
        Usual number of clips in a pass on the model's device.
    """

    def __init__(self, model: VideoModel, clip: Clip, target: Any, fill: str) -> None:
        self.targets: tuple[Target, ...]
        self.results: tuple[TargetResult, ...]
        (self.targets, self.results, self._model), self.caveats = _first_pass(model, clip, target)
        self._clip, self._fill = clip, fill
        self._scores = BatchScores(self._model, self.targets)
        self._is_probed = False
        self._device = reference_parameter(self._model.module).device
        self.batch = _BATCH.get(self._device.type, _BATCH_ELSEWHERE)

    @property
    def forwards(self) -> int:
        """Number of clips that were run, with the first pass."""
        return 1 + self._scores.forwards

    def __call__(self, masks: torch.Tensor) -> NDArray[np.float64]:
        """Return the scores, float64 (mask, target).

        Parameters
        ----------
        masks : float tensor (mask, time, height, width)
            How much of each voxel shows, from 0 (hidden) to 1.

        Raises
        ------
        ExplainError
            A score is not finite.
        """

        def run(shadow: nn.Module) -> torch.Tensor:
            with torch.inference_mode(False), torch.no_grad():
                p = self._model.preprocessing
                video = p.tensor(self._clip, self._device, reference_parameter(shadow).dtype)
                hidden = background(video, self._fill, p.mean, p.std)
                videos = torch.lerp(hidden.expand_as(video), video, masks.clone()[:, None].to(video))
                if not self._is_probed:
                    self._scores.probe(shadow, torch.cat([videos[:1], video]))
                    self._is_probed = True
                return self._scores(shadow, videos)

        found, caveats = self._model.on_shadow(run)
        self.caveats = tuple(dict.fromkeys((*self.caveats, *caveats)))
        scores: NDArray[np.float64] = found.double().cpu().numpy()
        if not np.isfinite(scores).all():
            raise ExplainError(
                f"the score is {scores[~np.isfinite(scores)][0]} where parts of the clip are hidden: the network returns values "
                "that are not finite; another fill may help"
            )
        return scores


def _first_pass(
    model: VideoModel, clip: Clip, target: Any
) -> tuple[tuple[tuple[Target, ...], tuple[TargetResult, ...], VideoModel], tuple[str, ...]]:
    """Run the whole clip; return targets, their results and the model with a copy of its parameters, and caveats."""
    shadows: list[nn.Module] = []

    @contextmanager
    def around(shadow: nn.Module) -> Iterator[None]:
        shadows.append(shadow)
        yield

    def compute(recording: Recording) -> tuple[tuple[Target, ...], tuple[TargetResult, ...], VideoModel]:
        targets = model.resolve(recording.heads, target)
        try:
            module = shadow_of(shadows[-1], copy_parameters=True, keep_hooks=model.keep_hooks)
        except Exception:  # a module that cannot be copied is guarded in every pass
            module = model.module
        return targets, model.results(recording, targets), replace(model, module=module)

    return model.run(clip, (), compute, around)

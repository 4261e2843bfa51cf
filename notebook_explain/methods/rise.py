"""RISE: how much higher the score is when a part of the clip is visible, measured with random masks.

N random masks M_i (``random_masks``) each hide a part of the clip, and the network scores what is left. The map is ::

    S(x) = sum_i s_i M_i(x) / sum_i M_i(x)  -  mean_i s_i

the mean score over the masks, weighted by what they keep at x. The paper's map has no second term; without it, 0 would mean
nothing. The score is the logit, so the map is signed. Nothing of the network is needed but its scores.

The standard error of S(x) is that of a ratio of two means, to first order: the root mean square of
``M_i(x) (s_i - r(x)) / mean_j M_j(x) - (s_i - mean_j s_j)``, divided by sqrt(N), with r the first term of S.

Reference: Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018,
arXiv:1806.07421; for video with masks in three dimensions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import stage
from notebook_explain._validation import check_choice, check_int, check_range
from notebook_explain.explanations import Geometry, LayerMap, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import RELEVANCE
from notebook_explain.explanations.progress import Progress
from notebook_explain.explanations.text import percent
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.methods.masked_scores import FILL_WORDS, MaskedScores
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.methods.random_masks import random_masks
from notebook_explain.models import VideoModel
from notebook_explain.models.fills import FILLS
from notebook_explain.models.origins import remember


@dataclass(frozen=True)
class RISEProgress(Progress):
    """A finished step of ``RISE.stream``.

    Attributes
    ----------
    standard_error : float32 array (target, time, height, width), or None
        Of the values of ``partial``; infinite where they are unknown.
    """

    standard_error: NDArray[np.float32] | None = None

    @property
    def relative_error(self) -> float:
        """Root mean square of the standard error, in units of that of the map: well below 1 once it has converged."""
        if self.standard_error is None:
            return math.inf
        scale = float(np.sqrt(np.square(self.partial.layers[0].values, dtype=np.float64).mean()))
        return float(np.sqrt(np.square(self.standard_error, dtype=np.float64).mean())) / scale if scale else math.inf


@dataclass(frozen=True)
class RISE:
    """Explain a model's score by hiding random parts of the clip.

    Attributes
    ----------
    masks : int
        Number of random masks, and of forward passes.
    cells : (time, height, width) ints
        Cells of a mask along each axis of the clip: detail finer than a cell is not resolved.
    probability : float between 0 and 1
        Of a cell to be visible.
    fill : "blur", "mean", "freeze" or "grey"
        What hidden parts show: the blurred clip, its mean colour, its mean over time (so that nothing moves), or grey.
    batch : int, optional
        Masks in a pass; by default 8 on a CPU and 32 on other devices.
    seed : int
        Of the masks.
    """

    masks: int = 500
    cells: tuple[int, int, int] = (4, 7, 7)
    probability: float = 0.5
    fill: str = "blur"
    batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "masks", check_int("masks", self.masks, least=2))
        if not isinstance(self.cells, (tuple, list)) or len(self.cells) != 3:
            raise UsageTypeError(f"cells must be three numbers (time, height, width), got {self.cells!r}")
        object.__setattr__(self, "cells", tuple(check_int("cells", number) for number in self.cells))
        object.__setattr__(self, "probability", check_range("probability", self.probability, 0, 1))
        if self.probability in (0, 1):
            raise UsageError(f"probability must lie between 0 and 1, got {self.probability!r}; 0.5 is usual")
        check_choice("fill", self.fill, FILLS)
        if self.batch is not None:
            object.__setattr__(self, "batch", check_int("batch", self.batch))
        object.__setattr__(self, "seed", check_int("seed", self.seed, least=0))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip, under a line of progress where that takes a while.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` is the top class. Several targets share the masks.

        Returns
        -------
        Tubes
            With one signed map at the resolution of the clip, in units of the score.

        Raises
        ------
        TypeError, ValueError
            An unknown target, or an argument that is not a model or a clip.
        """
        tubes: Tubes = run_with_progress(self.stream(model, clip, target), "RISE")
        return tubes

    def stream(self, model: VideoModel, clip: Any, target: Any = None) -> Iterator[RISEProgress]:
        """Explain batch by batch and yield the map so far, with its standard error.

        Between two steps the model is unchanged; close the generator to cancel the rest. The map describes the parameters
        at the start.

        Yields
        ------
        RISEProgress
            Stages "pass" and "batches of masks"; ``partial`` is a Tubes from the first batch on.
        """
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        stage("pass")
        scores = MaskedScores(model, seen, target, self.fill)
        yield RISEProgress("pass", 1, 1, time.perf_counter() - start)

        size, batch = seen.size, self.batch or scores.batch
        generator = torch.Generator().manual_seed(self.seed)
        mean = WeightedMean(np.array([result.logit for result in scores.results]), size)
        total = math.ceil(self.masks / batch)
        stage("batches of masks", 0, total)
        for done in range(1, total + 1):
            masks = random_masks(min(batch, self.masks - mean.count), self.cells, size, self.probability, generator)
            mean.add(scores(masks), masks.numpy())
            error, values = mean.standard_error(), mean.values()
            layer = LayerMap("RISE", RELEVANCE, values.astype(np.float32), Geometry.even(size, size))
            about = [*model.caveats, *model.clip_caveats(clip), *scores.caveats, *self._caveats(size)]
            about.append(_error_caveat(mean.count, values, error))
            made = provenance("RISE", self, model, start, 0, dict.fromkeys(about), scores.forwards)
            tubes = Tubes(seen, scores.results, (layer,), made)
            remember(tubes, model, self, scores.targets)
            seconds = time.perf_counter() - start
            yield RISEProgress("batches of masks", done, total, seconds, tubes, error.astype(np.float32))

    def _caveats(self, size: tuple[int, int, int]) -> list[Caveat]:
        t, y, x = (max(1.0, length / number) for length, number in zip(size, self.cells, strict=True))
        cell = f"{round(t, 1):g} frames × {round(y, 1):g} × {round(x, 1):g} pixels"
        return [
            Caveat(
                f"The masks of this map have cells of {cell}: it does not resolve finer detail.", CaveatCode.COARSE_MAP
            ),
            Caveat(
                f"Hidden parts of the clip show {FILL_WORDS[self.fill]}; another fill may give another map. The values are "
                "mean differences of the score and do not add up to it."
            ),
        ]


class WeightedMean:
    """Running mean of scores weighted by masks, minus the plain mean, and its standard error.

    Parameters
    ----------
    origin : float array (target,)
        Subtracted from the scores, against cancellation.
    size : (time, height, width)

    Attributes
    ----------
    count : int
        Number of masks so far.
    """

    def __init__(self, origin: NDArray[np.floating], size: tuple[int, int, int]) -> None:
        self.count, self._origin, self._size = 0, origin, size
        targets, voxels = len(origin), math.prod(size)
        # Sums over masks of m, m^2 (voxel,), of s, s^2 (target,), and of s m, s^2 m, s m^2, s^2 m^2 (target, voxel).
        self._m, self._mm = np.zeros(voxels), np.zeros(voxels)
        self._s, self._ss = np.zeros(targets), np.zeros(targets)
        self._sm, self._ssm, self._smm, self._ssmm = np.zeros((4, targets, voxels))

    def add(self, scores: NDArray[np.float64], masks: NDArray[np.float32]) -> None:
        """Add scores (mask, target) of masks (mask, time, height, width)."""
        m, s = masks.reshape(len(masks), -1).astype(np.float64), scores - self._origin
        self.count += len(masks)
        self._m += m.sum(0)
        self._mm += (m * m).sum(0)
        self._s += s.sum(0)
        self._ss += (s * s).sum(0)
        self._sm += s.T @ m
        self._ssm += (s * s).T @ m
        self._smm += s.T @ (m * m)
        self._ssmm += (s * s).T @ (m * m)

    def values(self) -> NDArray[np.float64]:
        """Return the map, float64 (target, time, height, width); 0 where no mask has shown the clip."""
        found = self._ratio() - (self._s / self.count)[:, None]
        return np.where(self._m > 0, found, 0).reshape(-1, *self._size)

    def standard_error(self) -> NDArray[np.float64]:
        """Return the standard error of the map in the same shape; infinite where it is unknown."""
        n, ratio, plain = self.count, self._ratio(), (self._s / self.count)[:, None]
        kept = np.where(self._m > 0, self._m, 1) / n
        # Means over masks of a^2, a b and b^2, with a = m (s - ratio) / mean m, and b = s - mean s.
        aa = (self._ssmm - 2 * ratio * self._smm + ratio**2 * self._mm) / (n * kept**2)
        ab = (self._ssm - (ratio + plain) * self._sm + ratio * plain * self._m) / (n * kept)
        bb = (self._ss / n)[:, None] - plain**2
        error = np.sqrt(np.maximum(aa - 2 * ab + bb, 0) / n)
        return np.where((self._m > 0) & (n > 1), error, np.inf).reshape(-1, *self._size)

    def _ratio(self) -> NDArray[np.float64]:
        ratio: NDArray[np.float64] = self._sm / np.where(self._m > 0, self._m, 1)
        return ratio


def _error_caveat(count: int, values: NDArray[np.float64], error: NDArray[np.float64]) -> Caveat:
    """Return a caveat that compares the typical standard error with the map's largest value, of the least certain target."""
    peaks = np.abs(values).max(axis=(1, 2, 3))
    typical = np.median(error, axis=(1, 2, 3))
    share = max((float(e / p) if p > 0 else math.inf) for e, p in zip(typical, peaks, strict=True))
    text = f"{percent(share)} of its largest value" if math.isfinite(share) else "unknown"
    return Caveat(
        f"This map is a mean over {count} random masks; the standard error of its values is {text}, typically."
    )

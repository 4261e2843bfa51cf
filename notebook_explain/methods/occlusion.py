"""Occlusion: how far the score falls when a box of the clip, in space and time, is hidden.

A box of a fixed size slides over the clip, and the network scores what is left. Box b hides the voxels of B_b, and the fall is ::

    f_b = score(clip) - score(clip with B_b hidden)
    S(x) = mean of f_b over all boxes b with x in B_b

so a positive value speaks for the target: without this part, the score is lower. Where no two boxes overlap, S(x) is the fall of
the one box that covers x. The score is the logit. Nothing of the network is needed but its scores.

S is a fall, measured box by box; it is not a sum. Two parts that can stand in for each other both have a fall of 0, two parts
of which each is needed both have the whole one, and the values do not add up to the score. Smaller boxes have smaller falls.

Boxes start at every multiple of the stride, and one more ends at the end of each axis, so all boxes have the same size and cover
the clip. A stream begins with boxes of twice or four times the size and halves them, level by level. The last level alone is
the result, so coarser levels change what is seen first and nothing else.

Reference: Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv:1311.2901; here with boxes in
space and time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import stage
from notebook_explain._validation import check_choice, check_int
from notebook_explain.explanations import Geometry, LayerMap, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import RELEVANCE
from notebook_explain.explanations.progress import Progress
from notebook_explain.methods.box_grid import BoxGrid, Falls, Size, levels_of
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.methods.masked_scores import FILL_WORDS, MaskedScores
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import VideoModel
from notebook_explain.models.fills import FILLS
from notebook_explain.models.origins import remember

STAGE = "batches of boxes"


@dataclass(frozen=True)
class OcclusionProgress(Progress):
    """A finished step of ``Occlusion.stream``.

    Attributes
    ----------
    box : (time, height, width) ints, or None
        Size of the boxes of this level, in frames and pixels.
    measured : float
        Fraction of this level's boxes that ``partial`` holds, 0..1. Voxels that none of them covers show the level before.
    """

    box: Size | None = None
    measured: float = 0.0


@dataclass(frozen=True)
class Occlusion:
    """Explain a model's score by hiding one box of the clip after the other.

    Attributes
    ----------
    box : (time, height, width) ints, optional
        Size of the box in frames and pixels of the network's input, each at least 1 and at most that of the clip; by
        default a quarter of each axis.
    stride : (time, height, width) ints, optional
        Distance between neighbouring boxes, each at least 1 and at most that of the box; by default half the box.
    fill : "blur", "mean", "freeze" or "grey"
        What a hidden box shows: the blurred clip, its mean colour, its mean over time (so that nothing moves), or grey.
    levels : int
        Number of sizes that a stream goes through, from 1: each coarser one doubles box and stride. Boxes as large as the
        clip are left out. The result does not depend on it.
    batch : int, optional
        Boxes in a pass, from 1; by default 8 on a CPU and 32 on other devices.
    """

    box: Size | None = None
    stride: Size | None = None
    fill: str = "blur"
    levels: int = 3
    batch: int | None = None

    def __post_init__(self) -> None:
        for name in ("box", "stride"):
            object.__setattr__(self, name, _check_sizes(name, getattr(self, name)))
        if self.box and self.stride:
            _check_stride(self.stride, self.box)
        check_choice("fill", self.fill, FILLS)
        object.__setattr__(self, "levels", check_int("levels", self.levels))
        if self.batch is not None:
            object.__setattr__(self, "batch", check_int("batch", self.batch))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip, under a line of progress where that takes a while.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` is the top class. Several targets share the passes.

        Returns
        -------
        Tubes
            With one signed map at the resolution of the clip, in units of the score.

        Raises
        ------
        TypeError, ValueError
            A box larger than the clip, an unknown target, or an argument that is not a model or a clip.
        """
        tubes: Tubes = run_with_progress(self.stream(model, clip, target), "Occlusion")
        return tubes

    def stream(self, model: VideoModel, clip: Any, target: Any = None) -> Iterator[OcclusionProgress]:
        """Explain from large boxes to small ones, batch by batch, and yield the map so far.

        Within a level, boxes come first where the level before is strongest. Between two steps the model is unchanged; close
        the generator to cancel the rest. The map describes the parameters at the start.

        Yields
        ------
        OcclusionProgress
            Stages "pass" and "batches of boxes"; ``partial`` is a Tubes from the first batch on.
        """
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        grids = levels_of(seen.size, *self._sizes(seen.size), self.levels)
        stage("pass")
        scores = MaskedScores(model, seen, target, self.fill)
        yield OcclusionProgress("pass", 1, 1, time.perf_counter() - start)

        whole = np.array([result.logit for result in scores.results], np.float64)
        batch = self.batch or scores.batch
        total, done = sum(math.ceil(grid.count / batch) for grid in grids), 0
        stage(STAGE, 0, total)
        values = np.zeros((len(whole), *seen.size))
        for grid in grids:
            before, falls = values, Falls(grid, len(whole))
            order = grid.order(before)
            for first in range(0, grid.count, batch):
                boxes = order[first : first + batch]
                falls.add(boxes, whole - scores(grid.visible(boxes)))
                values = falls.values(before)
                about = [*model.caveats, *model.clip_caveats(clip), *scores.caveats, *self._caveats(grid)]
                if grid is not grids[-1] or falls.measured < 1:
                    about.append(_unfinished(grids[-1]))
                made = provenance("Occlusion", self, model, start, 0, dict.fromkeys(about), scores.forwards)
                layer = LayerMap("Occlusion", RELEVANCE, values.astype(np.float32), Geometry.even(seen.size, seen.size))
                tubes = Tubes(seen, scores.results, (layer,), made)
                remember(tubes, model, self, scores.targets)
                done += 1
                seconds = time.perf_counter() - start
                yield OcclusionProgress(STAGE, done, total, seconds, tubes, grid.box, falls.measured)

    def _sizes(self, size: Size) -> tuple[Size, Size]:
        """Return box and stride for a clip (ValueError for a box that does not fit, or a stride beyond the box)."""
        box = self.box or _each(max(1, round(length / 4)) for length in size)
        if any(b > length for b, length in zip(box, size, strict=True)):
            raise UsageError(
                f"box must fit into the clip as the network receives it, (time, height, width) = {tuple(size)}, got {box}; "
                "give a smaller box, or none for a quarter of each axis"
            )
        stride = self.stride or _each(max(1, b // 2) for b in box)
        _check_stride(stride, box)
        return box, stride

    def _caveats(self, grid: BoxGrid) -> list[Caveat]:
        t, y, x = grid.box
        return [
            Caveat(
                f"This map hides boxes of {t} frames × {y} × {x} pixels: it does not resolve finer detail.",
                CaveatCode.COARSE_MAP,
            ),
            Caveat(
                f"A hidden box shows {FILL_WORDS[self.fill]}; another fill may give another map. A value is how far the score "
                "falls, on average over the boxes that cover the voxel; values do not add up to the score."
            ),
        ]


def _unfinished(last: BoxGrid) -> Caveat:
    t, y, x = last.box
    return Caveat(
        f"This map is unfinished: not all boxes of {t} frames × {y} × {x} pixels were measured; other voxels show larger boxes."
    )


def _each(numbers: Iterable[int]) -> Size:
    t, y, x = numbers
    return t, y, x


def _check_stride(stride: Size, box: Size) -> None:
    """Raise ValueError for a stride that leaves gaps between boxes."""
    if any(s > b for s, b in zip(stride, box, strict=True)):
        raise UsageError(f"stride must be at most the box {box} along every axis, got {stride}; it would leave gaps")


def _check_sizes(name: str, given: Any) -> Size | None:
    """Return three whole numbers of at least 1 as a tuple; None as it is."""
    if given is None:
        return None
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise UsageTypeError(f"{name} must be three numbers (time, height, width) in frames and pixels, got {given!r}")
    return _each(check_int(name, number) for number in given)

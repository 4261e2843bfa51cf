"""Curves: how a class fares on held-out clips as its concepts are added to the fill, or removed from the clip.

At each step the orders are matched by how much of the clip's difference from the fill has been pasted or hidden (or how much
of its volume): otherwise the order that puts large or moving concepts first wins for free. Within a concept, units follow one
another at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_choice, check_int, check_range
from notebook_explain.explanations import ConceptCurves, Concepts, Target
from notebook_explain.explanations.concepts.cells import over_clip
from notebook_explain.explanations.concepts.curves import BY
from notebook_explain.methods.concepts.ablation import BATCH, BATCH_ELSEWHERE
from notebook_explain.methods.concepts.clips import iterate_clips
from notebook_explain.methods.concepts.new_clips import ConceptFinder, NewClip
from notebook_explain.models import VideoModel
from notebook_explain.models.batch_scores import BatchScores
from notebook_explain.models.fills import FILLS, background
from notebook_explain.models.heads import Head
from notebook_explain.models.shadow import reference_parameter

FRACTIONS, NUMBERS = (0.1, 0.2, 0.3, 0.4, 0.5), (1, 2, 3, 4, 5)
Floats = NDArray[np.float64]


def concept_curves(
    concepts: Concepts,
    held_out: Any,
    model: VideoModel | None = None,
    *,
    by: str = "change",
    fill: str | None = None,
    steps: Sequence[float] | None = None,
    draws: int = 20,
    seed: int = 0,
    batch: int | None = None,
) -> ConceptCurves:
    """Return curves of the orders "top", "random" and "least"; see `Concepts.curves`.

    Parameters
    ----------
    concepts : Concepts
    held_out : list or iterator of clips, or path to a folder
    model : VideoModel, optional
    by : "change", "volume" or "concepts"
        What the orders are matched by.
    fill : str, optional
        By default the first fill of the concepts, or "blur".
    steps : sequence of float, optional
        Fractions, by default 0.1 to 0.5; or numbers of concepts, by default 1 to 5.
    draws : int
        Number of random orders.
    seed : int
    batch : int, optional
        Clips in a pass.
    """
    check_choice("by", by, BY)
    fill = check_choice("fill", fill or (concepts.fills or ("blur",))[0], FILLS)
    draws, seed = check_int("draws", draws), check_int("seed", seed, least=0)
    chosen = _steps(steps, by, len(concepts))
    if concepts.results[0].against is not None or concepts.results[0].probability is None:
        raise UsageError("curves follow the probability of a class, but these concepts are of a difference or a value")
    finder = ConceptFinder(concepts, model)
    runner = _Runner(finder, fill, by, chosen, batch)
    values, baseline = [], []
    with working("concept curves"):
        for number, given in enumerate(iterate_clips(held_out, concepts.target_name)):
            stage("clip", number + 1)
            rng = np.random.default_rng((seed, 7, number))
            orders = [list(range(len(concepts))), list(range(len(concepts)))[::-1]]
            orders += [rng.permutation(len(concepts)).tolist() for _ in range(draws)]
            found, whole = runner(finder(given), orders, rng)
            values.append(found)
            baseline.append(whole)
    if not values:
        raise UsageError("held_out is empty; give clips of the class that these concepts were not made of")
    table = np.stack(values)  # clip, measure, direction, order, step
    three = np.stack([table[..., 0, :], table[..., 2:, :].mean(-2), table[..., 1, :]], -2)
    likely, right = (np.moveaxis(three[:, measure], 0, 2).astype(np.float32) for measure in (0, 1))
    return ConceptCurves(concepts.target_name, by, fill, chosen, likely, right, np.array(baseline, np.float32), draws)


def _steps(steps: Sequence[float] | None, by: str, count: int) -> tuple[float, ...]:
    if by == "concepts":
        numbers = [number for number in NUMBERS if number <= count] if steps is None else steps
        return tuple(float(check_int("steps", number)) for number in numbers)
    fractions = FRACTIONS if steps is None else steps
    if isinstance(fractions, (str, float, int)) or not len(fractions):
        raise UsageTypeError(f"steps must be a list of fractions such as [0.1, 0.2], got {steps!r}")
    return tuple(check_range("steps", step, 0, 1) for step in fractions)


class _Runner:
    """Runs the partly filled variants of clips."""

    def __init__(self, finder: ConceptFinder, fill: str, by: str, steps: tuple[float, ...], batch: int | None) -> None:
        self.model, self.fill, self.by, self.steps = finder.model, fill, by, steps
        self.count = len(finder.concepts)
        device = reference_parameter(self.model.module).device
        self.batch = batch or (BATCH if device.type == "cpu" else BATCH_ELSEWHERE)
        self.scores = BatchScores(self.model, [finder.target], _probability_and_rank)
        self.is_probed = False

    def __call__(self, new: NewClip, orders: Sequence[Sequence[int]], rng: np.random.Generator) -> tuple[Floats, float]:
        """Return values (measure, direction, order, step) of one clip, and the probability of the whole clip."""
        clip, parts = new.embedded.clip, new.masks(self.count)
        noise = _noise(new, rng)

        def run(shadow: nn.Module) -> tuple[Floats, float]:
            with torch.inference_mode(False), torch.no_grad():
                reference, p = reference_parameter(shadow), self.model.preprocessing
                video = p.tensor(clip, reference.device, reference.dtype)
                hidden = background(video, self.fill, p.mean, p.std).expand_as(video)
                change = (video - hidden).abs().mean(1)[0].cpu().numpy()
                shown = np.stack([self._shown(parts, order, noise, change) for order in orders])
                flat = torch.from_numpy(shown.reshape(-1, *clip.size)).to(video.device)
                if not self.is_probed:
                    self.scores.probe(shadow, torch.cat([hidden, video]))
                    self.is_probed = True
                found = [self._values(shadow, flat, video, hidden), self._values(shadow, flat, hidden, video)]
                whole = float(self.scores(shadow, video)[0, 0, 0])
            values = np.stack(found).reshape(2, len(orders), len(self.steps), 2)
            return np.moveaxis(values, -1, 0), whole

        return self.model.on_shadow(run)[0]

    def _shown(
        self, parts: NDArray[np.bool_], order: Sequence[int], noise: Floats, change: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return the voxels of the first concepts of an order at every step: bool (step, time, height, width)."""
        rank = np.full(change.shape, len(order))
        for position, concept in reversed(list(enumerate(order))):
            rank[parts[concept]] = position
        if self.by == "concepts":
            return np.stack([rank < step for step in self.steps])
        weights = change.ravel().astype(np.float64) if self.by == "change" else np.ones(change.size)
        sequence = np.lexsort([noise.ravel(), rank.ravel()])
        reached = np.empty(change.size)
        reached[sequence] = np.cumsum(weights[sequence])
        total = max(float(weights.sum()), 1e-12)
        return np.stack([(reached <= step * total).reshape(change.shape) for step in self.steps])

    def _values(
        self, shadow: nn.Module, shown: torch.Tensor, inside: torch.Tensor, outside: torch.Tensor
    ) -> NDArray[np.float64]:
        found = []
        for first in range(0, len(shown), self.batch):
            part = shown[first : first + self.batch, None]
            found.append(self.scores(shadow, torch.where(part, inside, outside))[:, 0].double().cpu())
        return torch.cat(found).numpy()


def _probability_and_rank(heads: Mapping[str, Head], target: Target) -> torch.Tensor:
    """Return the probability of a class, and 1 if it is the first one."""
    head, index = heads[str(target.head)], int(target.label)
    logits, found = head.logits_in(target)[0], head.probabilities(target)
    assert found is not None
    is_first = (logits.argmax() == index) if len(logits) > 1 else logits[0] > 0
    return torch.stack([found[0, index], is_first.to(found)])


def _noise(new: NewClip, rng: np.random.Generator) -> Floats:
    """Return one random number for each unit, at its voxels, so that units are shown or hidden whole."""
    size, segmentation = new.embedded.clip.size, new.segmentation
    units = over_clip(segmentation.labels[-1], segmentation.geometry, size)
    numbers = np.append(rng.random(segmentation.count), 1.0)
    return np.asarray(numbers[units], np.float64)

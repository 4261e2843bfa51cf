"""Sanity checks: whether a map depends on what the model has learned, and whether it follows the frames.

Reference: Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv:1810.03292
(cascading randomisation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice, check_int
from notebook_explain.clip import Clip
from notebook_explain.evaluation.correlation import spearman, ssim
from notebook_explain.evaluation.metric import Case
from notebook_explain.evaluation.random_weights import stages_from_head, with_random_weights
from notebook_explain.explanations.evaluation.rows import Better

SIMILARITIES = ("spearman", "ssim")


@dataclass(frozen=True)
class WeightRandomisation:
    """Similarity of the map to those of copies of the model whose weights are random from the head downwards.

    Attributes
    ----------
    stages : int
        Number of copies: the first has a random head, the last random weights throughout, the others lie evenly between.
    similarity : "spearman" or "ssim"
        Rank correlation of the signed maps, or their structural similarity.
    seed : int
        Of the random weights.
    """

    stages: int = 4
    similarity: str = "spearman"
    seed: int = 0
    better: ClassVar[Better] = Better.LOWER

    def __post_init__(self) -> None:
        check_choice("similarity", self.similarity, SIMILARITIES)
        object.__setattr__(self, "stages", check_int("stages", self.stages))
        object.__setattr__(self, "seed", check_int("seed", self.seed, least=0))

    def __call__(self, case: Case) -> float | None:
        """Return the mean similarity over the stages."""
        return float(np.mean([similarity for _, similarity in self.by_stage(case)]))

    def by_stage(self, case: Case) -> list[tuple[str, float]]:
        """Return the similarity after each stage, by the name of the part of the network that was randomised last."""
        parts = stages_from_head(case.model)
        if not parts:
            raise UsageError("WeightRandomisation needs a network with weights; this one has no parameters")
        number = min(self.stages, len(parts))
        ends = (
            np.unique(np.round(np.linspace(0, len(parts) - 1, number)).astype(int)) if number > 1 else [len(parts) - 1]
        )
        found = []
        for end in ends:
            random = [name for _, names in parts[: end + 1] for name in names]
            model = with_random_weights(case.model, random, seed=self.seed)
            changed = case.explain(case.example.given, model)
            found.append((parts[end][0], _similarity(self.similarity, case.attribution, changed)))
        return found


def _similarity(kind: str, first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the similarity of two maps; a constant one is similar to nothing."""
    if kind == "ssim":
        return ssim(first, second)
    return spearman(first, second) or 0.0


@dataclass(frozen=True)
class TemporalShuffle:
    """Rank correlation with the map of the clip with shuffled frames, its frames put back in order, minus that without.

    Attributes
    ----------
    shuffles : int
        Number of orders; the mean counts.
    """

    shuffles: int = 1
    better: ClassVar[Better] = Better.HIGHER

    def __post_init__(self) -> None:
        object.__setattr__(self, "shuffles", check_int("shuffles", self.shuffles))

    def __call__(self, case: Case) -> float | None:
        """Return the rank correlation with the frames put back, minus that with the frames left shuffled.

        Positive if the map follows the frames, negative if it stays where it was; ``None`` for a clip of one frame.
        """
        clip, rng = case.example.clip, case.rng("shuffle")
        if len(clip) < 2:
            return None
        gains = [self._gain(case.explain, clip, case.attribution, rng) for _ in range(self.shuffles)]
        return float(np.mean(gains))

    def _gain(
        self, explain: Callable[[Clip], Any], clip: Clip, attribution: NDArray[Any], rng: np.random.Generator
    ) -> float:
        order = rng.permutation(len(clip))
        while (order == np.arange(len(clip))).all():
            order = rng.permutation(len(clip))
        values = None if clip.values is None else clip.values[order]
        shuffled = explain(replace(clip, frames=clip.frames[order], values=values))
        put_back = shuffled[np.argsort(order)]
        return (spearman(attribution, put_back) or 0.0) - (spearman(attribution, shuffled) or 0.0)

"""One clip that was made for an objective, what it started from, and what it was compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip

Best = tuple[
    tuple[str, float], ...
]  # labels with their probabilities, the best first; empty for a network without classes


@dataclass(frozen=True)
class Neighbour:
    """A real clip that is near a made one.

    Attributes
    ----------
    clip : int
        Index into `Visualization.clips`.
    distance : float
        Between features of the layer, as a multiple of the typical distance between a real clip and its nearest real clip.
    """

    clip: int
    distance: float


@dataclass(frozen=True)
class Verdict:
    """Verdict of another network on a made clip.

    Attributes
    ----------
    model : str
        Class of the other network and its number of parameters.
    best : tuple of (label, probability)
        Its best classes.
    shuffled : tuple of (label, probability)
        Its best classes for the same frames in a random order.
    names_target : bool or None
        Whether its best class has the name of the target; ``None`` for an objective that is no class.
    """

    model: str
    best: Best
    shuffled: Best
    names_target: bool | None


@dataclass(frozen=True)
class Facet:
    """Likeness of a facet's made clip to the facet.

    Attributes
    ----------
    index, count : int
        Number of the facet, from 0, and of all facets.
    members : tuple of int
        Indices of the real clips of the facet, the nearest to its mean first.
    cosine : float in -1..1
        Between the features of the made clip and the facet's mean, both without the mean of the set.
    spread : float
        Distance to the facet's mean, as a multiple of the mean distance of its members; of the mean distance of all clips to
        theirs if the members do not differ.
    is_nearest_own : bool
        The made clip is nearer to the mean of its own facet than to any other's.
    """

    index: int
    count: int
    members: tuple[int, ...]
    cosine: float
    spread: float
    is_nearest_own: bool


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A clip that was made for an objective.

    Attributes
    ----------
    name : str
        What it was made for, for readers: "kick", "facet 1 of 2", "channel 3 of blocks.2".
    objective : str
        The objective as the code that makes it.
    clip : Clip
        The made clip, as the network gets it.
    start : Clip
        What it started from: one frame for a still, or a clip.
    flow : float16 array (time, height, width, 2) or None
        Where every pixel comes from: frame t shows at p what the still has at p + flow[t, p] (right, down), in pixels.
        ``None`` for other canvases.
    curve : float32 array (step,)
        The objective at every step, as the network saw the canvas.
    preview_steps : tuple of int
        Steps after which a preview was kept, rising; the last one is the last step that was run.
    previews : uint8 array (preview, time, height, width, 3)
    score : float
        The objective for the made clip.
    start_score : float
        The objective for the start alone.
    real_scores : float32 array (clip,)
        The objective for each real clip.
    best : tuple of (label, probability)
        What the network says about the made clip.
    start_best : tuple of (label, probability)
        What it says about the start alone.
    neighbours : tuple of Neighbour
        The nearest real clips, the nearest first.
    motion : float or None
        Typical change between frames, as a multiple of the median of the real clips; ``None`` if those do not move.
    restarts : tuple of float
        The objective that each restart reached; the clip is that of the largest.
    seconds : float
    facet : Facet or None
    verdicts : tuple of Verdict
        Of other networks; empty until `Visualization.checked_by`.
    control : tuple of (label, probability)
        What the network says about the still under a random flow as large as this one; empty if it was not asked.
    is_moved : bool
        Any gradient reached the canvas. Without one the clip is its start.
    """

    name: str
    objective: str
    clip: Clip
    start: Clip
    flow: NDArray[np.float16] | None
    curve: NDArray[np.float32]
    preview_steps: tuple[int, ...]
    previews: NDArray[np.uint8]
    score: float
    start_score: float
    real_scores: NDArray[np.float32]
    best: Best
    start_best: Best
    neighbours: tuple[Neighbour, ...]
    motion: float | None
    restarts: tuple[float, ...]
    seconds: float
    facet: Facet | None = None
    verdicts: tuple[Verdict, ...] = ()
    control: Best = ()
    is_moved: bool = True

    def __repr__(self) -> str:
        return f"Synthesis({self.name!r}, {len(self.curve)} steps, score {self.score:.3g})"

    @property
    def best_real(self) -> float | None:
        """Largest score of a real clip; ``None`` without real clips."""
        return float(self.real_scores.max()) if len(self.real_scores) else None

    @property
    def ratio(self) -> float | None:
        """Score as a multiple of the best real one; ``None`` if one of them is below 0."""
        best = self.best_real
        return None if best is None or best <= 0 or self.score < 0 else self.score / best

    def speed(self) -> Any:
        """Return how fast every pixel moves, as `Tubes` for the space-time viewer: pixels from one frame to the next.

        Raises
        ------
        ValueError
            The clip was made without a flow.
        """
        from notebook_explain.explanations.visualization.speed import speed_tubes

        return speed_tubes(self)

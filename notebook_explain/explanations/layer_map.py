"""The map of one layer: evidence at each of its cells, for every target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.reliability import Reliability
from notebook_explain.explanations.threshold import LEAST_SHARE, LEAST_SHARE_SHARP

ATTENTION, RELEVANCE = "attention", "relevance"  # kinds of maps that are no evidence: of any class, and for a class
SHARP, DETAIL = "sharp", "detail"  # kinds of maps at the resolution of the clip: evidence, and relevance


@dataclass(frozen=True, eq=False)
class LayerMap:
    """Evidence at one layer, at that layer's own resolution.

    Attributes
    ----------
    name : str
        Dotted module name, with "#2" for the second call of a module and "[1]" for the second of several outputs.
    kind : str
        "stem", "block", "pooling input", "named", "combined" for the sum of parallel pathways, or "sharp" for evidence
        at the resolution of the clip; "attention", "relevance" and "detail" hold no evidence (`quantity`).
    values : float32 array (target, time, height, width)
        Signed. The mean over time, height and width is the contribution of this layer's positions to the score.
    geometry : Geometry
        Positions of the cells in the clip.
    pathway : int or None
        Index of the network's parallel pathway.
    gap : float32 array (target,)
        Score minus the mean of the map (of all pathways' maps together, if there are several): the bias of the
        classifier if the evidence of this layer is complete, another value if it is not.
    reliability : Reliability, optional
        Share of the score, and whether the map is more than rounding. None in older files.
    """

    name: str
    kind: str
    values: NDArray[np.float32]
    geometry: Geometry
    pathway: int | None = None
    gap: NDArray[np.float32] | None = None
    reliability: Reliability | None = None

    def __repr__(self) -> str:
        return f"LayerMap({self.name!r}, {self.kind}, {'×'.join(map(str, self.grid))} cells)"

    @property
    def grid(self) -> tuple[int, int, int]:
        """(time, height, width) in cells."""
        time, height, width = self.values.shape[1:]
        return time, height, width

    @property
    def quantity(self) -> str:
        """Name of the values: "evidence", "attention" (the same for every class) or "relevance" (for a class)."""
        return {ATTENTION: ATTENTION, RELEVANCE: RELEVANCE, DETAIL: RELEVANCE}.get(self.kind, "evidence")

    @property
    def is_of_clip(self) -> bool:
        """True if the map belongs to no layer of the network: it was made at the resolution of the clip."""
        return self.kind in (SHARP, DETAIL)

    @property
    def is_signed(self) -> bool:
        """True if values may be negative: evidence, and other quantities that have negative values."""
        return self.quantity == "evidence" or bool((self.values < 0).any())

    @property
    def least_share(self) -> float:
        """Share of the evidence that the default threshold keeps at least."""
        return LEAST_SHARE_SHARP if self.is_of_clip else LEAST_SHARE

    def totals(self, target: int = 0) -> tuple[float, float]:
        """Sums of the evidence for and against, in units of the score: the size of the map before it is normalised.

        Of an exact map they add up to the score without its constant.
        """
        values = self.values[target].astype(np.float64)
        return float(np.maximum(values, 0).mean()), float(np.minimum(values, 0).mean())

    def peak(self, target: int = 0) -> float:
        """Largest absolute value, of which thresholds are fractions."""
        return float(np.abs(self.values[target]).max())

"""Caveats of concepts: sentences that readers must see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.caveats import COMPLETE, Caveat, CaveatCode
from notebook_explain.explanations.number_format import fixed, percent
from notebook_explain.explanations.text import quoted_target
from notebook_explain.methods.concepts.clips import ADVISED
from notebook_explain.methods.concepts.embedding import Embedded

STABLE = 0.5  # adjusted Rand index: less is a caveat
_HIDDEN = {
    "blur": "blurred",
    "freeze": "replaced by its mean over time",
    "mean": "replaced by the clip's mean colour",
    "grey": "grey",
}


def about_clips(embedded: Sequence[Embedded]) -> list[Caveat]:
    """Return caveats about the number of clips, their origin, and how often the network predicts the class."""
    clips, results = len(embedded), [one.result for one in embedded]
    caveats = []
    synthetic = sum(one.clip.is_synthetic for one in embedded)
    if synthetic:
        text = f"{synthetic} of the {clips} clips are synthetic samples."
        caveats.append(Caveat(text, CaveatCode.SYNTHETIC_CLIP))
    if clips < ADVISED:
        text = (
            f"Made of {clips} clips: intervals are wide, and the smallest p-value that {clips} clips allow is about "
            f"{max(0.001, 2.0**-clips):.2g}. Use {ADVISED} clips or more."
        )
        caveats.append(Caveat(text))
    if results[0].against_name is None and results[0].top5:
        right = sum(result.top5[0][0] == result.name.removeprefix(f"{result.head}: ") for result in results)
        if right < clips / 2:
            often = "none" if right == 0 else f"only {right}"
            text = f"The network predicts {quoted_target(results[0])} for {often} of the {clips} clips."
            caveats.append(Caveat(text, CaveatCode.LOW_PROBABILITY))
    return caveats


def about_evidence(
    embedded: Sequence[Embedded], remainder: NDArray[np.float32], rest: NDArray[np.float32]
) -> list[Caveat]:
    """Return a caveat if the layer's evidence does not add up to the score.

    Parameters
    ----------
    embedded : sequence of Embedded
    remainder : float32 array (clip,)
        Part of the score that belongs to no concept.
    rest : float32 array (clip,)
        Evidence inside clusters that were left out.
    """
    scores = np.array([abs(one.result.logit - (one.result.bias or 0.0)) for one in embedded])
    gap = float(np.abs(remainder - rest).mean() / max(float(scores.mean()), 1e-12))
    if gap <= COMPLETE:
        return []
    text = f"The evidence of this layer leaves {percent(gap)} of the score unexplained; it counts as remainder."
    return [Caveat(text, CaveatCode.INCOMPLETE_MAP)]


def about_stability(stability: float) -> list[Caveat]:
    """Return a caveat if clusterings with other seeds differ."""
    if stability >= STABLE:
        return []
    text = f"Other seeds give other concepts (adjusted Rand index {fixed(stability)}): read their limits loosely."
    return [Caveat(text)]


def about_fills(fills: Sequence[str]) -> list[Caveat]:
    """Return a caveat about what takes the place of a concept."""
    words = " or ".join(_HIDDEN[fill] for fill in fills)
    return [Caveat(f"A concept is {words}; another fill may give other effects. Effects do not add up to the score.")]

"""Caveats about made clips."""

from __future__ import annotations

from collections.abc import Sequence

from notebook_explain.explanations import Synthesis
from notebook_explain.explanations.caveats import Caveat
from notebook_explain.explanations.number_format import counted

_FLOW = (
    "The flow belongs to its still: it shows one movement that raises the score, and no rule. Nothing is claimed "
    "about the direction of time, and what wobbles in the background counts too."
)
OF_PICTURES = Caveat(
    "This network takes pictures of one frame, in which nothing can move, so the canvas is Spectrum() instead of Flow()."
)


def too_few_groups(wanted: int, found: int) -> Caveat:
    """Return the caveat for clips that form fewer groups than were asked for."""
    return Caveat(
        f"facets={wanted}, but the features of the clips have only {found} distinct value{'s' if found > 1 else ''}, so there "
        f"{'are' if found > 1 else 'is'} {counted(found, 'facet')}."
    )


def caveats_of(made: Sequence[Synthesis]) -> list[Caveat]:
    """Return caveats about made clips."""
    found = []
    above = [f"{one.name} ({one.ratio:.1f} ×)" for one in made if one.ratio is not None and one.ratio > 1]
    if above:
        found.append(Caveat(f"The score is above anything real: {', '.join(above)}. A made clip exaggerates."))
    if any(one.flow is not None for one in made):
        found.append(Caveat(_FLOW))
    unmoved = [one.name for one in made if not one.is_moved]
    if unmoved:
        found.append(Caveat(f"Nothing moves the objective of {', '.join(unmoved)}: no gradient reaches the canvas."))
    return found

"""What has to be said wherever an explanation is shown: its caveats, and where it comes from.

A page, a figure, a film and the viewer all say it from here, so that no way out leaves anything unsaid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from notebook_explain.explanations.evidence import percent, rival_of

if TYPE_CHECKING:
    from notebook_explain.explanations.tubes import Tubes

UNLIKELY = 0.1
LONGEST_NAME = 80  # letters of a label, where there is room for a sentence only


def caveats(tubes: Tubes) -> list[str]:
    """Whole sentences: that the clip is synthetic, that the model hardly believes in a target, what its making brought."""
    said = []
    if tubes.clip.source.startswith("synthetic"):
        said.append(f"The clip is a {tubes.clip.source}.")
    for target in tubes.targets:
        if target.probability is None or target.probability >= UNLIKELY:
            continue
        rival = rival_of(target)
        best = (
            "" if rival is None or rival[1] < UNLIKELY else f"; its first choice is {rival[0]!r} ({percent(rival[1])})"
        )
        said.append(f"The model gives {target.name!r} only {percent(target.probability)}{best}.")
    return [*said, *tubes.provenance.caveats]


def sentence(tubes: Tubes, threshold: float, layer: str | int | None = None, target: int = 0) -> str:
    """The sentence of `Tubes.in_words` with a long label cut in its middle: the numbers after it are to be seen too."""
    targets = tuple(replace(result, name=shortened(result.name, LONGEST_NAME)) for result in tubes.targets)
    return replace(tubes, targets=targets).in_words(threshold, layer, target)


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters, its middle left out."""
    if len(text) <= most:
        return text
    return f"{text[: (most - 2) // 2].rstrip()} … {text[len(text) - (most - 3) // 2 :].lstrip()}"


def origin(tubes: Tubes) -> list[str]:
    """Method, model and clip; what it cost and what it was made with. No folders: they are nobody else's business."""
    p = tubes.provenance
    versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
    return [
        f"{p.method} of {p.model}; clip: {tubes.clip.name}",
        f"{p.forwards} forward, {p.backwards} backward, {p.seconds:.2f} s; {versions}",
    ]

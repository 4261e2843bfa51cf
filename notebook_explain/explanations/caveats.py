"""What has to be said wherever an explanation is shown: its caveats, and where it comes from.

A page, a figure, a film and the viewer all say it from here, so that no way out leaves anything unsaid.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from notebook_explain.explanations.pyramid.units import SUM
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import LONGEST_NAME, percent, rival_of, shortened

if TYPE_CHECKING:
    from notebook_explain.explanations.blocks.report import BlockReport
    from notebook_explain.explanations.pyramid.pyramid import Pyramid
    from notebook_explain.explanations.tubes import LayerMap, Tubes

UNLIKELY = 0.1  # a probability below which one has to be told
COMPLETE = 0.05  # of the score: less missing than this needs no words


class CaveatCode(str, Enum):
    """Kind of a caveat; code compares these and never the sentences."""

    SYNTHETIC_CLIP = "synthetic_clip"
    REPEATED_FRAMES = "repeated_frames"  # the clip is shorter than the network's input
    LOW_PROBABILITY = "low_probability"
    ASSUMED_PREPROCESSING = "assumed_preprocessing"
    ASSUMED_POSITIONS = "assumed_positions"  # an even division of the clip stands in for measured positions
    FRAME_SELECTION = "frame_selection"  # the network keeps some frames only
    SCORE = "score"  # what is explained is not simply one logit
    NO_GRADIENT = "no_gradient"
    INCOMPLETE_MAP = "incomplete_map"  # the map does not add up to the score
    COARSE_MAP = "coarse_map"
    LOCAL_SHARES = "local_shares"  # shares of a sum ignore what the next layer does with it
    OMITTED_SIGNAL = "omitted_signal"
    CHANGED_PARAMETERS = "changed_parameters"
    CHANNEL_GRAPH = "channel_graph"  # parts of the network that a pyramid cannot follow
    PUBLISHED_RULE = "published_rule"
    MODULE = "module"  # reported by a module of the network
    OTHER = "other"


class Caveat(str):
    """A sentence that readers must see, with its kind.

    It is a plain string wherever strings are written: in files, JSON and traits. Equality is that of the sentence.

    Parameters
    ----------
    text : str
        A whole sentence.
    code : CaveatCode or str
        Kind of the caveat.
    arguments : sequence of str
        Keyword arguments that would remove the caveat, such as ``("size", "mean")``. The command line names them as
        options.

    Raises
    ------
    ValueError
        An unknown code.
    """

    code: CaveatCode
    arguments: tuple[str, ...]

    def __new__(
        cls, text: str, code: CaveatCode | str = CaveatCode.OTHER, arguments: tuple[str, ...] | list[str] = ()
    ) -> Caveat:
        """Attach a code and arguments to a sentence."""
        caveat = super().__new__(cls, text)
        caveat.code = CaveatCode(code)
        caveat.arguments = tuple(arguments)
        return caveat


def caveats(explanation: Tubes | Pyramid | BlockReport) -> list[str]:
    """Whole sentences: that the clip is synthetic, that the model hardly believes in a target, what its making brought."""
    said = []
    if explanation.clip.source.startswith("synthetic"):
        said.append(f"The clip is a {explanation.clip.source}.")
    for target in explanation.targets:
        if target.probability is None or target.probability >= UNLIKELY:
            continue
        rival = rival_of(target)
        best = (
            "" if rival is None or rival[1] < UNLIKELY else f"; its first choice is {rival[0]!r} ({percent(rival[1])})"
        )
        said.append(f"The model gives {target.name!r} only {percent(target.probability)}{best}.")
    return [*said, *explanation.provenance.caveats]


def pyramid_caveats(pyramid: Pyramid) -> list[str]:
    """The caveats of a pyramid: those of every explanation, and what its numbers leave open."""
    said = caveats(pyramid)
    if any(row.kind == SUM for row in pyramid.rows):
        said.append("What a kernel adds to a sum is counted there, whatever the next layer makes of it.")
    return list(dict.fromkeys(said))


def coarse(layer: LayerMap) -> list[str]:
    """What a smooth picture hides."""
    pixels = max(layer.geometry.step)
    rows = layer.geometry.rows
    frames = float(np.diff(rows).mean()) if len(rows) > 1 else 1.0
    if pixels < 4 and frames < 2:
        return []
    grid = "x".join(map(str, layer.grid))
    times = f"{pixels:.0f} times" + (f" in space and {frames:.0f} times in time" if frames >= 1.5 else "")
    return [f"This map is {grid} cells, stretched {times}: detail finer than a cell is not evidence."]


def unaccounted(layer: LayerMap, target: int, result: TargetResult) -> str:
    """What the map of a layer leaves out of the score; nothing is said where only the classifier's bias is missing."""
    if layer.gap is None or layer.kind == "pooling input":  # there, the method itself says so
        return ""
    gap, score = float(layer.gap[target]), result.logit
    if min(abs(gap), abs(gap - (result.bias or 0.0))) <= COMPLETE * max(1.0, abs(score)):
        return ""
    found = f"The evidence here for {result.name!r} adds up to {score - gap:.3g}, its score is {score:.3g}"
    return f"{found}: the rest has no place in this map."


def all_caveats(tubes: Tubes, layer: str | int | None = None, target: int = 0) -> list[str]:
    """The caveats of one map of tubes: those of the whole, then those of its layer; where only one can be shown."""
    shown = tubes.layer(layer)
    said = [*caveats(tubes), *coarse(shown), unaccounted(shown, target, tubes.targets[target])]
    return [text for text in dict.fromkeys(said) if text]


def sentence(tubes: Tubes, threshold: float, layer: str | int | None = None, target: int = 0) -> str:
    """The sentence of `Tubes.in_words` with a long label cut in its middle: the numbers after it are to be seen too."""
    targets = tuple(replace(result, name=shortened(result.name, LONGEST_NAME)) for result in tubes.targets)
    return replace(tubes, targets=targets).in_words(threshold, layer, target)


def origin(explanation: Tubes | Pyramid | BlockReport) -> list[str]:
    """Method, model and clip; what it cost and what it was made with. No folders: they are nobody else's business."""
    p = explanation.provenance
    versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
    return [
        f"{p.method} of {p.model}; clip: {explanation.clip.name}",
        f"{p.forwards} forward, {p.backwards} backward, {p.seconds:.2f} s; {versions}",
    ]

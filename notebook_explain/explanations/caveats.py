"""Caveats: sentences that must be shown with an explanation, wherever it is shown.

Pages, figures, videos and viewers all take them from here, so that none of them leaves one out.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from notebook_explain.explanations.layer_map import DETAIL, SHARP
from notebook_explain.explanations.pyramid.units import SUM
from notebook_explain.explanations.reliability import EmptyCause
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import percent, quoted_target, rival_of, signed_percent

if TYPE_CHECKING:
    from notebook_explain.explanations.blocks.report import BlockReport
    from notebook_explain.explanations.layer_map import LayerMap
    from notebook_explain.explanations.pyramid.pyramid import Pyramid
    from notebook_explain.explanations.tubes import Tubes

_PLACEMENT = (
    "The values of this map add up exactly, over the whole clip. Where within a few cells of the last layer evidence is drawn "
    "follows a rule of the method: the value of a pixel is not its effect on the score."
)
_NO_UNIT = "This map is positive and has no unit: it shows where, not how much, and adds up to nothing."
_ONE_ROW = "This map has one cell in time, so it cannot tell when."
_EMPTY = {
    EmptyCause.TOKENS: (
        "This layer's map is empty: from here on, the score depends only on values without a position, such as a class token. "
        "AttentionMaps shows which tokens it reads."
    ),
    EmptyCause.CANCELS: (
        "This layer's map is empty: at each position the evidence of its channels cancels, and what is left is rounding. "
        "Norms whose statistics are differentiated have this effect."
    ),
    EmptyCause.NO_EFFECT: "This layer's map is empty: beyond rounding, the score does not depend on this layer.",
    EmptyCause.NO_GRADIENT: "This layer's map is empty: no gradient of the score reaches this layer.",
}
UNLIKELY = 0.1  # lower probabilities of the explained class are a caveat
COMPLETE = 0.05  # fraction of the score: a smaller gap is not a caveat


class CaveatCode(str, Enum):
    """Kind of a caveat; code compares these and never the sentences."""

    SYNTHETIC_CLIP = "synthetic_clip"
    DECODING = "decoding"  # the frames are not those that a player shows
    PICTURE = "picture"  # how the frames show the clip's values
    GREY_INPUT = "grey_input"  # the network takes one channel, and gets the grey of a clip of colours
    HELD_INPUTS = "held_inputs"  # the network takes more than the clip, and only the clip is explained
    REPEATED_FRAMES = "repeated_frames"  # the clip is shorter than the network's input
    LOW_PROBABILITY = "low_probability"
    ASSUMED_PREPROCESSING = "assumed_preprocessing"
    INPUT_LAYOUT = "input_layout"  # what the network does with the axes of its input
    PROCESSOR = "processor"  # steps of a processor that are not followed
    ASSUMED_OUTPUTS = "assumed_outputs"  # whether outputs are classes, logits or values, or which axis holds them
    ASSUMED_POSITIONS = "assumed_positions"  # cells lie where the clip is divided evenly, or where another tensor lies
    FRAME_SELECTION = "frame_selection"  # the network keeps some frames only
    SCORE = "score"  # what is explained is not simply one logit
    NO_GRADIENT = "no_gradient"
    INCOMPLETE_MAP = "incomplete_map"  # the map does not add up to the score
    EMPTY_MAP = "empty_map"  # nothing of the score is above rounding at this layer
    COARSE_MAP = "coarse_map"
    PLACEMENT = "placement"  # sums are exact, but where evidence is drawn within a window is a rule
    BASELINE = "baseline"  # the map does not depend on the model, or hardly
    ATTENTION = "attention"  # the map shows attention, which is no evidence that adds up
    LOCAL_SHARES = "local_shares"  # shares of a sum ignore what the next layer does with it
    OMITTED_SIGNAL = "omitted_signal"
    CHANGED_PARAMETERS = "changed_parameters"
    FORWARD_HOOKS = "forward_hooks"  # hooks of the user that change the computation, or may, are left out
    CHANNEL_GRAPH = "channel_graph"  # parts of the network that a pyramid cannot follow
    HIDDEN_LINKS = "hidden_links"  # links that a pyramid does not show: gates of many channels, norms across channels
    EARLY_END = "early_end"  # a pyramid that ends above the clip
    PUBLISHED_RULE = "published_rule"
    MODULE = "module"  # reported by a module of the network
    EDITED = "edited"  # the network was edited for a what-if
    OTHER = "other"


class Caveat(str):
    """A sentence that readers must see, with its kind.

    It is a plain string wherever strings are written: in files, JSON and traits. Two caveats are equal if their sentences are.

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
    """Return the caveats of a whole explanation, each once: its clip, its targets, its kind, and how it was made."""
    found: list[str] = []
    if explanation.clip.is_synthetic:
        found.append(Caveat(f"The clip is a {explanation.clip.source}.", CaveatCode.SYNTHETIC_CLIP))
    about_clip = CaveatCode.DECODING if explanation.clip.values is None else CaveatCode.PICTURE
    found += [Caveat(text, about_clip) for text in explanation.clip.caveats]
    found += [_improbable(target) for target in explanation.targets if _is_improbable(target)]
    found += explanation.provenance.caveats
    has_sums = any(row.kind == SUM for row in getattr(explanation, "rows", ()))
    if has_sums and getattr(explanation, "has_local_shares", True):
        text = "Contributions to a sum are measured at the sum itself, whatever the next layer does with it."
        found.append(Caveat(text, CaveatCode.LOCAL_SHARES))
    return list(dict.fromkeys(found))


def all_caveats(tubes: Tubes, layer: str | int | None = None, target: int = 0) -> list[str]:
    """Return the caveats of tubes and of one of their maps, for pictures that show a single map."""
    shown = tubes.layer(layer)
    found = [*caveats(tubes), *resolution_caveat(shown), incompleteness_caveat(shown, target, tubes.targets[target])]
    return [text for text in dict.fromkeys(found) if text]


def resolution_caveat(layer: LayerMap) -> list[str]:
    """Return caveats if a map is coarse or has one row, else nothing: the picture looks finer than the map is."""
    if not layer.values.any():
        return []
    if layer.kind in (SHARP, DETAIL):
        return [Caveat(_PLACEMENT if layer.kind == SHARP else _NO_UNIT, CaveatCode.PLACEMENT)]
    found = [Caveat(_ONE_ROW, CaveatCode.COARSE_MAP)] if layer.grid[0] == 1 else []
    pixels = max(layer.geometry.step)
    rows = layer.geometry.rows
    frames = float(np.diff(rows).mean()) if len(rows) > 1 else 1.0
    if pixels < 4 and frames < 2:
        return [*found]
    grid = "×".join(map(str, layer.grid))
    times = f"{pixels:.0f} times" + (f" in space and {frames:.0f} times in time" if frames >= 1.5 else "")
    text = f"This map has {grid} cells, enlarged {times}: detail finer than a cell is not evidence."
    if max(layer.grid) > 1:
        text += " It fades beyond the outermost cell centres, where it is held constant."
    return [*found, Caveat(text, CaveatCode.COARSE_MAP)]


def incompleteness_caveat(layer: LayerMap, target: int, result: TargetResult) -> str:
    """Return a caveat if a layer's map is empty or does not add up to the score; "" if only the head's constant is missing."""
    known = layer.reliability
    cause = None if known is None else known.empty[target]
    if cause is not None:
        return Caveat(_EMPTY[cause], CaveatCode.EMPTY_MAP)
    if layer.gap is None:
        return ""
    if layer.kind in ("pooling input", "combined", SHARP):  # the method has its own caveat for the sum of these layers
        share = float("nan") if known is None else float(known.share[target])
        if layer.pathway is None or not math.isfinite(share):
            return ""
        text = f"This layer is one of several pathways and carries {signed_percent(share)} of the score."
        return Caveat(text, CaveatCode.INCOMPLETE_MAP)
    gap, score = float(layer.gap[target]), result.logit
    summed = max(abs(score), float(np.abs(layer.values[target]).mean(dtype=np.float64)))
    if min(abs(gap), abs(gap - (result.bias or 0.0))) <= COMPLETE * summed:
        return ""
    text = (
        f"This layer's map accounts for {score - gap:.3g} of the score of {score:.3g} for {quoted_target(result)}; "
        "the rest cannot be assigned to positions."
    )
    return Caveat(text, CaveatCode.INCOMPLETE_MAP)


def _is_improbable(target: TargetResult) -> bool:
    return target.probability is not None and target.probability < UNLIKELY


def _improbable(target: TargetResult) -> Caveat:
    rival = rival_of(target)
    best = "" if rival is None or rival[1] < UNLIKELY else f"; its first choice is {rival[0]!r} ({percent(rival[1])})"
    text = f"The model gives {target.name!r} only {percent(target.probability or 0.0)}{best}."
    return Caveat(text, CaveatCode.LOW_PROBABILITY)

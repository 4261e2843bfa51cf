"""Names of a pyramid's units, and its numbers as text; the viewer has the same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain.explanations.pyramid.units import CLASS, COLOURS, INPUT, KERNEL, SUM, Row
from notebook_explain.explanations.targets import BINARY, REGRESSION, TargetResult
from notebook_explain.explanations.text import MINUS, counted, quoted, quoted_target, short

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid

LEAST_NUMBER = 0.001  # smaller contributions are "about 0"
NOUNS = {
    KERNEL: ("kernel", "kernels"),
    SUM: ("channel", "channels"),
    CLASS: ("class", "classes"),
    INPUT: ("colour", "colours"),
}


def noun_of(target: TargetResult) -> tuple[str, str]:
    """Return the noun of what is explained, one and several: a class, or a value."""
    return ("value", "values") if target.kind == REGRESSION else NOUNS[CLASS]


def unit_name(pyramid: Pyramid, unit: int) -> str:
    """Return the name of a unit: "kernel 17 of layer2.conv1", "kernel 1 of layer 3", "red of the clip", "'wave'"."""
    row, channel = pyramid.rows[pyramid.units[unit].row], pyramid.units[unit].channel
    target = pyramid.target
    if row.kind == CLASS:
        if target.against is None or target.kind == BINARY:  # both names stand for the same output
            return quoted_target(target)
        names = {target.against: target.against_name, target.index: target.class_name}
        label = names.get(channel) if target.against_name is not None else None
        return f"class {channel}" if label is None else quoted(label)
    if row.kind == INPUT:
        return f"{input_name(pyramid, channel)} of the {row.name}"
    layer = f"layer {row.name}" if row.name[:1].isdecimal() else row.name
    return f"{NOUNS[row.kind][0]} {channel} of {layer}"


def has_colours(pyramid: Pyramid) -> bool:
    """Return whether the channels of the network's input are red, green and blue."""
    widths = {row.width for row in pyramid.rows if row.kind == INPUT}
    return pyramid.clip.values is None and 1 not in widths


def input_name(pyramid: Pyramid, channel: int) -> str:
    """Return the name of a channel of the network's input: "red", "grey", "channel 12"."""
    if pyramid.clip.values is not None:
        return f"channel {channel}"
    if not has_colours(pyramid):
        return "grey"
    return COLOURS[channel] if channel < len(COLOURS) else str(channel)


def receptive_field_text(row: Row, size: tuple[int, int, int]) -> str:
    """Return a row's receptive field within a clip of (time, height, width), "3 frames, 9×9 pixels"; "" if unknown."""
    if row.receptive_field is None:
        return ""
    time, height, width = (min(extent, limit) for extent, limit in zip(row.receptive_field, size, strict=True))
    if (time, height, width) == size:
        return "the whole clip"
    frames = "all frames" if time == size[0] > 1 else counted(time, "frame")
    return f"{frames}, {'the whole picture' if (height, width) == size[1:] else f'{height}×{width} pixels'}"


def measure_of(pyramid: Pyramid) -> str:
    """Return what contributions are measured in: "logits" or the unit of a value; "to its mean" where they are local."""
    if not pyramid.has_score_contributions:
        return "to its mean"
    return pyramid.target.unit if pyramid.target.kind == REGRESSION else "logits"


def contribution_text(contribution: float, measure: str) -> str:
    """Format a contribution: "+0.31 logits", "\u22120.052 ml", "about 0 logits"."""
    size = abs(contribution)
    number = f"{'+' if contribution > 0 else MINUS}{short(size, 2)}" if size >= LEAST_NUMBER else "about 0"
    return f"{number} {measure}".rstrip()

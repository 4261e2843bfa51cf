"""Sentences about positions that a network mixes, for the caveats of an explanation."""

from __future__ import annotations

from collections.abc import Iterable

from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.layer_trace import LayerTrace

_AXES = ("frames", "rows", "columns")


def position_caveats(trace: LayerTrace) -> list[Caveat]:
    """Return caveats about layers over time or over tokens: what was kept, and what could not be placed."""
    caveats = []
    by_axes: dict[frozenset[int], list[str]] = {}
    for name, axes in trace.mixtures.items():
        by_axes.setdefault(axes, []).append(name)
    for axes, names in by_axes.items():
        mixed = _join(_AXES[axis] for axis in sorted(axes))
        text = (
            f"A layer in {_few(names)} mixes {mixed}. Cells are drawn where the residual connection past it lies, but from "
            f"there on each also depends on other {mixed}."
        )
        caveats.append(Caveat(text, CaveatCode.ASSUMED_POSITIONS))
    if trace.unplaced:
        text = (
            f"Positions are mixed in {_few(trace.unplaced)} without a residual connection past it. Where the cells of this and "
            "of later layers lie is unknown, so they are not shown."
        )
        caveats.append(Caveat(text, CaveatCode.ASSUMED_POSITIONS))
    return caveats


def _few(names: Iterable[str]) -> str:
    """Return up to three names, and how many others there are."""
    quoted = [repr(name) if name else "the network's forward" for name in names]
    return _join(quoted) if len(quoted) <= 3 else _join([*quoted[:2], f"{len(quoted) - 2} other modules"])


def _join(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last

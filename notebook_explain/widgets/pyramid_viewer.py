"""The viewer of class feature pyramids: the class on top, the kernels that inform it below, layer by layer."""

from __future__ import annotations

from typing import Any

import traitlets

from notebook_explain._errors import UsageTypeError
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.widgets.base import STATIC, View
from notebook_explain.widgets.wire import pyramid as pyramid_wire

MOVABLE = ("frame", "row", "threshold", "selected", "collapsed", "playing")


class PyramidViewer(View):
    """Show a pyramid in a cell; every control works in the browser, with the kernel busy or dead.

    The traits that move follow what the person does (one message when a gesture ends, none during it), and may be set
    from Python, observed and linked: ``threshold`` (0..1, prunes as ``Pyramid.prune`` does), ``row`` (around which the
    rows are drawn large), ``selected`` (places among the pyramid's units, whose tubes are shown), ``collapsed`` (rows
    that stay small), ``frame`` and ``playing``.

    Parameters
    ----------
    pyramid : Pyramid
    title : str
    **state
        First values of these traits; ``row`` and ``collapsed`` also by name.

    Raises
    ------
    traitlets.TraitError
        A value out of range.
    TypeError
        No such trait.
    """

    _esm = (STATIC / "pyramid_viewer.js").read_text(encoding="utf-8")
    _css = (STATIC / "pyramid_viewer.css").read_text(encoding="utf-8")

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    rows = traitlets.List(traitlets.Dict(), help="name, kind, width, count, coverage, map ... of each row").tag(
        sync=True
    )
    units = traitlets.Dict(help="columns: score, channel, direction, peak of each unit").tag(sync=True)
    edges = traitlets.Dict(help="columns of the edges, sorted by parent").tag(sync=True)
    thumbnails = traitlets.Bytes(b"", help="a small map of each unit, row by row").tag(sync=True)
    maps = traitlets.Bytes(b"", help="whole maps of the first units of each row").tag(sync=True)
    # Called so because `target`, elsewhere, is the index of a target.
    explained = traitlets.Dict(help="name, logit, probability, rival of the class").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="what a reader has to know").tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    row = traitlets.Int(0, help="index of the row around which rows are large").tag(sync=True)
    threshold = traitlets.Float(0.0, help="fraction of a row's largest score").tag(sync=True)
    selected = traitlets.List(traitlets.Int(), help="places of the units whose tubes are shown").tag(sync=True)
    collapsed = traitlets.List(traitlets.Int(), help="indices of the rows that stay small").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)

    def __init__(self, pyramid: Pyramid, *, title: str = "", **state: Any) -> None:
        unknown = sorted(set(state) - set(MOVABLE))
        if unknown:
            raise UsageTypeError(f"view has no {unknown[0]!r}; it takes {', '.join(MOVABLE)} and title")

        def place(which: Any) -> Any:
            return pyramid.row_index(which) if isinstance(which, str) else which

        state["row"] = place(state.get("row", min(1, len(pyramid.rows) - 1)))
        state["collapsed"] = [place(which) for which in state.get("collapsed", ())]
        state["selected"] = list(state.get("selected", ()))
        state.setdefault("frame", _brightest_frame(pyramid, state["row"]))
        super().__init__(**pyramid_wire.state(pyramid, title), **state)

    @traitlets.validate("frame", "row")
    def _in_range(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        count = len(self.frames if name == "frame" else self.rows)
        if count and not 0 <= value < count:
            raise traitlets.TraitError(f"{name} must lie in 0..{count - 1}, got {value}")
        return int(value)

    @traitlets.validate("threshold")
    def _within(self, proposal: Any) -> float:
        if not 0 <= proposal["value"] <= 1:
            raise traitlets.TraitError(f"threshold must lie in 0..1, got {proposal['value']}")
        return float(proposal["value"])

    @traitlets.validate("selected", "collapsed")
    def _all_in_range(self, proposal: Any) -> list[int]:
        """Each once, in the order in which they were chosen."""
        name, values = proposal["trait"].name, proposal["value"]
        count = len(self.rows) if name == "collapsed" else sum(row["count"] for row in self.rows)
        wrong = [value for value in values if count and not 0 <= value < count]
        if wrong:
            raise traitlets.TraitError(f"{name} must hold numbers in 0..{count - 1}, got {wrong[0]}")
        return list(dict.fromkeys(values))


def _brightest_frame(pyramid: Pyramid, row: Any) -> int:
    """The frame in which the row's units are most active for the class: the one worth opening with."""
    with_maps = [at for at, each in enumerate(pyramid.rows) if each.maps is not None and each.units]
    if not isinstance(row, int) or not with_maps:
        return 0
    nearest = min(with_maps, key=lambda at: (at < row, abs(at - row)))
    return int(pyramid.tube(nearest).clip(min=0).sum(axis=(1, 2)).argmax())

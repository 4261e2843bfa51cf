"""Viewer of class feature pyramids: the class on top, and below it, layer by layer, the kernels that contribute to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import traitlets

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.units import PRUNE_BY
from notebook_explain.widgets import base
from notebook_explain.widgets.base import State
from notebook_explain.widgets.wire import pyramid as pyramid_wire

BUNDLE = "pyramid_viewer"
MOVABLE = ("frame", "row", "threshold", "prune_by", "against", "selected", "collapsed", "playing")


class PyramidViewer(base.View):
    """Show a pyramid in a cell; all controls run in the browser and keep working when the kernel is busy or gone.

    The movable traits follow the controls (one message at the end of a gesture, none during it). You can also set,
    observe and link them from Python: ``threshold`` (0..1, prunes like ``Pyramid.prune``), ``prune_by`` ("path" or "score",
    its ``by``), ``against`` (False hides links and units against the class), ``row`` (index of the row around which the rows
    are drawn large), ``selected`` (indices of the units whose tubes are shown), ``collapsed``
    (indices of the rows that are kept small), ``frame`` and ``playing``.

    Parameters
    ----------
    pyramid : Pyramid
    title : str
    **state
        First values of these traits; ``row`` and ``collapsed`` can be given by name too. ``window`` shows the clip between
        other limits of its values, as `Clip.with_range` takes them.

    Raises
    ------
    traitlets.TraitError
        A value is out of range.
    TypeError
        There is no such trait.
    ValueError
        The pyramid has no row of that name.
    """

    bundle = BUNDLE
    movable = MOVABLE
    _esm, _css = base.sent_bundle(BUNDLE)

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    picture = traitlets.Dict(help="how the frames show the clip's values: kind, range, values of a grey clip").tag(
        sync=True
    )
    rows = traitlets.List(traitlets.Dict(), help="name, kind, width, count, coverage, map ... of each row").tag(
        sync=True
    )
    units = traitlets.Dict(help="columns: score, channel, direction, peak of each unit").tag(sync=True)
    edges = traitlets.Dict(help="columns of the edges, sorted by parent").tag(sync=True)
    thumbnails = traitlets.Bytes(b"", help="a small map of each unit, row by row").tag(sync=True)
    maps = traitlets.Bytes(b"", help="whole maps of the first units of each row").tag(sync=True)
    # Not named `target`: in other viewers that is the index of a target.
    explained = traitlets.Dict(help="name, logit, probability, rival ... of the class").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    row = traitlets.Int(0, help="index of the row around which the rows are drawn large").tag(sync=True)
    threshold = traitlets.Float(0.0, help="fraction of a row's largest score").tag(sync=True)
    prune_by = traitlets.Unicode("path", help="what pruning goes by: path or score, as in Pyramid.prune").tag(sync=True)
    against = traitlets.Bool(True, help="whether links and units against the class are shown").tag(sync=True)
    selected = traitlets.List(traitlets.Int(), help="indices of the units whose tubes are shown").tag(sync=True)
    collapsed = traitlets.List(traitlets.Int(), help="indices of the rows that are kept small").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)

    def __init__(self, pyramid: Pyramid, *, title: str = "", **state: Any) -> None:
        super().__init__(**initial_state(pyramid, title=title, **state))
        self.explanations = (pyramid,)

    @traitlets.validate(*MOVABLE)
    def _check_movable(self, proposal: Any) -> Any:
        return _check_movable(proposal["trait"].name, proposal["value"], {"frames": self.frames, "rows": self.rows})


def initial_state(pyramid: Pyramid, *, title: str = "", **values: Any) -> State:
    """Return the complete state of a viewer that opens with the given first values, as `PyramidViewer` takes them."""
    base.check_names("view", values, (*MOVABLE, "title", "window"))
    window = values.pop("window", None)
    if window is not None:
        pyramid = replace(pyramid, clip=pyramid.clip.with_range(window))

    def row_index(row: Any) -> Any:
        return pyramid.row_index(row) if isinstance(row, str) else row

    content = pyramid_wire.state(pyramid, title)
    first_values = {"threshold": 0.0, "prune_by": "path", "against": True, "selected": [], "playing": False, **values}
    first_values["row"] = row_index(values.get("row", min(1, len(pyramid.rows) - 1)))
    first_values["collapsed"] = [row_index(row) for row in values.get("collapsed", ())]
    checked = {name: _check_movable(name, value, content) for name, value in first_values.items()}
    if "frame" not in checked:
        checked["frame"] = _brightest_frame(pyramid, checked["row"])
    return {**content, **checked}


def _check_movable(name: str, value: Any, content: Mapping[str, Any]) -> Any:
    """Return the value of a movable trait; ``content`` holds the frames and rows that indices refer to."""
    if name == "threshold":
        return base.check_number(name, value, 0, 1)
    if name == "prune_by":
        return base.check_choice(name, value, PRUNE_BY)
    if name in ("playing", "against"):
        return base.check_flag(name, value)
    if name == "selected":
        return base.check_indices(name, value, sum(row["count"] for row in content["rows"]))
    if name == "collapsed":
        return base.check_indices(name, value, len(content["rows"]))
    return base.check_index(name, value, len(content[f"{name}s"]))


def _brightest_frame(pyramid: Pyramid, row: int) -> int:
    """Return the frame in which a row's units are most active for the class; of a row without maps, the nearest row's."""
    rows = [index for index, each in enumerate(pyramid.rows) if each.maps is not None and each.units]
    if not rows:
        return 0
    nearest = min(rows, key=lambda index: (index < row, abs(index - row)))
    return int(pyramid.tube(nearest).clip(min=0).sum(axis=(1, 2)).argmax())

"""Viewer of a visualization: a card for each made clip, beside its start and the nearest real clip, in step with it."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import traitlets

from notebook_explain.explanations.visualization.visualization import Visualization
from notebook_explain.widgets import base
from notebook_explain.widgets.base import State, TraitValueError
from notebook_explain.widgets.wire import visualization as visualization_wire

BUNDLE = "visualization_viewer"
MOVABLE = ("selected", "frame", "step", "arrows", "playing")


class VisualizationViewer(base.View):
    """Show made clips in a cell; all controls run in the browser and keep working when the kernel is busy or gone.

    The movable traits follow the controls (one message at the end of a gesture, none while the clips play). You can also
    set, observe and link them from Python: ``selected`` (index of the made clip that is shown large; -1 for none), ``frame``
    (of all clips), ``step`` (index into `Synthesis.preview_steps`; a made clip with fewer previews shows its last one),
    ``arrows`` (whether arrows show how pixels move from this frame to the next) and ``playing``.

    Parameters
    ----------
    visualization : Visualization
    title : str
    **state
        First values of these traits.

    Raises
    ------
    traitlets.TraitError
        A value is out of range.
    TypeError
        There is no such trait.

    Examples
    --------
    Print what is shown large::

        viewer.observe(lambda change: print(visualization[change.new]), "selected")
    """

    bundle = BUNDLE
    movable = MOVABLE
    explanations: tuple[Visualization, ...] = ()
    _esm, _css = base.sent_bundle(BUNDLE)

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the made clips").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    sheet = traitlets.Dict(help="how frames lie in a JPEG: size and tile in pixels, columns").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="a JPEG of each clip, with all of its frames").tag(sync=True)
    lengths = traitlets.List(traitlets.Int(), help="number of frames of each clip").tag(sync=True)
    preview_sheet = traitlets.Dict(help="how frames lie in the JPEG of a preview; may be empty").tag(sync=True)
    previews = traitlets.List(traitlets.Bytes(), help="a JPEG of each preview but the last, row by row").tag(sync=True)
    flows = traitlets.List(traitlets.Bytes(), help="movements of each row on a coarse grid, compressed").tag(sync=True)
    rows = traitlets.List(traitlets.Dict(), help="numbers, clips and steps of each made clip").tag(sync=True)
    layer = traitlets.Unicode("", help="layer in whose features distances are measured").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    selected = traitlets.Int(-1, help="index of the made clip that is shown large; -1 for none").tag(sync=True)
    frame = traitlets.Int(0, help="frame of all clips, from 0").tag(sync=True)
    step = traitlets.Int(0, help="index of the preview that is shown; the last one is the made clip").tag(sync=True)
    arrows = traitlets.Bool(False, help="whether arrows show the flow").tag(sync=True)
    playing = traitlets.Bool(True, help="whether the clips play").tag(sync=True)

    def __init__(self, visualization: Visualization, *, title: str = "", **state: Any) -> None:
        self._given = visualization
        super().__init__(**initial_state(visualization, title=title, **state))
        self.explanations = (visualization,)

    @traitlets.validate(*MOVABLE)
    def _check_movable(self, proposal: Any) -> Any:
        return check_movable(proposal["trait"].name, proposal["value"], self._given)


def initial_state(visualization: Visualization, *, title: str = "", **values: Any) -> State:
    """Return the complete state of a viewer that opens with the given first values, as `VisualizationViewer` takes them."""
    base.check_names("view", values, (*MOVABLE, "title"))
    first_values: Mapping[str, Any] = {
        "selected": -1,
        "frame": 0,
        "step": _count_steps(visualization) - 1,
        "arrows": False,
        "playing": True,
        **values,
    }
    movable = {name: check_movable(name, value, visualization) for name, value in first_values.items()}
    return {**visualization_wire.state(visualization, title), **movable}


def check_movable(name: str, value: Any, visualization: Visualization) -> Any:
    """Return the value of a movable trait, or raise `TraitValueError`."""
    if name in ("arrows", "playing"):
        return base.check_flag(name, value)
    if name == "selected":
        return _check_selected(value, len(visualization))
    return base.check_index(
        name, value, visualization[0].clip.size[0] if name == "frame" else _count_steps(visualization)
    )


def _count_steps(visualization: Visualization) -> int:
    return max(len(visualization_wire.steps_of(one)) for one in visualization)


def _check_selected(value: Any, count: int) -> int:
    try:
        index = operator.index(value)
    except TypeError:
        index = count
    if not -1 <= index < count:
        raise TraitValueError(f"selected must be -1 for none or lie in 0..{count - 1}, got {value!r}")
    return index

"""The viewer of saliency tubes: the frame with its overlay beside the tube in space and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes
from notebook_explain.explanations.blocks.frame_signal import Course
from notebook_explain.widgets.base import BOUNDS, STATIC, View, checked_number, checked_place
from notebook_explain.widgets.wire import tubes as tubes_wire

FIRST: Any = object()  # the course to open with, where none is named
MOVABLE = (
    "frame",
    "layer",
    "threshold",
    "target",
    "against",
    "playing",
    "speed",
    "mode",
    "sign",
    "scale",
    "colours",
    "opacity",
    "course",
)


class TubeViewer(View):
    """Show tubes in a cell; every control works in the browser, with the kernel busy or dead.

    The traits that move follow what the person does (one message when a gesture ends, none during it), and may be set
    from Python, observed and linked: ``frame``, ``layer``, ``threshold``, ``target``, ``against`` (the class whose map
    is subtracted, or None), ``playing``, ``speed`` (0.25..4), ``mode`` ("tube" or "montage"), ``sign`` ("both",
    "positive" or "negative"), ``scale`` ("clip" or "frame": whose largest value a threshold is a fraction of),
    ``colours`` ("diverging" or "sequential"), ``opacity`` (0..1) and ``course`` (which of the tubes' courses the
    timeline draws over the evidence: the first, where there are any; None for none).

    Parameters
    ----------
    tubes : Tubes
    title : str
    **state
        First values of these traits; ``layer``, ``target``, ``against`` and ``course`` also by name (a course by its
        module's name or class, or by what it is; the first of several).

    Raises
    ------
    traitlets.TraitError
        A value out of range.
    TypeError
        No such trait.
    ValueError
        No layer, target or course of that name.
    """

    _esm = (STATIC / "tube_viewer.js").read_text(encoding="utf-8")
    _css = (STATIC / "tube_viewer.css").read_text(encoding="utf-8")

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    layers = traitlets.List(traitlets.Dict(), help="name, kind, shape, scale, geometry of each map").tag(sync=True)
    maps = traitlets.List(traitlets.Bytes(), help="one buffer per target").tag(sync=True)
    targets = traitlets.List(traitlets.Dict(), help="name, logit, probability of each target").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="what a reader has to know").tag(sync=True)
    courses = traitlets.List(traitlets.Dict(), help="name, kind, what, values, rows, neutral of each").tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    threshold = traitlets.Float(DEFAULT_THRESHOLD, help="fraction of the map's largest absolute value").tag(sync=True)
    target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    against = traitlets.Int(None, allow_none=True, help="index of the target whose map is subtracted").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)
    speed = traitlets.Float(1.0, help="of playing").tag(sync=True)
    mode = traitlets.Enum(("tube", "montage"), "tube", help="what stands beside the frame").tag(sync=True)
    sign = traitlets.Enum(("both", "positive", "negative"), "both", help="which evidence is shown").tag(sync=True)
    scale = traitlets.Enum(("clip", "frame"), "clip", help="one scale for the clip, or one per frame").tag(sync=True)
    colours = traitlets.Enum(("diverging", "sequential"), "diverging", help="kind of colour map").tag(sync=True)
    opacity = traitlets.Float(0.6, help="of the evidence").tag(sync=True)
    course = traitlets.Int(None, allow_none=True, help="index of the course on the timeline").tag(sync=True)

    def __init__(self, tubes: Tubes, *, title: str = "", **state: Any) -> None:
        unknown = sorted(set(state) - set(MOVABLE))
        if unknown:
            raise UsageTypeError(f"view has no {unknown[0]!r}; it takes {', '.join(MOVABLE)} and title")
        names = [layer.name for layer in tubes.layers]
        for name in ("target", "against"):
            if isinstance(state.get(name), str):
                state[name] = tubes.target_index(state[name])
        if isinstance(state.get("layer"), str):
            state["layer"] = names.index(tubes.layer(state["layer"]).name)
        state.setdefault("layer", len(names) - 1)
        state["course"] = course_place(tubes.courses, state.get("course", FIRST))
        state.setdefault("frame", brightest_frame(tubes, state["layer"], state.get("target", 0)))
        super().__init__(**tubes_wire.state(tubes, title), **state)

    @traitlets.validate("frame", "layer", "target", "against", "course")
    def _in_range(self, proposal: Any) -> int | None:
        name = proposal["trait"].name
        counts = {"frame": len(self.frames), "layer": len(self.layers), "course": len(self.courses)}
        return checked_place(name, proposal["value"], counts.get(name, len(self.targets)), self.targets)

    @traitlets.validate(*BOUNDS)
    def _within(self, proposal: Any) -> float:
        return checked_number(proposal["trait"].name, proposal["value"])


def course_place(courses: Sequence[Course], which: int | str | None) -> int | None:
    """Place of a course by its module's name, its class or what it is (ValueError lists them); FIRST where there is one."""
    if which is FIRST:
        return 0 if courses else None
    if not isinstance(which, str):
        return which
    full = [f"{course.where}: {course.what}" for course in courses]
    for told in (full, *([getattr(course, part) for course in courses] for part in ("name", "where", "what", "kind"))):
        if which in told:
            return told.index(which)
    have = f"they have {', '.join(full)}" if full else "they have none; tubes.with_courses adds some"
    raise UsageError(f"course {which!r} is not in these tubes; {have}")


def brightest_frame(tubes: Tubes, layer: int, target: int) -> int:
    """The frame that holds the most evidence for the target: the one worth opening with."""
    if not (0 <= layer < len(tubes.layers) and 0 <= target < len(tubes.targets)):
        return 0
    return int(tubes.volume(layer, target).clip(min=0).sum(axis=(1, 2)).argmax())

"""Two tube viewers of one clip side by side: two layers, two classes, two networks, two methods."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.widgets.base import STATIC, View, checked_number, checked_place
from notebook_explain.widgets.html import page
from notebook_explain.widgets.tube_viewer import FIRST, brightest_frame, course_place
from notebook_explain.widgets.wire import tubes as tubes_wire

SIDES = ("a", "b")
OWN = ("layer", "threshold", "target", "against", "course")
SHARED = ("frame", "playing", "speed", "mode", "sign", "scale", "colours", "opacity", "linked")
_SENT_ONCE = ("size", "times", "frames")
_SENT_EACH = ("layers", "maps", "targets", "caveats", "courses")


class CompareViewer(View):
    """Show two explanations of one clip side by side; every control works in the browser, with the kernel busy or dead.

    The traits that move follow what the person does (one message when a gesture ends, none during it), and may be set
    from Python, observed and linked. Both sides share ``frame``, ``playing``, ``speed``, ``mode``, ``sign``, ``scale``,
    ``colours`` and ``opacity``, as `TubeViewer` explains them, and the camera, which is no trait. Each side has its
    own ``a_layer``, ``a_threshold``, ``a_target``, ``a_against`` and ``a_course``, and ``b_layer`` and so on. While ``linked`` is
    true, a hand that moves one side's layer or threshold moves the other's too (a layer where both have one of that
    name); Python sets each by itself.

    Parameters
    ----------
    a, b : Tubes
        Of the same frames at the same times.
    titles : two str, optional
        What the sides are called; by default the network, the method, its knobs and the classes, where they differ.
    **state
        First values of these traits; layers, targets and courses also by name. Without a prefix, ``layer``,
        ``threshold``, ``target``, ``against`` and ``course`` are meant for both sides.

    Raises
    ------
    traitlets.TraitError
        A value out of range.
    TypeError
        Something else than tubes; no such trait.
    ValueError
        Explanations of two clips; not two titles; a layer, a target or a course that a side does not have.
    """

    _esm = (STATIC / "compare_viewer.js").read_text(encoding="utf-8")
    _css = (STATIC / "compare_viewer.css").read_text(encoding="utf-8")

    titles = traitlets.List(traitlets.Unicode(), help="of the two sides, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    a_layers = traitlets.List(traitlets.Dict(), help="name, kind, shape, scale, geometry of each map").tag(sync=True)
    a_maps = traitlets.List(traitlets.Bytes(), help="one buffer per target").tag(sync=True)
    a_targets = traitlets.List(traitlets.Dict(), help="name, logit, probability of each target").tag(sync=True)
    a_caveats = traitlets.List(traitlets.Unicode(), help="what a reader has to know").tag(sync=True)
    a_courses = traitlets.List(traitlets.Dict(), help="name, kind, what, values, rows, neutral of each").tag(sync=True)
    b_layers = traitlets.List(traitlets.Dict(), help="name, kind, shape, scale, geometry of each map").tag(sync=True)
    b_maps = traitlets.List(traitlets.Bytes(), help="one buffer per target").tag(sync=True)
    b_targets = traitlets.List(traitlets.Dict(), help="name, logit, probability of each target").tag(sync=True)
    b_caveats = traitlets.List(traitlets.Unicode(), help="what a reader has to know").tag(sync=True)
    b_courses = traitlets.List(traitlets.Dict(), help="name, kind, what, values, rows, neutral of each").tag(sync=True)
    a_layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    a_threshold = traitlets.Float(DEFAULT_THRESHOLD, help="fraction of the map's largest absolute value").tag(sync=True)
    a_target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    a_against = traitlets.Int(None, allow_none=True, help="index of the target that is subtracted").tag(sync=True)
    a_course = traitlets.Int(None, allow_none=True, help="index of the course on the timeline").tag(sync=True)
    b_layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    b_threshold = traitlets.Float(DEFAULT_THRESHOLD, help="fraction of the map's largest absolute value").tag(sync=True)
    b_target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    b_against = traitlets.Int(None, allow_none=True, help="index of the target that is subtracted").tag(sync=True)
    b_course = traitlets.Int(None, allow_none=True, help="index of the course on the timeline").tag(sync=True)
    linked = traitlets.Bool(False, help="whether layer and threshold of both sides move as one").tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)
    speed = traitlets.Float(1.0, help="of playing").tag(sync=True)
    mode = traitlets.Enum(("tube", "montage"), "tube", help="what stands beside the frame").tag(sync=True)
    sign = traitlets.Enum(("both", "positive", "negative"), "both", help="which evidence is shown").tag(sync=True)
    scale = traitlets.Enum(("clip", "frame"), "clip", help="one scale for the clip, or one per frame").tag(sync=True)
    colours = traitlets.Enum(("diverging", "sequential"), "diverging", help="kind of colour map").tag(sync=True)
    opacity = traitlets.Float(0.6, help="of the evidence").tag(sync=True)

    def __init__(self, a: Tubes, b: Tubes, *, titles: Sequence[str] | None = None, **state: Any) -> None:
        _check_one_clip(a, b)
        named = _titles(a, b) if titles is None else _checked_titles(titles)
        state = _by_place(_by_side(state), a, b)
        state.setdefault("linked", _open_alike(state, a, b))
        state.setdefault("frame", brightest_frame(a, state["a_layer"], state.get("a_target", 0)))
        super().__init__(titles=list(named), **_content(a, b), **state)
        notes = [provenance_lines(a), provenance_lines(b)]
        marked = [
            f"{title or side}: {note}" for title, side, own in zip(named, SIDES, notes, strict=True) for note in own
        ]
        self._notes = notes[0] if notes[0] == notes[1] else marked

    def to_html(self, path: str | os.PathLike[str], title: str = "Two explanations of one clip") -> Path:
        """Write one interactive HTML page of both sides as they now stand; it needs neither a kernel nor a network.

        Raises
        ------
        OSError
            A folder that is not there. An existing file is replaced as a whole.
        """
        path = Path(path)
        with replacing(path) as temporary:
            temporary.write_text(page([self], title, self._notes, width=1600), encoding="utf-8")
        return path

    @traitlets.validate("frame", *(f"{side}_{name}" for side in SIDES for name in OWN if name != "threshold"))
    def _in_range(self, proposal: Any) -> int | None:
        name = proposal["trait"].name
        side = name[0]
        targets = getattr(self, f"{side}_targets", [])
        counts = {"frame": len(self.frames)}
        counts |= {f"{side}_{one}": len(getattr(self, f"{side}_{one}s", [])) for one in ("layer", "course")}
        return checked_place(name, proposal["value"], counts.get(name, len(targets)), targets)

    @traitlets.validate("a_threshold", "b_threshold", "opacity", "speed")
    def _within(self, proposal: Any) -> float:
        return checked_number(proposal["trait"].name, proposal["value"])


def _check_one_clip(a: Tubes, b: Tubes) -> None:
    """Raise when two explanations cannot stand side by side: both must be tubes of the same frames at the same times."""
    for which, given in _each(a, b):
        if not isinstance(given, Tubes):
            raise UsageTypeError(
                f"compare shows two explanations of one clip, such as tubes; {which} is {type(given).__name__}"
            )
    seen, other = a.clip, b.clip
    told = "compare shows two explanations of one clip, but"
    if seen.size != other.size:
        sizes = " and ".join("x".join(map(str, clip.size)) for clip in (seen, other))
        raise UsageError(f"{told} their networks saw clips of {sizes} (time x height x width); adapt both to one size")
    if not np.array_equal(seen.frames, other.frames):
        differ = int((seen.frames != other.frames).any(axis=(1, 2, 3)).sum())
        raise UsageError(
            f"{told} {differ} of the {len(seen)} frames differ ({seen.name} and {other.name}); explain the same clip twice"
        )
    if seen.times is not None and other.times is not None and not np.allclose(seen.times, other.times, atol=1e-3):
        raise UsageError(f"{told} their frames are of different times; explain the same clip twice")


def _checked_titles(titles: Sequence[str]) -> tuple[str, str]:
    given = [] if isinstance(titles, str) else list(titles)
    if len(given) != 2 or not all(isinstance(title, str) for title in given):
        raise UsageError(f'titles must be two texts, one for each side, as in ("before", "after"), got {titles!r}')
    return given[0], given[1]


def _titles(a: Tubes, b: Tubes) -> tuple[str, str]:
    """What differs for good: network, method, knobs, classes. Layer and class shown are told by the view itself."""
    ours, theirs = ([_model(t), t.provenance.method, _knobs(t), _classes(t)] for t in (a, b))
    differ = [place for place, part in enumerate(ours) if part != theirs[place]]
    first, second = (" · ".join(each[place] for place in differ if each[place]) for each in (ours, theirs))
    return first or SIDES[0], second or SIDES[1]


def _model(tubes: Tubes) -> str:
    return tubes.provenance.model


def _knobs(tubes: Tubes) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in tubes.provenance.knobs.items())


def _classes(tubes: Tubes) -> str:
    return ", ".join(target.name for target in tubes.targets)


def _by_side(state: dict[str, Any]) -> dict[str, Any]:
    """First values with a side's prefix: what has none is meant for both."""
    allowed = {*SHARED, *OWN, *(f"{side}_{name}" for side in SIDES for name in OWN)}
    unknown = sorted(set(state) - allowed)
    if unknown:
        listed = ", ".join([*SHARED, *(f"a_{name}, b_{name}" for name in OWN)])
        raise UsageTypeError(f"compare has no {unknown[0]!r}; it takes {listed} and titles")
    both = {f"{side}_{name}": state[name] for name in OWN if name in state for side in SIDES}
    return {**both, **{name: value for name, value in state.items() if name not in OWN}}


def _by_place(state: dict[str, Any], a: Tubes, b: Tubes) -> dict[str, Any]:
    """Layers, targets and courses by place where they came by name; each side opens with its last layer."""
    placed = dict(state)
    for side, tubes in _each(a, b):
        for name in (f"{side}_target", f"{side}_against"):
            if isinstance(placed.get(name), str):
                placed[name] = tubes.target_index(placed[name])
        layer = placed.setdefault(f"{side}_layer", len(tubes.layers) - 1)
        if isinstance(layer, str):
            placed[f"{side}_layer"] = [each.name for each in tubes.layers].index(tubes.layer(layer).name)
        placed[f"{side}_course"] = course_place(tubes.courses, placed.get(f"{side}_course", FIRST))
    return placed


def _open_alike(state: dict[str, Any], a: Tubes, b: Tubes) -> bool:
    """Whether both sides open with the same threshold, and with layers of the same name."""
    first, second = (
        [layer.name for layer in tubes.layers][state[f"{side}_layer"] :][:1] for side, tubes in _each(a, b)
    )
    return first == second and state.get("a_threshold") == state.get("b_threshold")


def _each(a: Tubes, b: Tubes) -> list[tuple[str, Tubes]]:
    return list(zip(SIDES, (a, b), strict=True))


def _content(a: Tubes, b: Tubes) -> dict[str, Any]:
    """Everything shown, as plain values: the clip once, the rest of each side under its prefix."""
    content: dict[str, Any] = {}
    sent = tubes_wire.state(a)
    for side, tubes in _each(a, b):
        sent = sent if tubes is a else tubes_wire.state(tubes)
        content |= {name: sent[name] for name in _SENT_ONCE}
        content |= {f"{side}_{name}": sent[name] for name in _SENT_EACH}
    return content

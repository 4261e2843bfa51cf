"""Viewer of two explanations of one clip side by side: two layers, classes, networks or methods."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from notebook_explain._atomic import replacing
from notebook_explain._deprecated import renamed_arguments, renamed_attributes
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import Explanation, Tubes
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.widgets import base
from notebook_explain.widgets.base import State
from notebook_explain.widgets.html import page
from notebook_explain.widgets.tube_viewer import (
    CHOICES,
    DEFAULTS,
    ITEMS,
    RENAMED_TRAITS,
    brightest_frame,
    check_movable,
    indices_by_name,
)
from notebook_explain.widgets.wire import tubes as tubes_wire

BUNDLE = "compare_viewer"
SIDES = ("a", "b")
# Each side has its own, as in a_layer and b_layer.
SIDE_TRAITS = ("layer", "threshold", "target", "against", "frame_signal")
SHARED_TRAITS = ("frame", "playing", "speed", "mode", "sign", "scale", "colours", "opacity")
MOVABLE = (*SHARED_TRAITS, *(f"{side}_{name}" for side in SIDES for name in SIDE_TRAITS))
_RENAMED_TRAITS = {  # old names of traits
    f"{side}_{old}": f"{side}_{new}" for side in SIDES for old, new in RENAMED_TRAITS.items()
}
_SHARED_CONTENT = ("size", "times", "frames")
_SIDE_CONTENT = ("layers", "maps", "targets", "caveats", "frame_signals")


@renamed_attributes(**_RENAMED_TRAITS)
class CompareViewer(base.View):
    """Show two explanations side by side; all controls run in the browser and keep working when the kernel is busy or gone.

    The movable traits follow the controls (one message at the end of a gesture, none during it). You can also set,
    observe and link them from Python. Both sides share ``frame``, ``playing``, ``speed``, ``mode``, ``sign``,
    ``scale``, ``colours`` and ``opacity``, as described in `TubeViewer`, and the camera, which is not a trait. Each
    side has its own ``a_layer``, ``a_threshold``, ``a_target``, ``a_against`` and ``a_frame_signal``, and ``b_layer`` and so
    on. While ``linked`` is true, moving the layer or threshold of one side in the browser also moves that of the other
    side (a layer only if both sides have one of that name); from Python, set each side on its own.

    Parameters
    ----------
    a, b : Tubes
        Explanations of the same frames at the same times.
    titles : two str, optional
        Titles of the sides; by default the network, method, settings and classes in which they differ.
    **state
        First values of these traits; layers, targets and frame signals also by name. Without a prefix, ``layer``,
        ``threshold``, ``target``, ``against`` and ``frame_signal`` apply to both sides.

    Raises
    ------
    traitlets.TraitError
        A value is out of range.
    TypeError
        ``a`` or ``b`` is not `Tubes`, or there is no such trait.
    ValueError
        The explanations are of two clips, there are not two titles, or a side has no such layer, target or frame signal.
    """

    bundle = BUNDLE
    movable = (*MOVABLE, "linked")
    renamed_traits = _RENAMED_TRAITS
    _esm, _css = base.read_bundle(BUNDLE)

    titles = traitlets.List(traitlets.Unicode(), help="titles of the two sides, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    a_layers = traitlets.List(traitlets.Dict(), help="name, kind, shape ... of each map").tag(sync=True)
    a_maps = traitlets.List(traitlets.Bytes(), help="one buffer per target").tag(sync=True)
    a_targets = traitlets.List(traitlets.Dict(), help="name, logit, probability ... of each target").tag(sync=True)
    a_caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    a_frame_signals = traitlets.List(traitlets.Dict(), help="name, kind, what, values ... of each frame signal").tag(
        sync=True
    )
    b_layers = traitlets.List(traitlets.Dict(), help="name, kind, shape ... of each map").tag(sync=True)
    b_maps = traitlets.List(traitlets.Bytes(), help="one buffer per target").tag(sync=True)
    b_targets = traitlets.List(traitlets.Dict(), help="name, logit, probability ... of each target").tag(sync=True)
    b_caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    b_frame_signals = traitlets.List(traitlets.Dict(), help="name, kind, what, values ... of each frame signal").tag(
        sync=True
    )
    a_layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    a_threshold = traitlets.Float(DEFAULTS["threshold"], help="fraction of the map's largest absolute value").tag(
        sync=True
    )
    a_target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    a_against = traitlets.Int(None, allow_none=True, help="index of the target whose map is subtracted").tag(sync=True)
    a_frame_signal = traitlets.Int(None, allow_none=True, help="index of the frame signal on the timeline").tag(
        sync=True
    )
    b_layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    b_threshold = traitlets.Float(DEFAULTS["threshold"], help="fraction of the map's largest absolute value").tag(
        sync=True
    )
    b_target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    b_against = traitlets.Int(None, allow_none=True, help="index of the target whose map is subtracted").tag(sync=True)
    b_frame_signal = traitlets.Int(None, allow_none=True, help="index of the frame signal on the timeline").tag(
        sync=True
    )
    linked = traitlets.Bool(False, help="whether layer and threshold move together").tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)
    speed = traitlets.Float(DEFAULTS["speed"], help="playback speed; 1 is the clip's own").tag(sync=True)
    mode = traitlets.Enum(CHOICES["mode"], DEFAULTS["mode"], help="view beside the frame").tag(sync=True)
    sign = traitlets.Enum(CHOICES["sign"], DEFAULTS["sign"], help="sign of the evidence shown").tag(sync=True)
    scale = traitlets.Enum(CHOICES["scale"], DEFAULTS["scale"], help="one scale per clip or per frame").tag(sync=True)
    colours = traitlets.Enum(CHOICES["colours"], DEFAULTS["colours"], help="kind of colour map").tag(sync=True)
    opacity = traitlets.Float(DEFAULTS["opacity"], help="opacity of the evidence, 0..1").tag(sync=True)

    def __init__(self, a: Tubes, b: Tubes, *, titles: Sequence[str] | None = None, **state: Any) -> None:
        first_values = initial_state(a, b, titles=titles, **state)
        super().__init__(**first_values)
        self.explanations = (a, b)
        self._notes = _notes(a, b, first_values["titles"])

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write both sides in their current state as one interactive HTML page that needs no kernel and no network.

        An existing file is replaced as a whole.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; by default the titles of the two sides.

        Raises
        ------
        OSError
            The folder does not exist.
        """
        path = Path(path)
        with replacing(path) as temporary:
            temporary.write_text(page([self], title or self.heading(), self.notes(), width=1600), encoding="utf-8")
        return path

    def sides(self) -> list[tuple[Explanation, State]]:
        """Return the tubes of each side, with the layer, target and threshold shown."""
        return [
            (tubes, {name: getattr(self, f"{side}_{name}") for name in ("layer", "target", "threshold")})
            for side, tubes in zip(SIDES, self.explanations, strict=True)
        ]

    def heading(self) -> str:
        """Return the heading of a page: the titles of the two sides."""
        return " and ".join(name for name in self.titles if name) or "Comparison"

    def notes(self) -> list[str]:
        """Return the lines at the foot of a page: the provenance of both sides, once if they share it."""
        return self._notes

    @traitlets.validate(*MOVABLE)
    def _check_movable(self, proposal: Any) -> Any:
        names = {*_SHARED_CONTENT, *(f"{side}_{name}" for side in SIDES for name in _SIDE_CONTENT)}
        return _check_movable(proposal["trait"].name, proposal["value"], {name: getattr(self, name) for name in names})


def initial_state(a: Tubes, b: Tubes, *, titles: Sequence[str] | None = None, **values: Any) -> State:
    """Return the complete state of a viewer that opens with the given first values, as `CompareViewer` takes them."""
    _check_same_clip(a, b)
    both = _default_titles(a, b) if titles is None else _check_titles(titles)
    values = renamed_arguments("compare", values, {**_RENAMED_TRAITS, **RENAMED_TRAITS})
    _check_names(values)
    content = _content(a, b)
    state = {name: value for name, value in {**DEFAULTS, **values}.items() if name in SHARED_TRAITS}
    for side, tubes in _sides(a, b):
        state |= _side_values(side, tubes, values)
    checked = {name: _check_movable(name, value, content) for name, value in state.items()}
    if "frame" not in checked:
        checked["frame"] = brightest_frame(a, checked["a_layer"], checked["a_target"])
    linked = base.check_flag("linked", values.get("linked", _is_alike(checked, a, b)))
    return {"titles": list(both), **content, **checked, "linked": linked}


def _check_movable(name: str, value: Any, content: Mapping[str, Any]) -> Any:
    """Return the value of a shared trait, or of one side's, or raise `TraitValueError`."""
    if name in SHARED_TRAITS:
        return check_movable(name, value, content)
    side, _, trait = name.partition("_")
    lists = {items: content[f"{side}_{items}"] for items in ITEMS.values() if items != "frames"}
    return check_movable(trait, value, lists, prefix=f"{side}_")


def _check_same_clip(a: Tubes, b: Tubes) -> None:
    """Raise unless both explanations are tubes of the same frames at the same times."""
    for side, tubes in _sides(a, b):
        if not isinstance(tubes, Tubes):
            raise UsageTypeError(
                f"compare shows two explanations of one clip, such as tubes; {side} is {type(tubes).__name__}"
            )
    first, second = a.clip, b.clip
    rule = "compare shows two explanations of one clip, but"
    if first.size != second.size:
        sizes = " and ".join("x".join(map(str, clip.size)) for clip in (first, second))
        raise UsageError(f"{rule} their networks saw clips of {sizes} (time x height x width); adapt both to one size")
    if not np.array_equal(first.frames, second.frames):
        count = int((first.frames != second.frames).any(axis=(1, 2, 3)).sum())
        raise UsageError(
            f"{rule} {count} of the {len(first)} frames differ ({first.name} and {second.name}); explain the same clip twice"
        )
    if not first.has_same_content(second):
        raise UsageError(f"{rule} their values differ, though the pictures are the same; explain the same clip twice")
    if first.times is not None and second.times is not None and not np.allclose(first.times, second.times, atol=1e-3):
        raise UsageError(f"{rule} their frames have different times; explain the same clip twice")


def _check_titles(titles: Sequence[str]) -> tuple[str, str]:
    both = [] if isinstance(titles, str) else list(titles)
    if len(both) != 2 or not all(isinstance(title, str) for title in both):
        raise UsageError(f'titles must be two strings, one for each side, as in ("before", "after"); got {titles!r}')
    return both[0], both[1]


def _check_names(values: Mapping[str, Any]) -> None:
    if set(values) <= {*MOVABLE, *SIDE_TRAITS, "linked"}:
        return
    pairs = [f"a_{name}, b_{name}" for name in SIDE_TRAITS]
    unknown = {name for name in values if name not in {*MOVABLE, *SIDE_TRAITS}}
    base.check_names("compare", unknown, (*SHARED_TRAITS, "linked", *pairs, "titles"))


def _default_titles(a: Tubes, b: Tubes) -> tuple[str, str]:
    """Return titles of the network, method, settings and classes that differ; the view itself names layer and class."""
    descriptions = [_description(tubes) for tubes in (a, b)]
    differing = [index for index, (one, other) in enumerate(zip(*descriptions, strict=True)) if one != other]
    first, second = (" · ".join(parts[index] for index in differing if parts[index]) for parts in descriptions)
    return first or SIDES[0], second or SIDES[1]


def _description(tubes: Tubes) -> tuple[str, str, str, str]:
    """Return the network, the method, its settings and the classes of an explanation."""
    provenance = tubes.provenance
    settings = ", ".join(f"{name}={value!r}" for name, value in provenance.knobs.items())
    return provenance.model, provenance.method, settings, ", ".join(target.name for target in tubes.targets)


def _side_values(side: str, tubes: Tubes, values: Mapping[str, Any]) -> State:
    """Return the first values of one side under its prefix; a value without a prefix applies to both sides."""
    chosen: State = {name: DEFAULTS[name] for name in SIDE_TRAITS if name in DEFAULTS}
    for name in SIDE_TRAITS:
        for key in (name, f"{side}_{name}"):
            if key in values:
                chosen[name] = values[key]
    return {f"{side}_{name}": value for name, value in indices_by_name(tubes, chosen).items()}


def _is_alike(state: State, a: Tubes, b: Tubes) -> bool:
    """Return whether both sides open with the same threshold and with layers of the same name."""
    first, second = (tubes.layers[state[f"{side}_layer"]].name for side, tubes in _sides(a, b))
    return bool(first == second and state["a_threshold"] == state["b_threshold"])


def _sides(a: Tubes, b: Tubes) -> list[tuple[str, Tubes]]:
    return list(zip(SIDES, (a, b), strict=True))


def _content(a: Tubes, b: Tubes) -> State:
    """Return the clip once, and the maps, targets, caveats and frame signals of each side under its prefix."""
    states = [tubes_wire.state(a)]
    states.append(states[0] if b is a else tubes_wire.state(b))
    content = {name: states[0][name] for name in _SHARED_CONTENT}
    for side, state in zip(SIDES, states, strict=True):
        content |= {f"{side}_{name}": state[name] for name in _SIDE_CONTENT}
    return content


def _notes(a: Tubes, b: Tubes, titles: Sequence[str]) -> list[str]:
    """Return the provenance of both sides, once if they share it."""
    origins = [provenance_lines(a), provenance_lines(b)]
    if origins[0] == origins[1]:
        return origins[0]
    return [
        f"{title or side}: {line}" for title, side, lines in zip(titles, SIDES, origins, strict=True) for line in lines
    ]

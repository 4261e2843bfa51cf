"""Viewer of saliency tubes: the frame with its overlay beside the space-time volume."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import traitlets

from notebook_explain._deprecated import renamed_arguments, renamed_attributes
from notebook_explain._errors import UsageError
from notebook_explain.explanations import DEFAULT_THRESHOLD, Explanation, Tubes
from notebook_explain.explanations.blocks.frame_signal import FrameSignal
from notebook_explain.widgets import base
from notebook_explain.widgets.base import State, TraitValueError
from notebook_explain.widgets.wire import tubes as tubes_wire
from notebook_explain.widgets.wire.picture import picture_state

BUNDLE = "tube_viewer"
MOVABLE = (
    "frame",
    "layer",
    "threshold",
    "threshold_by",
    "target",
    "against",
    "playing",
    "speed",
    "mode",
    "sign",
    "scale",
    "colours",
    "opacity",
    "frame_signal",
    "window",
)
RANGES = {"threshold": (0.0, 1.0), "opacity": (0.0, 1.0), "speed": (0.25, 4.0)}
CHOICES = {
    "threshold_by": ("maximum", "evidence", "default"),
    "mode": ("tube", "montage"),
    "sign": ("both", "positive", "negative"),
    "scale": ("clip", "frame"),
    "colours": ("diverging", "sequential"),
}
# Trait that lists the items of each index.
ITEMS = {
    "frame": "frames",
    "layer": "layers",
    "target": "targets",
    "against": "targets",
    "frame_signal": "frame_signals",
}
RENAMED_TRAITS = {"course": "frame_signal", "courses": "frame_signals"}  # old names of traits
DEFAULTS: State = {
    "threshold": DEFAULT_THRESHOLD,
    "threshold_by": "default",
    "target": 0,
    "against": None,
    "playing": False,
    "speed": 1.0,
    "mode": "tube",
    "sign": "both",
    "scale": "clip",
    "colours": "diverging",
    "opacity": 0.6,
    "window": None,
}


@renamed_attributes(**RENAMED_TRAITS)
class TubeViewer(base.View):
    """Show tubes in a cell; all controls run in the browser and keep working when the kernel is busy or gone.

    The movable traits follow the controls (one message at the end of a gesture, none during it). You can also set, observe
    and link them from Python: ``frame``, ``layer``, ``threshold``, ``threshold_by`` (what the threshold is a fraction of:
    the "maximum", the largest absolute value of the map, or the "evidence", whose strongest part is shown; by "default" it
    is one of the maximum, and 0.4 is lowered where it would show less than a quarter of the evidence), ``target``,
    ``against`` (class whose map is subtracted, or None), ``playing``, ``speed`` (0.25..4), ``mode`` ("tube" or "montage"),
    ``sign`` ("both", "positive" or "negative"), ``scale`` ("clip" or "frame": thresholds are fractions of the largest value
    of the clip or of each frame), ``colours`` ("diverging" or "sequential"), ``opacity`` (0..1), ``frame_signal`` (index
    of the frame signal that the timeline draws over the evidence, or None; by default the first) and ``window`` (the values
    ``[low, high]`` of a grey clip that are shown darkest and brightest, or None for the range of the clip).

    Parameters
    ----------
    tubes : Tubes
    title : str
    **state
        First values of the movable traits; ``share=0.5`` stands for ``threshold=0.5, threshold_by="evidence"``, and
        ``threshold`` alone is a fraction of the maximum; ``layer``, ``target``, ``against`` and ``frame_signal`` also by
        name (a frame signal by its module's name or class, or by its description; the first match counts). ``window`` may also be
        "percentiles", and for clips of flow, bands or heatmaps what `Clip.with_range` takes; their window does not change
        in the viewer.

    Raises
    ------
    traitlets.TraitError
        A value is out of range.
    TypeError
        There is no such trait.
    ValueError
        The tubes have no layer, target or frame signal of that name.
    """

    bundle = BUNDLE
    movable = MOVABLE
    explanations: tuple[Tubes, ...] = ()
    renamed_traits = RENAMED_TRAITS
    _esm, _css = base.sent_bundle(BUNDLE)

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    picture = traitlets.Dict(help="how the frames show the clip's values: kind, range, values of a grey clip").tag(
        sync=True
    )
    layers = traitlets.List(traitlets.Dict(), help="name, kind, shape, scale, geometry ... of each map").tag(sync=True)
    maps = traitlets.List(traitlets.Bytes(), help="one buffer per target").tag(sync=True)
    targets = traitlets.List(traitlets.Dict(), help="name, logit, probability ... of each target").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    frame_signals = traitlets.List(
        traitlets.Dict(), help="name, kind, what, values, rows, neutral of each frame signal"
    ).tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    threshold = traitlets.Float(DEFAULTS["threshold"], help="fraction 0..1 of what threshold_by says").tag(sync=True)
    threshold_by = traitlets.Enum(
        CHOICES["threshold_by"], DEFAULTS["threshold_by"], help="what the threshold is a fraction of"
    ).tag(sync=True)
    target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    against = traitlets.Int(None, allow_none=True, help="index of the target whose map is subtracted").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)
    speed = traitlets.Float(DEFAULTS["speed"], help="playback speed; 1 is the clip's own").tag(sync=True)
    mode = traitlets.Enum(CHOICES["mode"], DEFAULTS["mode"], help="view beside the frame").tag(sync=True)
    sign = traitlets.Enum(CHOICES["sign"], DEFAULTS["sign"], help="sign of the evidence shown").tag(sync=True)
    scale = traitlets.Enum(CHOICES["scale"], DEFAULTS["scale"], help="one scale per clip or per frame").tag(sync=True)
    colours = traitlets.Enum(CHOICES["colours"], DEFAULTS["colours"], help="kind of colour map").tag(sync=True)
    opacity = traitlets.Float(DEFAULTS["opacity"], help="opacity of the evidence, 0..1").tag(sync=True)
    frame_signal = traitlets.Int(None, allow_none=True, help="index of the frame signal on the timeline").tag(sync=True)

    window = traitlets.List(
        traitlets.Float(), None, allow_none=True, help="[low, high]: values of a grey clip shown darkest and brightest"
    ).tag(sync=True)

    def __init__(self, tubes: Tubes, *, title: str = "", **state: Any) -> None:
        super().__init__(**initial_state(tubes, title=title, **state))
        self.explanations = (tubes,)

    def sides(self) -> list[tuple[Explanation, State]]:
        """Return the tubes, with the layer, target and threshold shown."""
        (tubes,) = self.explanations
        return [(tubes, picture_arguments(tubes, self.layer, self.target, self.threshold, self.threshold_by))]

    @traitlets.validate(*MOVABLE)
    def _check_movable(self, proposal: Any) -> Any:
        content = {name: getattr(self, name) for name in (*ITEMS.values(), "picture")}
        name = proposal["trait"].name
        return check_movable(name, proposal["value"], content)


def initial_state(tubes: Tubes, *, title: str = "", **values: Any) -> State:
    """Return the complete state of a viewer that opens with the given first values, as `TubeViewer` takes them."""
    values = renamed_arguments("view", values, {"course": "frame_signal"})
    base.check_names("view", values, (*MOVABLE, "share", "title"))
    tubes, values = in_window(tubes, values)
    content = tubes_wire.state(tubes, title)
    values = {**DEFAULTS, **indices_by_name(tubes, threshold_traits(values))}
    checked = {name: check_movable(name, value, content) for name, value in values.items()}
    if "frame" not in checked:
        checked["frame"] = brightest_frame(tubes, checked["layer"], checked["target"])
    return {**content, **checked}


def in_window(tubes: Tubes, values: Mapping[str, Any]) -> tuple[Tubes, State]:
    """Return tubes and first values in which a window is one that the browser can draw: of a grey clip.

    Any other window becomes part of the clip of the tubes.
    """
    window = values.get("window")
    if window is None:
        return tubes, dict(values)
    clip = tubes.clip.with_range(window)
    if clip.picture is not None and "data" in picture_state(tubes.clip):
        return tubes, {**values, "window": list(clip.picture.ranges[0])}
    return replace(tubes, clip=clip), {**values, "window": None}


def picture_arguments(tubes: Tubes, layer: int, target: int, threshold: float, threshold_by: str) -> State:
    """Return the layer, target and threshold of a picture of what a viewer shows; the threshold is one of the maximum."""
    if threshold_by != "maximum":
        share = threshold if threshold_by == "evidence" else None
        threshold = tubes.threshold(None, layer, target, share=share)
    return {"layer": layer, "target": target, "threshold": threshold}


def threshold_traits(values: Mapping[str, Any]) -> State:
    """Return first values with a ``share`` as the two traits of a threshold; a threshold alone is one of the maximum.

    Raises
    ------
    ValueError
        Both a threshold and a share.
    """
    traits = dict(values)
    share = traits.pop("share", None)
    if share is not None:
        if "threshold" in traits or "threshold_by" in traits:
            raise UsageError(
                "share=0.5 stands for threshold=0.5, threshold_by='evidence'; give one or the other, not both"
            )
        traits |= {"threshold": base.check_number("share", share, 0, 1), "threshold_by": "evidence"}
    elif "threshold" in traits:
        traits.setdefault("threshold_by", "maximum")
    return traits


def indices_by_name(tubes: Tubes, values: Mapping[str, Any]) -> State:
    """Return first values with indices for names; by default the last layer with evidence and the first frame signal, if any."""
    indices = dict(values)
    for name in ("target", "against"):
        if isinstance(values.get(name), str):
            indices[name] = tubes.target_index(values[name])
    layer = values.get("layer", tubes.default_layer)
    indices["layer"] = tubes.layers.index(tubes.layer(layer)) if isinstance(layer, str) else layer
    indices["frame_signal"] = _frame_signal_index(
        tubes.frame_signals, values.get("frame_signal", 0 if tubes.frame_signals else None)
    )
    return indices


def check_movable(name: str, value: Any, content: Mapping[str, Any], prefix: str = "") -> Any:
    """Return the value of a movable trait, or raise `TraitValueError`.

    Parameters
    ----------
    name : str
        One of `MOVABLE`.
    value : object
    content : mapping
        Lists that indices refer to: "frames", "layers", "targets" and "frame_signals", and "picture", as on the wire.
    prefix : str
        Prefix of the name in an error: "a_" or "b_" for one side of a comparison.
    """
    label = prefix + name
    if name in RANGES:
        return base.check_number(label, value, *RANGES[name])
    if name in CHOICES:
        return base.check_choice(label, value, CHOICES[name])
    if name == "playing":
        return base.check_flag(label, value)
    if value is None and name in ("against", "frame_signal", "window"):
        return None
    if name == "window":
        return _check_window(label, value, "data" in content["picture"] or not content["frames"])
    items = content[ITEMS[name]]
    if name == "frame_signal" and not items:
        raise TraitValueError(f"{label} must be None because these tubes have no frame signals; got {value!r}")
    index = base.check_index(label, value, len(items))
    if name == "against" and items and _is_difference(items[index]):
        raise TraitValueError(
            f"{label} must be a single class, got {value!r}: {items[index]['name']!r} is a difference of classes"
        )
    return index


def _check_window(label: str, value: Any, has_values: bool) -> list[float]:
    """Return the limits of a window, or raise `TraitValueError`; without values, the browser cannot draw another one."""
    if not has_values:
        raise TraitValueError(f"{label} must be None, since the clip has no grey values to show; got {value!r}")
    try:
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError):
        low = high = 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise TraitValueError(f"{label} must be None or (low, high) with low < high, got {value!r}")
    return [low, high]


def _is_difference(target: Mapping[str, Any]) -> bool:
    """Return whether a target on the wire is a difference: it has neither a probability nor a value of its own."""
    return target.get("against") is not None or (target["probability"] is None and target.get("value") is None)


def _frame_signal_index(frame_signals: Sequence[FrameSignal], frame_signal: int | str | None) -> int | None:
    """Return the index of a frame signal given by its module's name, its class or its description; ValueError lists them."""
    if not isinstance(frame_signal, str):
        return frame_signal
    full = [f"{each.where}: {each.what}" for each in frame_signals]
    for names in (
        full,
        *([getattr(each, field) for each in frame_signals] for field in ("name", "where", "what", "kind")),
    ):
        if frame_signal in names:
            return names.index(frame_signal)
    available = f"they have {', '.join(full)}" if full else "they have none; tubes.with_frame_signals() adds some"
    raise UsageError(f"frame signal {frame_signal!r} is not in these tubes; {available}")


def brightest_frame(tubes: Tubes, layer: int, target: int) -> int:
    """Return the index of the frame with the most evidence for a target, where the viewer opens."""
    return int(tubes.volume(layer, target).clip(min=0).sum(axis=(1, 2)).argmax())

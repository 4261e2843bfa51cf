"""Viewer of two to four explanations side by side: layers, classes, networks, methods or clips."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    DEFAULTS,
    ITEMS,
    RENAMED_TRAITS,
    TubeViewer,
    brightest_frame,
    check_movable,
    in_window,
    indices_by_name,
    picture_arguments,
    threshold_traits,
)
from notebook_explain.widgets.wire import compare as compare_wire
from notebook_explain.widgets.wire import tubes as tubes_wire

BUNDLE = "compare_viewer"
SIDES = ("a", "b", "c", "d")
# Traits of TubeViewer that each side has for itself, as in a_layer and b_layer, and those that all sides share.
SIDE_TRAITS = ("layer", "threshold", "threshold_by", "target", "against", "frame_signal")
SHARED_TRAITS = ("frame", "playing", "speed", "mode", "sign", "scale", "colours", "opacity", "window")
_SIDE_CONTENT = ("layers", "maps", "targets", "caveats", "frame_signals")
MOVABLE = (*SHARED_TRAITS, *(f"{side}_{name}" for side in SIDES for name in SIDE_TRAITS))
_RENAMED_TRAITS = {  # old names of traits, from when there were two sides
    f"{side}_{old}": f"{side}_{new}" for side in SIDES[:2] for old, new in RENAMED_TRAITS.items()
}
_COUNTS = {2: "two", 3: "three", 4: "four"}


def _copied_traits() -> dict[str, Any]:
    """Return copies of the traits of `TubeViewer`: each shared one once, each other one for every side under its prefix."""
    traits = TubeViewer.class_traits()
    copies = {name: copy.deepcopy(traits[name]) for name in SHARED_TRAITS}
    names = (*_SIDE_CONTENT, *SIDE_TRAITS)
    return copies | {f"{side}_{name}": copy.deepcopy(traits[name]) for side in SIDES for name in names}


_Sides: Any = traitlets.MetaHasTraits("_Sides", (traitlets.HasTraits,), _copied_traits())


@renamed_attributes(**_RENAMED_TRAITS)
class CompareViewer(base.View, _Sides):
    """Show two to four explanations side by side; all controls run in the browser, also when the kernel is busy or gone.

    The movable traits follow the controls (one message at the end of a gesture, none during it). You can also set,
    observe and link them from Python. All sides share ``frame``, ``playing``, ``speed``, ``mode``, ``sign``, ``scale``,
    ``colours``, ``opacity`` and ``window``, as described in `TubeViewer`, and the camera, which is not a trait. Each side has
    its own ``a_layer``, ``a_threshold``, ``a_threshold_by``, ``a_target``, ``a_against`` and ``a_frame_signal``, then
    ``b_layer`` and so on, up to ``d_frame_signal``. While ``linked`` is true, moving the layer or threshold of one side in
    the browser also moves that of the others (a layer only where they have one of that name); from Python, set each side on
    its own.

    If the clips differ, ``alignment`` says how their frames correspond. "frame": all have the same length and rate, and
    show the same frame number. "time" and "elapsed": ``frame`` is an index of ``times``, and each side shows the frame
    nearest to that time in the source ("time"; clips of one source) or since its first frame ("elapsed").

    Parameters
    ----------
    a, b, *more : Tubes
        Two to four explanations. The same object may be given several times.
    titles : sequence of str, optional
        Title of each side; by default the clip, network, method, settings and classes in which they differ.
    same_clip : bool
        Whether different clips are an error, which they are by default.
    **state
        First values of these traits; layers, targets and frame signals also by name. ``a_share``, ``b_share`` ... and
        ``share`` are shares of the evidence instead of thresholds, as in `TubeViewer`. Without a prefix, ``layer``,
        ``threshold``, ``target``, ``against`` and ``frame_signal`` apply to all sides.

    Raises
    ------
    traitlets.TraitError
        A value is out of range.
    TypeError
        An explanation is not `Tubes`, or there is no such trait.
    ValueError
        More than four explanations, the clips differ (with ``same_clip=False``: they have different lengths and unknown
        times), there is not one title for each side, or a side has no such layer, target or frame signal.
    """

    bundle = BUNDLE
    movable = (*MOVABLE, "linked")
    explanations: tuple[Tubes, ...] = ()
    renamed_traits = _RENAMED_TRAITS
    _esm, _css = base.sent_bundle(BUNDLE)

    titles = traitlets.List(traitlets.Unicode(), help="title of each side, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[steps, height, width]; a step is a value of `frame`").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each step; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="the JPEGs of all clips, each once").tag(sync=True)
    clips = traitlets.List(traitlets.Dict(), help="size, times, frames, shown, steps of each side's clip").tag(
        sync=True
    )
    alignment = traitlets.Enum(
        compare_wire.ALIGNMENTS, compare_wire.CLIP, help="how frames of the sides correspond"
    ).tag(sync=True)
    linked = traitlets.Bool(False, help="whether layer and threshold move together").tag(sync=True)

    def __init__(
        self,
        a: Tubes,
        b: Tubes,
        *more: Tubes,
        titles: Sequence[str] | None = None,
        same_clip: bool = True,
        **state: Any,
    ) -> None:
        first_values = initial_state(a, b, *more, titles=titles, same_clip=same_clip, **state)
        super().__init__(**first_values)
        self.explanations = (a, b, *more)
        self.page_width = 1600 if not more else 2000
        self._notes = _notes((a, b, *more), first_values["titles"])

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write all sides in their current state as one interactive HTML page that needs no kernel and no network.

        An existing file is replaced as a whole.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; by default the titles of the sides.

        Raises
        ------
        OSError
            The folder does not exist.
        """
        path = Path(path)
        text = page([self], title or self.heading(), self.notes(), width=self.page_width)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def sides(self) -> list[tuple[Explanation, State]]:
        """Return the tubes of each side, with the layer, target and threshold shown."""
        return [
            (
                tubes,
                picture_arguments(
                    tubes,
                    *(getattr(self, f"{side}_{name}") for name in ("layer", "target", "threshold", "threshold_by")),
                ),
            )
            for side, tubes in zip(SIDES, self.explanations, strict=False)
        ]

    def heading(self) -> str:
        """Return the heading of a page: the titles of the sides, if they have more than a letter."""
        return " and ".join(name for name in self.titles if name and name not in SIDES) or "Comparison"

    def notes(self) -> list[str]:
        """Return the lines at the foot of a page: the provenance of the sides, once if they share it."""
        return self._notes

    @traitlets.validate(*MOVABLE)
    def _check_movable(self, proposal: Any) -> Any:
        names = ("size", "clips", *(f"{side}_{name}" for side in SIDES for name in _SIDE_CONTENT))
        return _check_movable(proposal["trait"].name, proposal["value"], {name: getattr(self, name) for name in names})


def initial_state(
    *explanations: Tubes, titles: Sequence[str] | None = None, same_clip: bool = True, **values: Any
) -> State:
    """Return the state of a viewer that opens with the given first values, as `CompareViewer` takes them."""
    sides = _sides(explanations)
    _check_clips(sides, base.check_flag("same_clip", same_clip))
    titles = _default_titles(sides) if titles is None else _check_titles(titles, len(sides))
    values = renamed_arguments("compare", values, {**_RENAMED_TRAITS, **RENAMED_TRAITS})
    _check_names(values, tuple(sides))
    sides, values = _in_window(sides, values)
    content = _content(sides)
    state = {name: value for name, value in {**DEFAULTS, **values}.items() if name in SHARED_TRAITS}
    for side, tubes in sides.items():
        state |= _side_values(side, tubes, values)
    checked = {name: _check_movable(name, value, content) for name, value in state.items()}
    if "frame" not in checked:
        frame = brightest_frame(sides["a"], checked["a_layer"], checked["a_target"])
        checked["frame"] = content["clips"][0]["steps"][frame]
    linked = base.check_flag("linked", values.get("linked", _is_alike(checked, sides)))
    return {"titles": titles, **content, **checked, "linked": linked}


def _in_window(sides: Mapping[str, Tubes], values: State) -> tuple[dict[str, Tubes], State]:
    """Return sides and first values in which a window is one that the browser can draw, on all sides."""
    shown = {side: in_window(tubes, values) for side, tubes in sides.items()}
    return {side: tubes for side, (tubes, _) in shown.items()}, shown["a"][1]


def _sides(explanations: Sequence[Tubes]) -> dict[str, Tubes]:
    """Return the explanation of each side, or raise unless there are two to four, all of them tubes."""
    if len(explanations) not in _COUNTS:
        raise UsageError(
            f"compare shows two to four explanations, got {len(explanations)}; use several viewers for more"
        )
    sides = dict(zip(SIDES, explanations, strict=False))
    for side, tubes in sides.items():
        if not isinstance(tubes, Tubes):
            raise UsageTypeError(
                f"compare shows explanations such as tubes, one for each argument; {side} is {type(tubes).__name__}"
            )
    return sides


def _check_movable(name: str, value: Any, content: Mapping[str, Any]) -> Any:
    """Return the value of a shared trait, or of one side's, or raise `TraitValueError`."""
    if name in SHARED_TRAITS:
        pictures = [clip["picture"] for clip in content["clips"]]
        with_values: State = next((picture for picture in pictures if "data" in picture), {})
        return check_movable(name, value, {"frames": range(next(iter(content["size"]), 0)), "picture": with_values})
    side, _, trait = name.partition("_")
    lists = {items: content[f"{side}_{items}"] for items in ITEMS.values() if items != "frames"}
    return check_movable(trait, value, lists, prefix=f"{side}_")


def _check_clips(sides: Mapping[str, Tubes], same_clip: bool) -> None:
    """Raise if the explanations are of different clips and must not be."""
    first = sides["a"].clip
    for side, tubes in sides.items():
        different = compare_wire.difference(first, tubes.clip)
        if different and same_clip:
            what, advice = different
            rule = "compare shows explanations of one clip, but" + ("" if len(sides) == 2 else f" in a and {side}")
            raise UsageError(f"{rule} {what}; {advice}, or pass same_clip=False to compare clips that differ")


def _check_titles(titles: Sequence[str], count: int) -> list[str]:
    given = [] if isinstance(titles, str) else list(titles)
    if len(given) != count or not all(isinstance(title, str) for title in given):
        example = ", ".join(f'"{title}"' for title in ("before", "after", "later", "last")[:count])
        raise UsageError(
            f"titles must be {_COUNTS[count]} strings, one for each side, as in ({example}); got {titles!r}"
        )
    return given


def _check_names(values: Mapping[str, Any], sides: Sequence[str]) -> None:
    own = [[f"{side}_{name}" for side in sides] for name in SIDE_TRAITS]
    shares = {"share", *(f"{side}_share" for side in sides)}
    known = {*SHARED_TRAITS, *SIDE_TRAITS, "linked", *shares, *(name for names in own for name in names)}
    if not set(values) <= known:
        listed = (*SHARED_TRAITS, "linked", *(", ".join(names) for names in own), "titles", "same_clip")
        base.check_names("compare", set(values) - known, listed)


def _default_titles(sides: Mapping[str, Tubes]) -> list[str]:
    """Return titles of the clip, network, method, settings and classes that differ; the view itself names layer and class."""
    descriptions = [_description(tubes) for tubes in sides.values()]
    first = sides["a"].clip
    if not any(compare_wire.difference(first, tubes.clip) for tubes in sides.values()):
        descriptions = [("", *parts[1:]) for parts in descriptions]
    differing = [index for index, parts in enumerate(zip(*descriptions, strict=True)) if len(set(parts)) > 1]
    titles = [" · ".join(parts[index] for index in differing if parts[index]) for parts in descriptions]
    return [title or side for title, side in zip(titles, sides, strict=True)]


def _description(tubes: Tubes) -> tuple[str, ...]:
    """Return the clip, the network, the method, its settings and the classes of an explanation."""
    provenance = tubes.provenance
    settings = ", ".join(f"{name}={value!r}" for name, value in provenance.knobs.items())
    classes = ", ".join(target.name for target in tubes.targets)
    return tubes.clip.name, provenance.model, provenance.method, settings, classes


def _side_values(side: str, tubes: Tubes, values: Mapping[str, Any]) -> State:
    """Return the first values of one side under its prefix; a value without a prefix applies to every side."""
    chosen: State = {name: DEFAULTS[name] for name in SIDE_TRAITS if name in DEFAULTS}
    both = {name: value for name, value in values.items() if name in (*SIDE_TRAITS, "share")}
    own = {name.removeprefix(f"{side}_"): value for name, value in values.items() if name.startswith(f"{side}_")}
    chosen |= threshold_traits(both) | threshold_traits(own)
    return {f"{side}_{name}": value for name, value in indices_by_name(tubes, chosen).items()}


def _is_alike(state: State, sides: Mapping[str, Tubes]) -> bool:
    """Return whether all sides open with the same threshold and with layers of the same name."""
    layers = {tubes.layers[state[f"{side}_layer"]].name for side, tubes in sides.items()}
    thresholds = {(state[f"{side}_threshold"], state[f"{side}_threshold_by"]) for side in sides}
    return len(layers) == len(thresholds) == 1


def _content(sides: Mapping[str, Tubes]) -> State:
    """Return the clips, each frame once, and the maps, targets, caveats and frame signals of each side under its prefix."""
    distinct = {id(tubes): tubes for tubes in sides.values()}
    states = {key: tubes_wire.state(tubes) for key, tubes in distinct.items()}
    of_sides = [states[id(tubes)] for tubes in sides.values()]
    content = compare_wire.clips_state({side: tubes.clip for side, tubes in sides.items()}, of_sides)
    for side, state in zip(sides, of_sides, strict=True):
        content |= {f"{side}_{name}": state[name] for name in _SIDE_CONTENT}
    return content


def _notes(explanations: Sequence[Tubes], titles: Sequence[str]) -> list[str]:
    """Return the provenance of all sides, once if they share it."""
    origins = [provenance_lines(tubes) for tubes in explanations]
    if all(lines == origins[0] for lines in origins):
        return origins[0]
    named = zip(titles, SIDES, origins, strict=False)
    return [f"{title or side}: {line}" for title, side, lines in named for line in lines]

"""Viewer of concepts: a row for each, with the clips that show it, its effects, and a name that readers can type."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import traitlets

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations.concepts.concepts import Concepts
from notebook_explain.explanations.concepts.curves import ConceptCurves
from notebook_explain.widgets import base
from notebook_explain.widgets.base import State, TraitValueError
from notebook_explain.widgets.wire import concepts as concepts_wire

BUNDLE = "concept_viewer"
MOVABLE = ("names", "sort_by", "max_q", "min_presence", "selected", "playing")
OTHER_SORTS = ("evidence", "change")  # what rows are sorted by, besides the fills
UNMEASURED_SORTS = ("fraction", "evidence")  # without effects, as in mode "paper"


class ConceptViewer(base.View):
    """Show concepts in a cell; all controls run in the browser and keep working when the kernel is busy or gone.

    The movable traits follow the controls (one message at the end of a gesture, none while the clips play). You can also
    set, observe and link them from Python: ``names`` (of all concepts in their order in Python; readers can type them),
    ``sort_by`` (a fill, whose effect orders the rows, or "evidence", or "change" of the clip without any model),
    ``max_q`` (0..1, hides concepts whose q is larger for every fill), ``min_presence`` (0..1, hides concepts that occur in a
    smaller share of the clips), ``selected`` (``[concept, clip]``, indices of the concept and of the clip that is shown
    large; empty for none) and ``playing``.

    Parameters
    ----------
    concepts : Concepts
    title : str
    curves : ConceptCurves, optional
        What adding and removing the concepts does to other clips, drawn below the rows; see `Concepts.curves`.
    **state
        First values of these traits.

    Raises
    ------
    traitlets.TraitError
        A value is out of range, or a name is empty, too long or given twice.
    TypeError
        There is no such trait, or ``curves`` are none.
    ValueError
        The curves are of another class.

    Examples
    --------
    Keep the names that were typed: ``viewer.concepts.save("kick.npz")``. See where the selected concept is in its clip::

        output = ipywidgets.Output()

        @output.capture(clear_output=True)
        def show(change):
            if change.new:
                concept, clip = change.new
                display(concepts.tube(concepts.clips[clip], concept))

        viewer.observe(show, "selected")
        display(viewer, output)
    """

    bundle = BUNDLE
    movable = MOVABLE
    explanations: tuple[Concepts, ...] = ()
    _esm, _css = base.sent_bundle(BUNDLE)

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clips").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    sheet = traitlets.Dict(help="how frames lie in a JPEG: size and tile in pixels, columns").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="a JPEG of each clip, with all of its frames").tag(sync=True)
    clips = traitlets.List(traitlets.Dict(), help="index, name, logit, probability of each clip").tag(sync=True)
    grid = traitlets.Dict(help="shape (level, time, height, width) and geometry of the masks").tag(sync=True)
    masks = traitlets.List(traitlets.Bytes(), help="the grid of concepts of each clip, compressed").tag(sync=True)
    fills = traitlets.List(traitlets.Dict(), help="name and question of each fill").tag(sync=True)
    rows = traitlets.List(traitlets.Dict(), help="effects, evidence, exemplars ... of each concept").tag(sync=True)
    explained = traitlets.Dict(help="name of the class, number of clips, layer, units, stability").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    curves = traitlets.Dict(help="steps, and lines with intervals, of adding and removing concepts; may be empty").tag(
        sync=True
    )
    names = traitlets.List(traitlets.Unicode(), help="names of the concepts, plain text").tag(sync=True)
    sort_by = traitlets.Unicode("", help="a fill, evidence or change: what orders the rows").tag(sync=True)
    max_q = traitlets.Float(1.0, help="largest q of the concepts shown, 0..1").tag(sync=True)
    min_presence = traitlets.Float(0.0, help="smallest share of clips of the concepts shown, 0..1").tag(sync=True)
    selected = traitlets.List(traitlets.Int(), help="[concept, clip] that is shown large; empty for none").tag(
        sync=True
    )
    playing = traitlets.Bool(True, help="whether the clips play").tag(sync=True)

    def __init__(
        self, concepts: Concepts, *, title: str = "", curves: ConceptCurves | None = None, **state: Any
    ) -> None:
        self._given = concepts
        super().__init__(**initial_state(concepts, title=title, curves=curves, **state))
        self.explanations = (self.concepts,)

    @property
    def concepts(self) -> Concepts:
        """The concepts with the names that the viewer shows."""
        return self._given.with_names(self.names)

    @traitlets.observe("names")
    def _keep_names(self, _change: Any) -> None:
        if self.explanations:
            self.explanations = (self.concepts,)

    @traitlets.validate(*MOVABLE)
    def _check_movable(self, proposal: Any) -> Any:
        return check_movable(proposal["trait"].name, proposal["value"], self._given)


def initial_state(concepts: Concepts, *, title: str = "", curves: ConceptCurves | None = None, **values: Any) -> State:
    """Return the complete state of a viewer that opens with the given first values, as `ConceptViewer` takes them."""
    base.check_names("view", values, (*MOVABLE, "title", "curves"))
    content = concepts_wire.state(concepts, title, _check_curves(curves, concepts))
    first_values: Mapping[str, Any] = {
        "names": [concept.name for concept in concepts],
        "sort_by": sorts(concepts)[0],
        "max_q": 1.0,
        "min_presence": 0.0,
        "selected": [],
        "playing": True,
        **values,
    }
    return {**content, **{name: check_movable(name, value, concepts) for name, value in first_values.items()}}


def sorts(concepts: Concepts) -> tuple[str, ...]:
    """Return what rows can be sorted by; the first one gives the order in Python."""
    return (*concepts.fills, *OTHER_SORTS) if concepts.fills else UNMEASURED_SORTS


def check_movable(name: str, value: Any, concepts: Concepts) -> Any:
    """Return the value of a movable trait, or raise `TraitValueError`."""
    if name == "playing":
        return base.check_flag(name, value)
    if name == "sort_by":
        return base.check_choice(name, value, sorts(concepts))
    if name == "names":
        return _check_names(value, concepts)
    if name == "selected":
        return _check_selected(value, concepts)
    return base.check_number(name, value, 0, 1)


def _check_curves(curves: Any, concepts: Concepts) -> ConceptCurves | None:
    if curves is None:
        return None
    if not isinstance(curves, ConceptCurves):
        raise UsageTypeError(
            f"curves must be ConceptCurves, as concepts.curves(clips) returns, got {type(curves).__name__}"
        )
    if curves.target != concepts.target_name:
        raise UsageError(f"these curves are of {curves.target!r}, but the concepts are of {concepts.target_name!r}")
    return curves


def _check_names(value: Any, concepts: Concepts) -> list[str]:
    try:
        return [concept.name for concept in concepts.with_names(value)]
    except (UsageError, TypeError) as error:
        raise TraitValueError(f"names: {error}") from None


def _check_selected(value: Any, concepts: Concepts) -> list[int]:
    try:
        chosen = [operator.index(index) for index in value]
    except TypeError:
        chosen = [-1]
    most = concepts_wire.EXEMPLARS
    if not chosen:
        return []
    if len(chosen) == 2 and 0 <= chosen[0] < len(concepts) and chosen[1] in concepts[chosen[0]].exemplars[:most]:
        return chosen
    raise TraitValueError(
        f"selected must be [concept, clip], the index of a concept and that of one of its first {most} exemplars, or []; "
        f"got {value!r}"
    )

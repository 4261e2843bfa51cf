"""Which view, figure, film or page shows which explanation, and what a cell shows: the page, or the widget.

Running a cell again closes the widget that its last run drew, so that a cell run a hundred times costs what one run
costs.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import BlockReport, Explanation, Pyramid, Tubes
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.text import shortened

if TYPE_CHECKING:
    from notebook_explain.widgets import CompareViewer

LARGEST_CELL = 2_000_000  # bytes; a notebook server drops outputs of more than 3 MB in three seconds
_drawn: dict[str, tuple[Any, list[Any]]] = {}  # per cell: the run it belongs to, and the widgets that it drew


def view(explanation: Explanation, **state: Any) -> Any:
    """Return the widget that shows an explanation."""
    widget = _viewer(explanation)(explanation, **state)
    _close_last_run(widget, *_cell())
    return widget


def _viewer(explanation: Explanation) -> Any:
    """The kind of widget that shows this kind of explanation."""
    from notebook_explain.widgets import PyramidViewer, TubeViewer

    return PyramidViewer if isinstance(explanation, Pyramid) else TubeViewer


def compare(a: Tubes, b: Tubes, *, titles: Sequence[str] | None = None, **state: Any) -> CompareViewer:
    """Return the widget that shows two explanations of one clip side by side: two layers, classes, networks or methods.

    They share the frame, the play and the camera; layer, threshold and class are each side's own. Its ``to_html(path)``
    writes a page. Running the cell again closes the widget that its last run made.

    Parameters
    ----------
    a, b : Tubes
        Of the same frames at the same times; they may be the same.
    titles : two str, optional
        What the sides are called; by default what differs in network, method, its knobs and classes.
    **state
        First values, such as ``frame=3``, ``b_layer="layer3"``, or ``threshold=0.5`` for both sides; `CompareViewer`
        lists them.

    Returns
    -------
    CompareViewer

    Raises
    ------
    TypeError, ValueError, traitlets.TraitError
        Something else than tubes; explanations of two clips; a first value that does not exist or is out of range.

    Examples
    --------
    ``ne.compare(tubes, tubes, a_layer="layer2", b_layer="layer4")``; ``ne.compare(before, after, titles=("before
    fine-tuning", "after"))``.
    """
    from notebook_explain.widgets import CompareViewer

    widget = CompareViewer(a, b, titles=titles, **state)
    _close_last_run(widget, *_cell())
    return widget


def figure(explanation: Explanation | BlockReport, **options: Any) -> Any:
    """Return the matplotlib figure of an explanation."""
    from notebook_explain.figures import pyramid, tubes
    from notebook_explain.figures.blocks import report

    if isinstance(explanation, BlockReport):
        return report.report_figure(explanation, **options)
    if isinstance(explanation, Pyramid):
        return pyramid.pyramid_figure(explanation, **options)
    return tubes.tubes_figure(explanation, **options)


def _picture(explanation: Explanation) -> bytes:
    """A PNG for where nothing else can be shown."""
    if isinstance(explanation, Pyramid):
        from notebook_explain.figures.pyramid import pyramid_png

        return pyramid_png(explanation)
    from notebook_explain.figures import strip_png

    return strip_png(explanation)


def to_gif(explanation: Tubes, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write an explanation as a GIF."""
    from notebook_explain.figures.video import export

    return export.tubes_gif(explanation, path, **options)


def to_video(explanation: Tubes, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write an explanation as a video."""
    from notebook_explain.figures.video import export

    return export.tubes_video(explanation, path, **options)


def to_ipyvolume(explanation: Tubes, **options: Any) -> Any:
    """Return an ipyvolume figure of an explanation."""
    from notebook_explain.widgets import ipyvolume_export

    return ipyvolume_export.tubes_volume(explanation, **options)


def to_html(
    explanations: Explanation | Iterable[Explanation],
    path: str | os.PathLike[str],
    title: str | None = None,
    **state: Any,
) -> Path:
    """Write one interactive HTML page of one or several explanations, one below the other.

    It opens anywhere, with no kernel and no network; an existing file is replaced as a whole.

    Parameters
    ----------
    explanations : Tubes or Pyramid, or several of them
    path : path to a file
    title : str, optional
        Heading of the page, plain text; by default what is explained.
    **state
        How each of them opens, as for its `view`; it can be set to anything else on the page.

    Returns
    -------
    Path

    Raises
    ------
    TypeError, ValueError, traitlets.TraitError, OSError
        Something else than explanations; none at all; a state that a viewer does not have; a folder that is not there.
    """
    path = Path(path)
    alone = isinstance(explanations, Explanation | BlockReport)
    shown: list[Any] = [explanations] if alone else list(explanations)  # type: ignore[arg-type]
    with replacing(path) as temporary:
        temporary.write_text(_page(shown, title, state), encoding="utf-8")
    return path


def _page(
    explanations: Sequence[Explanation], title: str | None, state: Mapping[str, Any] = MappingProxyType({})
) -> str:
    from notebook_explain.widgets.html import offline, page

    wrong = [type(other).__name__ for other in explanations if not isinstance(other, Explanation)]
    if BlockReport.__name__ in wrong:
        raise UsageTypeError(
            "a page shows explanations that have a viewer, such as tubes; got BlockReport; draw it with .figure(), or put "
            "its courses on the timeline of tubes with report.on(tubes)"
        )
    if wrong:
        raise UsageTypeError(f"a page shows explanations, such as tubes; got {', '.join(wrong)}")
    if not explanations:
        raise UsageError("there is nothing to show; give at least one explanation")
    alone = len(explanations) == 1
    widgets, notes = [], []
    for explanation in explanations:
        heading = f"{_title(explanation, state)} ({explanation.clip.name})"
        widgets.append(offline(_viewer(explanation))(explanation, title="" if alone else heading, **state))
        notes += [line if alone else f"{heading}: {line}" for line in provenance_lines(explanation)]
    whole = _title(explanations[0], state) if alone else f"{len(explanations)} explanations"
    return page(widgets, title or whole, notes)


def _title(explanation: Explanation, state: Mapping[str, Any]) -> str:
    """The question that a page answers when it opens: of its first target, or of the one stated."""
    at = 0
    if isinstance(explanation, Tubes) and state.get("target") is not None:
        at = explanation.target_index(state["target"])
    return f"Why {shortened(explanation.targets[at].name, 80)!r}?"


def mimebundle(explanation: Explanation) -> Any:
    """What a cell shows: the page, which is saved with the notebook and alive without a kernel.

    Where that would be too large it is the widget, with a picture where no widget runs (GitHub, nbviewer); but the page
    again where no front end is there to run one (``jupyter nbconvert --execute``, papermill).
    """
    page = embed(explanation)
    cell, run = _cell()
    if len(page.html) <= LARGEST_CELL or (cell is None and run is not None):
        return page._repr_mimebundle_()
    widget = view(explanation)
    shown = widget._repr_mimebundle_()
    data, metadata = shown if isinstance(shown, tuple) else (shown, {})
    return {**(data or {}), "text/plain": page.text, "image/png": page.png}, metadata


def embed(explanation: Explanation, title: str | None = None) -> Embedded:
    """Return the page of an explanation, to stand in a cell."""
    from notebook_explain.widgets.html import frame

    words = f"{explanation.in_words()} Clip: {explanation.clip.name}."
    picture = base64.b64encode(_picture(explanation)).decode()
    return Embedded(frame(_page([explanation], title), picture, words), picture, _named(explanation))


def picture(report: BlockReport) -> dict[str, str]:
    """What a cell shows of what has no viewer: its figure as a picture, and its text."""
    from notebook_explain.figures.blocks.report import report_png

    return {"image/png": base64.b64encode(report_png(report)).decode(), "text/plain": _named(report)}


def _named(explanation: Explanation | BlockReport) -> str:
    """Its repr without the folders that the clip lies in: notebooks are passed on."""
    return repr(replace(explanation, clip=replace(explanation.clip, source=explanation.clip.name)))


@dataclass(frozen=True)
class Embedded:
    """A page in the output of a cell: saved with the notebook, alive without a kernel, a widget or a network.

    Attributes
    ----------
    html : str
        An element that shows the page, and the picture where a page may not stand (GitHub; a notebook not trusted).
    png : str
        The picture, in base64.
    text : str
    """

    html: str
    png: str
    text: str

    def __repr__(self) -> str:
        return f"Embedded({self.text}, {len(self.html):,} bytes)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return {"text/html": self.html, "image/png": self.png, "text/plain": self.text}, {}


def _close_last_run(widget: Any, cell: str | None, run: Any) -> None:
    if cell is None:
        return
    before, widgets = _drawn.get(cell, (None, []))
    if before != run:
        for old in widgets:
            old.close()
        widgets = []
    _drawn[cell] = (run, [*widgets, widget])


def _cell() -> tuple[str | None, Any]:
    """Which cell is running, where the front end tells, and which run of it."""
    try:
        from IPython import get_ipython

        kernel = getattr(get_ipython(), "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
    except ImportError:
        return None, None
    cell = (parent.get("metadata") or {}).get("cellId")
    return cell, (parent.get("header") or {}).get("msg_id")

"""Widgets, figures, videos and pages of explanations, and the output of a cell.

Running a cell again closes the widgets of its previous run, so repeated runs do not accumulate widgets.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from notebook_explain._atomic import replacing, with_suffix
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import counted, working
from notebook_explain._validation import check_range
from notebook_explain.explanations import BlockReport, Explanation, Pyramid, Tubes
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.shared_volumes import share_volumes
from notebook_explain.explanations.targets import REGRESSION
from notebook_explain.explanations.text import shortened, verdict_of

if TYPE_CHECKING:
    from notebook_explain.clip import Clip
    from notebook_explain.widgets import CompareViewer
    from notebook_explain.widgets.base import View

LARGEST_CELL = 2_000_000  # bytes; by default, a notebook server stops output above 1 MB/s over three seconds
LARGEST_FILE = 20_000_000  # bytes; in a notebook that runs without a front end (nbconvert --execute, papermill)
_TOO_LARGE = (
    "This view is too large to be saved in the notebook. Run the cell again, or write it to a file with to_html()."
)
MIN_DPI, MAX_DPI = 20, 1200  # of a PNG
_drawn: dict[str, tuple[Any, list[Any]]] = {}  # by cell: its last run, and the widgets that the run drew


def view(explanation: Explanation, **state: Any) -> Any:
    """Return the widget that shows an explanation."""
    from notebook_explain.widgets import PyramidViewer, TubeViewer

    viewer: Any = PyramidViewer if isinstance(explanation, Pyramid) else TubeViewer
    widget = viewer(explanation, **state)
    _close_last_run(widget, *_cell())
    return widget


def compare(
    a: Tubes, b: Tubes, *more: Tubes, titles: Sequence[str] | None = None, same_clip: bool = True, **state: Any
) -> CompareViewer:
    """Return the widget that shows two to four explanations side by side: of layers, classes, networks, methods or clips.

    All sides share one play bar, the camera and the settings of the display; each side has its own layer, threshold and
    class. Use ``to_html(path)`` of the widget to write a page. Running the cell again closes the widget of its previous run.

    Parameters
    ----------
    a, b, *more : Tubes
        Two to four explanations; the same object may be given several times.
    titles : sequence of str, optional
        Title of each side; by default the clip, network, method, settings and classes in which they differ.
    same_clip : bool
        By default explanations of different clips are an error, because their maps rarely can be compared. With ``False``
        each side shows its own clip. Clips of the same length and frame rate are linked by frame number. Others are linked
        by time: each side shows its frame nearest in time, and names it. It is the time in the source if all clips come
        from one source, else the time since the first frame.
    **state
        First values, such as ``frame=3``, ``b_layer="layer3"``, or ``threshold=0.5`` for all sides (a, b, c, d); see
        `CompareViewer`.

    Returns
    -------
    CompareViewer

    Raises
    ------
    TypeError
        An explanation is not `Tubes`, or there is no such first value.
    ValueError
        More than four explanations, different clips (with ``same_clip=False``: of different lengths, and the times of one
        are unknown), or a side has no such layer, target or frame signal.
    traitlets.TraitError
        A first value is out of range.

    Examples
    --------
    ``ne.compare(tubes, tubes, a_layer="layer2", b_layer="layer4")``; ``ne.compare(before, after, titles=("before
    fine-tuning", "after"))``; ``ne.compare(original, mirrored, same_clip=False)``.
    """
    from notebook_explain.widgets import CompareViewer

    widget = CompareViewer(a, b, *more, titles=titles, same_clip=same_clip, **state)
    _close_last_run(widget, *_cell())
    return widget


def figure(explanation: Explanation | BlockReport, window: Any = None, **options: Any) -> Any:
    """Return the matplotlib figure of an explanation, whose clip is shown in a window of its values if one is given."""
    from notebook_explain.figures import pyramid, tubes
    from notebook_explain.figures.blocks import report

    explanation = _in_window(explanation, window)
    with working("drawing the figure"):
        if isinstance(explanation, BlockReport):
            return report.report_figure(explanation, **options)
        if isinstance(explanation, Pyramid):
            return pyramid.pyramid_figure(explanation, **options)
        return tubes.tubes_figure(explanation, **options)


def to_png(
    explanation: Explanation | BlockReport, path: str | os.PathLike[str], *, dpi: float = 150, **options: Any
) -> Path:
    """Write the figure of an explanation as a PNG."""
    path = with_suffix(path, (".png",), "to_png() writes a PNG (figure().savefig() other formats)")
    dots = check_range("dpi", dpi, MIN_DPI, MAX_DPI)
    with replacing(path) as temporary:
        figure(explanation, **options).savefig(temporary, format="png", dpi=dots)
    return path


def _in_window(explanation: Any, window: Any) -> Any:
    """Return an explanation whose clip is shown between other limits of its values; itself if there are none."""
    return explanation if window is None else replace(explanation, clip=explanation.clip.with_range(window))


def _picture(explanation: Explanation, **state: Any) -> bytes:
    """Return the PNG that is shown where neither a page nor a widget can be; ``state`` has a layer, target and threshold."""
    if isinstance(explanation, Pyramid):
        from notebook_explain.figures.pyramid import pyramid_png

        return pyramid_png(explanation)
    from notebook_explain.figures import strip_png

    return strip_png(explanation, **state)


def to_gif(explanation: Tubes, path: str | os.PathLike[str], window: Any = None, **options: Any) -> Path:
    """Write an explanation as a GIF."""
    from notebook_explain.figures.video import export

    return export.tubes_gif(_in_window(explanation, window), path, **options)


def to_video(explanation: Tubes, path: str | os.PathLike[str], window: Any = None, **options: Any) -> Path:
    """Write an explanation as a video."""
    from notebook_explain.figures.video import export

    return export.tubes_video(_in_window(explanation, window), path, **options)


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

    The page needs no kernel and no network. An existing file is replaced as a whole.

    Parameters
    ----------
    explanations : Tubes or Pyramid, or several of them
    path : path to a file
    title : str, optional
        Heading of the page, plain text; by default the question that the explanation answers.
    **state
        First values of each viewer, as for `view`; readers can change all of them on the page.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        Something other than explanations, or no such first value.
    ValueError
        No explanation, or no such layer, target or row.
    traitlets.TraitError
        A first value is out of range.
    OSError
        The folder does not exist.
    """
    path = Path(path)
    is_single = isinstance(explanations, Explanation | BlockReport)
    shown: list[Any] = [explanations] if is_single else list(explanations)  # type: ignore[arg-type]
    with working(f"writing {path.name}"), replacing(path) as temporary:
        temporary.write_text(_page(shown, title, state), encoding="utf-8")
    return path


def _page(
    explanations: Sequence[Explanation], title: str | None, state: Mapping[str, Any] = MappingProxyType({})
) -> str:
    from notebook_explain.widgets.html import page

    _check_explanations(explanations)
    is_single = len(explanations) == 1
    viewers, notes = [], []
    for explanation in counted(explanations, "viewers", len(explanations)):
        heading = f"{_question(explanation, state)} ({explanation.clip.name})"
        viewers.append(_viewer_state(explanation, "" if is_single else heading, state))
        notes += [line if is_single else f"{heading}: {line}" for line in provenance_lines(explanation)]
    default = _question(explanations[0], state) if is_single else f"{len(explanations)} explanations"
    return page(viewers, title or default, notes)


def _check_explanations(explanations: Sequence[Any]) -> None:
    wrong = [type(other).__name__ for other in explanations if not isinstance(other, Explanation)]
    if BlockReport.__name__ in wrong:
        raise UsageTypeError(
            "a page shows explanations that have a viewer, such as tubes; got BlockReport; draw it with .figure(), or put "
            "its frame signals on the timeline of tubes with report.on(tubes)"
        )
    if wrong:
        raise UsageTypeError(f"a page shows explanations, such as tubes; got {', '.join(wrong)}")
    if not explanations:
        raise UsageError("there is nothing to show; give at least one explanation")


def _viewer_state(explanation: Explanation, title: str, first_values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the bundle that shows an explanation, and the complete state that it opens with."""
    from notebook_explain.widgets import pyramid_viewer, tube_viewer

    if isinstance(explanation, Pyramid):
        return pyramid_viewer.BUNDLE, pyramid_viewer.initial_state(explanation, title=title, **first_values)
    return tube_viewer.BUNDLE, tube_viewer.initial_state(explanation, title=title, **first_values)


def _question(explanation: Explanation, first_values: Mapping[str, Any]) -> str:
    """Return the question that a page answers when it opens, about the target that is shown first."""
    index = 0
    if isinstance(explanation, Tubes) and first_values.get("target") is not None:
        index = explanation.target_index(first_values["target"])
    result = explanation.targets[index]
    if result.kind == REGRESSION:
        return f"Why {verdict_of(result, 80)}?"
    place = f" in {result.region}" if result.region else ""
    return f"Why {shortened(result.name, 80)!r}{place}?"


def mimebundle(explanation: Explanation) -> Any:
    """Return the output of a cell: the page, which is saved with the notebook and works without a kernel.

    A page that is too large for an output of the front end is replaced by the output of a widget (see `widget_output`).
    """
    with share_volumes():
        page = embed(explanation)
        if len(page.html) <= _largest_output():
            return page._repr_mimebundle_()
        return view(explanation)._repr_mimebundle_()


def embed(explanation: Explanation, title: str | None = None) -> Embedded:
    """Return the page of an explanation for the output of a cell."""
    with share_volumes():
        png = base64.b64encode(_picture(explanation)).decode()
        return _embedded(_page([explanation], title), png, explanation)


def widget_output(widget: View) -> Any:
    """Return the output of a cell that shows a widget: a page, connected to the widget while the notebook runs.

    In a notebook that is opened again, the page works on its own, with the widget's state of when it was shown. If it would
    be too large for an output, a picture and a sentence take its place then.
    """
    from notebook_explain.widgets.html import live_page, live_page_without_state

    title, notes = _heading(widget)
    with share_volumes():
        png = base64.b64encode(_pictures(widget)).decode()
        page = live_page(widget, title, notes)
        if len(page) > _largest_output():
            page = live_page_without_state(widget, title, notes, png, _TOO_LARGE)
        return _embedded(page, png, *widget.explanations)._repr_mimebundle_()


def _heading(widget: View) -> tuple[str, list[str]]:
    """Return the title of a widget's page and the lines at its foot."""
    if len(widget.explanations) > 1:
        comparison: CompareViewer = widget  # type: ignore[assignment]
        return comparison.heading(), comparison.notes()
    (explanation,) = widget.explanations
    return _question(explanation, {"target": getattr(widget, "target", None)}), provenance_lines(explanation)


def _pictures(widget: View) -> bytes:
    """Return one PNG of what a widget shows, its sides one below the other."""
    from notebook_explain.figures.thumbnail import stack_pngs

    pictures = [_picture(explanation, **state) for explanation, state in widget.sides()]
    return pictures[0] if len(pictures) == 1 else stack_pngs(list(dict.fromkeys(pictures)))


def _embedded(page: str, png: str, *explanations: Explanation) -> Embedded:
    """Return a page for the output of a cell, with the explanations as a picture and as text."""
    from notebook_explain.widgets.html import iframe

    distinct = list({id(explanation): explanation for explanation in explanations}.values())
    description = " ".join(f"{explanation.in_words()} Clip: {explanation.clip.name}." for explanation in distinct)
    text = "\n".join(_repr_without_folders(explanation) for explanation in distinct)
    return Embedded(iframe(page, png, description), png, text)


def _largest_output() -> int:
    """Return the bytes that a page in the output of the running cell may have."""
    cell, run = _cell()
    has_front_end = cell is not None or run is None
    return LARGEST_CELL if has_front_end else LARGEST_FILE


def picture(report: BlockReport) -> dict[str, str]:
    """Return the output of a cell for a report, which has no viewer: its figure and its text."""
    from notebook_explain.figures.blocks.report import report_png

    return {"image/png": base64.b64encode(report_png(report)).decode(), "text/plain": _repr_without_folders(report)}


def clip_bundle(clip: Clip) -> dict[str, str]:
    """Return the output of a cell for a clip: it plays, with what was read beside it."""
    from notebook_explain.figures import clip_preview

    return clip_preview.clip_bundle(clip)


def _repr_without_folders(explanation: Explanation | BlockReport) -> str:
    """Return the repr without the folders of the clip; paths are stripped for privacy, as notebooks are shared."""
    return repr(replace(explanation, clip=replace(explanation.clip, source=explanation.clip.name)))


@dataclass(frozen=True)
class Embedded:
    """Page in the output of a cell; it is saved with the notebook and needs no kernel, widget or network.

    Attributes
    ----------
    html : str
        Element that shows the page, or the picture where pages are removed (GitHub, untrusted notebooks).
    png : str
        The picture in base64.
    text : str
        Repr of the explanation.
    """

    html: str
    png: str
    text: str

    def __repr__(self) -> str:
        return f"Embedded({self.text}, {len(self.html):,} bytes)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return {"text/html": self.html, "image/png": self.png, "text/plain": self.text}, {}


def _close_last_run(widget: Any, cell: str | None, run: Any) -> None:
    """Remember a widget of a run, and close the widgets of the cell's previous run."""
    if cell is None:
        return
    last_run, widgets = _drawn.get(cell, (None, []))
    if last_run != run:
        for old in widgets:
            old.close()
        widgets = []
    _drawn[cell] = (run, [*widgets, widget])


def _cell() -> tuple[str | None, Any]:
    """Return the id of the running cell and of its run; None if unknown."""
    try:
        from IPython import get_ipython

        kernel = getattr(get_ipython(), "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
    except ImportError:
        return None, None
    cell = (parent.get("metadata") or {}).get("cellId")
    return cell, (parent.get("header") or {}).get("msg_id")

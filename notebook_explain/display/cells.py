"""Output of a cell: a page that is saved with the notebook and works without a kernel, and a picture of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from notebook_explain.clip import Clip
from notebook_explain.display import runs
from notebook_explain.display.exports import page_of, question
from notebook_explain.display.viewers import view
from notebook_explain.explanations import BlockReport, ConceptCurves, Concepts, Explanation, Pyramid, Visualization
from notebook_explain.explanations.provenance import clips_named, provenance_lines
from notebook_explain.explanations.shared_volumes import share_volumes

if TYPE_CHECKING:
    from notebook_explain.widgets.base import View

LARGEST_CELL = 2_000_000  # bytes; by default, a notebook server stops output above 1 MB/s over three seconds
LARGEST_FILE = 20_000_000  # bytes; in a notebook that runs without a front end (nbconvert --execute, papermill)
_TOO_LARGE = (
    "This view is too large to be saved in the notebook. Run the cell again, or write it to a file with to_html()."
)


def mimebundle(explanation: Explanation) -> Any:
    """Return the output of a cell: the page, which is saved with the notebook and works without a kernel.

    A page that is too large for an output of the front end is replaced by the output of a widget (see `widget_output`).
    """
    from notebook_explain.widgets.base import shows_widgets_only

    with share_volumes():
        page = embed(explanation)
        if len(page.html) <= _largest_output():
            return page._repr_mimebundle_()
        widget = view(explanation)
        return widget._repr_mimebundle_() if shows_widgets_only() else widget_output(widget, is_too_large=True)


def embed(explanation: Explanation, title: str | None = None) -> Embedded:
    """Return the page of an explanation for the output of a cell."""
    with share_volumes():
        png = base64.b64encode(_picture(explanation)).decode()
        return _embedded(page_of([explanation], title), png, explanation)


def widget_output(widget: View, is_too_large: bool = False) -> Any:
    """Return the output of a cell that shows a widget: a page, connected to the widget while the notebook runs.

    In a notebook that is opened again, the page works on its own, with the widget's state of when it was shown. If it would
    be too large for an output, or ``is_too_large`` says that it would, a picture and a sentence take its place then.
    """
    from notebook_explain.widgets.html import live_page, live_page_without_state

    title, notes = _heading(widget)
    with share_volumes():
        png = base64.b64encode(_pictures(widget)).decode()
        page = "" if is_too_large else live_page(widget, title, notes)
        if is_too_large or len(page) > _largest_output():
            page = live_page_without_state(widget, title, notes, png, _TOO_LARGE)
        return _embedded(page, png, *widget.explanations)._repr_mimebundle_()


def _heading(widget: View) -> tuple[str, list[str]]:
    """Return the title of a widget's page and the lines at its foot."""
    own: Any = widget
    if hasattr(own, "heading"):  # of a comparison, or of the explorer
        return own.heading(), own.notes()
    (explanation,) = widget.explanations
    return question(explanation, {"target": getattr(widget, "target", None)}), provenance_lines(explanation)


def _picture(explanation: Explanation, **state: Any) -> bytes:
    """Return the PNG that is shown where neither a page nor a widget can be; ``state`` has a layer, target and threshold."""
    if isinstance(explanation, Concepts):
        from notebook_explain.figures.concepts import concepts_png

        return concepts_png(explanation)
    if isinstance(explanation, Visualization):
        from notebook_explain.figures.visualization import visualization_png

        return visualization_png(explanation)
    if isinstance(explanation, Pyramid):
        from notebook_explain.figures.pyramid import pyramid_png

        return pyramid_png(explanation)
    from notebook_explain.figures import strip_png

    return strip_png(explanation, **state)


def _pictures(widget: View) -> bytes:
    """Return one PNG of what a widget shows, its sides one below the other."""
    from notebook_explain.figures.thumbnail import stack_pngs

    pictures = [_picture(explanation, **state) for explanation, state in widget.sides()]
    return pictures[0] if len(pictures) == 1 else stack_pngs(list(dict.fromkeys(pictures)))


def _embedded(page: str, png: str, *explanations: Explanation) -> Embedded:
    """Return a page for the output of a cell, with the explanations as a picture and as text."""
    from notebook_explain.widgets.html import iframe

    distinct = list({id(explanation): explanation for explanation in explanations}.values())
    description = " ".join(_description(explanation) for explanation in distinct)
    text = "\n".join(_repr_without_folders(explanation) for explanation in distinct)
    return Embedded(iframe(page, png, description), png, text)


def _description(explanation: Explanation) -> str:
    """Return sentences on an explanation and its clip; concepts say how many clips they have."""
    words = explanation.in_words()
    return words if isinstance(explanation, Concepts) else f"{words} Clip: {clips_named(explanation)}."


def _largest_output() -> int:
    """Return the bytes that a page in the output of the running cell may have."""
    cell, run = runs.running_cell()
    has_front_end = cell is not None or run is None
    return LARGEST_CELL if has_front_end else LARGEST_FILE


def picture(report: BlockReport) -> dict[str, str]:
    """Return the output of a cell for a report, which has no viewer: its figure and its text."""
    from notebook_explain.figures.blocks.report import report_png

    return {"image/png": base64.b64encode(report_png(report)).decode(), "text/plain": _repr_without_folders(report)}


def curves_bundle(curves: ConceptCurves) -> dict[str, str]:
    """Return the output of a cell for curves: their figure, and the table as text."""
    from notebook_explain.figures.concept_curves import curves_figure

    png = base64.b64encode(curves_figure(curves)._repr_png_()).decode()
    return {"image/png": png, "text/plain": f"{curves!r}\n{curves.report()}"}


def clip_bundle(clip: Clip) -> dict[str, str]:
    """Return the output of a cell for a clip: it plays, with what was read beside it."""
    from notebook_explain.figures import clip_preview

    return clip_preview.clip_bundle(clip)


def _repr_without_folders(explanation: Explanation | BlockReport) -> str:
    """Return the repr without the folders of the clip; paths are stripped for privacy, as notebooks are shared."""
    if isinstance(explanation, Concepts | Visualization):
        return repr(explanation)  # it names no clip
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

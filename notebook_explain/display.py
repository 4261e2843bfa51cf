"""Which view, figure, film or page shows which explanation, and what a cell shows: the page, or the widget.

Running a cell again closes the widget that its last run drew, so that a cell run a hundred times costs what one run
costs.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain.explanations import Tubes
from notebook_explain.explanations.remarks import origin, shortened
from notebook_explain.writing import replacing

if TYPE_CHECKING:
    from notebook_explain.widgets import TubeViewer

LARGEST_CELL = 2_000_000  # bytes; a notebook server drops outputs of more than 3 MB in three seconds
_drawn: dict[str, tuple[Any, list[Any]]] = {}  # per cell: the run it belongs to, and the widgets that it drew


def view(explanation: Tubes, **state: Any) -> TubeViewer:
    """Return the widget that shows an explanation."""
    from notebook_explain.widgets import TubeViewer

    return TubeViewer(explanation, **state)


def figure(explanation: Tubes, **options: Any) -> Any:
    """Return the matplotlib figure of an explanation."""
    from notebook_explain.figures import paper

    return paper.tubes_figure(explanation, **options)


def to_gif(explanation: Tubes, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write an explanation as a GIF."""
    from notebook_explain.figures import moving

    return moving.tubes_gif(explanation, path, **options)


def to_video(explanation: Tubes, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write an explanation as a video."""
    from notebook_explain.figures import moving

    return moving.tubes_video(explanation, path, **options)


def to_ipyvolume(explanation: Tubes, **options: Any) -> Any:
    """Return an ipyvolume figure of an explanation."""
    from notebook_explain.widgets import volume

    return volume.tubes_volume(explanation, **options)


def to_html(explanations: Tubes | Iterable[Tubes], path: str | os.PathLike[str], title: str | None = None) -> Path:
    """Write one interactive HTML page of one or several explanations, one below the other.

    It opens anywhere, with no kernel and no network; an existing file is replaced as a whole.

    Parameters
    ----------
    explanations : Tubes, or several of them
    path : path to a file
    title : str, optional
        Heading of the page, plain text; by default what is explained.

    Returns
    -------
    Path

    Raises
    ------
    TypeError, ValueError, OSError
        Something else than explanations; none at all; a folder that is not there.
    """
    path = Path(path)
    shown = [explanations] if isinstance(explanations, Tubes) else list(explanations)
    with replacing(path) as temporary:
        temporary.write_text(_page(shown, title), encoding="utf-8")
    return path


def _page(explanations: Sequence[Tubes], title: str | None) -> str:
    from notebook_explain.widgets import TubeViewer
    from notebook_explain.widgets.page import offline, page

    wrong = [type(other).__name__ for other in explanations if not isinstance(other, Tubes)]
    if wrong:
        raise TypeError(f"a page shows explanations, such as tubes; got {', '.join(wrong)}")
    if not explanations:
        raise ValueError("there is nothing to show; give at least one explanation")
    alone = len(explanations) == 1
    widgets, notes = [], []
    for explanation in explanations:
        heading = f"{_title(explanation)} ({explanation.clip.name})"
        widgets.append(offline(TubeViewer)(explanation, title="" if alone else heading))
        notes += [line if alone else f"{heading}: {line}" for line in origin(explanation)]
    whole = _title(explanations[0]) if alone else f"{len(explanations)} explanations"
    return page(widgets, title or whole, notes)


def _title(explanation: Tubes) -> str:
    names = [repr(shortened(target.name, 80)) for target in explanation.targets]
    return f"Why {', '.join(names[:3])}{' …' if len(names) > 3 else ''}?"


def mimebundle(explanation: Tubes) -> Any:
    """What a cell shows: the page, which is saved with the notebook and alive without a kernel.

    Where that would be too large it is the widget, with a picture where no widget runs (GitHub, nbviewer); but the page
    again where no front end is there to run one (``jupyter nbconvert --execute``, papermill).
    """
    page = embed(explanation)
    cell, run = _cell()
    if len(page.html) <= LARGEST_CELL or (cell is None and run is not None):
        return page._repr_mimebundle_()
    widget = view(explanation)
    _close_last_run(widget, cell, run)
    shown = widget._repr_mimebundle_()
    data, metadata = shown if isinstance(shown, tuple) else (shown, {})
    return {**(data or {}), "text/plain": page.text, "image/png": page.png}, metadata


def embed(explanation: Tubes, title: str | None = None) -> Embedded:
    """Return the page of an explanation, to stand in a cell."""
    from notebook_explain.figures import strip_png
    from notebook_explain.widgets.page import frame

    words = f"{explanation.in_words()} ({explanation.clip.name})"
    picture = base64.b64encode(strip_png(explanation)).decode()
    return Embedded(frame(_page([explanation], title), picture, words), picture, _named(explanation))


def _named(explanation: Tubes) -> str:
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

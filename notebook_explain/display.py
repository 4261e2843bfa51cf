"""Which view, figure or page shows which explanation, and what a cell shows: the widget, with a picture to fall back on.

Running a cell again closes the widget that its last run drew, so that a cell run a hundred times costs what one run
costs.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain.explanations import Tubes
from notebook_explain.explanations.writing import replacing

if TYPE_CHECKING:
    from notebook_explain.widgets import TubeViewer

_drawn: dict[str, tuple[Any, list[Any]]] = {}  # per cell: the run it belongs to, and the widgets that it drew


def view(explanation: Tubes, **state: Any) -> TubeViewer:
    """Return the widget that shows an explanation."""
    from notebook_explain.widgets import TubeViewer

    return TubeViewer(explanation, **state)


def figure(explanation: Tubes, **options: Any) -> Any:
    """Return the matplotlib figure of an explanation."""
    from notebook_explain import figures

    return figures.tubes_figure(explanation, **options)


def to_html(explanation: Tubes, path: str | os.PathLike[str], title: str | None = None) -> Path:
    """Write one interactive page; an existing file is replaced as a whole."""
    from notebook_explain.widgets import page

    path = Path(path)
    widget = view(explanation)
    try:
        text = page([widget], title or _title(explanation), notes(explanation))
    finally:
        widget.close()
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _title(explanation: Tubes) -> str:
    names = [repr(target.name) for target in explanation.targets]
    return f"Why {', '.join(names[:3])}{' …' if len(names) > 3 else ''}?"


def notes(explanation: Tubes) -> list[str]:
    """Where an explanation comes from, as lines."""
    p = explanation.provenance
    versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
    return [
        f"{p.method} of {p.model}; clip: {explanation.clip.name}",
        f"{p.forwards} forward, {p.backwards} backward, {p.seconds:.2f} s; {versions}",
    ]


def mimebundle(explanation: Tubes) -> Any:
    """What a cell shows: the widget, and a picture where no widget runs (GitHub, nbviewer)."""
    from notebook_explain import figures

    widget = view(explanation)
    _close_last_run(widget)
    shown = widget._repr_mimebundle_()
    data, metadata = shown if isinstance(shown, tuple) else (shown, {})
    picture = base64.b64encode(figures.strip_png(explanation)).decode()
    return {**(data or {}), "text/plain": repr(explanation), "image/png": picture}, metadata


def _close_last_run(widget: Any) -> None:
    cell, run = _cell()
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

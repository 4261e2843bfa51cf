"""The running cell of a notebook. Running it again closes the widgets of its last run, so that they do not accumulate."""

from __future__ import annotations

from typing import Any

_drawn: dict[str, tuple[Any, list[Any]]] = {}  # by cell: its last run, and the widgets that the run drew


def running_cell() -> tuple[str | None, Any]:
    """Return the id of the running cell and of its run; None if unknown."""
    try:
        from IPython import get_ipython

        kernel = getattr(get_ipython(), "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
    except ImportError:
        return None, None
    cell = (parent.get("metadata") or {}).get("cellId")
    return cell, (parent.get("header") or {}).get("msg_id")


def close_last_run(widget: Any) -> None:
    """Remember a widget of the running cell, and close the widgets of the cell's previous run."""
    cell, run = running_cell()
    if cell is None:
        return
    last_run, widgets = _drawn.get(cell, (None, []))
    if last_run != run:
        for old in widgets:
            old.close()
        widgets = []
    _drawn[cell] = (run, [*widgets, widget])

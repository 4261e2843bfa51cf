"""Messages from a view to the kernel: they are handled while a cell runs, without disturbing it.

Where the front end uses subshells (JupyterLab and Notebook 7 with ipykernel 7), messages of widgets are handled on a thread of
their own. Two habits of the stack defeat that:

- ipykernel 7.4 answers on the subshell that sent the last message. The one of a widget that a cell creates or changes is that
  of the cell, so the kernel would hear the view only when the cell has ended.
- `comm` fires the events of a cell, ``pre_execute`` and ``post_execute``, around each message. On another thread than the
  cell's they close the matplotlib figure that the cell is drawing.
"""

from __future__ import annotations

import threading
from typing import Any


def handle_during_cells(widget: Any) -> None:
    """Have a widget's messages handled on the subshell that they arrive on, and outside the events of a running cell."""
    comm = widget.comm
    if comm is None:
        return
    # A private name of ipykernel 7.4, which looks it up by getattr and takes None for "no rule".
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = None
    handle_with_events = getattr(comm, "handle_msg", None)
    if handle_with_events is None:
        return

    def handle_msg(message: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            handle_with_events(message)
        else:
            widget._handle_msg(message)

    comm.handle_msg = handle_msg

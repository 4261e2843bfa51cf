"""A line of progress in the output of a cell: text and HTML that are updated, never a widget, which a notebook would save.

The Jupyter protocol can remove all outputs of a cell, or empty one of them, but not remove one. At the end, the outputs are
removed if the line is all that the cell has sent so far; else the line's output is emptied, and serves the next line of the
cell.
"""

from __future__ import annotations

import html
import os
import sys
import weakref
from typing import Any

_HTML = (
    '<label style="display:flex;gap:8px;align-items:center">'
    '<progress max="1" value="{value:.3f}" style="width:10em"></progress><span>{text}</span></label>'
)
_messages: weakref.WeakKeyDictionary[Any, CellMessages] = weakref.WeakKeyDictionary()  # by IPython shell


def watch_cells() -> None:
    """Count the messages of the running kernel from the next cell on; do nothing outside of a kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is not None and shell not in _messages:
        _messages[shell] = CellMessages(shell)


def notebook_display(shell: Any) -> NotebookDisplay | None:
    """Return the display of the cell that runs; None if its output is captured, or this is a fork of the kernel."""
    from IPython.core.displaypub import CapturingDisplayPublisher

    is_fork = getattr(shell.kernel.session, "pid", os.getpid()) != os.getpid()
    if is_fork or isinstance(shell.display_pub, CapturingDisplayPublisher):
        return None
    return NotebookDisplay(shell)


class CellMessages:
    """Messages that a kernel has sent since the running cell began, whoever sent them."""

    def __init__(self, shell: Any) -> None:
        self._kernel = weakref.proxy(shell.kernel)
        self._cell, self._first = "", 0
        self._emptied: tuple[str, Any] = ("", None)
        shell.events.register("pre_run_cell", self.restart)
        if hasattr(shell.display_pub, "register_hook"):
            shell.display_pub.register_hook(self._on_message)

    def restart(self, _: Any = None) -> None:
        """Count from here on."""
        self._cell, self._first = self._running(), self._kernel.session.message_count

    def count(self) -> int | None:
        """Return the number of messages; None if the beginning of this cell is unknown."""
        if not self._cell or self._cell != self._running():
            return None
        sys.stdout.flush()  # prints are sent later otherwise
        sys.stderr.flush()
        return int(self._kernel.session.message_count - self._first)

    def keep(self, handle: Any) -> None:
        """Keep an output of this cell that was emptied."""
        self._emptied = self._running(), handle

    def take(self) -> Any:
        """Return an emptied output of this cell; None if there is none."""
        (cell, handle), self._emptied = self._emptied, ("", None)
        return handle if cell == self._running() else None

    def _on_message(self, message: Any) -> Any:
        """Note that emptied outputs are gone, and pass on what the cell displays."""
        if message["header"]["msg_type"] == "clear_output":
            self._emptied = "", None
        return message

    def _running(self) -> str:
        return str(self._kernel.get_parent().get("header", {}).get("msg_id", ""))


class NotebookDisplay:
    """An output of the cell that is updated."""

    def __init__(self, shell: Any) -> None:
        self._shell, self._sent = shell, 0
        self._handle: Any = None

    def show(self, text: str, fraction: float | None) -> None:
        """Send the line to the cell."""
        self._send({"text/plain": text, "text/html": _to_html(text, fraction)})

    def hide(self) -> None:
        """Do nothing: other output of the cell is apart."""

    def close(self) -> None:
        """Remove the line from the output of the cell."""
        if self._handle is None:
            return
        messages = _messages.get(self._shell)
        if messages is None or messages.count() != self._sent:
            self._send({})
            if messages is not None:
                messages.keep(self._handle)
            return
        self._shell.display_pub.clear_output()
        messages.restart()

    def _send(self, bundle: dict[str, str]) -> None:
        from IPython.display import display

        self._sent += 1
        if self._handle is None and self._shell in _messages:
            self._handle = _messages[self._shell].take()
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)


def _to_html(text: str, fraction: float | None) -> str:
    return _HTML.format(value=fraction or 0.0, text=html.escape(text))

"""Places where a line of progress can be seen: a terminal, or the output of a cell."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

_FALLBACK_COLUMNS, _ROWS = 80, 20
_BAR = "{bar:10} {desc}"


class Display(Protocol):
    """One line that can be drawn, hidden until it is drawn again, and removed."""

    def show(self, text: str, fraction: float | None) -> None:
        """Draw the line with a bar; the bar is empty if the fraction is unknown."""

    def hide(self) -> None:
        """Remove the line until it is drawn again."""

    def close(self) -> None:
        """Remove the line for good."""


def find_display() -> Display | None:
    """Return where a line would be seen: in a notebook, else in a terminal; None in a pipe."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is not None:
        from notebook_explain._progress.notebook import notebook_display

        return notebook_display(shell)
    if sys.stderr is not None and sys.stderr.isatty():
        return TerminalDisplay(sys.stderr)
    return None


class TerminalDisplay:
    """A bar of tqdm, below other bars of tqdm."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._bar: Any = None

    def show(self, text: str, fraction: float | None) -> None:
        """Draw the bar."""
        if self._bar is None:
            self._bar = self._make_bar()
        bar = self._bar
        bar.total, bar.n = (None, 0) if fraction is None else (1, fraction)
        bar.set_description_str(text)  # draws it

    def hide(self) -> None:
        """Remove the bar until it is drawn again."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Remove the bar for good."""
        if self._bar is not None:
            self._bar.close()

    def _make_bar(self) -> Any:
        from tqdm import tqdm

        # Set the size explicitly: tqdm draws nothing in terminals that do not report theirs.
        return tqdm(file=self._stream, leave=False, bar_format=_BAR, ncols=_columns(self._stream) - 1, nrows=_ROWS)


def _columns(stream: Any) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _FALLBACK_COLUMNS
    except (OSError, ValueError, AttributeError):
        return _FALLBACK_COLUMNS

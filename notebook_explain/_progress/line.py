"""The line of one long work: its text, and the thread that draws it while the work runs."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from notebook_explain._progress.displays import Display, find_display

DELAY = 0.5  # seconds before the line appears
INTERVAL = 0.25  # seconds between two drawings
Item = TypeVar("Item")

_active: contextvars.ContextVar[Line | None] = contextvars.ContextVar("notebook_explain_progress", default=None)


@dataclass
class _Stage:
    """Stage that runs now with its steps, and within it the layer of a pass."""

    name: str = ""
    done: int = 0
    total: int = 0
    direction: str = ""
    layer: int = 0
    layers: int = 0


class Line:
    """A line about long work, redrawn by a thread until it is closed.

    The work only sets what is shown; it never waits for the display.

    Parameters
    ----------
    name : str
        What is done, such as "pyramid".
    display : Display
    delay : float
        Seconds before the line appears.
    """

    def __init__(self, name: str, display: Display, delay: float = DELAY) -> None:
        self.name, self.start = name, time.perf_counter()
        self._display, self._delay = display, delay
        self._stage = _Stage()
        self._lock, self._closed = threading.RLock(), threading.Event()
        # A thread has a context of its own; in a notebook, the context says which cell runs.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._redraw,), name="notebook_explain progress", daemon=True
        )
        self._thread.start()

    def set_stage(self, name: str, done: int = 0, total: int = 0) -> None:
        """Show a stage, and how many of its steps are done if ``total`` is not 0."""
        self._stage = _Stage(name, done, total)

    def reach_layer(self, direction: str, layer: int, layers: int) -> None:
        """Show a layer of a pass, "forward" or "backward": its number in order of the forward pass, from 1."""
        now = self._stage
        self._stage = _Stage(now.name, now.done, now.total, direction, layer, layers)

    @contextmanager
    def part(self, name: str) -> Iterator[Line]:
        """Show a part of the work as a stage, and then the stage from before."""
        before, self._stage = self._stage, _Stage(name)
        try:
            yield self
        finally:
            self._stage = before

    def text(self) -> str:
        """Return the line without its bar, such as "4.2 s pyramid: rows 3 of 20"."""
        now = self._stage
        count = f" {now.done} of {now.total}" if now.total > 0 else f" {now.done}" if now.done else ""
        parts = [now.name + count] if now.name else []
        if now.layer:
            parts.append(f"layer {now.layer} of {now.layers} ({now.direction})")
        elapsed = _elapsed(time.perf_counter() - self.start)  # first, since a narrow terminal cuts off the end
        return f"{elapsed} {self.name}{': ' if parts else ''}{', '.join(parts)}"

    def fraction(self) -> float | None:
        """Return the part of the stage, or of the pass, that is done; None if unknown."""
        now = self._stage
        if now.layer:
            return (now.layer if now.direction == "forward" else now.layers + 1 - now.layer) / now.layers
        return min(1.0, now.done / now.total) if now.total > 0 else None

    def draw(self) -> None:
        """Draw the line now."""
        with self._lock:
            if not self._closed.is_set():
                self._display.show(self.text(), self.fraction())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the line out of the way of other output within this context."""
        with self._lock:
            self._display.hide()
            yield

    def close(self) -> None:
        """Remove the line."""
        self._closed.set()
        try:
            self._thread.join(2)
        finally:
            with self._lock, contextlib.suppress(Exception):
                self._display.close()

    def _redraw(self) -> None:
        wait = self._delay
        while not self._closed.wait(wait):
            try:
                self.draw()
            except Exception:  # a closed terminal must not end the work
                return
            wait = INTERVAL


@contextmanager
def working(name: str, delay: float = DELAY) -> Iterator[Line | None]:
    """Show a line about work that takes longer than ``delay`` seconds, in a terminal or a notebook.

    Within other work, it is a part of that, and has no line of its own.

    Yields
    ------
    Line or None
        None where no one would see it.
    """
    outer = _active.get()
    if outer is not None:
        with outer.part(name):
            yield outer
        return
    display = find_display()
    if display is None:
        yield None
        return
    line = Line(name, display, delay)
    token = _active.set(line)
    try:
        yield line
    finally:
        _active.reset(token)
        line.close()


class Listener(Line):
    """A line that nobody sees: it calls back with what it would show.

    Parameters
    ----------
    callback : function
        Called with (stage, done, total) in the thread of the work; what it raises ends the work.
    """

    def __init__(self, callback: Callable[[str, int, int], None]) -> None:
        self.name, self.start, self._callback, self._stage = "", time.perf_counter(), callback, _Stage()

    def set_stage(self, name: str, done: int = 0, total: int = 0) -> None:
        """Call back with a stage."""
        super().set_stage(name, done, total)
        self._callback(name, done, total)

    def reach_layer(self, direction: str, layer: int, layers: int) -> None:
        """Call back with a layer of a pass."""
        now = self._stage
        super().reach_layer(direction, layer, layers)
        if now.total > 1:
            self._callback(now.name, now.done, now.total)
        else:
            self._callback(f"{now.name or 'pass'} ({direction})", layer, layers)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do nothing: there is no line."""
        yield

    def close(self) -> None:
        """Do nothing: there is no line."""


@contextmanager
def listening(callback: Callable[[str, int, int], None]) -> Iterator[None]:
    """Call back about the progress of the work within this context, instead of showing a line."""
    token = _active.set(Listener(callback))
    try:
        yield
    finally:
        _active.reset(token)


def active() -> Line | None:
    """Return the line of the work that runs in this context; None if no one listens."""
    return _active.get()


def stage(name: str, done: int = 0, total: int = 0) -> None:
    """Name the stage of the work that runs in this context, and how many of its steps are done."""
    line = _active.get()
    if line is not None:
        line.set_stage(name, done, total)


def counted(items: Iterable[Item], name: str, total: int) -> Iterator[Item]:
    """Yield items, and count them as steps of a stage; ``total`` is 0 if unknown."""
    for done, item in enumerate(items, 1):
        yield item
        stage(name, done, total if done <= total else 0)


@contextmanager
def paused() -> Iterator[None]:
    """Keep a line in the terminal out of the way of other output within this context."""
    line = _active.get()
    if line is None:
        yield
        return
    with line.paused():
        yield


def _elapsed(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes} min {rest:02d} s"

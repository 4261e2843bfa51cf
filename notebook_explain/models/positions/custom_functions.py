"""Functions outside torch that state what they do to positions.

A function that dispatches with ``torch.overrides.handle_torch_function`` can carry two attributes:

position_proxy : function
    Takes the same arguments and consists of torch functions that move positions as the function does. It runs on
    positions in place of the function. A pooling with its own weights, for example, names torch's pooling over the same
    windows.
selects_frames : bool, optional
    The function keeps some of the frames on axis 2, depending on their content. While `selected_frames` is active, the
    positions are those of the frames that the network kept for a clip; otherwise the proxy decides.

The building blocks of ``notebook_explain.layers`` use these attributes; so can yours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

_selections: ContextVar[Iterator[torch.Tensor] | None] = ContextVar("_selections", default=None)


@contextmanager
def selected_frames(frames: Iterable[torch.Tensor]) -> Iterator[None]:
    """Replay the frames that a network selected: int64 (kept,) for each selection, in the order of the calls."""
    token = _selections.set(iter(frames))
    try:
        yield
    finally:
        _selections.reset(token)


def has_position_proxy(func: Any) -> bool:
    """Return whether a function states what it does to positions."""
    return hasattr(func, "position_proxy")


def selects_frames(func: Any) -> bool:
    """Return whether a function states that it keeps some frames, depending on their content."""
    return bool(getattr(func, "selects_frames", False))


def next_selection() -> torch.Tensor | None:
    """Return the frames that the next selection kept, int64 (kept,); None if they are not known."""
    selections = _selections.get()
    return None if selections is None else next(selections, None)

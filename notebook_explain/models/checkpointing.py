"""Run checkpointed parts of a network without recomputation, since an explanation trains nothing.

Reentrant checkpointing (``torch.utils.checkpoint`` with ``use_reentrant=True``, the default for years) computes a part of a
network without a graph and refuses ``torch.autograd.grad``, so that no layer before or inside it could be explained. The other
kind computes the part again in the backward pass, where it would draw other random numbers. While `no_checkpointing` is
active in a thread, checkpointed parts of that thread run as if they were not checkpointed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils import checkpoint

_NOT_REENTRANT = "_checkpoint_without_reentrant_generator"  # not public; without it, parts are computed again

_lock = threading.Lock()
_active: dict[int, int] = {}  # depth of the contexts of each thread
_apply: Callable[..., Any] = checkpoint.CheckpointFunction.apply
_generate: Callable[..., Any] | None = getattr(checkpoint, _NOT_REENTRANT, None)


@contextmanager
def no_checkpointing() -> Iterator[None]:
    """Run the checkpointed parts of this thread directly; those of other threads are as before."""
    thread = threading.get_ident()
    with _lock:
        if not _active:
            _replace()
        _active[thread] = _active.get(thread, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _active[thread] -= 1
            if not _active[thread]:
                del _active[thread]
            if not _active:
                _restore()


def _replace() -> None:
    """Replace what ``checkpoint`` calls: networks may have imported the function itself by name."""
    checkpoint.CheckpointFunction.apply = _run_directly  # type: ignore[method-assign]
    if _generate is not None:
        setattr(checkpoint, _NOT_REENTRANT, _run_around)


def _restore() -> None:
    del checkpoint.CheckpointFunction.apply
    if _generate is not None:
        setattr(checkpoint, _NOT_REENTRANT, _generate)


def _run_directly(function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
    """Stand in for ``CheckpointFunction.apply``."""
    if threading.get_ident() not in _active:
        return _apply(function, preserve_rng_state, *args)
    return function(*args)


def _run_around(*args: Any, **options: Any) -> Any:
    """Stand in for the generator that runs before and after a checkpointed part."""
    if threading.get_ident() not in _active and _generate is not None:
        return _generate(*args, **options)
    return iter((None,))

"""Run checkpointed parts of a network without recomputation, since an explanation trains nothing.

Reentrant checkpointing (``torch.utils.checkpoint`` with ``use_reentrant=True``, the default for years) computes a part of a
network without a graph and refuses ``torch.autograd.grad``, so that no layer before or inside it could be explained. While
`no_checkpointing` is active in a thread, checkpointed parts of that thread run as if they were not checkpointed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.checkpoint import CheckpointFunction

_lock = threading.Lock()
_active: dict[int, int] = {}  # depth of the contexts of each thread
_apply: Callable[..., Any] = CheckpointFunction.apply


@contextmanager
def no_checkpointing() -> Iterator[None]:
    """Run reentrant checkpoints of this thread directly; those of other threads are as before."""
    thread = threading.get_ident()
    with _lock:
        if not _active:
            # The class is replaced nowhere: modules may have imported it, or ``checkpoint``, by name.
            CheckpointFunction.apply = _run_directly  # type: ignore[method-assign]
        _active[thread] = _active.get(thread, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _active[thread] -= 1
            if not _active[thread]:
                del _active[thread]
            if not _active:
                del CheckpointFunction.apply


def _run_directly(function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
    """Stand in for ``CheckpointFunction.apply``."""
    if threading.get_ident() not in _active:
        return _apply(function, preserve_rng_state, *args)
    return function(*args)

"""Cache of stretched maps and their counts for the steps that make one output: the page, sentence and picture of a cell."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.geometry import stretch

if TYPE_CHECKING:
    from notebook_explain.explanations.layer_map import LayerMap

T = TypeVar("T")
_cache: ContextVar[dict[Hashable, Any] | None] = ContextVar("stretched_maps", default=None)


@contextmanager
def share_volumes() -> Iterator[None]:
    """Stretch and count each map at most once within the ``with`` block; the volumes are released at its end."""
    if _cache.get() is not None:
        yield
        return
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


def shared(key: Hashable, make: Callable[[], T]) -> T:
    """Return ``make()``; within `share_volumes` it is called at most once for each key."""
    cache = _cache.get()
    if cache is None:
        return make()
    if key not in cache:
        cache[key] = make()
    return cast(T, cache[key])


def stretched(layer: LayerMap, target: int, size: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return the map of a layer for a target, stretched over a clip of ``size`` (time, height, width).

    Within `share_volumes`, the array is shared and read-only.
    """

    def make() -> NDArray[np.float32]:
        volume = stretch(layer.values[target], layer.geometry, size)
        volume.flags.writeable = _cache.get() is None
        return volume

    return shared(("volume", layer, target, size), make)

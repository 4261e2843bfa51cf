"""Cache of stretched maps for the steps that make one output, such as the page, sentence and picture of a cell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.geometry import stretch

if TYPE_CHECKING:
    from notebook_explain.explanations.layer_map import LayerMap

_Key = tuple["LayerMap", int, tuple[int, int, int]]
_cache: ContextVar[dict[_Key, NDArray[np.float32]] | None] = ContextVar("stretched_maps", default=None)


@contextmanager
def share_volumes() -> Iterator[None]:
    """Stretch each map at most once within the ``with`` block; the volumes are released at its end."""
    if _cache.get() is not None:
        yield
        return
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


def stretched(layer: LayerMap, target: int, size: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return the map of a layer for a target, stretched over a clip of ``size`` (time, height, width).

    Within `share_volumes`, the array is shared and read-only.
    """
    cache = _cache.get()
    if cache is None:
        return stretch(layer.values[target], layer.geometry, size)
    key = (layer, target, size)
    if key not in cache:
        volume = stretch(layer.values[target], layer.geometry, size)
        volume.flags.writeable = False
        cache[key] = volume
    return cache[key]

"""Effect of this package's functions on clip positions, stated with torch functions.

Explanations trace where the values of a network lie in the clip. A function that dispatches with
``torch.overrides.handle_torch_function`` takes part through two attributes:

position_proxy : function
    Takes the same arguments and moves positions with torch functions that have the same windows.
selects_frames : bool
    The function keeps frames on axis 2, depending on their content. The proxy is used where the selection is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from notebook_explain.layers.mtconv import select_frames
from notebook_explain.layers.soft_pool.modules import (
    adaptive_soft_pool1d,
    adaptive_soft_pool2d,
    adaptive_soft_pool3d,
    soft_pool1d,
    soft_pool2d,
    soft_pool3d,
)


def _same_windows_as(pool: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Make a proxy that passes the first ``count`` arguments after the input to a pooling of torch."""

    def proxy(x: Tensor, *windows: Any, **_: Any) -> Any:
        return pool(x, *windows[:count])

    return proxy


def _evenly_spaced(x: Tensor, *_: Any) -> Tensor:
    """Halve the number of frames, evenly; one or two frames are kept."""
    frames = x.shape[2] // 2 if x.shape[2] > 2 else x.shape[2]
    return F.adaptive_avg_pool3d(x, (frames, *x.shape[3:]))


_PROXIES: list[tuple[Any, Callable[..., Any]]] = [
    (soft_pool1d, _same_windows_as(F.max_pool1d, 5)),
    (soft_pool2d, _same_windows_as(F.max_pool2d, 5)),
    (soft_pool3d, _same_windows_as(F.max_pool3d, 5)),
    (adaptive_soft_pool1d, _same_windows_as(F.adaptive_avg_pool1d, 1)),
    (adaptive_soft_pool2d, _same_windows_as(F.adaptive_avg_pool2d, 1)),
    (adaptive_soft_pool3d, _same_windows_as(F.adaptive_avg_pool3d, 1)),
    (select_frames, _evenly_spaced),
]
for _function, _proxy in _PROXIES:
    _function.position_proxy = _proxy
select_frames.selects_frames = True  # type: ignore[attr-defined]

"""FAST 3D convolutions: one plane after another, (1, k, k) in space, (k, 1, k) along t and x, (k, k, 1) along t and y.

A 3 x 3 x 3 convolution from C to C channels has 27 C^2 weights; so have three planes of 9 C^2 each, which see
5 x 5 x 5 cells and have two non-linearities more. ``parallel`` runs both planes with time side by side on what the
first made, and adds or concatenates them.

Widths: with M channels after the first plane (and, one after another, after the second) there are
k^2 (C_in M + M^2 + M C_out) weights. When left out, M is the largest with which they are no more than those of the
convolution that is replaced.

Reference: Stergiou, Poppe: Spatio-Temporal FAST 3D Convolutions for Human Action Recognition, ICMLA 2019,
arXiv:1909.13474. No code was released with it and only its abstract could be read, so these are reconstructions, and
options: batch normalisation and ReLU after each plane, strides (in space with the first plane, in time with the next
one), widths, and how parallel planes are merged.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from notebook_explain.layers.soft_pool.windows import entries

MERGES = ("sum", "concat")
PLANES = ("yx", "tx", "ty")
_AXES = {"yx": "space", "tx": "time and the horizontal", "ty": "time and the vertical"}


def matching_width(inputs: int, outputs: int, kernel_size: int = 3, parallel: bool = False, merge: str = "sum") -> int:
    """Channels between the planes, with which they have as many weights as one k x k x k convolution, or just fewer.

    >>> matching_width(64, 64), matching_width(64, 128)
    (64, 87)
    """
    target = kernel_size * inputs * outputs  # of the sum in brackets
    if not parallel:  # M^2 + (C_in + C_out) M = target
        both = inputs + outputs
        width = (math.isqrt(both**2 + 4 * target) - both) // 2
    else:  # each plane makes all outputs, or half of them
        width = target // (inputs + outputs * (2 if merge == "sum" else 1))
    return max(width, 1)


class FAST3d(nn.Module):
    """A convolution in three planes, in the place of a k x k x k convolution.

    Attributes
    ----------
    in_channels, out_channels : int
    kernel_size : int
        k, odd.
    stride : (time, height, width)
    width : int
        Channels between the planes; see `matching_width`.
    parallel : bool
        Planes with time side by side, not one after the other.
    merge : "sum" or "concat"
        Of parallel planes.
    norm : bool
        Batch normalisation and ReLU after every plane; else after all but the last, for a place where they follow.
    bias : bool
        Of what has no norm behind it.

    Examples
    --------
    >>> ne.layers.swap(net, {nn.Conv3d: FAST3d}).model    # those of k x k x k; others stay and are listed
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        *,
        width: int | None = None,
        parallel: bool = False,
        merge: str = "sum",
        norm: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = entries(kernel_size, 3, "kernel_size", 1)
        if len(set(sizes)) > 1 or sizes[0] % 2 == 0:
            raise ValueError(f"kernel_size must be one odd number, got {kernel_size!r}")
        if merge not in MERGES:
            raise ValueError(f"merge must be 'sum' or 'concat', got {merge!r}")
        if parallel and merge == "concat" and out_channels % 2:
            raise ValueError(f"out_channels must be even to be put together from two planes, got {out_channels}")
        k = sizes[0]
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, k
        self.stride = entries(stride, 3, "stride", 1)
        self.parallel, self.merge, self.norm = parallel, merge, norm
        self.width = width or matching_width(in_channels, out_channels, k, parallel, merge)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        t, y, x = self.stride
        ends = out_channels // 2 if parallel and merge == "concat" else out_channels
        middle = ends if parallel else self.width
        self.yx = _plane(in_channels, self.width, (1, k, k), (1, y, x), True, bias, made)
        self.tx = _plane(self.width, middle, (k, 1, k), (t, 1, 1), norm or not parallel, bias, made)
        self.ty = _plane(self.width, ends, (k, k, 1), (t if parallel else 1, 1, 1), norm, bias, made)

    @classmethod
    def like(cls, module: nn.Module) -> FAST3d | None:
        """Make one for the place of a k x k x k convolution of one group; ``None`` for any other module."""
        if not isinstance(module, nn.Conv3d) or module.groups > 1 or set(module.dilation) != {1}:
            return None
        if module.padding_mode != "zeros":
            return None
        k = module.kernel_size[0]
        if k < 3 or k % 2 == 0 or set(module.kernel_size) != {k} or tuple(module.padding) != (k // 2,) * 3:
            return None
        return cls(module.in_channels, module.out_channels, k, module.stride, bias=module.bias is not None)

    def forward(self, clips: Tensor) -> Tensor:
        """Transform (batch, channel, time, height, width)."""
        space = self.yx(clips)
        if not self.parallel:
            y: Tensor = self.ty(self.tx(space))
            return y
        planes = self.tx(space), self.ty(space)
        return planes[0] + planes[1] if self.merge == "sum" else torch.cat(planes, 1)

    def ablations(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        """Without a plane, its kernel keeps the middle cell only: channels are mixed, but no neighbour is seen."""
        return {f"plane {plane} ({_AXES[plane]})": partial(self.without, plane) for plane in PLANES}

    @contextmanager
    def without(self, plane: str) -> Iterator[None]:
        """Within it, one of the planes "yx", "tx" and "ty" sees nothing beside the place itself."""
        whole: Any = getattr(self, plane)[0]
        point = copy.deepcopy(whole)  # the weights themselves may be somebody else's
        middle: Any = (..., *(size // 2 for size in whole.kernel_size))
        with torch.no_grad():
            point.weight.zero_()
            point.weight[middle] = whole.weight[middle]
        getattr(self, plane)[0] = point
        try:
            yield
        finally:
            getattr(self, plane)[0] = whole

    def extra_repr(self) -> str:
        """Settings, for repr."""
        said = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{said}, width={self.width}" + (f", parallel=True, merge={self.merge!r}" if self.parallel else "")


def _plane(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int],
    norm: bool,
    bias: bool,
    made: Any,
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    plane = nn.Sequential(nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=bias and not norm, **made))
    if norm:
        plane.extend([nn.BatchNorm3d(outputs, **made), nn.ReLU()])
    return plane

"""FAST 3D convolutions: one plane after another, (1, k, k) in space, (k, 1, k) along t and x, (k, k, 1) along t and y.

A 3 x 3 x 3 convolution from C to C channels has 27 C^2 weights. Three planes of 9 C^2 weights have as many, a receptive
field of 5 x 5 x 5 cells, and two more non-linearities. ``parallel`` applies both planes with time side by side to the
output of the first plane and adds or concatenates the results.

Widths: with M channels after the first plane (and, in sequence, after the second) there are
k^2 (C_in M + M^2 + M C_out) weights. By default, M is the largest number that needs no more weights than the convolution
that is replaced.

Reference: Stergiou, Poppe: Spatio-Temporal FAST 3D Convolutions for Human Action Recognition, ICMLA 2019,
arXiv:1909.13474. No code was released with it and only its abstract could be read. This is a reconstruction, and these
are options: batch normalisation and ReLU after each plane, strides (in space with the first plane, in time with the next
one), widths, and how parallel planes are merged.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.layers.soft_pool.windows import per_axis
from notebook_explain.layers.swap import copied_model

MERGES = ("sum", "concat")
PLANES = ("yx", "tx", "ty")
_AXES = {"yx": "space", "tx": "time and the horizontal", "ty": "time and the vertical"}


def matching_width(inputs: int, outputs: int, kernel_size: int = 3, parallel: bool = False, merge: str = "sum") -> int:
    """Return the largest width between the planes that needs no more weights than one k x k x k convolution.

    >>> matching_width(64, 64), matching_width(64, 128)
    (64, 87)
    """
    target = kernel_size * inputs * outputs  # of the sum in brackets
    if not parallel:  # M^2 + (C_in + C_out) M = target
        both = inputs + outputs
        width = (math.isqrt(both**2 + 4 * target) - both) // 2
    else:  # each plane has all outputs, or half of them
        width = target // (inputs + outputs * (2 if merge == "sum" else 1))
    return max(width, 1)


class FAST3d(nn.Module):
    """Convolution in three planes that replaces a k x k x k convolution.

    Attributes
    ----------
    in_channels, out_channels : int
    kernel_size : int
        k, odd.
    stride : (time, height, width)
    width : int
        Channels between the planes; see `matching_width`.
    parallel : bool
        Apply the planes with time side by side instead of in sequence.
    merge : "sum" or "concat"
        How parallel planes are combined.
    norm : bool
        Batch normalisation and ReLU after every plane. By default after all but the last, because networks have them
        after the convolution that is replaced.
    bias : bool
        Bias of planes that are not normalised.

    Examples
    --------
    >>> ne.layers.swap(net, {nn.Conv3d: FAST3d}).model    # replaces k x k x k; other convolutions stay and are listed
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
        sizes = per_axis(kernel_size, 3, "kernel_size", 1)
        if len(set(sizes)) > 1 or sizes[0] % 2 == 0:
            raise UsageError(f"kernel_size must be one odd number, got {kernel_size!r}")
        check_choice("merge", merge, MERGES)
        if parallel and merge == "concat" and out_channels % 2:
            raise UsageError(f"out_channels must be even to concatenate two planes, got {out_channels}")
        k = sizes[0]
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, k
        self.stride = per_axis(stride, 3, "stride", 1)
        self.parallel, self.merge, self.norm = parallel, merge, norm
        self.width = width or matching_width(in_channels, out_channels, k, parallel, merge)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        t, y, x = self.stride
        last = out_channels // 2 if parallel and merge == "concat" else out_channels
        middle = last if parallel else self.width
        self.yx = _plane(in_channels, self.width, (1, k, k), (1, y, x), True, bias, factory)
        self.tx = _plane(self.width, middle, (k, 1, k), (t, 1, 1), norm or not parallel, bias, factory)
        self.ty = _plane(self.width, last, (k, k, 1), (t if parallel else 1, 1, 1), norm, bias, factory)

    @classmethod
    def like(cls, module: nn.Module) -> FAST3d | None:
        """Make a replacement for a k x k x k convolution with one group; return ``None`` for any other module."""
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
        """Return contexts that reduce the kernel of one plane to its middle cell; see `without`."""
        return {f"plane {plane} ({_AXES[plane]})": partial(self.without, plane) for plane in PLANES}

    @contextmanager
    def without(self, plane: str) -> Iterator[None]:
        """Reduce the kernel of the plane "yx", "tx" or "ty" to its middle cell within this context.

        Channels are still mixed, but no neighbour is read.
        """
        full: Any = getattr(self, plane)[0]
        point = copy.deepcopy(full)  # other modules may share the weights
        middle: Any = (..., *(size // 2 for size in full.kernel_size))
        with torch.no_grad():
            point.weight.zero_()
            point.weight[middle] = full.weight[middle]
        getattr(self, plane)[0] = point
        try:
            yield
        finally:
            getattr(self, plane)[0] = full

    def extra_repr(self) -> str:
        """Settings, for repr."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{text}, width={self.width}" + (f", parallel=True, merge={self.merge!r}" if self.parallel else "")


def _plane(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int],
    norm: bool,
    bias: bool,
    factory: Any,
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    plane = nn.Sequential(nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=bias and not norm, **factory))
    if norm:
        plane.extend([nn.BatchNorm3d(outputs, **factory), nn.ReLU()])
    return plane


def plane_evidence(
    model: nn.Module, clips: Tensor, target: int, blocks: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Measure how much a score falls when FAST convolutions no longer read their neighbours in one plane.

    The kernel of the plane is reduced to its middle cell: channels are mixed as before, but no neighbour is read.
    This measures how much the score depends on the neighbours in "yx" (space), "tx" (time and the horizontal) and "ty"
    (time and the vertical). It is not evidence of motion: a still clip gives such falls too. A copy of the network runs; the
    network itself is not modified.

    Parameters
    ----------
    model : module
        Maps a batch of clips to logits (batch, class).
    clips : tensor (batch, 3, time, height, width)
    target : int
        Class.
    blocks : iterable of str, optional
        Names of FAST convolutions, which are reduced together; by default all of them.

    Returns
    -------
    dict of "yx", "tx" and "ty" to tensor (batch,)
        Logit with all planes minus the logit without this one.

    Raises
    ------
    ValueError
        The network has no FAST convolution, or none of such a name.
    """
    copied = copied_model(model).eval()
    convolutions = {name: part for name, part in copied.named_modules() if isinstance(part, FAST3d)}
    names = list(convolutions) if blocks is None else [blocks] if isinstance(blocks, str) else list(blocks)
    unknown = [name for name in names if name not in convolutions]
    if unknown or not names:
        available = f"; it has {', '.join(convolutions)}" if convolutions else ""
        which = f" {unknown[0]!r}" if unknown else ""
        raise UsageError(f"no FAST convolution{which} in {type(model).__name__}{available}")
    evidence = {}
    with torch.no_grad():
        score = copied(clips)[:, target]
        for plane in PLANES:
            with ExitStack() as stack:
                for name in names:
                    stack.enter_context(convolutions[name].without(plane))
                evidence[plane] = score - copied(clips)[:, target]
    return evidence

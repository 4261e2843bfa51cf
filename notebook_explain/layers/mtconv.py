"""Multi-temporal convolutions (MTConv): two streams, of short and of long extent in space and time.

A share r of the channels is the short stream, at full resolution. The others are the long stream, at half of it in
height and width and with half of the frames, so that the same kernel covers twice the extent. Each stream has its own
convolution, and a lateral connection adds the result of the short stream to the long one::

    short' = norm(y)        long' = norm(conv(long)) + norm(conv_1x1x1(resize(select_frames(avg_pool(y)))))

where y = conv(short), not yet normalised.

``select_frames`` halves the number of frames without parameters, by the similarity of neighbouring frames.

Reference: Stergiou, Poppe: Multi-Temporal Convolutions for Human Action Recognition in Videos, IJCNN 2021,
arXiv:2011.03949. The released code keeps the frames that are *most* like their neighbours, and never the first or last
one; ``keep="least"`` and ``ends`` change that.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.layers.signal_types import report_selected_frames
from notebook_explain.layers.soft_pool.kernels import upcast_half
from notebook_explain.layers.soft_pool.windows import per_axis

KEEPS = ("most", "least")
CAVEAT = (
    "The network selects half of the frames by their content, so the selection differs from clip to clip. Maps are drawn "
    "as if the selected frames were evenly spaced in time."
)
CAVEAT_CODE = "frame_selection"
Streams = tuple[Tensor, Tensor]  # short, long: (batch, channel, time, height, width) each


def split_width(channels: int, share: float) -> tuple[int, int]:
    """Return the numbers of channels of the short and the long stream."""
    short = int(share * channels)
    return short, channels - short


def select_frames(x: Tensor, keep: str = "most", ends: bool = False) -> Tensor:
    """Keep half of the frames (rounded down), in order: those most or least like their neighbours.

    With g_t the mean of frame t over height and width, and d_t = cos^2(g_t, g_{t+1}), the similarity of a frame is
    (d_{t-1} + d_t) / 2. Clips of one or two frames are returned unchanged.

    Parameters
    ----------
    x : float tensor (batch, channel, time, height, width)
    keep : "most" or "least"
        Keep the most or the least similar frames; the earlier of equal ones.
    ends : bool
        Also select from the first and last frame, which have only one neighbour.
    """
    if not torch.jit.is_scripting() and has_torch_function_unary(x):  # type: ignore[attr-defined]
        selected: Tensor = handle_torch_function(select_frames, (x,), x, keep, ends)
        return selected
    if x.shape[2] <= 2:
        return x
    index = selected_frames(x, keep, ends)
    if not torch.jit.is_scripting() and not torch.compiler.is_compiling():  # type: ignore[attr-defined]
        report_selected_frames(index)
    shape = [x.shape[0], x.shape[1], index.shape[1], x.shape[3], x.shape[4]]
    return x.gather(2, index[:, None, :, None, None].expand(shape))


def _evenly_spaced(x: Tensor, *_: Any) -> Tensor:
    """Halve the number of frames, evenly; one or two frames are kept."""
    frames = x.shape[2] // 2 if x.shape[2] > 2 else x.shape[2]
    return F.adaptive_avg_pool3d(x, (frames, *x.shape[3:]))


# Explanations trace positions through the selected frames, or through evenly spaced ones if these are not known.
select_frames.position_proxy = _evenly_spaced  # type: ignore[attr-defined]
select_frames.selects_frames = True  # type: ignore[attr-defined]


def selected_frames(x: Tensor, keep: str = "most", ends: bool = False) -> Tensor:
    """Return the indices of the frames that `select_frames` keeps: int64 (batch, half of time), in order."""
    frames = x.shape[2]
    if frames <= 2:
        return torch.arange(frames, device=x.device).expand(x.shape[0], frames)
    likeness = frame_likeness(x)
    if not ends:
        likeness = likeness[:, 1:-1]
    order = likeness.argsort(dim=1, descending=keep == "most", stable=True)
    return order[:, : frames // 2].sort(1)[0] + (0 if ends else 1)


def frame_likeness(x: Tensor) -> Tensor:
    """Return the similarity of each frame of (batch, channel, time, height, width) to its neighbours.

    Returns
    -------
    tensor (batch, time)
        In [0, 1]; see `select_frames`.
    """
    frames = upcast_half(x).mean((3, 4))
    similarity = F.cosine_similarity(frames[:, :, 1:], frames[:, :, :-1], dim=1).square()
    return torch.cat([similarity[:, :1], (similarity[:, 1:] + similarity[:, :-1]) / 2, similarity[:, -1:]], 1)


class MTConv(nn.Module):
    """Convolution of two streams.

    Attributes
    ----------
    short, long : nn.Conv3d
    norm_short, norm_long : module
    lateral : nn.Sequential or None
        Connection from the short stream to the long one.
    share : float
        r: the short stream's share of the channels.
    groups : int
        Number of sub-streams; convolutions do not mix them. With more than one, floor(r groups) of them are in the short
        stream, the others in the long one, and norms are group norms; with one, batch norms.
    keep, ends
        See `select_frames`.
    """

    caveat, caveat_code = CAVEAT, CAVEAT_CODE

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 1,
        stride: Any = 1,
        share: float = 0.875,
        groups: int = 1,
        lateral: bool = True,
        keep: str = "most",
        ends: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_choice("keep", keep, KEEPS)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        kernel: Any = per_axis(kernel_size, 3, "kernel_size", 1)
        (short_in, long_in), (short_out, long_out) = (split_width(c, share) for c in (in_channels, out_channels))
        if min(short_in, long_in, short_out, long_out) < 1:
            raise UsageError(f"share {share!r} of {in_channels} to {out_channels} channels leaves a stream with none")
        counts = sub_streams(groups, share)
        options: dict[str, Any] = {
            "stride": per_axis(stride, 3, "stride", 1), "padding": tuple(size // 2 for size in kernel), "bias": False,
        }  # fmt: skip
        _check_groups((short_in, short_out), (long_in, long_out), counts)
        self.short = nn.Conv3d(short_in, short_out, kernel, groups=counts[0], **options, **factory)
        self.long = nn.Conv3d(long_in, long_out, kernel, groups=counts[1], **options, **factory)
        self.norm_short = _norm(short_out, counts[0], groups, factory)
        self.norm_long = _norm(long_out, counts[1], groups, factory)
        self.lateral: nn.Sequential | None = None
        if lateral:
            pointwise = nn.Conv3d(short_out, long_out, 1, bias=False, **factory)
            self.lateral = nn.Sequential(pointwise, _norm(long_out, counts[1], groups, factory))
        self.share, self.groups, self.keep, self.ends = share, groups, keep, ends

    def forward(self, streams: Streams) -> Streams:
        """Convolve the (short, long) streams; return both normalised, without activation."""
        y = self.short(streams[0])
        long = self.norm_long(self.long(streams[1]))
        if self.lateral is not None:
            halved = select_frames(half_size(y), self.keep, self.ends)
            long = long + self.lateral(F.interpolate(halved, long.shape[2:], mode="trilinear", align_corners=False))
        return self.norm_short(y), long

    def extra_repr(self) -> str:
        """Settings, for repr."""
        return f"share={self.share}, groups={self.groups}, keep={self.keep!r}" + (", ends=True" if self.ends else "")


class MTConv3d(nn.Module):
    """Two streams that replace one convolution: split, convolve both, resize the long stream and concatenate.

    The paper's networks keep their streams apart from end to end (``mtnet``). This module brings the same convolution
    into any other network. The long stream is resized by linear interpolation.

    Attributes
    ----------
    conv : MTConv
        Its settings are the arguments.

    Examples
    --------
    >>> ne.layers.swap(net, {nn.Conv3d: MTConv3d}).model    # replaces those of more than one cell; others are listed
    """

    caveat, caveat_code = CAVEAT, CAVEAT_CODE

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any = 3, stride: Any = 1, **options: Any
    ) -> None:
        super().__init__()
        self.conv = MTConv(in_channels, out_channels, kernel_size, stride, **options)

    @classmethod
    def like(cls, module: nn.Module) -> MTConv3d | None:
        """Make a replacement for a convolution of odd size that preserves the grid; ``None`` for any other module."""
        if not isinstance(module, nn.Conv3d) or module.groups > 1 or set(module.dilation) != {1}:
            return None
        sizes, narrow = module.kernel_size, min(module.in_channels, module.out_channels) < 2
        if narrow or module.padding_mode != "zeros" or max(sizes) < 3 or any(size % 2 == 0 for size in sizes):
            return None
        if tuple(module.padding) != tuple(size // 2 for size in sizes):
            return None
        return cls(module.in_channels, module.out_channels, sizes, module.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (batch, channel, time, height, width)."""
        short, long = self.conv(split_streams(x, self.conv.share, self.conv.keep, self.conv.ends))
        long = F.interpolate(long, short.shape[2:], mode="trilinear", align_corners=False)
        return torch.cat([short, long], 1)

    def parts(self) -> dict[str, tuple[str, slice]]:
        """Return where each stream is in the output: a path and a slice of channels."""
        short = self.conv.short.out_channels
        return {"short stream": ("", slice(0, short)), "long stream": ("", slice(short, None))}


def split_streams(x: Tensor, share: float = 0.875, keep: str = "most", ends: bool = False) -> Streams:
    """Split activations into the short stream and the long one.

    Parameters
    ----------
    x : float tensor (batch, channel, time, height, width)
    share : float
        Share of the channels, from the first on, that is the short stream.
    keep, ends
        See `select_frames`.

    Returns
    -------
    (short, long)
        The first channels unchanged; the others at half of the resolution in time and space.
    """
    short = int(share * x.shape[1])
    return x[:, :short], select_frames(half_size(x[:, short:]), keep, ends)


def half_size(x: Tensor) -> Tensor:
    """Average 2 x 2 cells of each frame; an axis of one row or column is not pooled."""
    rows, columns = min(2, x.shape[3]), min(2, x.shape[4])
    return F.avg_pool3d(upcast_half(x), [1, rows, columns]).to(x.dtype)  # torch has none in half precision on a CPU


def sub_streams(groups: int, share: float) -> tuple[int, int]:
    """Return the numbers of sub-streams in the short and the long stream, each at least one."""
    short = max(int(groups * share), 1)
    return short, max(groups - short, 1)


def _check_groups(short: tuple[int, int], long: tuple[int, int], counts: tuple[int, int]) -> None:
    for name, (inputs, outputs), count in zip(("short", "long"), (short, long), counts, strict=True):
        if outputs % count or inputs % count:
            raise UsageError(
                f"the {name} stream's {inputs} to {outputs} channels cannot be divided into {count} sub-streams; "
                "choose another width, share or number of groups"
            )


def _norm(channels: int, count: int, groups: int, factory: dict[str, Any]) -> nn.Module:
    return nn.GroupNorm(count, channels, **factory) if groups > 1 else nn.BatchNorm3d(channels, **factory)

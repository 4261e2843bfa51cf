"""Multi-temporal convolutions (MTConv): two streams, of short and of long extent in space and time.

A share r of the channels is the short stream, at full resolution. The others are the long stream, at half of it in
height and width and with half of the frames, so that the same kernel covers twice the extent. Each stream has its own
convolution; the short one also tells the long one what it found::

    short' = norm(found)        long' = norm(conv(long)) + norm(conv_1x1x1(resize(select_frames(avg_pool(found)))))

where found = conv(short), not yet normalised.

``select_frames`` halves the number of frames without parameters, by how alike neighbouring frames are.

Reference: Stergiou, Poppe: Multi-Temporal Convolutions for Human Action Recognition in Videos, IJCNN 2021,
arXiv:2011.03949. The released code keeps the frames that are *most* like their neighbours, and never the first or last
one; ``keep="least"`` and ``ends`` do otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from notebook_explain.layers.soft_pool.kernels import in_full
from notebook_explain.layers.soft_pool.windows import entries

KEEPS = ("most", "least")
_choices: ContextVar[list[Tensor] | None] = ContextVar("_choices", default=None)
CAVEAT = (
    "The network keeps half of the frames by what they hold. Which ones differs from clip to clip, so maps are drawn as if "
    "they lay evenly in time."
)
Streams = tuple[Tensor, Tensor]  # short, long: (batch, channel, time, height, width) each


def split_width(channels: int, share: float) -> tuple[int, int]:
    """Channels of the short and the long stream."""
    short = int(share * channels)
    return short, channels - short


def select_frames(x: Tensor, keep: str = "most", ends: bool = False) -> Tensor:
    """Keep half of the frames (rounded down), in order: those most or least like their neighbours.

    With g_t the mean of frame t over height and width, and d_t = cos^2(g_t, g_{t+1}), a frame's likeness is
    (d_{t-1} + d_t) / 2. Two frames or one are left as they are.

    Parameters
    ----------
    x : float tensor (batch, channel, time, height, width)
    keep : "most" or "least"
        Alike. Of equal ones, the earlier.
    ends : bool
        Whether the first and last frame, which have one neighbour only, may be kept.
    """
    if not torch.jit.is_scripting() and has_torch_function_unary(x):  # type: ignore[attr-defined]
        kept: Tensor = handle_torch_function(select_frames, (x,), x, keep, ends)
        return kept
    if not torch.jit.is_scripting() and not torch.compiler.is_compiling():  # type: ignore[attr-defined]
        choices = _choices.get()
        if choices is not None and x.shape[2] > 2:
            choices.append(selected_frames(x.detach(), keep, ends))
    return _select_frames(x, keep, ends)


@contextmanager
def choices() -> Iterator[list[Tensor]]:
    """Within it, whatever frames are selected is written down: int64 (batch, kept) each, in order; not of two or one."""
    made: list[Tensor] = []
    token = _choices.set(made)
    try:
        yield made
    finally:
        _choices.reset(token)


def _select_frames(x: Tensor, keep: str, ends: bool) -> Tensor:
    if x.shape[2] <= 2:
        return x
    index = selected_frames(x, keep, ends)
    shape = [x.shape[0], x.shape[1], index.shape[1], x.shape[3], x.shape[4]]
    return x.gather(2, index[:, None, :, None, None].expand(shape))


def selected_frames(x: Tensor, keep: str = "most", ends: bool = False) -> Tensor:
    """Which frames `select_frames` keeps: int64 (batch, half of time), in order."""
    frames = x.shape[2]
    if frames <= 2:
        return torch.arange(frames, device=x.device).expand(x.shape[0], frames)
    likeness = frame_likeness(x)
    if not ends:
        likeness = likeness[:, 1:-1]
    order = likeness.argsort(dim=1, descending=keep == "most", stable=True)
    return order[:, : frames // 2].sort(1)[0] + (0 if ends else 1)


def frame_likeness(x: Tensor) -> Tensor:
    """How like its neighbours each frame of (batch, channel, time, height, width) is: (batch, time), in [0, 1]."""
    frames = in_full(x).mean((3, 4))
    alike = F.cosine_similarity(frames[:, :, 1:], frames[:, :, :-1], dim=1).square()
    return torch.cat([alike[:, :1], (alike[:, 1:] + alike[:, :-1]) / 2, alike[:, -1:]], 1)


class MTConv(nn.Module):
    """Convolve two streams.

    Attributes
    ----------
    short, long : nn.Conv3d
    norm_short, norm_long : module
    lateral : nn.Sequential or None
        What the short stream tells the long one.
    share : float
        r: the short stream's share of the channels.
    groups : int
        Sub-streams, within which the convolutions stay. With more than one, floor(r groups) of them are in the short
        stream, the others in the long one, and norms are group norms; with one, batch norms.
    keep, ends
        See `select_frames`.
    """

    caveat = CAVEAT  # what an explanation of any network with such a module says

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
        check_selection(keep)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        kernel: Any = entries(kernel_size, 3, "kernel_size", 1)
        (short_in, long_in), (short_out, long_out) = (split_width(c, share) for c in (in_channels, out_channels))
        if min(short_in, long_in, short_out, long_out) < 1:
            raise ValueError(f"share {share!r} of {in_channels} to {out_channels} channels leaves a stream with none")
        within = sub_streams(groups, share)
        options: dict[str, Any] = {
            "stride": entries(stride, 3, "stride", 1), "padding": tuple(size // 2 for size in kernel), "bias": False,
        }  # fmt: skip
        _check_groups((short_in, short_out), (long_in, long_out), within)
        self.short = nn.Conv3d(short_in, short_out, kernel, groups=within[0], **options, **made)
        self.long = nn.Conv3d(long_in, long_out, kernel, groups=within[1], **options, **made)
        self.norm_short = _norm(short_out, within[0], groups, made)
        self.norm_long = _norm(long_out, within[1], groups, made)
        self.lateral: nn.Sequential | None = None
        if lateral:
            through = nn.Conv3d(short_out, long_out, 1, bias=False, **made)
            self.lateral = nn.Sequential(through, _norm(long_out, within[1], groups, made))
        self.share, self.groups, self.keep, self.ends = share, groups, keep, ends

    def forward(self, streams: Streams) -> Streams:
        """(short, long), normalised, without activation."""
        found = self.short(streams[0])
        long = self.norm_long(self.long(streams[1]))
        if self.lateral is not None:
            halved = select_frames(half_size(found), self.keep, self.ends)
            long = long + self.lateral(F.interpolate(halved, long.shape[2:], mode="trilinear", align_corners=False))
        return self.norm_short(found), long

    def extra_repr(self) -> str:
        """Settings, for repr."""
        return f"share={self.share}, groups={self.groups}, keep={self.keep!r}" + (", ends=True" if self.ends else "")


class MTConv3d(nn.Module):
    """Two streams in the place of one convolution: split, convolve both, and put them side by side at one size again.

    The paper's networks keep their streams apart from end to end (``mtnet``); this is what of them goes into any other
    network. The long stream comes back to full size by linear interpolation.

    Attributes
    ----------
    conv : MTConv
        Its settings are the arguments.

    Examples
    --------
    >>> ne.layers.swap(net, {nn.Conv3d: MTConv3d}).model    # those of more than one cell; others stay and are listed
    """

    caveat = CAVEAT

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any = 3, stride: Any = 1, **options: Any
    ) -> None:
        super().__init__()
        self.conv = MTConv(in_channels, out_channels, kernel_size, stride, **options)

    @classmethod
    def like(cls, module: nn.Module) -> MTConv3d | None:
        """Make one for the place of a convolution of odd size that keeps its borders; ``None`` for any other module."""
        if not isinstance(module, nn.Conv3d) or module.groups > 1 or set(module.dilation) != {1}:
            return None
        sizes, few = module.kernel_size, min(module.in_channels, module.out_channels) < 2
        if few or module.padding_mode != "zeros" or max(sizes) < 3 or any(size % 2 == 0 for size in sizes):
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
        """Which channels of the output come from which stream."""
        short = self.conv.short.out_channels
        return {"short stream": ("", slice(0, short)), "long stream": ("", slice(short, None))}


def split_streams(x: Tensor, share: float = 0.875, keep: str = "most", ends: bool = False) -> Streams:
    """Short stream: the first channels as they are. Long stream: the others at half resolution in time and space."""
    short = int(share * x.shape[1])
    return x[:, :short], select_frames(half_size(x[:, short:]), keep, ends)


def half_size(x: Tensor) -> Tensor:
    """Average over 2 x 2 places of each frame; a frame of one row or column stays so."""
    rows, columns = min(2, x.shape[3]), min(2, x.shape[4])
    return F.avg_pool3d(in_full(x), [1, rows, columns]).to(x.dtype)  # torch has none in half precision on a CPU


def sub_streams(groups: int, share: float) -> tuple[int, int]:
    """How many sub-streams are in the short and the long stream; one each at least."""
    short = max(int(groups * share), 1)
    return short, max(groups - short, 1)


def check_selection(keep: str) -> None:
    """Raise ValueError unless this is a way of selecting frames."""
    if keep not in KEEPS:
        raise ValueError(f"keep must be 'most' or 'least' (alike), got {keep!r}")


def _check_groups(short: tuple[int, int], long: tuple[int, int], within: tuple[int, int]) -> None:
    for name, (inputs, outputs), parts in zip(("short", "long"), (short, long), within, strict=True):
        if outputs % parts or inputs % parts:
            raise ValueError(
                f"the {name} stream's {inputs} to {outputs} channels cannot be divided among {parts} sub-streams; "
                "choose another width, share or number of groups"
            )


def _norm(channels: int, within: int, groups: int, made: dict[str, Any]) -> nn.Module:
    return nn.GroupNorm(within, channels, **made) if groups > 1 else nn.BatchNorm3d(channels, **made)

"""MTNet: a residual network of multi-temporal convolutions, XS to XXL, with or without sub-streams.

Stem (3, 7, 7), pooling, and half of the frames go into four stages of blocks; the classifier reads the means of both
streams side by side, so every logit is a sum of a short part, a long part and a bias (`MTNet.shares`). A block is ::

    1x1x1 -> 1x1x1 -> 3x3x3, with the stride -> (1, 3, 3), or 1x1x1 where the block has a stride

each an MTConv with ReLU between, a squeeze and recursion (2-layer GRU) on each stream, and the residual sum. With G
sub-streams, the first and third have 1/G of the width, and the last two are grouped: hence most of what they save.

Reference: see ``mtconv``. What the paper's table has as SoftPool behind the stem is max pooling in the released code:
``pool`` chooses. Released XS is built as S there; here XS is XS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from notebook_explain.layers.mtconv import (
    MTConv,
    Streams,
    check_selection,
    half_size,
    select_frames,
    selected_frames,
    split_streams,
    split_width,
)
from notebook_explain.layers.signal_types import PerFrame, Told, explains
from notebook_explain.layers.soft_pool.modules import SoftPool3d
from notebook_explain.layers.srtg import SRTG

MTNET_DEPTHS: dict[str, tuple[int, int, int, int]] = {
    "XS": (2, 2, 2, 2),
    "S": (2, 2, 5, 3),
    "M": (3, 4, 6, 3),
    "L": (3, 4, 23, 3),
    "XL": (3, 8, 36, 3),
    "XXL": (3, 24, 36, 3),
}
POOLS = ("max", "soft")


class MTBlock(nn.Module):
    """Residual block of four multi-temporal convolutions, and a recursion on each stream.

    Parameters
    ----------
    inputs, outputs : int
        Channels of both streams together.
    stride : int
        In time, height and width.
    groups : int
        Sub-streams.
    share, keep, ends
        See ``mtconv``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        groups: int = 1,
        share: float = 0.875,
        keep: str = "most",
        ends: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        each: dict[str, Any] = {"share": share, "keep": keep, "ends": ends, **made}
        narrow, strided = outputs // groups, stride != 1 or inputs != outputs
        self.conv1 = MTConv(inputs, narrow, 1, **each)
        self.conv2 = MTConv(narrow, inputs, 1, **each)
        self.conv3 = MTConv(inputs, narrow, 3, stride, groups=groups, **each)
        self.conv4 = MTConv(narrow, outputs, 1 if strided else (1, 3, 3), groups=groups, **each)
        self.shortcut = MTConv(inputs, outputs, 1, stride, lateral=False, **each) if strided else None
        short, long = split_width(outputs, share)
        self.recursion_short = SRTG(short, gate="none", cell="gru", **made)
        self.recursion_long = SRTG(long, gate="none", cell="gru", **made)

    def forward(self, streams: Streams) -> Streams:
        """(short, long)."""
        y = _relu(self.conv2(_relu(self.conv1(streams))))
        short, long = self.conv4(_relu(self.conv3(y)))
        past = streams if self.shortcut is None else self.shortcut(streams)
        short, long = self.recursion_short(short) + past[0], self.recursion_long(long) + past[1]
        return _relu((short, long))

    def parts(self) -> dict[str, tuple[str, slice]]:
        """Which of the tensors that it returns is which stream."""
        return {"short stream": ("[0]", slice(None)), "long stream": ("[1]", slice(None))}


def _relu(streams: Streams) -> Streams:
    return torch.relu(streams[0]), torch.relu(streams[1])


class StreamShares(NamedTuple):
    """What both streams did with a batch of clips.

    Attributes
    ----------
    logits : tensor (batch, class, 2)
        What the short and the long stream add to each logit; with the bias they sum to it.
    short, long : tensor (batch, time)
        1 for each frame of the clip that the stream begins with, 0 for the others.
    """

    logits: Tensor
    short: Tensor
    long: Tensor

    def told(self) -> list[Told]:
        """In a form for any viewer."""
        return [
            PerFrame("kept by the short stream (1: kept, 0: left out)", self.short, None, "input"),
            PerFrame("kept by the long stream (1: kept, 0: left out)", self.long, None, "input"),
        ]


class MTNet(nn.Module):
    """Multi-temporal network.

    Attributes
    ----------
    stem : nn.Sequential
        Convolution, batch norm, ReLU.
    pool : module
        Halves height and width.
    blocks : nn.ModuleList of MTBlock
        Of all stages; the first of each but the first stage has a stride of 2 in time, height and width.
    fc : nn.Linear
        Reads the means of the short stream's channels, then those of the long one.

    Examples
    --------
    >>> net = MTNet(400, MTNET_DEPTHS["S"], groups=8)
    >>> net(torch.randn(1, 3, 16, 224, 224)).shape
    torch.Size([1, 400])
    """

    def __init__(
        self,
        classes: int = 400,
        depths: tuple[int, ...] = MTNET_DEPTHS["S"],
        widths: tuple[int, ...] = (64, 128, 256, 512),
        groups: int = 1,
        share: float = 0.875,
        pool: str = "max",
        keep: str = "most",
        ends: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_selection(keep)
        if pool not in POOLS:
            raise ValueError(f"pool must be 'max' or 'soft', got {pool!r}")
        if len(depths) != len(widths):
            raise ValueError(f"depths and widths must be as many, got {depths} and {widths}")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        each: dict[str, Any] = {"groups": groups, "share": share, "keep": keep, "ends": ends, **made}
        stem = nn.Conv3d(3, widths[0], (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False, **made)
        self.stem = nn.Sequential(stem, nn.BatchNorm3d(widths[0], **made), nn.ReLU())
        self.pool = SoftPool3d((1, 2, 2)) if pool == "soft" else nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.blocks = nn.ModuleList()
        inputs = widths[0]
        for at, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            self.blocks.append(MTBlock(inputs, width, 2 if at else 1, **each))
            self.blocks.extend(MTBlock(width, width, **each) for _ in range(depth - 1))
            inputs = width
        self.fc = nn.Linear(inputs, classes, **made)
        self.share, self.keep, self.ends = share, keep, ends

    def streams(self, clips: Tensor) -> Streams:
        """Last activations of (batch, 3, time, height, width): short and long stream."""
        x = select_frames(self._pooled(clips), self.keep, self.ends)
        y = split_streams(x, self.share, self.keep, self.ends)
        for block in self.blocks:
            y = block(y)
        return y

    def _pooled(self, clips: Tensor) -> Tensor:
        x = self.stem(clips)
        if x.shape[3] % 2 + x.shape[4] % 2 > 0:  # on the left and on top, both, as in the released code
            x = F.pad(x, [1, 0, 1, 0, 0, 0], mode="replicate")
        pooled: Tensor = self.pool(x)
        return pooled

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (batch, class) of clips (batch, 3, time, height, width)."""
        short, long = self.streams(clips)
        logits: Tensor = self.fc(torch.cat([short.mean((2, 3, 4)), long.mean((2, 3, 4))], 1))
        return logits

    @explains
    def explain(self, clips: Tensor) -> StreamShares:
        """What both streams add to the logits, and which frames of the clips they begin with."""
        x = self._pooled(clips)
        kept = selected_frames(x, self.keep, self.ends)
        _, beyond = split_width(x.shape[1], self.share)
        halved = half_size(select_frames(x, self.keep, self.ends)[:, -beyond:])
        again = kept.gather(1, selected_frames(halved, self.keep, self.ends))
        none = x.new_zeros(x.shape[0], x.shape[2])
        return StreamShares(self.shares(clips), none.scatter(1, kept, 1), none.scatter(1, again, 1))

    @torch.jit.unused
    def shares(self, clips: Tensor) -> Tensor:
        """What each stream adds to each logit: (batch, class, 2), short and long; with the bias they sum to the logit."""
        short, long = (part.mean((2, 3, 4)) for part in self.streams(clips))
        weight, at = self.fc.weight, short.shape[1]
        return torch.stack([short @ weight[:, :at].t(), long @ weight[:, at:].t()], 2)


def mtnet(size: str = "S", classes: int = 400, groups: int = 1, **options: Any) -> MTNet:
    """MTNet of a size of the paper: "XS", "S", "M", "L", "XL" or "XXL"; the paper's ``_g8`` are ``groups=8``."""
    if size not in MTNET_DEPTHS:
        raise ValueError(f"size must be one of {', '.join(MTNET_DEPTHS)}; got {size!r}")
    return MTNet(classes, MTNET_DEPTHS[size], groups=groups, **options)

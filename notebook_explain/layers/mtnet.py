"""MTNet: a residual network of multi-temporal convolutions, XS to XXL, with or without sub-streams.

A stem (3, 7, 7), pooling and the selection of half of the frames are followed by four stages of blocks. The classifier
reads the means of both streams, concatenated, so every logit is the sum of a short part, a long part and a bias
(`MTNet.shares`). A block is ::

    1x1x1 -> 1x1x1 -> 3x3x3, with the stride -> (1, 3, 3), or 1x1x1 if the block has a stride

each an MTConv with ReLU between, a squeeze and recursion (2-layer GRU) on each stream, and the residual sum. With G
sub-streams, the first and third convolution have 1/G of the width and the last two are grouped, which saves most of the
weights.

Reference: see ``mtconv``. The paper's table has SoftPool after the stem, the released code has max pooling: ``pool``
chooses. The released code builds XS as S; here XS has the sizes of the paper.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.layers.mtconv import (
    KEEPS,
    MTConv,
    Streams,
    half_size,
    select_frames,
    selected_frames,
    split_streams,
    split_width,
)
from notebook_explain.layers.signal_types import FrameSignal, Signal, deprecated_told, explains
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
    """Residual block of four multi-temporal convolutions and a recursion on each stream.

    Parameters
    ----------
    inputs, outputs : int
        Channels, the sum of both streams.
    stride : int
        In time, height and width.
    groups : int
        Number of sub-streams.
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
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        options: dict[str, Any] = {"share": share, "keep": keep, "ends": ends, **factory}
        narrow, strided = outputs // groups, stride != 1 or inputs != outputs
        self.conv1 = MTConv(inputs, narrow, 1, **options)
        self.conv2 = MTConv(narrow, inputs, 1, **options)
        self.conv3 = MTConv(inputs, narrow, 3, stride, groups=groups, **options)
        self.conv4 = MTConv(narrow, outputs, 1 if strided else (1, 3, 3), groups=groups, **options)
        self.shortcut = MTConv(inputs, outputs, 1, stride, lateral=False, **options) if strided else None
        short, long = split_width(outputs, share)
        self.recursion_short = SRTG(short, gate="none", cell="gru", **factory)
        self.recursion_long = SRTG(long, gate="none", cell="gru", **factory)

    def forward(self, streams: Streams) -> Streams:
        """Transform (short, long)."""
        y = _relu(self.conv2(_relu(self.conv1(streams))))
        short, long = self.conv4(_relu(self.conv3(y)))
        skip = streams if self.shortcut is None else self.shortcut(streams)
        short, long = self.recursion_short(short) + skip[0], self.recursion_long(long) + skip[1]
        return _relu((short, long))

    def parts(self) -> dict[str, tuple[str, slice]]:
        """Return where each stream is in the output: a path and a slice of channels."""
        return {"short stream": ("[0]", slice(None)), "long stream": ("[1]", slice(None))}


def _relu(streams: Streams) -> Streams:
    return torch.relu(streams[0]), torch.relu(streams[1])


class StreamShares(NamedTuple):
    """Contributions of both streams to the logits, and the frames that they keep.

    Attributes
    ----------
    logits : tensor (batch, class, 2)
        Contributions of the short and the long stream to each logit; with the bias they sum to it.
    short, long : tensor (batch, time)
        1 for each frame of the clip that the stream keeps at its beginning, 0 for the others.
    """

    logits: Tensor
    short: Tensor
    long: Tensor

    def report(self) -> list[Signal]:
        """Return the kept frames as signals for explanations."""
        return [
            FrameSignal("kept by the short stream (1: kept, 0: left out)", self.short, None, "input"),
            FrameSignal("kept by the long stream (1: kept, 0: left out)", self.long, None, "input"),
        ]

    def told(self) -> list[Signal]:
        """Call `report`; deprecated name."""
        return deprecated_told(self)


class MTNet(nn.Module):
    """Multi-temporal network.

    Attributes
    ----------
    stem : nn.Sequential
        Convolution, batch norm, ReLU.
    pool : module
        Halves height and width.
    blocks : nn.ModuleList of MTBlock
        Blocks of all stages. The first block of each stage after the first has a stride of 2 in time, height and width.
    fc : nn.Linear
        Reads the means of the short stream's channels, then those of the long stream's.

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
        check_choice("keep", keep, KEEPS)
        check_choice("pool", pool, POOLS)
        if len(depths) != len(widths):
            raise UsageError(f"depths and widths must have the same length, got {depths} and {widths}")
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        options: dict[str, Any] = {"groups": groups, "share": share, "keep": keep, "ends": ends, **factory}
        stem = nn.Conv3d(3, widths[0], (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False, **factory)
        self.stem = nn.Sequential(stem, nn.BatchNorm3d(widths[0], **factory), nn.ReLU())
        self.pool = SoftPool3d((1, 2, 2)) if pool == "soft" else nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.blocks = nn.ModuleList()
        inputs = widths[0]
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            self.blocks.append(MTBlock(inputs, width, 2 if stage else 1, **options))
            self.blocks.extend(MTBlock(width, width, **options) for _ in range(depth - 1))
            inputs = width
        self.fc = nn.Linear(inputs, classes, **factory)
        self.share, self.keep, self.ends = share, keep, ends

    def streams(self, clips: Tensor) -> Streams:
        """Return the last activations of clips (batch, 3, time, height, width): short and long stream."""
        x = select_frames(self._pooled(clips), self.keep, self.ends)
        y = split_streams(x, self.share, self.keep, self.ends)
        for block in self.blocks:
            y = block(y)
        return y

    def _pooled(self, clips: Tensor) -> Tensor:
        x = self.stem(clips)
        if x.shape[3] % 2 + x.shape[4] % 2 > 0:  # as in the released code: both axes, left and top
            x = F.pad(x, [1, 0, 1, 0, 0, 0], mode="replicate")
        pooled: Tensor = self.pool(x)
        return pooled

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logits (batch, class) of clips (batch, 3, time, height, width)."""
        short, long = self.streams(clips)
        logits: Tensor = self.fc(torch.cat([short.mean((2, 3, 4)), long.mean((2, 3, 4))], 1))
        return logits

    @explains
    def explain(self, clips: Tensor) -> StreamShares:
        """Return the contributions of both streams to the logits, and the frames that they keep."""
        x = self._pooled(clips)
        short = selected_frames(x, self.keep, self.ends)
        _, long_width = split_width(x.shape[1], self.share)
        halved = half_size(select_frames(x, self.keep, self.ends)[:, -long_width:])
        long = short.gather(1, selected_frames(halved, self.keep, self.ends))
        zeros = x.new_zeros(x.shape[0], x.shape[2])
        return StreamShares(self.shares(clips), zeros.scatter(1, short, 1), zeros.scatter(1, long, 1))

    @torch.jit.unused
    def shares(self, clips: Tensor) -> Tensor:
        """Return the contributions of the short and the long stream to each logit.

        Returns
        -------
        tensor (batch, class, 2)
            With the bias, they sum to the logit.
        """
        short, long = (stream.mean((2, 3, 4)) for stream in self.streams(clips))
        weight, width = self.fc.weight, short.shape[1]
        return torch.stack([short @ weight[:, :width].t(), long @ weight[:, width:].t()], 2)


def mtnet(size: str = "S", classes: int = 400, groups: int = 1, **options: Any) -> MTNet:
    """Make an MTNet of a size of the paper: "XS", "S", "M", "L", "XL" or "XXL"; ``groups=8`` are the paper's ``_g8``."""
    check_choice("size", size, tuple(MTNET_DEPTHS))
    return MTNet(classes, MTNET_DEPTHS[size], groups=groups, **options)

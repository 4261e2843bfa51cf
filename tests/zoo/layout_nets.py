"""Small networks that take their input in other layouts than (batch, channel, time, height, width).

`LAYOUT_NETS` holds, by name, how to make one for 8 frames of 32 x 32 pixels, the layout that it takes, the convolution to
look at, and a function that computes its input from (1, 3, time, height, width) with plain indexing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import CLASSES

WIDTH = 12


def frame_cnn(channels: int = 3) -> nn.Sequential:
    """Make two convolutions over single frames."""
    return nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, WIDTH, 3, 2, 1), nn.ReLU())


class FrameNet(nn.Module):
    """Convolutions over single frames and a classifier; subclasses define the forward pass."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.cnn, self.fc = frame_cnn(channels), nn.Linear(WIDTH, CLASSES)

    def features(self, frames: Tensor) -> Tensor:
        """Return (frame, feature)."""
        return self.cnn(frames).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class Silhouettes(FrameNet):
    """Gait recognition: (batch, time, height, width) without an axis for channels; the maximum over frames, or an LSTM."""

    def __init__(self, pool: Literal["max", "mean", "lstm"] = "max") -> None:
        super().__init__(1)
        self.rnn, self.pool = nn.LSTM(WIDTH, WIDTH, batch_first=True), pool

    def forward(self, x: Tensor) -> Tensor:
        batch, time, height, width = x.shape
        features = self.features(x.reshape(batch * time, 1, height, width)).view(batch, time, -1)
        if self.pool == "lstm":
            return self.fc(self.rnn(features)[0][:, -1])
        return self.fc(features.amax(1) if self.pool == "max" else features.mean(1))


class Segments(FrameNet):
    """TSN: whatever comes is viewed as pictures of three channels, whose scores are averaged over segments."""

    def __init__(self, segments: int | None = None) -> None:
        super().__init__()
        self.segments = segments

    def forward(self, x: Tensor) -> Tensor:
        scores = self.fc(self.features(x.reshape(-1, 3, *x.shape[-2:])))
        return scores.view(-1, self.segments or len(scores) // len(x), CLASSES).mean(1)


class FrameMean(FrameNet):
    """(batch, time, channel, height, width); the scores of frames are averaged, or returned one by one."""

    def __init__(self, one_by_one: bool = False) -> None:
        super().__init__()
        self.one_by_one = one_by_one

    def forward(self, x: Tensor) -> Tensor:
        scores = self.fc(self.features(x.flatten(0, 1)))
        return scores if self.one_by_one else scores.view(*x.shape[:2], -1).mean(1)


class FrameRelations(FrameNet):
    """TRN: one linear layer reads the features of all frames."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.fc = nn.Linear(frames * WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x.flatten(0, 1)).view(x.shape[0], -1))


class FrameGRU(FrameNet):
    """A GRU over the features of frames; the batch or time comes first."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.rnn, self.batch_first = nn.GRU(WIDTH, WIDTH, batch_first=batch_first), batch_first

    def forward(self, x: Tensor) -> Tensor:
        steps = self.rnn(self.features(x.flatten(0, 1)).view(*x.shape[:2], -1))[0]
        return self.fc(steps[:, -1] if self.batch_first else steps[-1])


class VolumeNet(nn.Module):
    """3-D convolutions over what a function makes of the input.

    The first windows reach over 3 frames, and 5 rows and columns in steps of 2.
    """

    def __init__(
        self,
        before: Callable[[Tensor], Tensor] | None = None,
        channels: int = 3,
        kernel: tuple[int, ...] = (3, 5, 5),
        stride: tuple[int, ...] = (1, 2, 2),
    ) -> None:
        super().__init__()
        self.before = before
        self.conv1, self.conv2 = nn.Conv3d(channels, 8, kernel, stride, 1), nn.Conv3d(8, WIDTH, 3, 2, 1)
        self.fc = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.before is None else self.before(x)
        return self.fc(F.relu(self.conv2(F.relu(self.conv1(x)))).mean((2, 3, 4)))


class Recognizer(nn.Module):
    """mmaction2: (batch, clip, channel, time, height, width); the scores of the clips are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.net = VolumeNet()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.net(x.reshape((-1, *x.shape[2:])))
        return scores.view(len(x), -1, CLASSES).mean(1)


class TimeLast(nn.Module):
    """Silhouettes as (batch, height, width, time)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Silhouettes()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.permute(0, 3, 1, 2))


class WeightedFrames(FrameNet):
    """A learned weighted mean of the frames, then a network for pictures: the first weights sum over frames."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(frames))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(torch.einsum("bcthw,t->bchw", x, self.weight)))


class ColourTokens(nn.Module):
    """The same patches of each colour are tokens, told apart by an embedding: colours are not like frames."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv3d(1, WIDTH, (2, 8, 8), (2, 8, 8))
        self.colour = nn.Parameter(torch.randn(1, 3, 1, WIDTH))
        self.block = nn.TransformerEncoderLayer(WIDTH, 3, 24, batch_first=True)
        self.norm, self.fc = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x.reshape(-1, 1, *x.shape[2:])).flatten(2).transpose(1, 2)
        tokens = (tokens.view(len(x), 3, -1, WIDTH) + self.colour).flatten(1, 2)
        return self.fc(self.norm(self.block(tokens)).mean(1))


def _grey(x: Tensor) -> Tensor:
    return 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]


@dataclass(frozen=True)
class LayoutNet:
    """A network, the layout that it takes, its convolution to look at, and a function that makes its input."""

    make: Callable[[], nn.Module]
    layout: str
    layer: str
    feed: Callable[[Tensor], Tensor]


def _frames(x: Tensor) -> Tensor:
    return torch.stack([x[:, :, t] for t in range(x.shape[2])], 1)


LAYOUT_NETS: dict[str, LayoutNet] = {
    "silhouettes": LayoutNet(Silhouettes, "BTHW", "cnn.0", _grey),
    "silhouettes, mean": LayoutNet(partial(Silhouettes, "mean"), "BTHW", "cnn.0", _grey),
    "silhouettes, lstm": LayoutNet(partial(Silhouettes, "lstm"), "BTHW", "cnn.0", _grey),
    "unsqueezes its channel": LayoutNet(partial(VolumeNet, lambda x: x[:, None], 1), "BTHW", "conv1", _grey),
    "grey frames as channels": LayoutNet(partial(FrameNet, 8), "BTHW", "cnn.0", _grey),
    "silhouettes, time last": LayoutNet(
        TimeLast, "BHWT", "net.cnn.0", lambda x: torch.stack([*_grey(x).unbind(1)], -1)
    ),
    "frames as channels": LayoutNet(
        partial(FrameNet, 24), "B(TC)HW", "cnn.0", lambda x: torch.cat([x[:, :, t] for t in range(x.shape[2])], 1)
    ),
    "segments": LayoutNet(Segments, "BTCHW", "cnn.0", _frames),
    "eight segments": LayoutNet(partial(Segments, 8), "BTCHW", "cnn.0", _frames),
    "pictures": LayoutNet(FrameNet, "(BT)CHW", "cnn.0", lambda x: _frames(x)[0]),
    "frames": LayoutNet(FrameMean, "BTCHW", "cnn.0", _frames),
    "rows": LayoutNet(partial(FrameMean, True), "BTCHW", "cnn.0", _frames),
    "relations": LayoutNet(partial(FrameRelations, 8), "BTCHW", "cnn.0", _frames),
    "gru": LayoutNet(partial(FrameGRU, True), "BTCHW", "cnn.0", _frames),
    "gru, time first": LayoutNet(
        partial(FrameGRU, False), "TBCHW", "cnn.0", lambda x: torch.stack([x[:, :, t] for t in range(x.shape[2])])
    ),
    "volume": LayoutNet(VolumeNet, "BCTHW", "conv1", lambda x: x),
    "volume, colours last": LayoutNet(
        partial(VolumeNet, lambda x: x.permute(0, 4, 1, 2, 3)),
        "BTHWC",
        "conv1",
        lambda x: torch.stack([x[:, c] for c in range(3)], -1),
    ),
    "volume, time last": LayoutNet(
        partial(VolumeNet, None, 3, (5, 5, 3), (2, 2, 1)),
        "BCHWT",
        "conv1",
        lambda x: torch.stack([x[:, :, t] for t in range(x.shape[2])], -1),
    ),
    "views": LayoutNet(Recognizer, "BNCTHW", "net.conv1", lambda x: x[:, None]),
    "views, time first": LayoutNet(
        partial(VolumeNet, lambda x: x.flatten(0, 1).transpose(1, 2)), "BNTCHW", "conv1", lambda x: _frames(x)[:, None]
    ),
}

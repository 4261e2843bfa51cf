"""Networks that break naive tools: lists changed in place, frames in the batch axis, modules used twice."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import CLASSES, Triple, conv_bn_relu
from .heads import WIDTH, PooledNet


def temporal_shift(x: Tensor, frames: int, part: int = 4) -> Tensor:
    """Shift one part of the channels from the next frame, one from the previous frame; keep the rest."""
    x = x.view(-1, frames, *x.shape[1:])
    moved = x.shape[2] // part
    out = torch.zeros_like(x)
    out[:, :-1, :moved] = x[:, 1:, :moved]
    out[:, 1:, moved : 2 * moved] = x[:, :-1, moved : 2 * moved]
    out[:, :, 2 * moved :] = x[:, :, 2 * moved :]
    return out.flatten(0, 1)


class ShiftBlock(nn.Module):
    """Residual block of 2-D convolutions that sees neighbouring frames through the shift."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(temporal_shift(x, self.frames))))
        return self.relu(self.bn2(self.conv2(y)) + x)


class ShiftNet(nn.Module):
    """TSM: 2-D convolutions over (batch * time, channel, height, width); the logits of all frames are averaged.

    The clip comes as (batch, time, channel, height, width); the last activations are (16, H/4, W/4) of each frame.
    """

    def __init__(self, classes: int = CLASSES, frames: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        )
        self.layer1 = ShiftBlock(16, frames)
        self.layer2 = ShiftBlock(16, frames)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        batch, time = x.shape[:2]
        x = self.layer2(self.layer1(self.stem(x.reshape(-1, *x.shape[2:]))))
        return self.fc(self.avgpool(x).flatten(1)).view(batch, time, -1).mean(1)


class Stage(nn.Module):
    """One block per pathway and a connection from the fast to the slow one; writes into its input list."""

    def __init__(self, slow: tuple[int, int], fast: tuple[int, int], stride: Triple, fuse: bool) -> None:
        super().__init__()
        self.pathways = nn.ModuleList(
            [conv_bn_relu(*slow, kernel=(1, 3, 3), stride=stride), conv_bn_relu(*fast, stride=stride)]
        )
        self.lateral = conv_bn_relu(fast[1], 2 * fast[1], (5, 1, 1), (4, 1, 1)) if fuse else None

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        for i, block in enumerate(self.pathways):
            x[i] = block(x[i])
        if self.lateral is not None:
            x[0] = torch.cat((x[0], self.lateral(x[1])), dim=1)
        return x


class PoolPathways(nn.Module):
    """Pooling of each pathway to one vector; the vectors are concatenated, slow first."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.ModuleList([nn.AdaptiveAvgPool3d(1), nn.AdaptiveAvgPool3d(1)])

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat([pool(y) for pool, y in zip(self.pool, x, strict=True)], dim=1)


class SlowFast(nn.Module):
    """Network with the input [slow, fast], slow having every fourth frame; writes its features into that list.

    The last activations are slow (24, T/4, H/8, W/8) and fast (6, T, H/8, W/8); the classifier reads 24 + 6.
    """

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                Stage((3, 8), (3, 4), (1, 2, 2), fuse=True),
                Stage((16, 12), (4, 4), (1, 2, 2), fuse=True),
                Stage((20, 24), (4, 6), (1, 2, 2), fuse=False),
            ]
        )
        self.pool = PoolPathways()
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(24 + 6, classes)
        self.output_pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, x: list[Tensor]) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        y = self.dropout(self.pool(x))
        y = self.proj(y.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        return self.output_pool(y).flatten(1)


class CausalConv3d(nn.Conv3d):
    """Convolution that does not see later frames: all padding in time is before the first frame.

    With stride s, step i ends at frame s * i + s - 1, so the last frame is included.
    """

    def forward(self, x: Tensor) -> Tensor:
        t, h, w = self.kernel_size
        return super().forward(F.pad(x, (w // 2, w // 2, h // 2, h // 2, t - self.stride[0], 0)))


class Causal(nn.Module):
    """Causal convolutions, then pooling and classifier; the last activations are (16, T/2, H/4, W/4)."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv1, self.bn1 = CausalConv3d(3, 8, (3, 3, 3), (1, 2, 2), bias=False), nn.BatchNorm3d(8)
        self.conv2, self.bn2 = CausalConv3d(8, 12, (3, 3, 3), (2, 2, 2), bias=False), nn.BatchNorm3d(12)
        self.conv3, self.bn3 = CausalConv3d(12, 16, (3, 3, 3), bias=False), nn.BatchNorm3d(16)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(16, classes)

    def features(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.features(x)).flatten(1))


class DroppedFrames(PooledNet):
    """Network of every second frame; the last activations are (16, T/4, H/4, W/4)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x[:, :, ::2]))


class NoGradForward(PooledNet):
    """Network whose forward disables gradients."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class Reused(nn.Module):
    """Network that calls one in-place ReLU four times and one convolution three times; last (16, T/2, H/4, W/4)."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, WIDTH, 3, (2, 4, 4), 1)
        self.conv = nn.Conv3d(WIDTH, WIDTH, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        for _ in range(3):
            x = self.relu(self.conv(x))
        return self.fc(self.avgpool(x).flatten(1))

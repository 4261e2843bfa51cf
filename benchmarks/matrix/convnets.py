"""3-D convolutional networks of the literature that no package holds, built from their descriptions.

They have the published wiring (groups, dense growth, mixed branches, heads) with fewer channels or blocks.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 20


def _conv(inside: int, outside: int, kernel: int | tuple[int, int, int], stride: int = 1, groups: int = 1) -> nn.Module:
    kernel = (kernel,) * 3 if isinstance(kernel, int) else kernel
    padding = tuple(length // 2 for length in kernel)
    strides = tuple(stride if length > 1 or kernel == (1, 1, 1) else 1 for length in kernel)
    return nn.Conv3d(inside, outside, kernel, strides, padding, groups=groups, bias=False)


def _norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm3d(channels), nn.ReLU(inplace=True)]


class MultiFiberUnit(nn.Module):
    """Residual unit of MFNet: a multiplexer of 1x1x1 convolutions, then convolutions in separate fibers (groups)."""

    def __init__(self, inside: int, outside: int, fibers: int, stride: int = 1, first: bool = False) -> None:
        super().__init__()
        middle, narrow = outside // 2, inside // 4
        self.multiplexer = nn.Sequential(
            *(*_norm_relu(inside), _conv(inside, narrow, 1), *_norm_relu(narrow), _conv(narrow, inside, 1))
        )
        self.fibers = nn.Sequential(
            *(*_norm_relu(inside), _conv(inside, middle, (1, 3, 3), stride, fibers)),
            *(*_norm_relu(middle), _conv(middle, outside, 3 if first else (1, 3, 3), 1, fibers)),
        )
        self.shortcut = nn.Conv3d(inside, outside, 1, (1, stride, stride), bias=False) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channel, time, height, width)."""
        mixed = x + self.multiplexer(x)
        return self.shortcut(x) + self.fibers(mixed)


class MFNet(nn.Module):
    """Multi-fiber network; returns (logits, features on the CPU), and accepts clips of 16 frames only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv3d(3, 16, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False), *_norm_relu(16))
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        widths, inside, stages = (96, 192, 256), 16, []
        for index, width in enumerate(widths):
            units = [MultiFiberUnit(inside, width, 16, 1 if index == 0 else 2, first=True)]
            stages.append(nn.Sequential(*units, MultiFiberUnit(width, width, 16)))
            inside = width
        self.conv2, self.conv3, self.conv4 = stages
        self.tail, self.classifier = nn.Sequential(*_norm_relu(inside)), nn.Linear(inside, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (batch, class), and the last features, detached."""
        assert x.shape[2] == 16, "MFNet takes 16 frames"
        features = self.tail(self.conv4(self.conv3(self.conv2(self.maxpool(self.conv1(x))))))
        pooled = F.avg_pool3d(features, features.shape[2:]).flatten(1)
        return self.classifier(pooled), features.detach().cpu()


class ResNeXtUnit(nn.Module):
    """Bottleneck with grouped 3x3x3 convolutions."""

    def __init__(self, inside: int, middle: int, stride: int) -> None:
        super().__init__()
        outside = 2 * middle
        self.convs = nn.Sequential(
            *(_conv(inside, middle, 1), *_norm_relu(middle)),
            *(_conv(middle, middle, 3, stride, groups=32), *_norm_relu(middle)),
            *(_conv(middle, outside, 1), nn.BatchNorm3d(outside)),
        )
        same = stride == 1 and inside == outside
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv3d(inside, outside, 1, stride, bias=False), nn.BatchNorm3d(outside))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channel, time, height, width)."""
        return F.relu(self.convs(x) + self.shortcut(x), inplace=True)


class ResNeXt3D(nn.Module):
    """3-D ResNeXt with cardinality 32, of 26 layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 32, 7, (1, 2, 2), 3, bias=False), *_norm_relu(32), nn.MaxPool3d(3, 2, 1))
        inside, stages = 32, []
        for index, middle in enumerate((64, 128, 192, 256)):
            stages.append(
                nn.Sequential(ResNeXtUnit(inside, middle, 1 + (index > 0)), ResNeXtUnit(2 * middle, middle, 1))
            )
            inside = 2 * middle
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(inside, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, class)."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class DenseUnit(nn.Module):
    """Bottleneck whose output is appended to its input."""

    def __init__(self, inside: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(*_norm_relu(inside), _conv(inside, 4 * growth, 1)),
            *(*_norm_relu(4 * growth), _conv(4 * growth, growth, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channel + growth, time, height, width)."""
        return torch.cat([x, self.convs(x)], 1)


class DenseNet3D(nn.Module):
    """3-D DenseNet with functions for its last ReLU and pooling."""

    def __init__(self, growth: int = 16, depths: tuple[int, ...] = (3, 4, 6)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv3d(3, 32, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False), *_norm_relu(32)]
        channels = 32
        for index, depth in enumerate(depths):
            block = nn.Sequential(*(DenseUnit(channels + growth * number, growth) for number in range(depth)))
            channels += growth * depth
            layers.append(block)
            if index + 1 < len(depths):
                half = nn.Sequential(*_norm_relu(channels), _conv(channels, channels // 2, 1), nn.AvgPool3d(2))
                layers.append(half)
                channels //= 2
        self.features, self.norm = nn.Sequential(*layers), nn.BatchNorm3d(channels)
        self.classifier = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, class)."""
        x = F.relu(self.norm(self.features(x)))
        logits: Tensor = self.classifier(F.avg_pool3d(x, x.shape[2:]).flatten(1))
        return logits


class SameConv(nn.Module):
    """Convolution that pads as TensorFlow does: one more at the end where the padding is odd."""

    def __init__(self, inside: int, outside: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inside, outside, kernel, stride, bias=False)
        self.norm = nn.BatchNorm3d(outside, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channel, time, height, width)."""
        return F.relu(self.norm(self.conv(_pad_same(x, self.conv.kernel_size, self.conv.stride))))


class SamePool(nn.Module):
    """Max pooling that pads as TensorFlow does."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channel, time, height, width)."""
        return F.max_pool3d(_pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


def _pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    padding = []
    for length, size, step in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        total = max(size - (step if length % step == 0 else length % step), 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding)


class Inception(nn.Module):
    """Four branches, concatenated."""

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        one, three, unit = (1, 1, 1), (3, 3, 3), (1, 1, 1)
        self.branch0 = SameConv(inside, width, one, unit)
        self.branch1 = nn.Sequential(SameConv(inside, width, one, unit), SameConv(width, 2 * width, three, unit))
        self.branch2 = nn.Sequential(
            SameConv(inside, width // 2, one, unit), SameConv(width // 2, width // 2, three, unit)
        )
        self.branch3 = nn.Sequential(SamePool(three, unit), SameConv(inside, width // 2, one, unit))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channel, time, height, width)."""
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], 1)


class I3D(nn.Module):
    """Inflated Inception as its two common ports return it.

    Parameters
    ----------
    returns : "logits per time step" or "probabilities and logits"
    """

    def __init__(self, returns: Literal["logits per time step", "probabilities and logits"]) -> None:
        super().__init__()
        self.returns = returns
        self.Conv3d_1a = SameConv(3, 32, (7, 7, 7), (2, 2, 2))
        self.MaxPool3d_2a = SamePool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b, self.Conv3d_2c = SameConv(32, 32, (1, 1, 1), (1, 1, 1)), SameConv(32, 64, (3, 3, 3), (1, 1, 1))
        self.MaxPool3d_3a, self.Mixed_3b, self.Mixed_3c = (
            SamePool((1, 3, 3), (1, 2, 2)),
            Inception(64, 24),
            Inception(96, 32),
        )
        self.MaxPool3d_4a, self.Mixed_4b, self.Mixed_4c = (
            SamePool((3, 3, 3), (2, 2, 2)),
            Inception(128, 40),
            Inception(160, 48),
        )
        self.dropout, self.logits = nn.Dropout(0.5), nn.Conv3d(192, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits (batch, class, time), or probabilities and logits (batch, class)."""
        x = self.Conv3d_2c(self.Conv3d_2b(self.MaxPool3d_2a(self.Conv3d_1a(x))))
        x = self.Mixed_3c(self.Mixed_3b(self.MaxPool3d_3a(x)))
        x = self.Mixed_4c(self.Mixed_4b(self.MaxPool3d_4a(x)))
        x = F.avg_pool3d(x, (2, *x.shape[3:]), 1)
        logits: Tensor = self.logits(self.dropout(x)).squeeze(3).squeeze(3)
        if self.returns == "logits per time step":
            return logits
        logits = logits.mean(2)
        return logits.softmax(1), logits

"""Small convolutional networks, each modelled on a family of real ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 5
Triple = tuple[int, int, int]


def conv_bn(
    inputs: int, outputs: int, kernel: Triple = (3, 3, 3), stride: Triple = (1, 1, 1), groups: int = 1
) -> nn.Sequential:
    """Make a convolution that keeps the size except for its stride, then batch normalisation."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm3d(outputs)
    )


def conv_bn_relu(
    inputs: int, outputs: int, kernel: Triple = (3, 3, 3), stride: Triple = (1, 1, 1), groups: int = 1
) -> nn.Sequential:
    """Make `conv_bn` with a ReLU that overwrites its input."""
    return conv_bn(inputs, outputs, kernel, stride, groups).append(nn.ReLU(inplace=True))


def shortcut(inputs: int, outputs: int, stride: Triple) -> nn.Module:
    """Make the shortcut of a block: the identity, or a projection if the shape changes."""
    if inputs == outputs and stride == (1, 1, 1):
        return nn.Identity()
    return conv_bn(inputs, outputs, (1, 1, 1), stride)


def plain(classes: int = CLASSES) -> nn.Sequential:
    """Make one flat Sequential of layers; the last activations are (16, T/2, H/4, W/4)."""
    return nn.Sequential(
        *(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(inplace=True), nn.MaxPool3d((1, 2, 2))),
        *(nn.Conv3d(8, 16, 3, padding=1), nn.BatchNorm3d(16), nn.ReLU(inplace=True), nn.MaxPool3d(2)),
        *(nn.Conv3d(16, 16, 3, padding=1), nn.BatchNorm3d(16), nn.ReLU(inplace=True)),
        *(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, classes)),
    )


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut that is added in place."""

    def __init__(self, inputs: int, outputs: int, stride: Triple = (1, 1, 1)) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(inputs, outputs, stride=stride)
        self.conv2 = conv_bn(outputs, outputs)
        self.shortcut = shortcut(inputs, outputs, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        y += self.shortcut(x)
        return self.relu(y)


class GroupedBlock(nn.Module):
    """Bottleneck of ResNeXt: narrow, grouped, wide."""

    def __init__(self, inputs: int, outputs: int, stride: Triple = (1, 1, 1), groups: int = 4) -> None:
        super().__init__()
        self.reduce = conv_bn_relu(inputs, outputs // 2, (1, 1, 1))
        self.grouped = conv_bn_relu(outputs // 2, outputs // 2, stride=stride, groups=groups)
        self.expand = conv_bn(outputs // 2, outputs, (1, 1, 1))
        self.shortcut = shortcut(inputs, outputs, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.expand(self.grouped(self.reduce(x))) + self.shortcut(x))


class ResNet3D(nn.Module):
    """Stem, four stages with their strides, pooling, classifier."""

    def __init__(
        self,
        block: type[BasicBlock] | type[GroupedBlock],
        widths: tuple[int, int, int, int],
        strides: tuple[Triple, Triple, Triple, Triple],
        depth: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, widths[0], (3, 7, 7), (1, 2, 2))
        ins = (widths[0], *widths[:3])
        stages = [
            nn.Sequential(block(i, o, s), *(block(o, o) for _ in range(depth - 1)))
            for i, o, s in zip(ins, widths, strides, strict=True)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(widths[3], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(self.avgpool(x).flatten(1))


SMALL_STRIDES = ((1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 1, 1))


def residual(classes: int = CLASSES) -> ResNet3D:
    """Make a small r3d_18; the last activations are (24, T/4, H/8, W/8)."""
    return ResNet3D(BasicBlock, (8, 12, 16, 24), SMALL_STRIDES, depth=2, classes=classes)


def grouped(classes: int = CLASSES) -> ResNet3D:
    """Make a small ResNeXt with four groups; the last activations are (32, T/4, H/8, W/8)."""
    return ResNet3D(GroupedBlock, (16, 16, 24, 32), SMALL_STRIDES, depth=1, classes=classes)


def full_size_r3d18(num_classes: int = 400) -> ResNet3D:
    """Make a network with the architecture and size of r3d_18 (33.4 M parameters), initialised by torch."""
    strides = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    return ResNet3D(BasicBlock, (64, 128, 256, 512), strides, depth=2, classes=num_classes)


class Gate(nn.Module):
    """Squeeze and excitation: channels are scaled by a function of their pooled values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(nn.AdaptiveAvgPool3d(1), nn.Conv3d(width, width // 2, 1), nn.ReLU()),
            *(nn.Conv3d(width // 2, width, 1), nn.Sigmoid()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.block(x)


class DepthwiseBlock(nn.Module):
    """Bottleneck of X3D: wide, depthwise with gate and swish, narrow."""

    def __init__(self, inputs: int, outputs: int, stride: Triple) -> None:
        super().__init__()
        inner = 2 * outputs
        self.expand = conv_bn_relu(inputs, inner, (1, 1, 1))
        self.depthwise = conv_bn(inner, inner, stride=stride, groups=inner)
        self.gate = Gate(inner)
        self.swish = nn.SiLU(inplace=True)
        self.project = conv_bn(inner, outputs, (1, 1, 1))
        self.shortcut = shortcut(inputs, outputs, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.swish(self.gate(self.depthwise(self.expand(x)))))
        return self.relu(y + self.shortcut(x))


def x3d_trunk() -> nn.Sequential:
    """Make a spatial and a depthwise temporal stem and three blocks: (24, T, H/8, W/8), without stride in time."""
    return nn.Sequential(
        nn.Conv3d(3, 8, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
        conv_bn_relu(8, 8, (5, 1, 1), groups=8),
        DepthwiseBlock(8, 12, (1, 2, 2)),
        DepthwiseBlock(12, 24, (1, 2, 2)),
        DepthwiseBlock(24, 24, (1, 1, 1)),
    )


class Depthwise(nn.Module):
    """Trunk of X3D with pooling and one linear layer."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.blocks = x3d_trunk()
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(24, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.blocks(x)).flatten(1))


class DenseLayer(nn.Module):
    """Norm, ReLU and convolution, concatenated to the input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(inputs)
        self.conv = nn.Conv3d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.conv(F.relu(self.norm(x)))), dim=1)


class Dense(nn.Module):
    """DenseNet: growing concatenations; ReLU and pooling before the classifier are functions, not modules."""

    def __init__(self, classes: int = CLASSES, growth: int = 6) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8, (3, 7, 7), (1, 2, 2))
        self.block1 = nn.Sequential(*(DenseLayer(8 + i * growth, growth) for i in range(3)))
        self.transition = nn.Sequential(
            *(nn.BatchNorm3d(26), nn.ReLU(inplace=True), nn.Conv3d(26, 13, 1, bias=False), nn.AvgPool3d(2))
        )
        self.block2 = nn.Sequential(*(DenseLayer(13 + i * growth, growth) for i in range(3)))
        self.norm = nn.BatchNorm3d(31)
        self.classifier = nn.Linear(31, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.block2(self.transition(self.block1(self.stem(x)))))
        x = F.relu(x, inplace=True)
        x = F.avg_pool3d(x, kernel_size=x.shape[2:]).view(x.shape[0], -1)
        return self.classifier(x)


def pad_same(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pad as TensorFlow's SAME; an odd remainder goes to the end."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max(k - s if size % s == 0 else k - size % s, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class Unit3D(nn.Module):
    """Convolution, normalisation and ReLU of I3D with SAME padding."""

    def __init__(self, inputs: int, outputs: int, kernel: Triple = (1, 1, 1), stride: Triple = (1, 1, 1)) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(pad_same(x, self.kernel, self.stride))))


class SameMaxPool(nn.MaxPool3d):
    """Max pooling with SAME padding."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__(kernel, stride)
        self.same = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad_same(x, *self.same))


class InceptionBlock(nn.Module):
    """Four concatenated branches of widths (b0, b1, b2, b3)."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        b0, b1, b2, b3 = widths
        self.b0 = Unit3D(inputs, b0)
        self.b1 = nn.Sequential(Unit3D(inputs, 6), Unit3D(6, b1, (3, 3, 3)))
        self.b2 = nn.Sequential(Unit3D(inputs, 4), Unit3D(4, b2, (3, 3, 3)))
        self.b3 = nn.Sequential(SameMaxPool((3, 3, 3), (1, 1, 1)), Unit3D(inputs, b3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1(x), self.b2(x), self.b3(x)], dim=1)


class Inception(nn.Module):
    """I3D: windows of two time steps are pooled and classified by a 1x1x1 convolution, then averaged unless per_time.

    The last activations are (26, T/2, H/8, W/8), the logits before the average (classes, T/2 - 1).
    """

    def __init__(self, classes: int = CLASSES, size: int = 32, per_time: bool = False) -> None:
        super().__init__()
        self.stem = Unit3D(3, 8, (7, 7, 7), (2, 2, 2))
        self.pool1 = SameMaxPool((1, 3, 3), (1, 2, 2))
        self.mixed1 = InceptionBlock(8, (6, 8, 4, 4))
        self.pool2 = SameMaxPool((1, 3, 3), (1, 2, 2))
        self.mixed2 = InceptionBlock(22, (8, 10, 4, 4))
        self.avg_pool = nn.AvgPool3d((2, size // 8, size // 8), stride=(1, 1, 1))
        self.dropout = nn.Dropout(0.5)
        self.logits = nn.Conv3d(26, classes, 1)
        self.per_time = per_time

    def forward(self, x: Tensor) -> Tensor:
        x = self.mixed2(self.pool2(self.mixed1(self.pool1(self.stem(x)))))
        logits = self.logits(self.dropout(self.avg_pool(x))).squeeze(4).squeeze(3)
        return logits if self.per_time else logits.mean(dim=2)

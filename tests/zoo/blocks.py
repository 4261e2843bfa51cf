"""Small networks made of the building blocks of ``notebook_explain.layers``; they take 8 frames of 32 x 32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from notebook_explain import layers

from .convnets import CLASSES, conv_bn_relu, residual


class Pooled(nn.Module):
    """Convolutions with pooling between them, global pooling and a classifier; the pooling is chosen."""

    def __init__(self, pool: Callable[..., nn.Module], last: Callable[..., nn.Module], classes: int = CLASSES) -> None:
        super().__init__()
        self.stem, self.pool1 = conv_bn_relu(3, 8), pool(2)
        self.middle, self.pool2 = conv_bn_relu(8, 12), pool((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.top = conv_bn_relu(12, 16)
        self.last, self.fc = last(1), nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.top(self.pool2(self.middle(self.pool1(self.stem(x)))))
        return self.fc(self.last(x).flatten(1))


class Recurrent(nn.Module):
    """Residual blocks, each with a squeeze and recursion."""

    def __init__(self, gate: str, position: str, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8)
        self.layer1 = layers.SRTGBlock(8, 8, (1, 2, 2), position, gate=gate)
        self.layer2 = layers.SRTGBlock(8, 12, 2, position, gate=gate)
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.layer2(self.layer1(self.stem(x)))).flatten(1))


def planes(parallel: bool) -> nn.Module:
    """Make a small r3d_18 of FAST convolutions."""

    def fast(conv: nn.Conv3d) -> nn.Module | None:
        if conv.kernel_size != (3, 3, 3):
            return None
        return layers.FAST3d(conv.in_channels, conv.out_channels, 3, conv.stride, parallel=parallel, merge="concat")

    return layers.swap(residual(), {nn.Conv3d: fast if parallel else layers.FAST3d}).model


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "max pool": partial(Pooled, nn.MaxPool3d, nn.AdaptiveAvgPool3d),  # no block, for comparison
    "soft pool": partial(Pooled, layers.SoftPool3d, nn.AdaptiveAvgPool3d),
    "soft pool at the end": partial(Pooled, nn.MaxPool3d, layers.AdaptiveSoftPool3d),
    "srtg": partial(Recurrent, "soft", "final"),
    "srtg hard, mid": partial(Recurrent, "hard", "mid"),
    "mtnet": partial(layers.MTNet, CLASSES, (1, 1), (16, 32)),
    "mtnet, sub-streams": partial(layers.MTNet, CLASSES, (1, 1), (64, 64), groups=8, pool="soft", keep="least"),
    "mtconv": lambda: layers.swap(residual(), {nn.Conv3d: layers.MTConv3d}).model,
    "fast": partial(planes, False),
    "fast, parallel": partial(planes, True),
    "class regularization": lambda: layers.class_regularized(residual(), "fc", ["layer1", "layer3"], 0.3).model,
}

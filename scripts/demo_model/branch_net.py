"""Second demo network: concatenated branches, factorised convolutions and max pooling instead of residual sums.

It is trained on the same clips as the bundled network; its weights lie in the tests. Claims about explanations are
tested on both, so that they do not depend on one architecture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from notebook_explain.models.demo.net import LABELS, Triple, conv_bn


def conv_bn_relu(inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1)) -> nn.Sequential:
    """Make a convolution, batch normalisation and a ReLU."""
    return conv_bn(inputs, outputs, kernel, stride).append(nn.ReLU())


class Branches(nn.Module):
    """Three concatenated branches of one input.

    Attributes
    ----------
    point : nn.Sequential
        A 1 x 1 x 1 convolution; a quarter of the outputs.
    factorised : nn.Sequential
        1 x 1 x 1, then 1 x 3 x 3 in space, then 3 x 1 x 1 in time; half of the outputs.
    pooled : nn.Sequential
        3 x 3 x 3 max pooling, then a 1 x 1 x 1 convolution; a quarter of the outputs.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        quarter, half = outputs // 4, outputs // 2
        self.point = conv_bn_relu(inputs, quarter, (1, 1, 1))
        self.factorised = nn.Sequential(
            conv_bn_relu(inputs, quarter, (1, 1, 1)),
            conv_bn_relu(quarter, half, (1, 3, 3)),
            conv_bn_relu(half, half, (3, 1, 1)),
        )
        self.pooled = nn.Sequential(nn.MaxPool3d(3, 1, 1), conv_bn_relu(inputs, quarter, (1, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, time, height, width) to (batch, outputs, time, height, width)."""
        return torch.cat([self.point(x), self.factorised(x), self.pooled(x)], dim=1)


class BranchNet(nn.Module):
    """Stem, max pooling, three blocks of branches, average pooling, linear classifier.

    Grids for 16 x 64 x 64 in (channel, time, height, width): stem 24 x 16 x 16 x 16; then 24 x 8 x 8 x 8, and the
    blocks 96, 128 and 128 x 8 x 8 x 8.

    Attributes
    ----------
    stem : nn.Sequential
        Convolution, batch normalisation, ReLU, max pooling.
    blocks : nn.Sequential
        Three `Branches`.
    pool, head : nn.Module
        Average over time, height and width; one logit for each of `LABELS`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 24, (3, 7, 7), (1, 4, 4)).append(nn.MaxPool3d(2, 2))
        self.blocks = nn.Sequential(Branches(24, 96), Branches(96, 128), Branches(128, 128))
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(128, len(LABELS))

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, 3, time, height, width), normalised as for `DemoNet`."""
        moving = clips - clips.mean(dim=2, keepdim=True)
        logits: Tensor = self.head(self.pool(self.blocks(self.stem(moving))).flatten(1))
        return logits

"""Bundled network: a small 3-D residual network that classifies the actions of `notebook_explain.samples`.

Its input is the difference from the mean over time, so static content has no effect. It has three kinds of blocks, as
networks in use have them: plain, grouped and depthwise convolutions.
"""

from __future__ import annotations

from torch import Tensor, nn

from notebook_explain.samples import ACTIONS

LABELS = ACTIONS
FRAMES, SIZE = 16, 64
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # of red, green, blue in 0 to 1

Triple = tuple[int, int, int]


def conv_bn(inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1), groups: int = 1) -> nn.Sequential:
    """Make a convolution that keeps time, height and width except for its stride, then batch normalisation."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm3d(outputs)
    )


def _pooled(inputs: int, outputs: int, stride: Triple) -> nn.Sequential:
    """Make a shortcut that sees every position; a strided 1 x 1 x 1 convolution would skip most and not be faster."""
    return nn.Sequential(nn.AvgPool3d(stride), *conv_bn(inputs, outputs, (1, 1, 1)))


class Residual(nn.Module):
    """Two 3 x 3 x 3 convolutions and a shortcut, summed before a ReLU.

    Attributes
    ----------
    conv1, conv2 : nn.Sequential
        Convolution and batch normalisation; the first has the stride.
    shortcut : nn.Module
        Identity, or average pooling and a 1 x 1 x 1 convolution if the shape changes.
    relu1, relu2 : nn.ReLU
        After the first convolution, after the sum.
    """

    def __init__(self, inputs: int, outputs: int, stride: Triple = (1, 1, 1), groups: int = 1) -> None:
        super().__init__()
        self.conv1 = conv_bn(inputs, outputs, (3, 3, 3), stride, groups)
        self.relu1 = nn.ReLU()
        self.conv2 = conv_bn(outputs, outputs, (3, 3, 3), groups=groups)
        same = inputs == outputs and stride == (1, 1, 1)
        self.shortcut: nn.Module = nn.Identity() if same else _pooled(inputs, outputs, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, time, height, width) to (batch, outputs, ...), divided by the stride."""
        y: Tensor = self.relu2(self.conv2(self.relu1(self.conv1(x))) + self.shortcut(x))
        return y


class Depthwise(nn.Module):
    """Depthwise 3 x 3 x 3 convolution, then a 1 x 1 x 1 convolution across channels, with an identity shortcut.

    Attributes
    ----------
    depthwise, pointwise : nn.Sequential
        Convolution and batch normalisation.
    relu1, relu2 : nn.ReLU
        After the depthwise convolution, after the sum.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = conv_bn(channels, channels, (3, 3, 3), groups=channels)
        self.relu1 = nn.ReLU()
        self.pointwise = conv_bn(channels, channels, (1, 1, 1))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, time, height, width) to the same shape."""
        y: Tensor = self.relu2(self.pointwise(self.relu1(self.depthwise(x))) + x)
        return y


class DemoNet(nn.Module):
    """Stem, four blocks, average pooling, linear classifier.

    Grids for 16 x 64 x 64 in (channel, time, height, width): stem 16 x 16 x 32 x 32; blocks 32 x 16 x 16 x 16 and then
    64 x 8 x 8 x 8 three times.

    Attributes
    ----------
    stem : nn.Sequential
        Convolution, batch normalisation, ReLU.
    blocks : nn.Sequential
        Two plain residual blocks, a grouped one, a depthwise one.
    pool, head : nn.Module
        Average over time, height and width; one logit for each of `LABELS`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 16, (3, 5, 5), (1, 2, 2)).append(nn.ReLU())
        self.blocks = nn.Sequential(
            Residual(16, 32, (1, 2, 2)), Residual(32, 64, (2, 2, 2)), Residual(64, 64, groups=4), Depthwise(64)
        )
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(64, len(LABELS))

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class).

        Parameters
        ----------
        clips : float (batch, 3, time, height, width)
            ``(value / 255 - 0.5) / 0.25`` of red, green and blue; designed for 16 frames of 64 x 64 pixels.
        """
        moving = clips - clips.mean(dim=2, keepdim=True)
        logits: Tensor = self.head(self.pool(self.blocks(self.stem(moving))).flatten(1))
        return logits

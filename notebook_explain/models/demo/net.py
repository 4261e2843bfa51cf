"""A small 3-D residual network that tells the motions of `notebook_explain.samples` apart.

It sees only what differs from the mean over time, so what stands still has no say. The blocks are of three kinds, as
in the networks that people explain: plain, grouped and depthwise convolutions.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from notebook_explain.samples import CLASSES

LABELS = CLASSES
FRAMES, SIZE = 16, 64
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # of red, green, blue in 0 to 1
WEIGHTS = Path(__file__).with_name("weights.pt")

Triple = tuple[int, int, int]


def conv_bn(inputs: int, outputs: int, kernel: Triple, stride: Triple = (1, 1, 1), groups: int = 1) -> nn.Sequential:
    """Convolution that keeps time, height and width but for its stride, then batch normalisation."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm3d(outputs)
    )


class Residual(nn.Module):
    """Two 3 x 3 x 3 convolutions beside a shortcut; the sum goes through a ReLU.

    Attributes
    ----------
    conv1, conv2 : nn.Sequential
        Convolution and batch normalisation; the first one has the stride.
    shortcut : nn.Module
        Nothing, or a 1 x 1 x 1 convolution where the shape changes.
    relu1, relu2 : nn.ReLU
        After the first convolution, after the sum.
    """

    def __init__(self, inputs: int, outputs: int, stride: Triple = (1, 1, 1), groups: int = 1) -> None:
        super().__init__()
        self.conv1 = conv_bn(inputs, outputs, (3, 3, 3), stride, groups)
        self.relu1 = nn.ReLU()
        self.conv2 = conv_bn(outputs, outputs, (3, 3, 3), groups=groups)
        same = inputs == outputs and stride == (1, 1, 1)
        self.shortcut: nn.Module = nn.Identity() if same else conv_bn(inputs, outputs, (1, 1, 1), stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """From (batch, inputs, time, height, width) to (batch, outputs, ...), fewer by the stride."""
        y: Tensor = self.relu2(self.conv2(self.relu1(self.conv1(x))) + self.shortcut(x))
        return y


class Depthwise(nn.Module):
    """A 3 x 3 x 3 convolution of each channel by itself, then a 1 x 1 x 1 one across channels, beside a shortcut.

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
        """Keep the shape (batch, channels, time, height, width)."""
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
        """Logits (batch, class) of clips.

        Parameters
        ----------
        clips : float (batch, 3, time, height, width)
            ``(value / 255 - 0.5) / 0.25`` of red, green, blue; made for 16 frames of 64 x 64.
        """
        moving = clips - clips.mean(dim=2, keepdim=True)
        logits: Tensor = self.head(self.pool(self.blocks(self.stem(moving))).flatten(1))
        return logits


def demo_net() -> DemoNet:
    """Build the trained network in eval mode, on the CPU, in float32; the global random state is left alone.

    Raises
    ------
    FileNotFoundError
        The package was installed without its weights.
    """
    with torch.device("meta"):  # no storage and no random numbers for weights that the file replaces
        net = DemoNet()
    stored: dict[str, Tensor] = torch.load(WEIGHTS, map_location="cpu", weights_only=True)
    state = {name: value.float() if value.is_floating_point() else value for name, value in stored.items()}
    net.load_state_dict(state, assign=True)
    return net.eval()

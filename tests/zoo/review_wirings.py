"""Networks for ``review_kinds`` that differ in their wiring: several ends, several calls, mixers, recurrence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .convnets import CLASSES, conv_bn_relu
from .heads import WIDTH, trunk


class TwoStream(nn.Module):
    """One stream sees the colours, one the differences between frames; both ends are pooled and concatenated.

    The second stream has one time step less than the first, and half its cells in space.
    """

    def __init__(self) -> None:
        super().__init__()
        self.colour = trunk()
        self.motion = nn.Sequential(conv_bn_relu(3, 8, stride=(1, 4, 4)), conv_bn_relu(8, 12, stride=(1, 2, 2)))
        self.fc = nn.Linear(WIDTH + 12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        motion = self.motion(x[:, :, 1:] - x[:, :, :-1])
        return self.fc(torch.cat([self.colour(x).mean((2, 3, 4)), motion.mean((2, 3, 4))], 1))


class MultiScale(nn.Module):
    """Two stages are pooled and classified; their logits are added."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(conv_bn_relu(3, 8, stride=(1, 2, 2)), conv_bn_relu(8, 12))
        self.stage2 = conv_bn_relu(12, WIDTH, stride=(2, 2, 2))
        self.fc1, self.fc2 = nn.Linear(12, CLASSES), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a = self.stage1(x)
        return self.fc1(a.mean((2, 3, 4))) + self.fc2(self.stage2(a).mean((2, 3, 4)))


class MeanAndMax(nn.Module):
    """The classifier reads the mean and the maximum of the same activations."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.fc = trunk(), nn.Linear(2 * WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a = self.trunk(x)
        return self.fc(torch.cat([a.mean((2, 3, 4)), a.amax((2, 3, 4))], 1))


class MeanAndBranch(nn.Module):
    """The classifier reads the mean of some activations and the mean of what a further layer makes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.branch = trunk(), conv_bn_relu(WIDTH, 12)
        self.fc = nn.Linear(WIDTH + 12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a = self.trunk(x)
        return self.fc(torch.cat([a.mean((2, 3, 4)), self.branch(a).mean((2, 3, 4))], 1))


class Doubled(nn.Module):
    """A convolution's output, doubled and as it is: both are returned."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv_bn_relu(WIDTH, 12)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        c = self.conv(x)
        return 2 * c, c


class DoubledOutput(nn.Module):
    """Both tensors of a module that returns (2c, c) are pooled and classified."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.twice, self.fc = trunk(), Doubled(), nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        twice, once = self.twice(self.trunk(x))
        return self.fc(torch.cat([twice.mean((2, 3, 4)), once.mean((2, 3, 4))], 1))


class FramesThenLSTM(nn.Module):
    """A CNN is called once per frame in a Python loop; an LSTM reads the pooled features, its last output is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.rnn, self.fc = nn.LSTM(16, 12, batch_first=True), nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        frames = torch.stack([self.cnn(x[:, t]).mean((2, 3)) for t in range(x.shape[1])], 1)
        return self.fc(self.rnn(frames)[0][:, -1])


class OverlappingWindows(nn.Module):
    """One module is called on overlapping windows of four frames; their logits are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.fc = trunk(), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        windows = [x[:, :, start : start + 4] for start in range(0, x.shape[2] - 3, 2)]
        return torch.stack([self.fc(self.trunk(window).mean((2, 3, 4))) for window in windows]).mean(0)


class TwoViews(nn.Module):
    """The logits of two views are averaged: the clip and its mirror image, or its left and right three quarters."""

    def __init__(self, mirrored: bool) -> None:
        super().__init__()
        self.trunk, self.fc, self.mirrored = trunk(), nn.Linear(WIDTH, CLASSES), mirrored

    def forward(self, x: Tensor) -> Tensor:
        part = 3 * x.shape[4] // 4
        views = (x, x.flip(4)) if self.mirrored else (x[..., :part], x[..., -part:])
        first, second = (self.fc(self.trunk(view).mean((2, 3, 4))) for view in views)
        return (first + second) / 2


class DenseGrowth(nn.Module):
    """DenseNet as in torchvision: layers return their growth alone, and the block concatenates a list of features."""

    def __init__(self, layers: int = 4, growth: int = 4) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8, stride=(2, 4, 4))
        widths = [8 + i * growth for i in range(layers)]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm3d(w), nn.ReLU(), nn.Conv3d(w, growth, 3, padding=1, bias=False)) for w in widths
        )
        self.norm = nn.BatchNorm3d(8 + layers * growth)
        self.fc = nn.Linear(8 + layers * growth, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.fc(F.relu(self.norm(torch.cat(features, 1))).mean((2, 3, 4)))


def upsampling(conv: nn.Module) -> nn.Sequential:
    """Return a transposed convolution with weights that keep the signal's scale, and a ReLU."""
    nn.init.kaiming_normal_(conv.weight.transpose(0, 1))
    return nn.Sequential(conv, nn.ReLU())


class Transposed(nn.Module):
    """An encoder, then transposed convolutions that undo its strides, pooling and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = trunk()
        self.up1 = upsampling(nn.ConvTranspose3d(WIDTH, 12, 2, 2))
        self.up2 = upsampling(nn.ConvTranspose3d(12, 8, (3, 4, 4), (1, 2, 2), 1))
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.up2(self.up1(self.encoder(x))).mean((2, 3, 4)))


class TransposedFrames(nn.Module):
    """The same frame by frame, with 2-D layers over (batch * time, channel, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
        self.up = upsampling(nn.ConvTranspose2d(12, 8, 3, 2, 1, output_padding=1))
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = self.up(self.encoder(x.flatten(0, 1))).mean((2, 3))
        return self.fc(features.view(*x.shape[:2], -1).mean(1))


class Checkpointed(nn.Module):
    """One block runs under reentrant checkpointing, which computes it without a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, (1, 2, 2), 1)
        self.block = nn.Sequential(nn.Conv3d(8, 8, 3, (2, 2, 2), 1), nn.ReLU())
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(checkpoint(self.block, self.stem(x), use_reentrant=True).mean((2, 3, 4)))


class TimeMixer(nn.Module):
    """Each position adds a linear function of all its time steps to itself: x + Linear over time."""

    def __init__(self, steps: int = 4) -> None:
        super().__init__()
        self.trunk, self.mix = trunk(), nn.Linear(steps, steps)
        self.last, self.fc = conv_bn_relu(WIDTH, WIDTH, (1, 1, 1)), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(x)
        x = x + self.mix(x.movedim(2, -1)).movedim(-1, 2)
        return self.fc(self.last(x).mean((2, 3, 4)))


class MixerBlock(nn.Module):
    """A perceptron over all tokens, then one over all channels; each is added to its input."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.over_tokens = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.over_channels = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.over_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(self.norm2(x))


class MlpMixer(nn.Module):
    """MLP-Mixer frame by frame; logits are averaged over frames."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.blocks = nn.Sequential(MixerBlock(16, width), MixerBlock(16, width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x.flatten(0, 1)).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(tokens)).mean(1)).view(*x.shape[:2], -1).mean(1)


class ConvLSTM(nn.Module):
    """A convolutional LSTM over the frames' features; its last state is pooled and classified."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.ReLU())
        self.gates, self.width = nn.Conv2d(2 * width, 4 * width, 3, padding=1), width
        self.last, self.fc = nn.Conv2d(width, width, 1), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = self.stem(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        hidden = cell = torch.zeros_like(features[:, 0])
        for t in range(x.shape[1]):
            i, f, o, g = self.gates(torch.cat([features[:, t], hidden], 1)).chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
        return self.fc(self.last(hidden).mean((2, 3)))

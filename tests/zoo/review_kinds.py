"""Small networks of the kinds in which explanations of video networks have been found wrong or blank.

`REVIEW_KINDS` holds them by name, in the form of ``tests.zoo.ZOO``: ``entry.make()`` builds one, ``tests.zoo.feed``
converts a clip to its input. `COMPLETE_WITH_CONSTANT_NORMS` names those whose pooled maps add up to the score only if the
standard deviation of a norm is held constant. Norms of transformers and ends of networks are here; wirings and recurrent
parts are in ``review_wirings``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import Entry, seeded
from . import review_wirings as wirings
from .convnets import CLASSES
from .heads import WIDTH, trunk
from .tokens import TransformerBlock


def varied(norm: nn.Module) -> Any:
    """Give a norm a random weight and bias, so that both matter; some weights are negative."""
    nn.init.normal_(norm.weight, 1.0, 0.6)
    if getattr(norm, "bias", None) is not None:
        nn.init.normal_(norm.bias, std=0.2)
    return norm


class ClassToken(nn.Module):
    """Transformer of torch's own layers over tubelets; the classifier reads the normalised class token.

    The patch tokens after the last block lead nowhere: all gradients there are exactly 0.
    """

    def __init__(self, width: int = 32, depth: int = 3, tokens: int = 64) -> None:
        super().__init__()
        self.patch = nn.Conv3d(3, width, (2, 8, 8), (2, 8, 8))
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.place = nn.Parameter(torch.randn(1, tokens + 1, width))
        layers = (nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, norm_first=True) for _ in range(depth))
        self.blocks = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.blocks(torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place)
        return self.head(self.norm(x)[:, 0])


class FusedViT(nn.Module):
    """ViT frame by frame: norms before fused attention and perceptron, class token or mean; logits are averaged over frames."""

    def __init__(self, class_token: bool, width: int = 24, tokens: int = 16) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width)) if class_token else None
        self.place = nn.Parameter(0.3 * torch.randn(1, tokens + class_token, width))
        self.blocks = nn.Sequential(*(TransformerBlock(width, 3, explicit=False) for _ in range(3)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        batch, time = x.shape[:2]
        x = self.patch(x.flatten(0, 1)).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.place))
        return self.head(x[:, 0] if self.token is not None else x.mean(1)).view(batch, time, -1).mean(1)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (batch, channel, ...), written out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        x = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-6)
        return x * self.weight.view(-1, 1, 1, 1) + self.bias.view(-1, 1, 1, 1)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm and perceptron over channels last, layer scale, residual sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv3d(width, width, (3, 7, 7), padding=(1, 3, 3), groups=width)
        self.norm = varied(nn.LayerNorm(width, eps=1e-6))
        self.expand, self.project = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(0.3 * torch.randn(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 4, 1))
        y = self.scale * self.project(F.gelu(self.expand(y)))
        return x + y.permute(0, 4, 1, 2, 3)


class ConvNeXt(nn.Module):
    """Stem and downsampling with channels-first norms; the head normalises the pooled features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 12, (2, 4, 4), (2, 4, 4)), varied(ChannelNorm(12)))
        self.stage1 = nn.Sequential(ConvNeXtBlock(12), ConvNeXtBlock(12))
        self.down = nn.Sequential(varied(ChannelNorm(12)), nn.Conv3d(12, 24, (1, 2, 2), (1, 2, 2)))
        self.stage2 = nn.Sequential(ConvNeXtBlock(24), ConvNeXtBlock(24))
        self.norm, self.head = nn.LayerNorm(24, eps=1e-6), nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage2(self.down(self.stage1(self.stem(x))))
        return self.head(self.norm(x.mean((2, 3, 4))))


class RootMeanSquareNorm(nn.Module):
    """RMS norm over the last axis, written by hand."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class NormThenPool(nn.Module):
    """Convolutions with a norm after each, the last one right before the pooling and one linear layer.

    Parameters
    ----------
    norm : function
        Makes a norm of (batch, channel, time, height, width) from the number of channels.
    """

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv3d(3, 8, 3, (1, 2, 2), 1), norm(8)
        self.conv2, self.norm2 = nn.Conv3d(8, 16, 3, 2, 1), norm(16)
        self.conv3, self.norm3 = nn.Conv3d(16, 16, 3, 1, 1), norm(16)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.silu(self.norm2(self.conv2(x)))
        return self.fc(self.norm3(self.conv3(x)).mean((2, 3, 4)))


class ChannelsLastNorm(nn.Module):
    """A norm of the last axis, applied to the channels of (batch, channel, ...)."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def group_norm(width: int) -> nn.Module:
    """Make a group norm of four groups with random weights."""
    return varied(nn.GroupNorm(4, width))


def hand_written_rms_norm(width: int) -> nn.Module:
    """Make a hand-written RMS norm of the channels with random weights."""
    return ChannelsLastNorm(varied(RootMeanSquareNorm(width)))


class Head(nn.Module):
    """Three convolutions and ReLUs, then a head that subclasses define on the activations (batch, 16, time, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.fc = trunk(), nn.Linear(WIDTH, CLASSES)


class CosineHead(Head):
    """Cosine classifier: the pooled features and the class weights are L2-normalised; the score is their scaled product."""

    def forward(self, x: Tensor) -> Tensor:
        features = F.normalize(self.trunk(x).mean((2, 3, 4)), dim=1)
        return 10 * features @ F.normalize(self.fc.weight, dim=1).T


class AffineHead(Head):
    """Heads that are affine but more than one linear layer: a temperature, an offset, or two heads added."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.auxiliary, self.kind = nn.Linear(WIDTH, CLASSES), kind

    def forward(self, x: Tensor) -> Tensor:
        features = self.trunk(x).mean((2, 3, 4))
        logits = self.fc(features)
        if self.kind == "temperature":
            return logits / 2
        return logits + 1.0 if self.kind == "offset" else logits + self.auxiliary(features)


class BatchNormHead(Head):
    """The pooled features pass a 1-D batch norm before the classifier, as in re-identification."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.neck(self.trunk(x).mean((2, 3, 4))))


class FlattenHead(nn.Module):
    """One linear layer reads all positions: no pooling, yet the score is linear in the last activations."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.fc = trunk(), nn.Linear(WIDTH * 4 * 8 * 8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.trunk(x).flatten(1))


class SegmentationHead(Head):
    """One score for each class and voxel, at the size of the clip."""

    def forward(self, x: Tensor) -> Tensor:
        voxels = self.fc(self.trunk(x).movedim(1, -1)).movedim(-1, 1)
        return F.interpolate(voxels, x.shape[2:], mode="trilinear", align_corners=False)


def _entry(
    name: str,
    factory: Callable[[], nn.Module],
    *,
    complete: bool = True,
    layout: str = "BCTHW",
) -> Entry:
    return Entry(name, partial(seeded, factory), 8, 32, layout, complete, frozenset())


_PARTIAL = partial(_entry, complete=False)

REVIEW_KINDS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _PARTIAL("class_token", ClassToken),
        _PARTIAL("fused_vit_class_token", partial(FusedViT, class_token=True), layout="BTCHW"),
        _entry("fused_vit_mean", partial(FusedViT, class_token=False), layout="BTCHW"),
        _PARTIAL("convnext", ConvNeXt),
        _entry("group_norm_end", partial(NormThenPool, group_norm)),
        _entry("rms_norm_end", partial(NormThenPool, hand_written_rms_norm)),
        _PARTIAL("cosine_head", CosineHead),
        *(_entry(f"{kind}_head", partial(AffineHead, kind)) for kind in ("temperature", "offset", "two")),
        _entry("batch_norm_head", BatchNormHead),
        _PARTIAL("flatten_head", FlattenHead),
        _PARTIAL("segmentation", SegmentationHead),
        _entry("two_stream", wirings.TwoStream),
        _entry("multi_scale", wirings.MultiScale),
        _PARTIAL("mean_and_max", wirings.MeanAndMax),
        _entry("mean_and_branch", wirings.MeanAndBranch),
        _entry("doubled_output", wirings.DoubledOutput),
        _PARTIAL("cnn_per_frame_lstm", wirings.FramesThenLSTM, layout="BTCHW"),
        _entry("overlapping_windows", wirings.OverlappingWindows),
        _entry("two_crops", partial(wirings.TwoViews, mirrored=False)),
        _entry("mirrored_view", partial(wirings.TwoViews, mirrored=True)),
        _entry("dense_growth", wirings.DenseGrowth),
        _entry("transposed", wirings.Transposed),
        _entry("transposed_frames", wirings.TransposedFrames, layout="BTCHW"),
        _entry("reentrant_checkpoint", wirings.Checkpointed),
        _entry("time_mixer", wirings.TimeMixer),
        _entry("mlp_mixer", wirings.MlpMixer, layout="BTCHW"),
        _entry("conv_lstm", wirings.ConvLSTM, layout="BTCHW"),
    )
}

COMPLETE_WITH_CONSTANT_NORMS = frozenset({"convnext", "cosine_head"})

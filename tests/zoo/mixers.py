"""Networks whose layers mix all positions, or make more cells than they get."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import CLASSES

WIDTH = 8
STEPS, ROWS = 8, 8  # of the features: 8 frames of 8 x 8 cells
FAINT = 0.005  # scale of mixtures: what a cell depends on most is its own position


def stem() -> nn.Sequential:
    """Make a convolution to 8 x 8 cells for each of 8 frames of 32 x 32."""
    return nn.Sequential(nn.Conv3d(3, WIDTH, (3, 5, 5), (1, 4, 4), (1, 2, 2)), nn.ReLU())


class Pooled(nn.Module):
    """A stem, a middle that subclasses define, a last convolution, global pooling and a classifier."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = stem()
        self.last, self.fc = nn.Conv3d(width, WIDTH, 1), nn.Linear(WIDTH, CLASSES)

    def middle(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.last(self.middle(self.stem(x))).mean((2, 3, 4)))


TimeMixing = Literal["linear", "matmul on the left", "einsum", "tensordot", "convolution", "windows", "gate"]


class TimeMixer(Pooled):
    """x + a mixture over time, written in several ways; ``windows`` mixes pairs of frames, ``gate`` is a gMLP's."""

    def __init__(self, how: TimeMixing) -> None:
        super().__init__()
        self.how = how
        size = 2 if how == "windows" else STEPS
        self.weight = nn.Parameter(torch.randn(size, size))

    def mixture(self, x: Tensor) -> Tensor:
        if self.how == "matmul on the left":
            return (
                (self.weight @ x.flatten(3).transpose(1, 2).flatten(2))
                .view(x.shape[0], STEPS, WIDTH, *x.shape[3:])
                .transpose(1, 2)
            )
        if self.how == "einsum":
            return torch.einsum("bcthw,ts->bcshw", x, self.weight)
        if self.how == "tensordot":
            return torch.tensordot(x, self.weight, dims=([2], [0])).movedim(-1, 2)
        if self.how == "convolution":
            frames = x.transpose(1, 2).flatten(2)
            return (
                F.conv1d(frames, self.weight[:, :, None]).view(x.shape[0], STEPS, WIDTH, *x.shape[3:]).transpose(1, 2)
            )
        if self.how == "windows":
            windows = x.unflatten(2, (STEPS // 2, 2)).movedim(3, -1)
            return F.linear(windows, self.weight).movedim(-1, 3).flatten(2, 3)
        return F.linear(x.movedim(2, -1), self.weight).movedim(-1, 2)

    def middle(self, x: Tensor) -> Tensor:
        for _ in range(3):
            mixture = FAINT * self.mixture(x)
            x = x + (mixture * x if self.how == "gate" else mixture)
        return x


class MixerBlock(nn.Module):
    """MLP-Mixer: a perceptron over tokens, then one over channels, each with a residual connection."""

    def __init__(self, tokens: int, width: int = WIDTH) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.channels = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + FAINT * self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class ResidualMLPBlock(nn.Module):
    """ResMLP: affine layers instead of norms, and one linear layer over tokens, as a convolution over channels."""

    def __init__(self, tokens: int, width: int = WIDTH) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.full((width,), 0.1)), nn.Parameter(torch.zeros(width))
        self.tokens, self.channels = nn.Conv1d(tokens, tokens, 1), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + FAINT * self.scale * self.tokens(x * self.scale + self.shift)
        return x + self.channels(x * self.scale).relu()


class TokenMixer(nn.Module):
    """Blocks over the tokens of a clip, or of each of its frames."""

    def __init__(self, block: Callable[[int], nn.Module], by_frame: bool) -> None:
        super().__init__()
        self.stem, self.by_frame = stem(), by_frame
        tokens = ROWS * ROWS * (1 if by_frame else STEPS)
        self.blocks = nn.Sequential(*(block(tokens) for _ in range(3)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        volume = self.stem(x)
        volume = volume.transpose(1, 2).flatten(0, 1) if self.by_frame else volume
        tokens = self.blocks(volume.flatten(2).transpose(1, 2))
        return self.head(self.norm(tokens).mean(1)).mean(0, keepdim=True)


class OnlyMixed(Pooled):
    """A mixture over time without a residual connection: where its cells lie is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(STEPS, STEPS)

    def middle(self, x: Tensor) -> Tensor:
        return self.mix(x.movedim(2, -1)).movedim(-1, 2)


class Context(Pooled):
    """Global context, added to all cells and concatenated to them, and a gate of squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__(2 * WIDTH)
        self.context, self.gate = nn.Conv3d(WIDTH, WIDTH, 1), nn.Conv3d(WIDTH, WIDTH, 1)

    def middle(self, x: Tensor) -> Tensor:
        context = self.context(F.adaptive_avg_pool3d(x, 1))
        x = x + FAINT * context.expand_as(x)
        x = torch.sigmoid(self.gate(x.mean((2, 3, 4), keepdim=True))) * x
        return torch.cat([x, FAINT * F.interpolate(context, x.shape[2:])], 1)


class FourierFilter(Pooled):
    """GFNet: a filter over frequencies, with a residual connection or without."""

    def __init__(self, residual: bool = True) -> None:
        super().__init__()
        self.filter, self.residual = nn.Parameter(torch.randn(WIDTH, STEPS, ROWS, ROWS // 2 + 1, 2)), residual

    def middle(self, x: Tensor) -> Tensor:
        frequencies = torch.fft.rfftn(x, dim=(2, 3, 4)) * torch.view_as_complex(self.filter)
        filtered = torch.fft.irfftn(frequencies, s=x.shape[2:], dim=(2, 3, 4))
        return x + FAINT * filtered if self.residual else filtered


class CoordinateAttention(Pooled):
    """Gates for rows and columns, each pooled over the other axis."""

    def __init__(self) -> None:
        super().__init__()
        self.joint, self.rows, self.columns = (nn.Conv2d(WIDTH, WIDTH, 1) for _ in range(3))

    def middle(self, x: Tensor) -> Tensor:
        frames = x.transpose(1, 2).flatten(0, 1)
        pooled = torch.cat([frames.mean(3, keepdim=True), frames.mean(2, keepdim=True).transpose(2, 3)], 2)
        rows, columns = self.joint(pooled).relu().split(frames.shape[2:], 2)
        gate = self.rows(rows).sigmoid() * self.columns(columns.transpose(2, 3)).sigmoid()
        return (gate * frames).unflatten(0, (x.shape[0], -1)).transpose(1, 2)


Attending = Literal[
    "non-local, pooled keys", "keys mixed over tokens", "cross-covariance", "linear", "additive context"
]


class Attention(Pooled):
    """Attention written out, without a residual connection: what comes out lies where the queries are."""

    def __init__(self, how: Attending) -> None:
        super().__init__()
        self.how = how
        self.query, self.key, self.value = (nn.Conv3d(WIDTH, WIDTH, 1) for _ in range(3))
        self.tokens = nn.Linear(STEPS * ROWS * ROWS, 16)

    def middle(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x).flatten(2), self.key(x), self.value(x)
        if self.how == "non-local, pooled keys":
            key, value = (F.max_pool3d(part, (1, 2, 2)).flatten(2) for part in (key, value))
            return ((query.transpose(1, 2) @ key).softmax(-1) @ value.transpose(1, 2)).transpose(1, 2).reshape(x.shape)
        key, value = key.flatten(2), value.flatten(2)
        if self.how == "keys mixed over tokens":
            keys, values = self.tokens(key), self.tokens(value)
            return (
                ((query.transpose(1, 2) @ keys).softmax(-1) @ values.transpose(1, 2)).transpose(1, 2).reshape(x.shape)
            )
        if self.how == "cross-covariance":
            return ((query @ key.transpose(1, 2)).softmax(-1) @ value).reshape(x.shape)
        if self.how == "linear":
            return torch.einsum("bcn,bcd->bdn", query, torch.einsum("bcn,bdn->bcd", key, value)).reshape(x.shape)
        context = torch.matmul(value, key.mean(1).softmax(-1).unsqueeze(-1))
        return x + context.view(x.shape[0], WIDTH, 1, 1, 1)


class Upsampled(Pooled):
    """Layers that make more cells, in the volume or frame by frame."""

    def __init__(self, up: nn.Module, width: int = WIDTH, by_frame: bool = False) -> None:
        super().__init__(width)
        self.up, self.by_frame = up, by_frame

    def middle(self, x: Tensor) -> Tensor:
        if not self.by_frame:
            return self.up(x)
        frames = self.up(x.transpose(1, 2).flatten(0, 1))
        return frames.unflatten(0, (x.shape[0], -1)).transpose(1, 2)


class UpsampledTime(Pooled):
    """A transposed convolution over the time steps of each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose1d(WIDTH, WIDTH, 4, 2, 1)

    def middle(self, x: Tensor) -> Tensor:
        cells = x.permute(0, 3, 4, 1, 2).flatten(0, 2)
        return self.up(cells).unflatten(0, (x.shape[0], *x.shape[3:])).permute(0, 3, 4, 1, 2)


_TRANSPOSED = partial(nn.ConvTranspose3d, WIDTH, WIDTH)
_TRANSPOSED_2D = partial(nn.ConvTranspose2d, WIDTH, WIDTH)

MIXERS: dict[str, Callable[[], nn.Module]] = {
    **{f"time mixer: {how}": partial(TimeMixer, how) for how in ("linear", "matmul on the left", "einsum")},
    **{f"time mixer: {how}": partial(TimeMixer, how) for how in ("tensordot", "convolution", "windows", "gate")},
    "mlp-mixer": partial(TokenMixer, MixerBlock, False),
    "mlp-mixer by frame": partial(TokenMixer, MixerBlock, True),
    "resmlp by frame": partial(TokenMixer, ResidualMLPBlock, True),
    "fourier filter": FourierFilter,
}
CONTEXTS: dict[str, Callable[[], nn.Module]] = {"global context": Context}
ATTENTION: dict[str, Callable[[], nn.Module]] = {
    "coordinate attention": CoordinateAttention,
    **{
        how: partial(Attention, how)
        for how in (
            "non-local, pooled keys",
            "keys mixed over tokens",
            "cross-covariance",
            "linear",
            "additive context",
        )
    },
}
UPSAMPLED: dict[str, Callable[[], nn.Module]] = {
    "transposed, kernel 2": lambda: Upsampled(_TRANSPOSED(2, 2)),
    "transposed, kernel 3": lambda: Upsampled(_TRANSPOSED(3, 2, 1, output_padding=1)),
    "transposed, kernel 4": lambda: Upsampled(_TRANSPOSED((3, 4, 4), (1, 2, 2), 1)),
    "transposed, dilated": lambda: Upsampled(_TRANSPOSED((1, 3, 3), 1, (0, 2, 2), dilation=(1, 2, 2), groups=2)),
    "transposed frames, kernel 3": lambda: Upsampled(_TRANSPOSED_2D(3, 2, 1, output_padding=1), by_frame=True),
    "transposed frames, stride 3": lambda: Upsampled(_TRANSPOSED_2D(5, 3, 1), by_frame=True),
    "transposed time steps": UpsampledTime,
    "nearest": lambda: Upsampled(nn.Upsample(scale_factor=2)),
    "trilinear": lambda: Upsampled(nn.Upsample(scale_factor=2, mode="trilinear")),
    "trilinear, aligned corners": lambda: Upsampled(
        nn.Upsample(size=(12, 20, 20), mode="trilinear", align_corners=True)
    ),
    "bilinear frames": lambda: Upsampled(nn.Upsample(scale_factor=(3, 2), mode="bilinear"), by_frame=True),
    "bicubic frames": lambda: Upsampled(nn.Upsample(scale_factor=2, mode="bicubic"), by_frame=True),
    "smaller, nearest": lambda: Upsampled(nn.Upsample(scale_factor=0.5)),
    "smaller, area": lambda: Upsampled(nn.Upsample(size=(4, 4, 4), mode="area")),
    "pixel shuffle": lambda: Upsampled(nn.PixelShuffle(2), WIDTH // 4, by_frame=True),
}

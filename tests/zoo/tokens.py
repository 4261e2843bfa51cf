"""Transformers: tokens with and without a class token, and windows of channels-last volumes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import CLASSES, Triple


@dataclass
class VideoOutput:
    """Output with logits as an attribute."""

    logits: Tensor
    loss: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class OrderedOutput(OrderedDict[str, Tensor]):
    """Output as a mapping that, as in Hugging Face, is also read by attribute and by index."""

    def __getattr__(self, name: str) -> Tensor:
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __getitem__(self, key: str | int) -> Tensor:
        return tuple(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


class Attention(nn.Module):
    """Self-attention of (batch, tokens, width), by torch's function or written out."""

    def __init__(self, width: int, heads: int, explicit: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.heads, self.explicit = heads, explicit

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if self.explicit:
            weights = torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1)
            y = weights @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, width))


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each with a norm before it and a residual sum after it."""

    def __init__(self, width: int, heads: int, explicit: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, explicit)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


Head = Literal["norm_mean", "mean_norm", "class_token"]


class TokenNet(nn.Module):
    """Transformer over a fixed number of tubelets, ordered by time, height, width.

    The clip comes as (batch, time, channel, height, width). The classifier reads, for each `head`: the mean of the
    normalised tokens; the normalised mean of the tokens; the normalised class token, which stands first.
    """

    def __init__(
        self, head: Head, classes: int = CLASSES, frames: int = 8, size: int = 32, width: int = 24, depth: int = 2
    ) -> None:
        super().__init__()
        tubelet = (2, 8, 8)
        tokens = frames // tubelet[0] * (size // tubelet[1]) * (size // tubelet[2])
        with_class = head == "class_token"
        self.patch_embedding = nn.Conv3d(3, width, tubelet, tubelet)
        self.class_token = nn.Parameter(torch.randn(1, 1, width)) if with_class else None
        self.position_embedding = nn.Parameter(0.3 * torch.randn(1, tokens + with_class, width))
        self.layers = nn.ModuleList(TransformerBlock(width, 3, explicit=with_class) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)
        self.head = head

    def forward(self, pixel_values: Tensor) -> VideoOutput | OrderedOutput:
        x = self.patch_embedding(pixel_values.permute(0, 2, 1, 3, 4)).flatten(2).transpose(1, 2)
        if self.class_token is not None:
            x = torch.cat((self.class_token.expand(x.shape[0], -1, -1), x), dim=1)
        x = x + self.position_embedding
        for layer in self.layers:
            x = layer(x)
        if self.head == "class_token":
            return OrderedOutput(logits=self.classifier(self.norm(x)[:, 0]))
        feature = self.norm(x).mean(1) if self.head == "norm_mean" else self.norm(x.mean(1))
        return VideoOutput(logits=self.classifier(feature))


class WindowBlock(nn.Module):
    """Attention inside windows of a (batch, time, height, width, channel) volume, shifted by half a window or not."""

    window: Triple = (2, 4, 4)

    def __init__(self, width: int, heads: int, shift: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, explicit=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.shift: Triple = (1, 2, 2) if shift else (0, 0, 0)

    def attend(self, x: Tensor) -> Tensor:
        batch, t, h, w, width = x.shape
        a, b, c = self.window
        shift = self.shift
        x = torch.roll(x, [-s for s in shift], dims=(1, 2, 3))
        x = x.view(batch, t // a, a, h // b, b, w // c, c, width).permute(0, 1, 3, 5, 2, 4, 6, 7)
        x = self.attention(x.reshape(-1, a * b * c, width))
        x = x.view(batch, t // a, h // b, w // c, a, b, c, width).permute(0, 1, 4, 2, 5, 3, 6, 7)
        return torch.roll(x.reshape(batch, t, h, w, width), shift, dims=(1, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Merge of four neighbours: half the height and width."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class ChannelsLast(nn.Module):
    """Swin-like: every module after the patch embedding returns (batch, time, height, width, channel).

    The pooled volume is (32, T/2, H/8, W/8) once its channels are put first.
    """

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.patch_embed = nn.Conv3d(3, 16, (2, 4, 4), (2, 4, 4))
        self.layers = nn.Sequential(
            nn.Sequential(WindowBlock(16, 2, shift=False), WindowBlock(16, 2, shift=True)),
            PatchMerging(16, 32),
            nn.Sequential(WindowBlock(32, 4, shift=False), WindowBlock(32, 4, shift=True)),
        )
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).permute(0, 2, 3, 4, 1)
        return self.head(self.norm(self.layers(x)).mean(dim=(1, 2, 3)))

"""Transformers that compute attention in several forms, and keep its probabilities where it is written out.

With the same seed, the forms have the same weights and the same scores. Every network takes (batch, channel, time, height,
width) and cuts it into patches of 2 x 8 x 8 (`FrameTransformer`: 1 x 8 x 8).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Form = Literal["explicit", "fused", "einsum", "multihead"]
Pool = Literal["class_token", "mean"]
WIDTH, HEADS, CLASSES = 12, 3, 5


class SelfAttention(nn.Module):
    """Multi-head attention over (batch, token, width); ``kept`` holds the probabilities of each explicit call."""

    def __init__(self, form: Form = "explicit", stride: int = 1) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.form, self.stride = form, stride
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "multihead":
            result: Tensor = self.inner(x, x, x, need_weights=False)[0]
            return result
        batch, tokens, _ = x.shape
        qkv = F.linear(x, self.inner.in_proj_weight, self.inner.in_proj_bias)
        q, k, v = qkv.view(batch, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        if self.form == "fused":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            if self.form == "einsum":
                p = torch.einsum("bhqd,bhkd->bhqk", q, k).div(math.sqrt(q.shape[-1])).softmax(-1)
                y = torch.einsum("bhqk,bhkd->bhqd", p, v)
            else:
                p = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
                self.kept.append(p)
                y = F.dropout(p, 0.5, self.training) @ v
        return self.inner.out_proj(y.transpose(1, 2).reshape(batch, tokens, WIDTH))


class PooledAttention(SelfAttention):
    """Attention whose keys and values are pooled over windows of 2 x 2 tokens in space, and whose queries are added."""

    def forward(self, x: Tensor, grid: tuple[int, int, int]) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = F.linear(x, self.inner.in_proj_weight, self.inner.in_proj_bias)
        q, k, v = (part.view(batch, tokens, HEADS, WIDTH // HEADS).transpose(1, 2) for part in qkv.chunk(3, -1))
        k, v = (self._pool(part, grid) for part in (k, v))
        p = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
        self.kept.append(p)
        y = p @ v + q
        return self.inner.out_proj(y.transpose(1, 2).reshape(batch, tokens, WIDTH))

    def _pool(self, x: Tensor, grid: tuple[int, int, int]) -> Tensor:
        volume = x.transpose(-2, -1).reshape(-1, x.shape[-1], *grid)
        pooled = F.avg_pool3d(volume, (1, 2, 2), (1, 2, 2))
        return pooled.flatten(2).transpose(1, 2).reshape(*x.shape[:2], -1, x.shape[-1])


class Block(nn.Module):
    """Attention and a perceptron, each with a norm before it and a residual sum after it."""

    def __init__(self, form: Form = "explicit", pooled: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = PooledAttention() if pooled else SelfAttention(form)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor, *grid: tuple[int, int, int]) -> Tensor:
        x = x + self.attention(self.norm1(x), *grid)
        return x + self.mlp(self.norm2(x))


class JointTransformer(nn.Module):
    """Every token attends to every token. The head reads the class token, which stands first, or the mean of all tokens."""

    def __init__(self, form: Form = "explicit", pool: Pool = "class_token", pooled_keys: bool = False) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, WIDTH, (2, 8, 8), (2, 8, 8))
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH)) if pool == "class_token" else None
        self.embedding = nn.Parameter(torch.randn(1, 64, WIDTH))
        self.blocks = nn.ModuleList(Block(form, pooled_keys) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)
        self.pooled_keys = pooled_keys

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        grid = tuple(x.shape[2:])
        x = x.flatten(2).transpose(1, 2)
        x = x + self.embedding[:, : x.shape[1]]
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x, grid) if self.pooled_keys else block(x)
        x = self.norm(x)
        return self.head(x.mean(1) if self.class_token is None else x[:, 0])


class DividedTransformer(nn.Module):
    """Attention over time, then over space with a class token, whose updates are averaged over the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, WIDTH, (2, 8, 8), (2, 8, 8))
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.embedding = nn.Parameter(torch.randn(1, WIDTH, 4, 4, 4))
        self.temporal = nn.ModuleList(SelfAttention() for _ in range(2))
        self.spatial = nn.ModuleList(SelfAttention() for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x) + self.embedding
        b, c, t, h, w = x.shape
        x = x.flatten(3).permute(0, 3, 2, 1)  # (batch, place, time, width)
        token = self.class_token.expand(b, -1, -1)
        for temporal, spatial in zip(self.temporal, self.spatial, strict=True):
            x = x + temporal(x.reshape(b * h * w, t, c)).view(b, h * w, t, c)
            frames = x.transpose(1, 2).reshape(b * t, h * w, c)
            update = spatial(torch.cat([token.repeat_interleave(t, 0), frames], 1))
            token = token + update[:, 0].view(b, t, c).mean(1, keepdim=True)
            x = x + update[:, 1:].view(b, t, h * w, c).transpose(1, 2)
        return self.head(self.norm(token[:, 0]))


class FrameTransformer(nn.Module):
    """A picture transformer with a class token on each frame; the scores are the mean over frames."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 8, 8)
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.embedding = nn.Parameter(torch.randn(1, 16, WIDTH))
        self.blocks = nn.ModuleList(Block("fused") for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        b, _, t = x.shape[:3]
        x = self.patches(x.transpose(1, 2).flatten(0, 1)).flatten(2).transpose(1, 2) + self.embedding
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0]).view(b, t, -1).mean(1)

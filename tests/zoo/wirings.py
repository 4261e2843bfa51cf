"""Networks with known wiring: which kernel feeds which channel follows from how they are built.

`WIRES` are paths from one convolution to the next, with the sources of every channel written down. `MIXING` are paths
that mix channels. `WIRED` are small networks modelled on families with unusual wiring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import CLASSES, Gate, SameMaxPool, conv_bn, conv_bn_relu

WIDTH = 8
Sources = list[set[int]]  # for each channel that arrives, the kernels that it comes from
EACH: Sources = [{c} for c in range(WIDTH)]


class Wire(nn.Module):
    """Convolution, a path, convolution, pooling, classifier."""

    def __init__(self, path: Callable[[Tensor], Tensor], arriving: int, classes: int = CLASSES) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, WIDTH, 3, padding=1)
        self.second = nn.Conv3d(arriving, 6, 3, padding=1)
        self.fc = nn.Linear(6, classes)
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.second(self.path(self.first(x))).mean((2, 3, 4)))


class Swish(torch.autograd.Function):
    """Swish as libraries write it to save memory; the graph shows one unknown operation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return gradient * (s + x * s * (1 - s))


class Reverse(torch.autograd.Function):
    """A custom operation that reverses the channels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.flip(1).clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.flip(1)


class Blend(torch.autograd.Function):
    """A custom operation that mixes all channels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.cumsum(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.flip(1).cumsum(1).flip(1)


def shuffle(x: Tensor, groups: int = 2) -> Tensor:
    """Shuffle channels as ShuffleNet does: interleave those of all groups."""
    return x.view(x.shape[0], groups, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


def _assigned(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[:, 2:] = x[:, :-2]
    return out


def _part_in_place(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :3].mul_(-2)
    F.relu_(x[:, 2:5])
    return x


def _shifted(x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[:, :2, 1:] = x[:, :2, :-1]
    out[:, 2:] = x[:, 2:]
    return out


def _no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        return F.relu(x)


def _numpy(x: Tensor) -> Tensor:
    return torch.from_numpy(np.maximum(x.detach().numpy(), 0))


def _inspected_in_numpy(x: Tensor) -> Tensor:
    x = x.detach()
    assert np.isfinite(x.numpy()).all()
    return F.relu(x)


def _assigned_from_numpy(x: Tensor) -> Tensor:
    x = F.relu(x)
    x[:, :, 0] = _numpy(x)[:, :, 0]
    return x


def _to_depth(x: Tensor) -> Tensor:
    n, c, t, h, w = x.shape
    x = x.view(n, c, t, h // 2, 2, w // 2, 2).permute(0, 1, 4, 6, 2, 3, 5)
    return x.reshape(n, 4 * c, t, h // 2, w // 2)


ORDER = [5, 0, 7, 2, 1, 6, 3, 4]
REVERSED = EACH[::-1]
ALL = set(range(WIDTH))

WIRES: dict[str, tuple[Callable[[Tensor], Tensor], Sources]] = {
    "straight": (F.relu, EACH),
    "in place": (lambda x: F.relu_(x).mul_(2).add_(1), EACH),
    "dead ReLU": (lambda x: F.relu(x - 1e9), EACH),
    "times zero": (lambda x: x * 0, EACH),
    "swish by hand": (lambda x: x * torch.sigmoid(x), EACH),
    "hard swish by hand": (lambda x: x * F.relu6(x + 3) / 6, EACH),
    "custom swish": (Swish.apply, EACH),
    "sum of one tensor": (lambda x: F.relu(x) + 0.1 * x - x.mean(2, keepdim=True), EACH),
    "shuffle": (shuffle, [{c} for c in (0, 4, 1, 5, 2, 6, 3, 7)]),
    "channel_shuffle": (partial(F.channel_shuffle, groups=4), [{c} for c in (0, 2, 4, 6, 1, 3, 5, 7)]),
    "indexed": (lambda x: x[:, ORDER], [{c} for c in ORDER]),
    "index_select": (lambda x: x.index_select(1, torch.tensor(ORDER)), [{c} for c in ORDER]),
    "flip": (lambda x: x.flip(1), REVERSED),
    "custom flip": (Reverse.apply, REVERSED),
    "halves swapped": (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), EACH[4:] + EACH[:4]),
    "unbind and stack": (lambda x: torch.stack(x.unbind(1)[1:], 1), EACH[1:]),
    "concatenated twice": (lambda x: torch.cat((x, F.relu(x)), 1), EACH + EACH),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1, 1), EACH + EACH),
    "each channel twice": (lambda x: x.repeat_interleave(2, 1), [{c // 2} for c in range(16)]),
    "expand": (lambda x: x[:, 3:4].expand(-1, 5, -1, -1, -1), [{3}] * 5),
    "padded channels": (lambda x: F.pad(x, (1, 1, 1, 1, 0, 0, 1, 2)), [set(), *EACH, set(), set()]),
    "zeros appended": (
        lambda x: torch.cat((F.avg_pool3d(x, 1, 2), x.new_zeros(1, 2, 2, 8, 8)), 1),
        [*EACH, set(), set()],
    ),
    "assigned": (_assigned, [set(), set(), *EACH[:-2]]),
    "partly in place": (_part_in_place, EACH),
    "temporal shift": (_shifted, EACH),
    "space to depth": (_to_depth, [{c // 4} for c in range(4 * WIDTH)]),
    "pooled": (lambda x: F.max_pool3d(F.avg_pool3d(x, 3, 1, 1), (1, 3, 3), (1, 2, 2)), EACH),
    "interpolated": (lambda x: F.interpolate(x, scale_factor=2, mode="trilinear"), EACH),
    "reflected": (lambda x: F.pad(x, (1, 1, 1, 1, 1, 1), mode="reflect"), EACH),
    "circular": (lambda x: F.pad(x, (1, 1, 1, 1, 1, 1), mode="circular"), EACH),
    "maximum of halves": (lambda x: torch.maximum(*x.chunk(2, 1)), [{c, c + 4} for c in range(4)]),
    "selected": (lambda x: torch.where(x > 0, x, x.flip(1)), [{c, 7 - c} for c in range(WIDTH)]),
    "gated linear unit": (lambda x: F.glu(x, 1), EACH[:4]),
    "mean over channels": (lambda x: torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), 1), [ALL, ALL]),
    "maximum over channels": (lambda x: (x + 1e3 * torch.arange(8.0).view(8, 1, 1, 1)).amax(1, True), [ALL]),
    "stacked and summed": (lambda x: torch.stack((x, x.flip(1))).sum(0), [{c, 7 - c} for c in range(WIDTH)]),
    "detached": (lambda x: x.detach(), EACH),
    ".data": (lambda x: F.relu(x.data), EACH),
    "no_grad": (_no_grad, EACH),
    "inspected in numpy": (_inspected_in_numpy, EACH),
    "ReLU by hand": (lambda x: x * (x > 0).float(), EACH),
    "old Variable": (
        lambda x: torch.autograd.Variable(torch.cat([x.data, torch.zeros(1, 2, 4, 16, 16)], 1)),
        [*EACH, set(), set()],
    ),
    "channels last": (lambda x: x.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3), EACH),
    "frames in batch": (lambda x: x.transpose(1, 2).flatten(0, 1).view(1, 4, 8, 16, 16).transpose(1, 2), EACH),
    "instance norm": (lambda x: F.instance_norm(x, weight=-torch.ones(8)), EACH),
    "softmax over time": (lambda x: x.softmax(2), EACH),
    "dropout in eval mode": (lambda x: F.dropout(x, 0.5), EACH),
}

MIXING: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "matrix": (lambda x: torch.einsum("ncthw,cd->ndthw", x, torch.ones(8, 8)), "einsum"),
    "matmul": (lambda x: (x.transpose(1, 4) @ torch.ones(8, 8)).transpose(1, 4), "matmul"),
    "attention": (
        lambda x: F.scaled_dot_product_attention(*[x.flatten(2).transpose(1, 2)] * 3).transpose(1, 2).reshape(x.shape),
        "scaled_dot_product_attention",
    ),
    "custom function": (Blend.apply, "Blend"),
    "added through numpy": (lambda x: x + _numpy(x), "add with a tensor without gradients"),
    "concatenated through numpy": (
        lambda x: torch.cat((x[:, 4:], _numpy(x)[:, 4:]), 1),
        "cat with a tensor without gradients",
    ),
    "assigned through numpy": (_assigned_from_numpy, "setitem with a tensor without gradients"),
    "product": (lambda x: F.relu(x) * F.relu(x.flip(1)), "mul"),
}


class Identities(nn.Module):
    """Residual blocks whose shortcuts carry earlier sums: sums of sums."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 6)
        self.a, self.b = conv_bn(6, 6), conv_bn(6, 6)
        self.project, self.c = conv_bn(6, 8, (1, 1, 1)), conv_bn(6, 8)
        self.last = nn.Conv3d(8, 4, 1)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(x + self.a(x))
        x = F.relu(self.b(x) + x)
        x = F.relu(self.project(x) + self.c(x))
        return self.fc(self.last(x).mean((2, 3, 4)))


class Fibres(nn.Module):
    """MFNet: norms before convolutions, a multiplexer of two 1x1x1 convolutions, grouped convolutions, a shortcut."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8)
        self.multiplexer = nn.ModuleList([_norm_first(8, 4, 1), _norm_first(4, 8, 1)])
        self.fibres = nn.ModuleList([_norm_first(8, 12, 3, groups=4), _norm_first(12, 12, 3, groups=4)])
        self.shortcut = _norm_first(8, 12, 1)
        self.tail = nn.Sequential(nn.BatchNorm3d(12), nn.ReLU())
        self.fc = nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = x + self.multiplexer[1](self.multiplexer[0](x))
        y = self.fibres[1](self.fibres[0](y)) + self.shortcut(x)
        return self.fc(self.tail(y).mean((2, 3, 4)))


def _norm_first(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(nn.BatchNorm3d(inputs), nn.ReLU(inplace=True), conv)


class Shuffling(nn.Module):
    """ShuffleNet, both versions: grouped with shuffle and sum; split, one half convolved, concatenated, shuffled."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8)
        self.reduce, self.depthwise = conv_bn_relu(8, 8, (1, 1, 1), groups=2), conv_bn(8, 8, groups=8)
        self.expand = conv_bn(8, 8, (1, 1, 1), groups=2)
        self.units = nn.ModuleList([conv_bn_relu(4, 4), conv_bn_relu(4, 4)])
        self.fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = F.relu(x + self.expand(self.depthwise(shuffle(self.reduce(x)))))
        for unit in self.units:
            kept, changed = x.chunk(2, 1)
            x = shuffle(torch.cat((kept, unit(changed)), 1))
        return self.fc(x.mean((2, 3, 4)))


class Branches(nn.Module):
    """Inception: parallel branches, one gated and two with pooling, then a gate over all of them."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 6)
        self.b0 = nn.Sequential(conv_bn_relu(6, 4, (1, 1, 1)), Gate(4))
        self.b1 = nn.Sequential(conv_bn_relu(6, 3, (1, 1, 1)), conv_bn_relu(3, 5))
        self.b2 = nn.Sequential(SameMaxPool((3, 3, 3), (1, 1, 1)), conv_bn_relu(6, 3, (1, 1, 1)))
        self.pool = SameMaxPool((3, 3, 3), (1, 1, 1))
        self.gate = Gate(18)
        self.after = conv_bn_relu(18, 6)
        self.fc = nn.Linear(6, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat((self.b0(x), self.b1(x), self.b2(x), self.pool(x)), 1)
        return self.fc(self.after(self.gate(x)).mean((2, 3, 4)))


class CrossedSums(nn.Module):
    """Two sums, the later of which is read first."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv3d(3, 4, 1), nn.Conv3d(4, 4, 1), nn.Conv3d(4, 4, 1)
        self.c, self.d = nn.Conv3d(4, 4, 1), nn.Conv3d(4, 4, 1)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        early, late = x + self.a(x), self.b(x) + x
        c, d = self.c(late), self.d(early)
        return self.fc(torch.cat((c, d), 1).mean((2, 3, 4)))


class Laterals(nn.Module):
    """SlowFast that samples its pathways from one clip; the fast one joins the slow one by a strided convolution."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.slow, self.fast = conv_bn_relu(3, 6, (1, 3, 3)), conv_bn_relu(3, 2)
        self.lateral = conv_bn_relu(2, 4, (5, 1, 1), (4, 1, 1))
        self.slow2, self.fast2 = conv_bn_relu(10, 5), conv_bn_relu(2, 3)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        slow, fast = self.slow(x[:, :, ::4]), self.fast(x)
        slow = self.slow2(torch.cat((slow, self.lateral(fast)), 1))
        return self.fc(torch.cat((slow.mean((2, 3, 4)), self.fast2(fast).mean((2, 3, 4))), 1))


class Flattening(nn.Module):
    """A classifier over every position of the last maps, after pooling with overlapping windows."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, 2, 1)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2))
        self.fc = nn.Linear(4 * 2 * 3 * 3, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(F.relu(self.conv(x))).flatten(1))


WIRED: dict[str, Callable[[], nn.Module]] = {
    "identities": Identities,
    "fibres": Fibres,
    "shuffling": Shuffling,
    "branches": Branches,
    "crossed sums": CrossedSums,
    "laterals": Laterals,
    "flattening": Flattening,
}

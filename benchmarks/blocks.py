"""What the building blocks cost: ``python -m benchmarks.blocks``.

SoftPool against average and max pooling, in time and memory; then parameters, multiply-adds and time of an r3d_18 with
and without each block; and what it costs to let the blocks tell of themselves.
"""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import notebook_explain as ne
from benchmarks.timing import line, ratio
from notebook_explain import layers
from tests import zoo
from tests.zoo.convnets import BasicBlock

SHAPE = (1, 64, 16, 56, 56)
CLIP = (1, 3, 16, 112, 112)
CLASSES = 400
Work = Callable[[], Any]


def main(repeats: int = 7) -> None:
    pooling(repeats)
    networks(max(repeats // 2, 1))
    telling(max(repeats // 2, 1))


def pooling(repeats: int = 7) -> None:
    """Print time and memory of one pooling with windows of 2 x 2 x 2 that tile."""
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    size = x.numel() * x.element_size()
    shape = "x".join(map(str, SHAPE[1:]))
    print(f"pooling of {shape} by 2x2x2, float32, {torch.get_num_threads()} threads (memory in units of the input)")
    pools: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "average": lambda x: F.avg_pool3d(x, 2),
        "max": lambda x: F.max_pool3d(x, 2),
        "soft": lambda x: layers.soft_pool3d(x, 2),
    }
    for name, pool in pools.items():
        passes = _forward(pool, x), _both(pool, x)
        for what, work, reference in zip(
            ("forward", "forward and backward"),
            passes,
            (_forward(pools["max"], x), _both(pools["max"], x)),
            strict=True,
        ):
            middle, low, high, base = ratio(work, reference, repeats)
            goal = "goal: at most 4 x max" if (name, what) == ("soft", "forward") else ""
            peak = peak_bytes(work) / size
            timed = f"{1e3 * middle * base:6.1f} ms, {middle:.2f} x max ({low:.2f} to {high:.2f})"
            line(f"{name}, {what}", f"{timed}, peak {peak:.2f}", goal)


def _forward(pool: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Work:
    return lambda: pool(x)


def _both(pool: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Work:
    leaf = x.clone().requires_grad_()
    gradient = torch.ones_like(pool(x))
    return lambda: torch.autograd.grad(pool(leaf), leaf, gradient)


def networks(repeats: int = 3) -> None:
    """Print what each block makes of an r3d_18."""
    x = torch.randn(CLIP, generator=torch.Generator().manual_seed(0))
    nets = variants()
    reference = nets["r3d_18"]
    shape = "x".join(map(str, CLIP[2:]))
    print(f"an r3d_18 ({CLASSES} classes) on {shape}, forward, {torch.get_num_threads()} threads")
    for name, net in nets.items():
        middle, low, high, base = ratio(_inference(net, x), _inference(reference, x), repeats)
        millions = sum(p.numel() for p in net.parameters()) / 1e6
        size = f"{millions:5.2f} M, {multiply_adds(net, x) / 1e9:5.2f} GMAC"
        line(name, f"{size}, {middle * base:.2f} s = {middle:.2f} x ({low:.2f} to {high:.2f})")


def variants() -> dict[str, nn.Module]:
    """Networks with and without each block; MTNet XS has as many blocks as r3d_18."""
    net = zoo.full_size_r3d18(CLASSES).eval()
    stage = ("layer1", "layer2", "layer3", "layer4")

    def behind_the_stem(pool: nn.Module) -> nn.Module:
        return layers.swap(net, {"stem": lambda stem: nn.Sequential(stem, pool)}).model

    def parallel(conv: nn.Conv3d) -> nn.Module | None:
        if conv.kernel_size != (3, 3, 3):
            return None
        return layers.FAST3d(conv.in_channels, conv.out_channels, 3, conv.stride, parallel=True, bias=False)

    return {
        "r3d_18": net,
        "max pooling behind the stem": behind_the_stem(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))),
        "soft pooling there": behind_the_stem(layers.SoftPool3d((1, 2, 2))),
        "SRTG behind every block": layers.swap(net, {BasicBlock: layers.followed_by(layers.SRTG)}).model,
        "SRTG behind every block, gate none": layers.swap(
            net, {BasicBlock: layers.followed_by(layers.SRTG, gate="none")}
        ).model,
        "FAST in place of 3x3x3": layers.swap(net, {nn.Conv3d: layers.FAST3d}).model,
        "FAST in parallel": layers.swap(net, {nn.Conv3d: parallel}).model,
        "class regularization behind every stage": layers.class_regularized(net, "fc", stage).model,
        "MTConv in place of 3x3x3": layers.swap(net, {nn.Conv3d: layers.MTConv3d}).model,
        "MTNet XS": layers.mtnet("XS", CLASSES).eval(),
        "MTNet XS, 8 sub-streams": layers.mtnet("XS", CLASSES, groups=8).eval(),
    }


def telling(repeats: int = 3) -> None:
    """Print what an explanation by blocks costs, and tubes that hear the blocks."""
    x = torch.randn(CLIP, generator=torch.Generator().manual_seed(0))
    clip = zoo.random_clip(*CLIP[2:4])
    stated = {"size": CLIP[3], "frames": CLIP[2], "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    nets = variants()
    print("blocks that tell of themselves, in that net")
    for name in ("SRTG behind every block", "FAST in place of 3x3x3", "MTConv in place of 3x3x3"):
        model, passes = ne.adapt(nets[name], **stated), _inference(nets[name], x)  # type: ignore[arg-type]
        forwards = ne.BlockSignals()(model, clip, 0).provenance.forwards
        told = _timed(partial(ne.BlockSignals(), model, clip, 0), passes, repeats)
        line(f"{name}: block signals / forward", f"{told}, {forwards} forward")
    model = ne.adapt(nets["SRTG behind every block"], **stated)  # type: ignore[arg-type]
    silent = ne.adapt(_silent(nets["SRTG behind every block"]), **stated)  # type: ignore[arg-type]
    heard = _timed(partial(ne.SaliencyTubes(), model, clip, 0), partial(ne.SaliencyTubes(), silent, clip, 0), repeats)
    line("SRTG: tubes that hear the blocks / tubes that do not", heard)


def _timed(work: Work, reference: Work, repeats: int) -> str:
    middle, low, high, _ = ratio(work, reference, repeats)
    return f"{middle:.2f} x ({low:.2f} to {high:.2f})"


def _silent(net: nn.Module) -> nn.Module:
    """A copy whose blocks have no mark by which they would be asked."""
    silent = copy.deepcopy(net)
    for part in silent.modules():
        if isinstance(part, layers.SRTG):
            part.explain = None  # type: ignore[assignment, method-assign]
    return silent


def _inference(net: nn.Module, x: torch.Tensor) -> Work:
    def work() -> None:
        with torch.inference_mode():
            net(x)

    return work


def multiply_adds(net: nn.Module, x: torch.Tensor) -> int:
    """Of convolutions, linear layers and recurrent networks, in one forward pass."""
    total = 0

    def count(module: nn.Module, given: Any, made: Any) -> None:
        nonlocal total
        if isinstance(module, nn.RNNBase):
            weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
            total += weights * given[0].shape[0] * given[0].shape[1]
        else:
            total += made.numel() * module.weight[0].numel()  # type: ignore[index, union-attr, operator]

    counted = (nn.Conv3d, nn.Linear, nn.RNNBase)
    handles = [part.register_forward_hook(count) for part in net.modules() if isinstance(part, counted)]
    _inference(net, x)()
    for handle in handles:
        handle.remove()
    return total


def peak_bytes(work: Work) -> int:
    """Most bytes of tensors made by `work` that live at once; what single operations use inside is not seen."""
    gc.collect()
    with _Living() as living:
        kept = work()
    del kept
    return living.most


class _Living(TorchDispatchMode):
    """Count the bytes of storages made within it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_key(value) for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)}
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and _key(value) not in given | self.known:
                self._add(value.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self.known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


if __name__ == "__main__":
    main()

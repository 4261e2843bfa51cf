"""Cost of the building blocks: ``python -m benchmarks.blocks``.

Time and memory of SoftPool against average and max pooling; parameters, multiply-adds and time of an r3d_18 with and
without each block; and the cost of recording the signals of the blocks.
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
    recording(max(repeats // 2, 1))


def pooling(repeats: int = 7) -> None:
    """Print time and memory of one pooling with tiling windows of 2 x 2 x 2."""
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
        for passes, prepare in (("forward", _forward), ("forward and backward", _forward_backward)):
            work, reference = prepare(pool, x), prepare(pools["max"], x)
            median, low, high, base = ratio(work, reference, repeats)
            goal = "goal: at most 4 x max" if (name, passes) == ("soft", "forward") else ""
            peak = peak_bytes(work) / size
            times = f"{1e3 * median * base:6.1f} ms, {median:.2f} x max ({low:.2f} to {high:.2f})"
            line(f"{name}, {passes}", f"{times}, peak {peak:.2f}", goal)


def _forward(pool: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Work:
    return lambda: pool(x)


def _forward_backward(pool: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Work:
    leaf = x.clone().requires_grad_()
    gradient = torch.ones_like(pool(x))
    return lambda: torch.autograd.grad(pool(leaf), leaf, gradient)


def networks(repeats: int = 3) -> None:
    """Print parameters, multiply-adds and time of an r3d_18 with each block."""
    x = torch.randn(CLIP, generator=torch.Generator().manual_seed(0))
    nets = variants()
    reference = nets["r3d_18"]
    shape = "x".join(map(str, CLIP[2:]))
    print(f"an r3d_18 ({CLASSES} classes) on {shape}, forward, {torch.get_num_threads()} threads")
    for name, net in nets.items():
        median, low, high, base = ratio(_inference(net, x), _inference(reference, x), repeats)
        millions = sum(p.numel() for p in net.parameters()) / 1e6
        size = f"{millions:5.2f} M, {multiply_adds(net, x) / 1e9:5.2f} GMAC"
        line(name, f"{size}, {median * base:.2f} s = {median:.2f} x ({low:.2f} to {high:.2f})")


def variants() -> dict[str, nn.Module]:
    """Return networks with and without each block; MTNet XS has as many blocks as r3d_18."""
    net = zoo.full_size_r3d18(CLASSES).eval()
    stages = ("layer1", "layer2", "layer3", "layer4")

    def after_the_stem(pool: nn.Module) -> nn.Module:
        return layers.swap(net, {"stem": lambda stem: nn.Sequential(stem, pool)}).model

    def parallel(conv: nn.Conv3d) -> nn.Module | None:
        if conv.kernel_size != (3, 3, 3):
            return None
        return layers.FAST3d(conv.in_channels, conv.out_channels, 3, conv.stride, parallel=True, bias=False)

    return {
        "r3d_18": net,
        "max pooling after the stem": after_the_stem(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))),
        "soft pooling after the stem": after_the_stem(layers.SoftPool3d((1, 2, 2))),
        "SRTG after every block": layers.swap(net, {BasicBlock: layers.followed_by(layers.SRTG)}).model,
        "SRTG after every block, gate none": layers.swap(
            net, {BasicBlock: layers.followed_by(layers.SRTG, gate="none")}
        ).model,
        "FAST instead of 3x3x3": layers.swap(net, {nn.Conv3d: layers.FAST3d}).model,
        "FAST with parallel planes": layers.swap(net, {nn.Conv3d: parallel}).model,
        "class regularization after every stage": layers.class_regularized(net, "fc", stages).model,
        "MTConv instead of 3x3x3": layers.swap(net, {nn.Conv3d: layers.MTConv3d}).model,
        "MTNet XS": layers.mtnet("XS", CLASSES).eval(),
        "MTNet XS, 8 sub-streams": layers.mtnet("XS", CLASSES, groups=8).eval(),
    }


def recording(repeats: int = 3) -> None:
    """Print the time of block signals, and of tubes that record signals."""
    x = torch.randn(CLIP, generator=torch.Generator().manual_seed(0))
    clip = zoo.random_clip(*CLIP[2:4])
    stated = {"size": CLIP[3], "frames": CLIP[2], "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    nets = variants()
    print("explanations of that network with the signals of its blocks")
    for name in ("SRTG after every block", "FAST instead of 3x3x3", "MTConv instead of 3x3x3"):
        model, passes = ne.adapt(nets[name], **stated), _inference(nets[name], x)  # type: ignore[arg-type]
        forwards = ne.BlockSignals()(model, clip, 0).provenance.forwards
        times = _ratio_text(partial(ne.BlockSignals(), model, clip, 0), passes, repeats)
        line(f"{name}: block signals / forward", f"{times}, {forwards} forward")
    model = ne.adapt(nets["SRTG after every block"], **stated)  # type: ignore[arg-type]
    unmarked = ne.adapt(_without_reports(nets["SRTG after every block"]), **stated)  # type: ignore[arg-type]
    tubes = ne.SaliencyTubes()
    times = _ratio_text(partial(tubes, model, clip, 0), partial(tubes, unmarked, clip, 0), repeats)
    line("SRTG: tubes with signals / tubes without", times)


def _ratio_text(work: Work, reference: Work, repeats: int) -> str:
    median, low, high, _ = ratio(work, reference, repeats)
    return f"{median:.2f} x ({low:.2f} to {high:.2f})"


def _without_reports(net: nn.Module) -> nn.Module:
    """Copy a network and remove the marked ``explain`` of its recursions, so that they report nothing."""
    copied = copy.deepcopy(net)
    for part in copied.modules():
        if isinstance(part, layers.SRTG):
            part.explain = None  # type: ignore[assignment, method-assign]
    return copied


def _inference(net: nn.Module, x: torch.Tensor) -> Work:
    def work() -> None:
        with torch.inference_mode():
            net(x)

    return work


def multiply_adds(net: nn.Module, x: torch.Tensor) -> int:
    """Count those of convolutions, linear layers and recurrent networks in one forward pass."""
    total = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.RNNBase):
            weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
            total += weights * inputs[0].shape[0] * inputs[0].shape[1]
        else:
            total += output.numel() * module.weight[0].numel()  # type: ignore[index, union-attr, operator]

    counted = (nn.Conv3d, nn.Linear, nn.RNNBase)
    handles = [part.register_forward_hook(count) for part in net.modules() if isinstance(part, counted)]
    _inference(net, x)()
    for handle in handles:
        handle.remove()
    return total


def peak_bytes(work: Work) -> int:
    """Return the peak size of tensors that `work` creates; memory inside of single operations is not counted."""
    gc.collect()
    with _StorageMeter() as meter:
        kept = work()
    del kept
    return meter.peak


class _StorageMeter(TorchDispatchMode):
    """Count the bytes of storages that are created within this context."""

    def __init__(self) -> None:
        super().__init__()
        self.current = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = {_key(value) for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)}
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and _key(value) not in inputs | self.known:
                self._add(value.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self.known.add(key)
        self.current += size
        self.peak = max(self.peak, self.current)
        weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.current -= size


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


if __name__ == "__main__":
    main()

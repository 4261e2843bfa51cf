"""Cost and completeness of the channel graphs of real networks, and whether perturbing kernels agrees with them.

``python -m benchmarks.channel_graphs [name ...]``. Weights are random. Networks that need torchvision or pytorchvideo are
reported as skipped where these are not installed; image networks run on frames. The graph is wrong where changing a
kernel, with all other layers held, changes a channel that is not linked to it; smaller clips are used for that.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.timing import line
from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import ChannelGraph, trace_channels
from notebook_explain.models.preprocessing import Preprocessing
from tests import zoo
from tests.models.graph_helpers import layers_by_call
from tests.models.perturbation_oracle import Perturbation
from tests.zoo import wirings

LINKS, SMALL = 200, 32  # links to sample; size in pixels of the clips to perturb
Layout = str | tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """A network and the size and layout of its input."""

    make: Callable[[], nn.Module]
    frames: int
    size: int
    layout: Layout = "BCTHW"


def _video(name: str) -> nn.Module:
    _declare_operators()
    import torchvision

    return getattr(torchvision.models.video, name)()


def _image(name: str, **options: Any) -> nn.Module:
    _declare_operators()
    import torchvision

    return getattr(torchvision.models, name)(**options)


def _hub(name: str) -> nn.Module:
    _declare_operators()
    from pytorchvideo.models import hub

    return getattr(hub, name)(pretrained=False)


_operators: list[torch.library.Library] = []


def _declare_operators() -> None:
    """Declare two operators that torchvision requires and a build without CUDA lacks; none of these networks calls them."""
    if _operators:
        return
    _operators.append(torch.library.Library("torchvision", "FRAGMENT"))
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            _operators[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _frames(name: str, size: int = 224, **options: Any) -> Family:
    return Family(lambda: _image(name, **options), 2, size, "(BT)CHW")


_PLAIN = {"init_weights": False, "aux_logits": False}
FAMILIES: dict[str, Family] = {
    "r3d_18-sized": Family(zoo.full_size_r3d18, 16, 112),
    "fibres (small)": Family(wirings.Fibres, 8, 64),
    "slowfast (small)": Family(zoo.ZOO["slowfast"].make, 16, 64, (4, 1)),
    "r3d_18": Family(lambda: _video("r3d_18"), 16, 112),
    "r2plus1d_18": Family(lambda: _video("r2plus1d_18"), 16, 112),
    "s3d": Family(lambda: _video("s3d"), 16, 224),
    "densenet121": _frames("densenet121"),
    "resnext50_32x4d": _frames("resnext50_32x4d"),
    "shufflenet_v2_x1_0": _frames("shufflenet_v2_x1_0"),
    "mobilenet_v3_large": _frames("mobilenet_v3_large"),
    "googlenet": _frames("googlenet", **_PLAIN),
    "convnext_tiny": _frames("convnext_tiny"),
    "x3d_xs": Family(lambda: _hub("x3d_xs"), 4, 182),
    "i3d_r50": Family(lambda: _hub("i3d_r50"), 8, 256),
    "slowfast_r50": Family(lambda: _hub("slowfast_r50"), 32, 256, (4, 1)),
    "csn_r101": Family(lambda: _hub("csn_r101"), 32, 224),
}


def main(names: list[str] | None = None, links: int = LINKS) -> None:
    threads = torch.get_num_threads()
    print(f"channel graphs, random weights, {threads} threads: cost once per model, known channels, sampled links")
    for name in names or FAMILIES:
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                net = FAMILIES[name].make().eval()
        except ImportError as error:
            line(name, f"skipped: {error}")
            continue
        zoo.randomise(net)
        _measure(name, net, FAMILIES[name], links)


def _measure(name: str, net: nn.Module, family: Family, links: int) -> None:
    preprocessing = Preprocessing(family.size, family.frames, (0.45,) * 3, (0.225,) * 3, family.layout)
    video = torch.randn((1, 3, family.frames, family.size, family.size), generator=torch.Generator().manual_seed(1))

    def forward() -> None:
        with torch.no_grad():
            net(preprocessing.arrange(video.clone()))

    forward()
    forward_seconds = min(_cpu_seconds(forward) for _ in range(2))
    graphs: list[ChannelGraph] = []
    cost = _cpu_seconds(lambda: graphs.append(trace_channels(VideoModel(net, preprocessing, {}, ()))))
    (graph,) = graphs
    kernels = sum(layer.out_channels for layer in graph.layers)
    text = f"{cost:.1f} s = {cost / forward_seconds:.1f} forwards; {len(graph.layers)} layers, {kernels} kernels"
    line(name, text, f"{100 * graph.known_fraction:.2f} % known, goal 99 %")
    for note in graph.notes:
        print(f"    {note}")
    if links and any("share a mean" in note for note in graph.notes):
        line("", "not perturbed: norms make every channel depend on every other")
    elif links:
        small = (1, 3, max(8, family.frames // 2) if family.layout != "(BT)CHW" else 2, SMALL, SMALL)
        small_video = torch.randn(small, generator=torch.Generator().manual_seed(2))
        confirmed, inactive, wrong = _perturb(
            _accept_any_size(net), graph, lambda: preprocessing.arrange(small_video.clone()), links
        )
        line("", f"{confirmed} sampled links confirmed, {inactive} inactive", f"{wrong} wrong, goal 0")


def _accept_any_size(net: nn.Module) -> nn.Module:
    """Make pooling windows as large as the last map global, so that clips of any size run; the graph is the same."""
    for module in net.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.AvgPool3d) and max(_tuple(child.kernel_size)) >= 5:
                setattr(module, name, nn.AdaptiveAvgPool3d(1))
    return net


def _tuple(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _perturb(net: nn.Module, graph: ChannelGraph, make_input: Callable[[], Any], links: int) -> tuple[int, int, int]:
    """Count links of random kernels that perturbation confirms, that stay unchanged (dead here), and missing links."""
    oracle = Perturbation(net, make_input)
    layers = {key: layer for key, layer in layers_by_call(graph).items() if key in oracle.outputs}
    layer_index = {id(layer): index for index, layer in enumerate(graph.layers)}
    claims: dict[tuple[str, int], list[frozenset[tuple[str, int, int]]]] = {
        key: [graph.origins(layer.links, channel, gates=True) for channel in range(len(layer.links))]
        for key, layer in layers.items()
    }
    unknown = {key: {int(c) for _, channels in layer.links.unknown for c in channels} for key, layer in layers.items()}
    kernels = [kernel for kernel in oracle.kernels() if kernel[0] in layers]
    random.Random(0).shuffle(kernels)
    confirmed = inactive = wrong = 0
    for key, channel in kernels:
        node = ("kernel", layer_index[id(layers[key])], channel)
        for other, changed in oracle.changed(key, channel).items():
            if other in claims:
                claimed = {j for j, sources in enumerate(claims[other]) if node in sources}
                confirmed += len(claimed & changed)
                inactive += len(claimed - changed)
                wrong += len(changed - claimed - unknown[other])
        if confirmed + inactive >= links:
            break
    return confirmed, inactive, wrong


def _cpu_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(sys.argv[1:] or None)

"""Compare with captum, pytorch-grad-cam and torch-cam on one network and one clip: ``python -m benchmarks.comparison``.

Needs ``pip install captum grad-cam torchcam``; a package that is missing is reported as such. The network has the layers
of an r3d_18 (random weights, 33.4 M parameters, 16x112x112); the small networks are those of ``tests.zoo``. Each row is
measured, none is taken from documentation:

* exact: largest difference from the exact division of the score at the input of the global pooling, relative to the score;
* signed: whether the map has negative values;
* layers: time for a map of each of nine layers over one forward pass, in turns: median and range of the ratios;
* left behind: what differs in the user's module after the call (hooks, ``.grad``, train mode, ``requires_grad``);
* frozen: whether a network whose parameters are frozen can be explained;
* zoo: how many of the zoo's networks give a map of a convolutional or token layer, called as the documentation shows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import notebook_explain as ne
from benchmarks.timing import ratio
from tests import zoo

SIZE, FRAMES, TARGET, REPEATS = 112, 16, 3, 5
LAYERS = ("stem", *(f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)))
Explain = Callable[[nn.Module, torch.Tensor, list[str], int], list[np.ndarray]]


def with_captum(net: nn.Module, video: torch.Tensor, layers: list[str], target: int) -> list[np.ndarray]:
    """Return one LayerGradCam map per layer."""
    from captum.attr import LayerGradCam

    modules = dict(net.named_modules())
    return [LayerGradCam(net, modules[name]).attribute(video, target=target)[0, 0].detach().numpy() for name in layers]


def with_grad_cam(net: nn.Module, video: torch.Tensor, layers: list[str], target: int) -> list[np.ndarray]:
    """Return one GradCAM map per layer, of the size of the clip."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    modules, maps = dict(net.named_modules()), []
    for name in layers:
        with GradCAM(model=net, target_layers=[modules[name]]) as cam:
            maps.append(cam(input_tensor=video, targets=[ClassifierOutputTarget(target)])[0])
    return maps


def with_torch_cam(net: nn.Module, video: torch.Tensor, layers: list[str], target: int) -> list[np.ndarray]:
    """Return one GradCAM map per layer, all from one pass."""
    from torchcam.methods import GradCAM

    with GradCAM(net, target_layer=layers, input_shape=tuple(video.shape[1:])) as cam:
        scores = net(video)
        return [volume[0].detach().numpy() for volume in cam(target, scores)]


def with_ours(net: nn.Module, video: torch.Tensor, layers: list[str], target: int) -> list[np.ndarray]:
    """Return one map per layer with ``ne.SaliencyTubes``."""
    time_, size = video.shape[2], video.shape[3]
    model = ne.adapt(net, size=size, frames=time_, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    tubes = ne.SaliencyTubes(layers=tuple(layers))(model, zoo.random_clip(time_, size), target)
    return [layer.values[0] for layer in tubes.layers]


TOOLS: dict[str, tuple[str, Explain]] = {
    "notebook_explain": ("notebook_explain", with_ours),
    "captum (LayerGradCam)": ("captum", with_captum),
    "pytorch-grad-cam (GradCAM)": ("pytorch_grad_cam", with_grad_cam),
    "torch-cam (GradCAM)": ("torchcam", with_torch_cam),
}


def true_map(net: nn.Module, video: torch.Tensor, target: int) -> np.ndarray:
    """Class weights times activations before the pooling, summed over channels: its mean plus the bias is the score."""
    kept: list[torch.Tensor] = []
    handle = net.layer4.register_forward_hook(lambda *values: kept.append(values[2].detach()))
    with torch.no_grad():
        net(video)
    handle.remove()
    return torch.einsum("cthw,c->thw", kept[0][0], net.fc.weight[target].detach()).numpy()


def left_behind(net: nn.Module, run: Callable[[], Any]) -> str:
    """Run something and name what it changed in the network."""
    net.train()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    run()
    changed = {
        "train mode": not net.training,
        ".grad": any(p.grad is None or bool((p.grad != 1).any()) for p in net.parameters()),
        "hooks": any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in net.modules()),
    }
    net.eval().zero_grad()
    return ", ".join(name for name, yes in changed.items() if yes) or "nothing"


def attempt(run: Callable[[], Any]) -> str:
    """Return "yes", or the type of error."""
    try:
        run()
    except Exception as error:
        return type(error).__name__
    return "yes"


def zoo_count(explain: Explain) -> int:
    """Count the zoo's networks that a tool explains, at the last layer that it can be given by name."""
    works = 0
    for entry in zoo.ZOO.values():
        net = entry.make()
        layer = [name for name, module in net.named_modules() if isinstance(module, (nn.Conv3d, nn.Conv2d))][-1:]
        layer = layer or [name for name, module in net.named_modules() if isinstance(module, nn.LayerNorm)][-1:]
        video = zoo.feed(entry, zoo.random_clip(entry.frames, 32))

        def run(net: nn.Module = net, video: Any = video, layer: list[str] = layer, entry: Any = entry) -> None:
            if explain is with_ours:
                stated = {"size": 32, "frames": entry.frames, "mean": zoo.MEAN, "std": zoo.STD, "layout": entry.layout}
                maps = [
                    ne.SaliencyTubes()(ne.adapt(net, **stated), zoo.random_clip(entry.frames, 32), 0).layers[-1].values
                ]
            else:
                maps = explain(net, video, layer, 0)
            assert np.isfinite(maps[0]).all()

        works += attempt(run) == "yes"
    return works


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    net = zoo.full_size_r3d18().eval()
    clip = zoo.random_clip(FRAMES, SIZE)
    video = (torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255 - zoo.MEAN) / zoo.STD
    truth = true_map(net, video, TARGET)
    with torch.no_grad():
        score = float(net(video)[0, TARGET])

    def forward() -> None:
        with torch.no_grad():
            net(video)

    rows = [
        (
            "tool",
            "version",
            "exact",
            "signed",
            "9 layers / forward",
            "left behind",
            "frozen",
            f"zoo (of {len(zoo.ZOO)})",
        )
    ]
    for name, (package, explain) in TOOLS.items():
        try:
            module = __import__(package)
        except ImportError:
            rows.append((name, "not installed", *[""] * 6))
            continue
        median, low, high, _ = ratio(lambda e=explain: e(net, video, list(LAYERS), TARGET), forward, REPEATS)
        rows.append(
            (
                name,
                _version(package, module),
                _exactness(explain(net, video, ["layer4"], TARGET)[0], truth, score),
                "yes" if (explain(net, video, ["layer4"], TARGET)[0] < 0).any() else "no",
                f"{median:.1f} x ({low:.1f} to {high:.1f})",
                left_behind(net, lambda e=explain: e(net, video, ["layer4"], TARGET)),
                _frozen(net, lambda e=explain: e(net, video, ["layer4"], TARGET)),
                str(zoo_count(explain)),
            )
        )
    for row in rows:
        print("| " + " | ".join(row) + " |")


def _exactness(values: np.ndarray, truth: np.ndarray, score: float) -> str:
    if values.shape != truth.shape:
        return "no (rescaled, clip size)"
    cells = truth.size
    for scale in (1.0, 1 / cells, float(cells)):  # sums or means over cells
        difference = float(np.abs(values * scale - truth / cells).max() / abs(score))
        if difference < 1e-4:
            return f"yes ({difference:.0e})"
    return "no (rescaled)"


def _frozen(net: nn.Module, run: Callable[[], Any]) -> str:
    net.requires_grad_(False)
    outcome = attempt(run)
    net.requires_grad_(True)
    return outcome


def _version(package: str, module: Any) -> str:
    from importlib.metadata import version

    distribution = {"pytorch_grad_cam": "grad-cam"}.get(package, package)
    return (
        ne.__version__
        if package == "notebook_explain"
        else getattr(module, "__version__", None) or version(distribution)
    )


if __name__ == "__main__":
    main()

"""Maps of the libraries that are compared, each called as its documentation shows, before any upsampling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import notebook_explain as ne

Maps = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Task:
    """A network, a clip, layers and a class.

    Attributes
    ----------
    net : module
        The network, which the other libraries get.
    model : VideoModel or None
        The same network, adapted; needed for our methods only.
    clip : Clip or Sample
    video : float tensor (1, channel, time, height, width), or what else the network takes
        The clip as the network wants it.
    layers : tuple of str
        Names of modules.
    target : int
    """

    net: nn.Module
    model: ne.VideoModel | None
    clip: Any
    video: Any
    layers: tuple[str, ...]
    target: int

    @staticmethod
    def of(model: ne.VideoModel, clip: Any, target: int) -> Task:
        """Return a task with all layers of a model that are modules with one output."""
        seen = model.prepare(clip)[1]
        video = model.preprocessing.tensor(seen, torch.device("cpu"), torch.float32)
        modules = dict(model.module.named_modules())
        return Task(
            model.module,
            model,
            clip,
            video,
            tuple(layer.name for layer in model.layers if layer.name in modules),
            target,
        )

    def modules(self) -> list[nn.Module]:
        """Return the modules of the layers."""
        return [self.net.get_submodule(name) for name in self.layers]


@dataclass(frozen=True)
class Tool:
    """One way to compute maps of all layers.

    Attributes
    ----------
    name : str
    package, distribution : str
        Names for importing and for installing.
    maps : function
        Returns one map (time, height, width) for each layer of a task.
    rule : "pooled", "local" or ""
        Which of our methods it agrees with: gradients averaged over positions, or position by position.
    is_positive : bool
        Negative values are set to 0.
    """

    name: str
    package: str
    distribution: str
    maps: Callable[[Task], Maps]
    rule: str = ""
    is_positive: bool = False

    def unavailable(self) -> str:
        """Return why the package cannot be imported; an empty text if it can."""
        try:
            import_module(self.package)
        except Exception as error:  # a package whose own dependency is broken raises other errors than ImportError
            return f"not importable: {error}"
        return ""

    def version(self) -> str:
        """Return the installed version."""
        return ne.__version__ if self.distribution == "notebook_explain" else version(self.distribution)


def ours(explainer: Callable[[tuple[str, ...]], Any]) -> Callable[[Task], Maps]:
    """Return the maps of one of our explainers, made for the layers of a task."""

    def maps(task: Task) -> Maps:
        tubes = explainer(task.layers)(task.model, task.clip, task.target)
        return [tubes.layer(name).values[0] for name in task.layers]

    return maps


def captum_pooled(task: Task) -> Maps:
    """Return the maps of ``LayerGradCam``, which takes one layer."""
    from captum.attr import LayerGradCam

    maps = []
    for module in task.modules():  # a result holds the graph of its pass, so that each is detached before the next
        maps.append(LayerGradCam(task.net, module).attribute(task.video, task.target)[0, 0].detach().numpy())
    return maps


def captum_local(task: Task) -> Maps:
    """Return the maps of ``LayerGradientXActivation``, which takes a list of layers, summed over channels."""
    from captum.attr import LayerGradientXActivation

    found = LayerGradientXActivation(task.net, task.modules()).attribute(task.video, task.target)
    return [volume[0].sum(0).detach().numpy() for volume in found]


def grad_cam(task: Task) -> Maps:
    """Return the maps of pytorch-grad-cam, which averages those of several layers: one call for each."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    maps, targets = [], [ClassifierOutputTarget(task.target)]
    for module in task.modules():
        with GradCAM(model=task.net, target_layers=[module]) as cam:
            cam(input_tensor=task.video, targets=targets)
            stored = cam.activations_and_grads
            activations, gradients = stored.activations[0].numpy(), stored.gradients[0].numpy()
            maps.append(cam.get_cam_image(task.video, module, targets, activations, gradients)[0])
    return maps


def torch_cam(task: Task) -> Maps:
    """Return the maps of torch-cam, which takes a list of layers, without its division by the range."""
    from torchcam.methods import GradCAM

    with GradCAM(task.net, list(task.layers)) as cam:
        found = cam(task.target, task.net(task.video), normalized=False)
        return [volume[0].detach().numpy() for volume in found]


def add_torchvision() -> str:
    """Import an empty torchvision if there is none that works, and return a note on it.

    pytorch-grad-cam imports names of it for detection and for saving images; its GradCAM uses none of them.
    """
    try:
        import torchvision  # noqa: F401
    except Exception:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        names = {"": (), ".transforms": ("Compose", "Normalize", "ToTensor"), ".transforms.functional": ("resize",)}
        for suffix, members in names.items():
            empty = ModuleType("torchvision" + suffix)
            empty.__dict__.update(dict.fromkeys(members), __path__=[])
            sys.modules[empty.__name__] = empty
        return "torchvision cannot be imported here; pytorch-grad-cam got an empty one, which its GradCAM does not use."
    return ""


OURS: Sequence[Tool] = tuple(
    Tool(f"ne.{name}", "notebook_explain", "notebook_explain", ours(make), rule)
    for name, make, rule in (
        ("SaliencyTubes(pooled=True)", lambda layers: ne.SaliencyTubes(layers=layers, pooled=True), "pooled"),
        ("SaliencyTubes()", lambda layers: ne.SaliencyTubes(layers=layers), "local"),
        ("SharpTubes()", lambda layers: ne.SharpTubes(layers=layers), ""),
    )
)
PEERS: Sequence[Tool] = (
    Tool("captum LayerGradCam, layer by layer", "captum", "captum", captum_pooled, "pooled"),
    Tool("captum LayerGradientXActivation, list", "captum", "captum", captum_local, "local"),
    Tool("pytorch-grad-cam GradCAM, layer by layer", "pytorch_grad_cam", "grad-cam", grad_cam, "pooled"),
    Tool("torch-cam GradCAM, list", "torchcam", "torchcam", torch_cam, "pooled", is_positive=True),
)

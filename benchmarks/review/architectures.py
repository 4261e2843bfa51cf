"""The architectures that the review runs: published networks with random weights, at the smallest inputs that they take.

Each entry builds its network only when it is run, so that a missing package skips its rows and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.review.wrappers import CnnLstm, FrameByFrame
from tests.zoo import ZOO
from tests.zoo.review_kinds import REVIEW_KINDS

SEED = 0
Layout = str | tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """A network and its input.

    Attributes
    ----------
    name : str
        Package and model, as in "torchvision r3d_18".
    make : function
        Builds the network; raises ImportError where its package is missing.
    frames, size : int
        Length of the clip; height and width in pixels.
    layout : str or tuple of int
        Order of the input's axes, or the strides in time of several pathways.
    is_quick : bool
        Whether it belongs to the short run.
    randomised : bool
        Whether `randomise` draws the parameters of norms.
    channels : int
        Of the clip: 3 are 8-bit colours; any other number are real values from 0 to 1.
    options : dict
        Further arguments of ``adapt``.
    feed : function, optional
        Takes the normalised clip (1, channels, time, height, width) and returns the tuple of arguments of the network's
        forward; for networks whose input is not just the clip in this layout.
    scores : function, optional
        Takes what the network returned; returns the logits (1, class).
    wrap : function, optional
        Takes the network; returns the module that is given to ``adapt``, such as a compiled one.
    target : int
        Class that is explained.
    """

    name: str
    make: Callable[[], nn.Module]
    frames: int
    size: int
    layout: Layout = "BCTHW"
    is_quick: bool = False
    randomised: bool = True
    channels: int = 3
    options: Mapping[str, Any] = field(default_factory=dict)
    feed: Callable[[torch.Tensor], tuple[Any, ...]] | None = None
    scores: Callable[[Any], torch.Tensor] | None = None
    wrap: Callable[[nn.Module], nn.Module] | None = None
    target: int = 3

    def build(self) -> nn.Module:
        """Build the network in eval mode with weights that depend on nothing but the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            net = self.make()
            if self.randomised:
                randomise(net)
        return net.eval()


def randomise(net: nn.Module) -> None:
    """Give norms, their statistics and biases an effect; some norms' weights are negative, as in trained networks.

    Convolutions and linear layers keep the weights that their package draws, unless these are all 0.
    """
    for module in net.modules():
        is_norm = "Norm" in type(module).__name__
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1 and not parameter.any():
                nn.init.normal_(parameter, std=0.05)  # heads that start at 0
            if parameter.ndim != 1:
                continue
            if is_norm and name == "weight":
                nn.init.normal_(parameter, 1.0, 0.5)
            elif is_norm or name == "bias":
                nn.init.normal_(parameter, std=0.1)
            else:  # layer scales, which start at 1e-6 or 1e-5
                nn.init.normal_(parameter, std=0.3)
        if isinstance(getattr(module, "running_var", None), torch.Tensor):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.6, 1.6)


_operators: list[torch.library.Library] = []


def import_torchvision() -> Any:
    """Import torchvision; two operators that a build without CUDA lacks are declared first. None of these networks calls them."""
    if not _operators:
        _operators.append(torch.library.Library("torchvision", "FRAGMENT"))
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                _operators[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    return torchvision


def torchvision_video(name: str, **options: Any) -> nn.Module:
    net: nn.Module = getattr(import_torchvision().models.video, name)(**options)
    return _pools_any_size(net)


def _pools_any_size(net: nn.Module, window: tuple[int, int, int] | None = None) -> nn.Module:
    """Make windows of the final pooling take the whole last map, as they do at the size of training; or a given window."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.AvgPool3d) and max(torch.tensor(child.kernel_size).flatten().tolist()) >= 5:
                setattr(module, name, nn.AvgPool3d(window, 1) if window else nn.AdaptiveAvgPool3d(1))
    return net


def _mvit(name: str, frames: int, size: int) -> nn.Module:
    """Build a MViT of torchvision for smaller clips than its function allows."""
    module = import_torchvision().models.video.mvit
    build = module._mvit
    smaller = {"spatial_size": (size, size), "temporal_size": frames}
    with patch.object(module, "_mvit", lambda *args, **options: build(*args, **{**options, **smaller})):
        return torchvision_video(name)


def pytorchvideo_hub(name: str, window: tuple[int, int, int] | None = None, **options: Any) -> nn.Module:
    import_torchvision()
    from pytorchvideo.models import hub

    net: nn.Module = getattr(hub, name)(pretrained=False, **options)
    return _pools_any_size(net, window)


def _timm(name: str, **options: Any) -> nn.Module:
    import_torchvision()
    import timm

    return FrameByFrame(timm.create_model(name, pretrained=False, num_classes=20, **options))


def _transformers(model: str, config: str, **options: Any) -> nn.Module:
    import_torchvision()
    import transformers

    settings = {"num_labels": 20, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **options}
    net: nn.Module = getattr(transformers, model)(getattr(transformers, config)(**settings))
    return net


_SMALL: dict[str, Any] = {
    "hidden_size": 96,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "intermediate_size": 192,
    "image_size": 96,
}


def _frames(name: str, size: int = 96, quick: bool = False, variant: str = "", **options: Any) -> Architecture:
    return Architecture(f"timm {name}{variant}", partial(_timm, name, **options), 6, size, "BTCHW", quick)


_VIDEOMAE = partial(
    _transformers, "VideoMAEForVideoClassification", "VideoMAEConfig", num_frames=8, patch_size=16, **_SMALL
)

ARCHITECTURES: dict[str, Architecture] = {
    entry.name: entry
    for entry in (
        Architecture("torchvision r3d_18", partial(torchvision_video, "r3d_18"), 8, 64, is_quick=True),
        Architecture("torchvision mc3_18", partial(torchvision_video, "mc3_18"), 8, 64),
        Architecture("torchvision r2plus1d_18", partial(torchvision_video, "r2plus1d_18"), 8, 64),
        Architecture("torchvision s3d", partial(torchvision_video, "s3d"), 16, 96),
        Architecture("torchvision mvit_v1_b", partial(_mvit, "mvit_v1_b", 8, 96), 8, 96),
        Architecture("torchvision mvit_v2_s", partial(_mvit, "mvit_v2_s", 8, 96), 8, 96),
        Architecture("torchvision swin3d_t", partial(torchvision_video, "swin3d_t"), 8, 96, is_quick=True),
        # Windows of the pooling overlap, and their logits are averaged, as at 256 pixels.
        Architecture("pytorchvideo slow_r50", partial(pytorchvideo_hub, "slow_r50", window=(8, 2, 2)), 8, 96),
        Architecture("pytorchvideo c2d_r50", partial(pytorchvideo_hub, "c2d_r50"), 8, 96),
        Architecture("pytorchvideo i3d_r50", partial(pytorchvideo_hub, "i3d_r50"), 8, 96),
        Architecture("pytorchvideo csn_r101", partial(pytorchvideo_hub, "csn_r101"), 8, 96),
        Architecture("pytorchvideo r2plus1d_r50", partial(pytorchvideo_hub, "r2plus1d_r50"), 8, 96),
        Architecture("pytorchvideo x3d_xs", partial(pytorchvideo_hub, "x3d_xs"), 4, 128, is_quick=True),
        Architecture("pytorchvideo x3d_s", partial(pytorchvideo_hub, "x3d_s"), 13, 128),
        Architecture("pytorchvideo slowfast_r50", partial(pytorchvideo_hub, "slowfast_r50"), 32, 96, (4, 1)),
        Architecture(
            "pytorchvideo mvit_base_16",
            partial(pytorchvideo_hub, "mvit_base_16x4", spatial_size=96, temporal_size=8),
            *(8, 96),
        ),
        Architecture("transformers VideoMAE, mean", partial(_VIDEOMAE, use_mean_pooling=True), 8, 96, "BTCHW", True),
        Architecture("transformers VideoMAE, class token", partial(_VIDEOMAE, use_mean_pooling=False), 8, 96, "BTCHW"),
        Architecture(
            "transformers TimeSformer",
            partial(
                *(_transformers, "TimesformerForVideoClassification", "TimesformerConfig"),
                **{**_SMALL, "num_frames": 4, "patch_size": 16},
            ),
            *(4, 96, "BTCHW", True),
        ),
        Architecture(
            "transformers ViViT",
            partial(
                *(_transformers, "VivitForVideoClassification", "VivitConfig"),
                **{**_SMALL, "num_frames": 8, "tubelet_size": [2, 16, 16]},
            ),
            *(8, 96, "BTCHW"),
        ),
        Architecture(
            "transformers V-JEPA 2",
            partial(
                *(_transformers, "VJEPA2ForVideoClassification", "VJEPA2Config"),
                **{"crop_size": 96, "frames_per_clip": 8, "hidden_size": 96, "num_attention_heads": 4},
                **{"num_hidden_layers": 4, "num_pooler_layers": 1, "pred_num_hidden_layers": 1},
            ),
            *(8, 96, "BTCHW"),
        ),
        _frames("resnet18", quick=True),
        _frames("resnet50"),
        _frames("convnext_tiny", quick=True),
        _frames("vit_tiny_patch16_224", img_size=96),
        _frames("vit_tiny_patch16_224", variant=", mean", img_size=96, global_pool="avg", class_token=False),
        _frames("swin_tiny_patch4_window7_224", size=112, img_size=112),
        _frames("mobilenetv3_large_100"),
        _frames("efficientnet_b0"),
        _frames("densenet121"),
        _frames("mixer_s16_224", size=112, img_size=112),
        _frames("resmlp_12_224", size=112, img_size=112),
        _frames("regnety_008"),
        _frames("resnest14d"),
        _frames("ghostnet_100"),
        Architecture("hand-wired CNN called per frame, then LSTM", CnnLstm, 6, 64, "BTCHW", True),
    )
}


def small_networks() -> dict[str, Architecture]:
    """Return the networks of ``tests.zoo`` and of its review kinds as architectures; they keep their weights."""
    entries = (*ZOO.values(), *REVIEW_KINDS.values())
    return {
        entry.name: Architecture(entry.name, entry.make, entry.frames, entry.size, entry.layout, randomised=False)
        for entry in entries
        if not entry.traits & {"tuple", "dict", "no_grad"}  # which tensor is explained is not the question here
    }

"""The rows of the table: networks with random weights, what they take, and how they are adapted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.matrix import applications, convnets
from benchmarks.review.architectures import (
    ARCHITECTURES,
    Architecture,
    import_torchvision,
    pytorchvideo_hub,
    torchvision_video,
)
from benchmarks.review.wrappers import CnnLstm
from tests.zoo import BLOCKS, seeded

EXACT = 1e-4  # largest difference of a map from the oracle, relative to its peak


@dataclass(frozen=True)
class Row:
    """A network of the table.

    Attributes
    ----------
    architecture : Architecture
        The network and its input; its name is the row's title.
    group : str
        Heading under which the row stands.
    adapted : str
        Arguments of ``adapt`` beside size, frames, mean and std, as the user writes them.
    tolerance : float
        Largest difference of a map from the oracle, relative to its peak; larger for low precision.
    is_small : bool
        Runs in the tests.
    """

    architecture: Architecture
    group: str
    adapted: str = ""
    tolerance: float = EXACT
    is_small: bool = False

    @property
    def name(self) -> str:
        """Title of the row."""
        return self.architecture.name


# Networks of packages


_PACKAGE_GROUPS = {
    "torchvision": "torchvision",
    "pytorchvideo": "PyTorchVideo",
    "transformers": "Hugging Face Transformers",
    "timm": "timm image networks, frame by frame (TSN)",
}


def _published() -> list[Row]:
    """Return the architectures of the review, under their package."""
    frames = ("resnet18", "resnet50", "convnext_tiny", "vit_tiny_patch16_224", "efficientnet_b0", "mixer_s16")
    rows = []
    for name, architecture in ARCHITECTURES.items():
        package = name.split()[0]
        if package in _PACKAGE_GROUPS and (package != "timm" or any(part in name for part in frames)):
            rows.append(Row(architecture, _PACKAGE_GROUPS[package], _layout_text(architecture.layout)))
    x3d = Architecture("pytorchvideo x3d_m", partial(pytorchvideo_hub, "x3d_m"), 16, 128)
    rows.insert(
        1 + max(i for i, row in enumerate(rows) if "x3d_s" in row.name), Row(x3d, _PACKAGE_GROUPS["pytorchvideo"])
    )
    return rows


def _layout_text(layout: str | tuple[int, ...]) -> str:
    return "" if layout == "BCTHW" else f"layout={layout!r}"


def _monai(name: str, **options: Any) -> nn.Module:
    import_torchvision()
    from monai.networks import nets

    net: nn.Module = getattr(nets, name)(spatial_dims=3, **options)
    return net


def _lightning() -> nn.Module:
    import_torchvision()
    import pytorch_lightning

    class Lit(pytorch_lightning.LightningModule):  # type: ignore[misc, name-defined, unused-ignore]
        """Training module around a network."""

        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"lr": 1e-3})
            self.net = applications.ClipNet()

        def forward(self, clips: Tensor) -> Tensor:
            logits: Tensor = self.net(clips)
            return logits

    return Lit()


def _mean_of_voxels(output: Tensor) -> Tensor:
    return output.flatten(2).mean(2)


_MEDICAL = "Volumes (MONAI)"
_PACKAGES = (
    Row(
        Architecture(
            "MONAI DenseNet121, 1 channel",
            partial(_monai, "DenseNet121", in_channels=1, out_channels=5),
            *(32, 96),
            channels=1,
            options={"channels": 1},
        ),
        _MEDICAL,
        "channels=1",
    ),
    Row(
        Architecture(
            "MONAI U-Net, 1 channel, dense output",
            partial(_monai, "UNet", in_channels=1, out_channels=4, channels=(8, 16, 32), strides=(2, 2)),
            *(16, 48),
            channels=1,
            options={"channels": 1},
            scores=_mean_of_voxels,
        ),
        _MEDICAL,
        "channels=1",
    ),
    Row(
        Architecture(
            "EchoNet-like r2plus1d_18, one number",
            partial(torchvision_video, "r2plus1d_18", num_classes=1),
            *(8, 64),
            options={"outputs": "regression", "unit": "%"},
            target=0,
        ),
        "Other outputs",
        "outputs='regression', unit='%'",
    ),
    Row(Architecture("Lightning module", _lightning, 8, 48), "Wrappers, precisions and states"),
)


# Networks of the literature and of applications, in this folder


def _own(
    name: str,
    make: Callable[[], nn.Module],
    group: str,
    frames: int = 8,
    size: int = 48,
    layout: str = "BCTHW",
    adapted: str = "",
    tolerance: float = EXACT,
    **further: Any,
) -> Row:
    stated = ", ".join(filter(None, [_layout_text(layout), adapted]))
    return Row(Architecture(name, make, frames, size, layout, **further), group, stated, tolerance, is_small=True)


def _second(output: tuple[Tensor, ...]) -> Tensor:
    return output[1]


def _first(output: tuple[Tensor, ...]) -> Tensor:
    return output[0]


def _grey(video: Tensor) -> tuple[Tensor]:
    return (video[:, 0],)


SPECTROGRAM = torch.randn(1, 1, 40, 60, generator=torch.Generator().manual_seed(0))


def _with_audio(video: Tensor) -> tuple[Any, ...]:
    return (video, SPECTROGRAM.to(video.dtype))


def _bind_audio(clip: Tensor) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    return (clip, SPECTROGRAM.to(clip.dtype)), {}


def _stacked(video: Tensor) -> tuple[Tensor]:
    return (video.transpose(1, 2).flatten(1, 2),)


_BLOCKS = "Building blocks of this package"
_CONV, _RECURRENT = "3-D convolutional networks", "Image networks over time"
_INPUTS, _OUTPUTS, _STATES = "Other inputs", "Other outputs", "Wrappers, precisions and states"

_OWN = (
    _own("MFNet, returns (logits, features)", convnets.MFNet, _CONV, 16, 64, scores=_first),
    _own("ResNeXt-3D, 26 layers", convnets.ResNeXt3D, _CONV, 8, 64),
    _own("DenseNet-3D", convnets.DenseNet3D, _CONV, 8, 64),
    _own("I3D, logits per time step", partial(convnets.I3D, "logits per time step"), _CONV, 16, 64),
    _own(
        "I3D, returns (probabilities, logits)",
        partial(convnets.I3D, "probabilities and logits"),
        *(_CONV, 16, 64),
        scores=_second,
    ),
    _own("CNN called per frame, LSTM", CnnLstm, _RECURRENT, 6, 64, "BTCHW"),
    _own("CNN on frames, bidirectional GRU", applications.CnnGru, _RECURRENT, 8, 48, "BTCHW"),
    _own("TSM, frames stacked in the channels", applications.TemporalShift, _RECURRENT, 8, 48, "B(TC)HW", feed=_stacked),
    _own("Lip reading, grey frames", applications.LipReading, _INPUTS, 12, 48, adapted="channels=1", channels=1,
         options={"channels": 1}),
    _own("Gait silhouettes, no axis of colours", applications.Silhouettes, _INPUTS, 8, 48, "BTHW", channels=1, feed=_grey),
    _own("Optical flow, 2 channels", partial(applications.ClipNet, 2), _INPUTS, adapted="channels=2", channels=2,
         options={"channels": 2}),
    _own("Two streams, colours and flow", applications.TwoStream, _INPUTS, adapted="channels=5", channels=5,
         options={"channels": 5}),
    _own("Pose heatmaps, 17 joints", partial(applications.ClipNet, 17), _INPUTS, adapted="channels=17", channels=17,
         options={"channels": 17}),
    _own("Audio and video, audio held", applications.AudioVisual, _INPUTS,
         adapted="inputs=lambda clip: ((clip, audio), {})", feed=_with_audio, options={"inputs": _bind_audio}),
    _own("Recognizer with six axes", applications.SixAxes, _INPUTS, layout="BNCTHW",
         feed=lambda video: (video[:, None],)),
    _own("Multi-label, sigmoid", applications.MultiLabel, _OUTPUTS, adapted="outputs='multilabel'",
         options={"outputs": "multilabel"}),
    _own("Verb and noun heads", applications.VerbNoun, _OUTPUTS, scores=lambda output: output["verb"]),
    _own("Score per frame, as many frames as classes", applications.FrameScores, _OUTPUTS,
         scores=lambda output: output.mean(1)),
    _own("Regression, one number", partial(applications.ClipNet, 3, 1), _OUTPUTS, adapted="outputs='regression'",
         options={"outputs": "regression"}, target=0),
    _own("DataParallel", applications.ClipNet, _STATES, wrap=nn.DataParallel),
    _own("torch.compile", applications.ClipNet, _STATES, wrap=torch.compile),
    _own("bfloat16", lambda: applications.ClipNet().bfloat16(), _STATES, tolerance=0.1),
    _own("float16", lambda: applications.ClipNet().half(), _STATES, tolerance=0.02),
    _own("CNN and GRU in float64", lambda: applications.CnnGru().double(), _STATES, layout="BTCHW"),
    _own("Frozen", lambda: applications.ClipNet().requires_grad_(False), _STATES),
    _own("Train mode", applications.ClipNet, _STATES, wrap=lambda net: net.train()),
)  # fmt: skip


_OF_BLOCKS = tuple(
    _own(title, partial(seeded, BLOCKS[name]), _BLOCKS, 8, 32, randomised=False)
    for title, name in {
        "SoftPool": "soft pool",
        "SRTG": "srtg",
        "MTNet": "mtnet",
        "FAST convolutions": "fast",
        "Class regularization": "class regularization",
    }.items()
)


# Forms of a network without modules or gradients, which are refused


def _quantised(net: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch moves it to another package
        quantised: nn.Module = torch.ao.quantization.quantize_dynamic(copy.deepcopy(net), {nn.Linear})
    return quantised


def _exported(net: nn.Module) -> nn.Module:
    program = torch.export.export(net, (torch.zeros(1, 3, 8, 48, 48),))
    module: nn.Module = program.module()
    return module


_OTHER_FORMS = (
    _own("Quantised, dynamic int8", applications.ClipNet, _STATES, wrap=_quantised),
    _own("torch.export", applications.ClipNet, _STATES, wrap=_exported),
    _own("torch.jit.script", applications.ClipNet, _STATES, wrap=torch.jit.script),
)

GROUPS = (*_PACKAGE_GROUPS.values(), _CONV, _RECURRENT, _MEDICAL, _INPUTS, _OUTPUTS, _BLOCKS, _STATES)
ROWS: dict[str, Row] = {row.name: row for row in (*_published(), *_PACKAGES, *_OWN, *_OF_BLOCKS, *_OTHER_FORMS)}

"""Small video networks with seeded random weights, with the architectures and pitfalls of real models.

`ZOO` holds them by name. ``entry.make()`` builds one in eval mode, with the same weights each time; `feed` converts a
uint8 clip to its input. `BLOCKS` holds networks made of ``notebook_explain.layers``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from . import convnets, heads, tokens, traps
from .blocks import BLOCKS
from .convnets import CLASSES, full_size_r3d18
from .heads import NOUNS

__all__ = ["BLOCKS", "CLASSES", "NOUNS", "TRAITS", "ZOO", "Entry", "feed", "full_size_r3d18", "random_clip", "seeded"]

MEAN, STD = 0.45, 0.225

TRAITS: dict[str, str] = {
    "inplace": "a ReLU, SiLU or sum overwrites a tensor that a hook may have kept",
    "residual": "blocks add their input",
    "grouped": "convolutions with groups",
    "depthwise": "convolutions with one channel for each group",
    "gate": "squeeze and excitation: pooling inside the network",
    "concat": "blocks concatenate channels",
    "same_padding": "pads unequally, with F.pad",
    "no_pool_module": "pools with a function or method",
    "fixed_shape": "accepts only some numbers of frames and sizes",
    "windowed_pool": "pooling windows overlap: the logit is a weighted sum, not a mean",
    "conv_head": "the classifier is a 1x1x1 convolution",
    "mlp_head": "several layers between the last activations and the logits",
    "class_maps": "pools one map per class: U is the identity, the bias 0",
    "max_pool": "max pooling",
    "per_time": "returns logits (batch, class, time)",
    "tuple": "returns a tuple",
    "dict": "returns a dictionary of two heads",
    "object": "returns an object with .logits",
    "probs": "returns probabilities (first)",
    "log_probs": "returns log-probabilities",
    "sigmoid": "returns one probability for each label",
    "tokens": "a transformer over (batch, token, channel)",
    "class_token": "the classifier reads token 0",
    "channels_last": "modules emit (batch, time, height, width, channel)",
    "frames_in_batch": "2-D convolutions over (batch * time, channel, height, width)",
    "pathways": "takes a list of clips",
    "mutates_input": "writes its features into the input list",
    "causal": "pads time at the start only",
    "skips_frames": "ignores some frames",
    "reused": "one module runs several times",
    "no_grad": "disables gradients",
}


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes
    ----------
    name : str
        Key in `ZOO`.
    make : callable
        Build the network in eval mode, with the same weights each time.
    frames, size : int
        Length of a clip that it takes; height and width.
    layout : str or tuple of int
        Order of the input's axes; for a list of pathways (each BCTHW), the stride in frames of each.
    complete : bool
        mean(sum_c U_c A_c) + bias is exactly the logit (before any softmax or sigmoid), with the pooled activations A
        and the classifier U, bias; for pathways, the sum of their means.
    traits : frozenset of str
        Keys of `TRAITS`.
    """

    name: str
    make: Callable[[], nn.Module]
    frames: int
    size: int
    layout: str | tuple[int, ...]
    complete: bool
    traits: frozenset[str]


def randomise(net: nn.Module) -> None:
    """Initialise weights so that they keep the signal's scale, and norms, statistics and biases with an effect."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.3)
        elif isinstance(module, (_BatchNorm, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, std=0.2)
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.6, 1.6)


def seeded(factory: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Build in eval mode with random weights that depend only on `seed`; torch's generators keep their state."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = factory()
        randomise(net)
    return net.eval()


def random_clip(frames: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Make moving coloured clouds with noise: (time, height, width, 3)."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(1, 3, 4, 5, 5)))
    clouds = F.interpolate(coarse, (frames, size, size), mode="trilinear", align_corners=True)[0].numpy()
    clip = 128 + 60 * clouds + rng.normal(scale=12, size=clouds.shape)
    return np.ascontiguousarray(clip.clip(0, 255).astype(np.uint8).transpose(1, 2, 3, 0))


def feed(entry: Entry, clip: npt.NDArray[np.uint8]) -> Tensor | list[Tensor]:
    """Return a network's input for a uint8 clip: a batch of one, (value / 255 - 0.45) / 0.225, in its layout."""
    x = (torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255 - MEAN) / STD
    if isinstance(entry.layout, tuple):
        return [x[:, :, ::stride].clone() for stride in entry.layout]
    return x.transpose(1, 2).contiguous() if entry.layout == "BTCHW" else x.contiguous()


def _entry(
    name: str,
    factory: Callable[[], nn.Module],
    traits: str,
    *,
    complete: bool = True,
    layout: str | tuple[int, ...] = "BCTHW",
    frames: int = 8,
) -> Entry:
    return Entry(name, partial(seeded, factory), frames, 32, layout, complete, frozenset(traits.split()))


_PARTIAL = partial(_entry, complete=False)

ZOO: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _entry("plain", convnets.plain, "inplace"),
        _entry("residual", convnets.residual, "inplace residual"),
        _entry("grouped", convnets.grouped, "inplace residual grouped"),
        _entry("depthwise", convnets.Depthwise, "inplace residual grouped depthwise gate"),
        _entry("dense", convnets.Dense, "inplace concat no_pool_module"),
        _PARTIAL("inception", convnets.Inception, "concat same_padding windowed_pool conv_head fixed_shape"),
        _PARTIAL(
            "i3d_per_time",
            partial(convnets.Inception, per_time=True),
            "concat same_padding windowed_pool conv_head fixed_shape per_time",
        ),
        _PARTIAL("x3d_head", heads.X3DHead, "inplace residual grouped depthwise gate conv_head mlp_head probs"),
        _entry("probs_first", heads.ProbsFirst, "inplace tuple probs"),
        _entry("logits_and_features", heads.LogitsAndFeatures, "inplace tuple"),
        _entry("features_and_logits", heads.FeaturesAndLogits, "inplace tuple"),
        _entry("logits_dict", heads.LogitsDict, "inplace dict"),
        _entry("log_softmax_out", heads.LogSoftmaxOut, "inplace log_probs"),
        _entry("sigmoid_out", heads.SigmoidOut, "inplace sigmoid"),
        _entry("functional_pool", heads.FunctionalPool, "inplace no_pool_module"),
        _entry("squeeze", heads.Squeeze, "inplace conv_head class_maps"),
        _PARTIAL("max_pool_head", heads.MaxPoolHead, "inplace max_pool"),
        _PARTIAL("strided_pool", heads.FlatHead, "mlp_head no_pool_module fixed_shape reused"),
        _entry(
            "token_mean",
            partial(tokens.TokenNet, "norm_mean"),
            "tokens object residual no_pool_module fixed_shape",
            layout="BTCHW",
        ),
        _PARTIAL(
            "mean_then_norm",
            partial(tokens.TokenNet, "mean_norm"),
            "tokens object residual no_pool_module fixed_shape",
            layout="BTCHW",
        ),
        _PARTIAL(
            "cls_token",
            partial(tokens.TokenNet, "class_token"),
            "tokens class_token object residual no_pool_module fixed_shape",
            layout="BTCHW",
        ),
        _entry("channels_last", tokens.ChannelsLast, "channels_last residual no_pool_module fixed_shape"),
        _entry("tsm", traps.ShiftNet, "inplace residual frames_in_batch fixed_shape", layout="BTCHW"),
        _entry("slowfast", traps.SlowFast, "inplace concat pathways mutates_input", layout=(4, 1), frames=16),
        _entry("causal", traps.Causal, "causal"),
        _entry("dropped_frames", traps.DroppedFrames, "inplace skips_frames"),
        _entry("reused_relu", traps.Reused, "inplace reused"),
        _entry("no_grad_forward", traps.NoGradForward, "inplace no_grad"),
    )
}

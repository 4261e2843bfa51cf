"""Checkpoints of the code released with SRTG and MTNet: their sizes are read off the state dict, so no setting can be wrong.

>>> state = torch.load("checkpoint.pth", map_location="cpu", weights_only=True)    # nothing here unpickles
>>> net = released_network(state)                                                 # in eval mode, float32, on the CPU

MTNets become `MTNet`; SRTG networks (r3d, r(2+1)d, csn and wide ones, of basic blocks or bottlenecks) become `SRTGNet`.
In eval mode both compute what the released code does. What differs:

* In an MTConv there, one norm serves the long stream and what the short one tells it. Here each has its own; both begin
  with what was stored, and part ways in training.
* Of frames that are equally like their neighbours, the earlier is kept here; there, whichever ``torch.topk`` names. A
  cosine between frames whose means are below 1e-4 is taken as it is here, and made smaller there.
* From clips of fewer than 69 rows, an MTNet there stretches the long stream to 3 x 3 before a shortcut; here not.
* Where an SRTG block has its recursion is not stored: it is taken to be the end, as in all networks released. Those
  trained with temporal gates (which never open there) are loaded with ``gate="closed"``.

Reference: see ``mtconv`` and ``srtg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from notebook_explain.layers.mtnet import MTNet
from notebook_explain.layers.srtg import SRTG

State = Mapping[str, Tensor]
Axes = tuple[int, int, int]  # time, height, width
_CONVS = {"conv1": "conv1_1", "conv2": "conv1_2", "conv3": "conv2", "conv4": "conv3", "shortcut": "downsample"}
_PARTS = {"short": "conv_short", "long": "conv_long", "lateral.0": "conv_short2long", "lateral.1": "norm_long"}
_LOAD = "load it by torch.load(path, map_location='cpu', weights_only=True)"


def released_network(state_dict: Mapping[str, Any], **options: Any) -> MTNet | SRTGNet:
    """Network of a checkpoint of the released code.

    Parameters
    ----------
    state_dict : mapping of name to tensor
        As it was saved: within a checkpoint's "state_dict" or bare, with "module." before each name or not. It is
        copied; its tensors stay as they are.
    options
        Of `MTNet`: ``pool``, ``keep``, ``ends``. Of an SRTG network's `SRTG`: ``gate``, which is "none" if not stated.

    Raises
    ------
    TypeError
        Not a mapping of names to tensors.
    ValueError
        Of neither kind of network; tensors are missing, left over, or of other shapes. The names are the released ones.
    """
    state = _bare(state_dict)
    net: MTNet | SRTGNet
    with torch.device("meta"):  # no memory, no random numbers
        if any(".conv1_1." in name for name in state):
            net, names = _mtnet(state, options)
        elif any(".sar.lstm." in name for name in state):
            net, names = _srtg(state, {"gate": "none", **options})
        else:
            raise ValueError(
                f"the state dict is of neither released network: an MTNet has names such as "
                f"'layer1.0.conv1_1.conv_short.weight', one of SRTG 'layer1.0.sar.lstm.weight_ih_l0'; got {_few(state)}"
            )
    _fill(net, names, state)
    return net.eval()


def _bare(state_dict: Mapping[str, Any]) -> State:
    """Names to tensors, without what was wrapped around them."""
    state = state_dict
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not state:
        raise TypeError(f"expected a state dict, names to tensors, got {type(state).__name__}; {_LOAD}")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(f"expected names to tensors, got {name!r} to {type(tensor).__name__}; {_LOAD}")
    wrapped = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if wrapped else name: tensor for name, tensor in state.items()}


def _fill(net: nn.Module, names: Mapping[str, str], state: State) -> None:
    """Load, if nothing is missing, left over or of another shape; `names` are those of modules here to those there."""
    wanted = {}
    for name, tensor in net.state_dict().items():
        module, _, last = name.rpartition(".")
        wanted[name] = (f"{names[module]}.{last}", tensor.shape)
    _whole(state, {name for name, _ in wanted.values()})
    other = [(name, shape) for name, shape in wanted.values() if state[name].shape != shape]
    if other:
        name, shape = other[0]
        raise ValueError(
            f"{name!r} has shape {list(state[name].shape)}, expected {list(shape)} by the sizes that the others have"
            + (f" ({len(other)} such tensors)" if len(other) > 1 else "")
        )
    net.to_empty(device="cpu")
    net.load_state_dict({ours: state[name] for ours, (name, _) in wanted.items()})


def _whole(state: State, wanted: Iterable[str], besides: bool = True) -> None:
    """Raise ValueError unless all these names are there, and no others."""
    missing, more = set(wanted) - set(state), set(state) - set(wanted) if besides else set()
    if missing or more:
        said = [f"it lacks {_few(missing)}"] * bool(missing) + [f"it has {_few(more)} besides"] * bool(more)
        raise ValueError(f"the state dict is not one of a whole released network: {'; '.join(said)}")


def _few(names: Iterable[str]) -> str:
    """Three of these names, and how many more there are."""
    listed = sorted(names)
    return ", ".join(map(repr, listed[:3])) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _depths(state: State) -> tuple[int, ...]:
    """How many blocks each stage has."""
    places = (re.match(r"layer(\d{1,3})\.(\d{1,3})\.", name) for name in state)
    found = {(int(place[1]), int(place[2])) for place in places if place}
    depths = tuple(sum(at == stage for at, _ in found) for stage in range(1, 1 + len({at for at, _ in found})))
    listed = [f"layer{stage}.{block}" for stage, block in sorted(found)]
    if not found or listed != _places(depths):
        got = ", ".join(listed) or f"none, but {_few(state)}; take off what was put before the names"
        raise ValueError(f"blocks must be numbered without gaps, from layer1.0 on; got {got}")
    return depths


def _places(depths: tuple[int, ...]) -> list[str]:
    """What all blocks are called there, in order."""
    return [f"layer{stage + 1}.{block}" for stage, depth in enumerate(depths) for block in range(depth)]


def _mtnet(state: State, options: dict[str, Any]) -> tuple[MTNet, dict[str, str]]:
    depths = _depths(state)
    convs = ["layer1.0.conv1_1", *(f"layer{at}.0.conv3" for at in range(1, 1 + len(depths)))]
    norms = [(f"{conv}.norm_short.bias", f"{conv}.norm_long.bias") for conv in convs]
    _whole(state, ["fc.bias", *(name for both in norms for name in both)], besides=False)
    narrow, *widths = (state[short].numel() + state[long].numel() for short, long in norms)
    groups, share = widths[0] // max(narrow, 1), state[norms[-1][0]].numel() / max(widths[-1], 1)
    net = MTNet(state["fc.bias"].numel(), depths, tuple(widths), groups, share, **options)
    places = _places(depths)
    modules = {name.rpartition(".")[0] for name in net.state_dict()}
    return net, {module: _there(module, places) for module in modules}


def _there(module: str, places: list[str]) -> str:
    """What a module of ours with parameters is called in the released MTNet."""
    if not module.startswith("blocks."):
        return module  # stem and classifier
    _, at, first, rest = module.split(".", 3)
    if first.startswith("recursion_"):
        return f"{places[int(at)]}.sr_{first.removeprefix('recursion_')}.op"
    return f"{places[int(at)]}.{_CONVS[first]}.{_PARTS.get(rest, rest)}"


class SRTGNet(nn.Module):
    """Residual network with a squeeze and recursion behind each block, as `released_network` builds it.

    Attributes
    ----------
    stem, pool : module
    blocks : nn.ModuleList of SRTGResidual
        Of all stages.
    fc : nn.Linear
        Reads the means of the channels.
    """

    def __init__(self, stem: nn.Module, blocks: Iterable[nn.Module], fc: nn.Linear) -> None:
        super().__init__()
        self.stem, self.pool = stem, nn.MaxPool3d(3, 2, 1)
        self.blocks, self.fc = nn.ModuleList(blocks), fc

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (batch, class) of clips (batch, 3, time, height, width)."""
        x = self.pool(self.stem(clips))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.fc(x.mean((2, 3, 4)))
        return logits


class SRTGResidual(nn.Module):
    """Residual block of any convolutions, with a squeeze and recursion after sum and ReLU."""

    def __init__(self, path: nn.Module, shortcut: nn.Module, recursion: SRTG) -> None:
        super().__init__()
        self.path, self.shortcut, self.recursion = path, shortcut, recursion

    def forward(self, x: Tensor) -> Tensor:
        """Transform (batch, channel, time, height, width)."""
        scaled: Tensor = self.recursion(torch.relu(self.path(x) + self.shortcut(x)))
        return scaled


def _srtg(state: State, options: dict[str, Any]) -> tuple[SRTGNet, dict[str, str]]:
    places = _places(_depths(state))
    within = {place: {name[len(place) + 1 :] for name in state if name.startswith(f"{place}.")} for place in places}
    alike = {name for own in within.values() for name in own if not name.startswith("downsample.")}
    _whole(state, ["fc.bias", *(f"{place}.{name}" for place in places for name in alike)], besides=False)
    stem, width, names = _path(state, "stem.", 3, (1, 2, 2))
    there, blocks = {"fc": "fc"} | {f"stem.{ours}": name for ours, name in names.items()}, []
    for at, place in enumerate(places):
        stride = 2 if place.endswith(".0") and at else 1
        block, width, names = _residual(state, place, width, stride, options)
        blocks.append(block)
        there |= {f"blocks.{at}.{ours}": name for ours, name in names.items()}
    return SRTGNet(stem, blocks, nn.Linear(width, state["fc.bias"].numel())), there


def _residual(
    state: State, place: str, inputs: int, stride: int, options: dict[str, Any]
) -> tuple[SRTGResidual, int, dict[str, str]]:
    path, width, names = _path(state, f"{place}.conv", inputs, (stride,) * 3)
    there = {"recursion.recursion": f"{place}.sar.lstm"} | {f"path.{ours}": name for ours, name in names.items()}
    shortcut: nn.Module = nn.Identity()
    if inputs != width:
        shortcut = nn.Sequential(nn.Conv3d(inputs, width, 1, stride, bias=False), nn.BatchNorm3d(width))
        there |= {f"shortcut.{part}": f"{place}.downsample.{part}" for part in (0, 1)}
    return SRTGResidual(path[:-1], shortcut, SRTG(width, **options)), width, there  # the last ReLU follows the sum


def _path(state: State, start: str, inputs: int, stride: Axes) -> tuple[nn.Sequential, int, dict[str, str]]:
    """Convolutions whose names start so, each with its norm and ReLU, their last width, and their names there.

    Along each axis, the first of them that is larger than one cell takes the stride.
    """
    path, width, names, left = nn.Sequential(), inputs, {}, list(stride)
    for name in sorted(name for name in state if name.startswith(start) and name.endswith(".weight")):
        shape, due = state[name].shape, "a norm" if len(path) % 3 else "a convolution"
        if len(shape) != (1 if len(path) % 3 else 5):
            raise ValueError(f"{name!r} has shape {list(shape)}, where {due} is due")
        names[str(len(path))] = name.removesuffix(".weight")
        if len(path) % 3:
            path.extend([nn.BatchNorm3d(width), nn.ReLU()])
            continue
        kernel: Any = tuple(shape[2:])
        step: Any = tuple(by if size > 1 else 1 for by, size in zip(left, kernel, strict=True))
        around: Any = tuple(size // 2 for size in kernel)
        left = [1 if size > 1 else by for by, size in zip(left, kernel, strict=True)]
        groups = width if shape[:2] == (width, 1) else 1  # depthwise, or none
        path.append(nn.Conv3d(width, shape[0], kernel, step, around, groups=groups, bias=False))
        width = shape[0]
    if not path or len(path) % 3:
        raise ValueError(f"the state dict lacks {'a norm' if path else 'convolutions'} at '{start}*'")
    return path, width, names

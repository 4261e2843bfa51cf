"""Load checkpoints of the code released with SRTG and MTNet; all sizes are inferred from the state dict.

>>> state = torch.load("checkpoint.pth", map_location="cpu", weights_only=True)    # this module never unpickles
>>> net = released_network(state)                                                 # in eval mode, float32, on the CPU

MTNets become `MTNet`; SRTG networks (r3d, r(2+1)d, csn and wide ones, of basic blocks or bottlenecks) become `SRTGNet`.
In eval mode both compute what the released code computes, with these differences:

* In an MTConv of the released code, the long stream and the lateral connection share one norm. Here each has its own;
  both start with the stored values and diverge in training.
* Of frames that are equally similar to their neighbours, this code keeps the earlier one, the released code whichever
  ``torch.topk`` returns. A cosine between frames whose means are below 1e-4 is smaller in the released code.
* For clips of fewer than 69 rows, a released MTNet stretches the long stream to 3 x 3 before a shortcut; here it does not.
* The position of the recursion in an SRTG block is not stored. It is assumed to be the end, as in all released networks.
  Networks trained with temporal gates (which never open in the released code) are loaded with ``gate="closed"``.

Reference: see ``mtconv`` and ``srtg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.layers.mtnet import MTNet
from notebook_explain.layers.srtg import SRTG

State = Mapping[str, Tensor]
Axes = tuple[int, int, int]  # time, height, width
_CONVS = {"conv1": "conv1_1", "conv2": "conv1_2", "conv3": "conv2", "conv4": "conv3", "shortcut": "downsample"}
_PARTS = {"short": "conv_short", "long": "conv_long", "lateral.0": "conv_short2long", "lateral.1": "norm_long"}
_LOAD = "load it with torch.load(path, map_location='cpu', weights_only=True)"


def released_network(state_dict: Mapping[str, Any], **options: Any) -> MTNet | SRTGNet:
    """Build the network of a checkpoint of the released code and load its weights.

    Parameters
    ----------
    state_dict : mapping of name to tensor
        As saved: bare or under "state_dict" in a checkpoint, with or without "module." before each name. Tensors are
        copied.
    options
        For an MTNet: ``pool``, ``keep`` and ``ends`` of `MTNet`. For an SRTG network: ``gate`` of `SRTG`, by default
        "none".

    Returns
    -------
    MTNet or SRTGNet
        In eval mode, float32, on the CPU.

    Raises
    ------
    TypeError
        Not a mapping of names to tensors.
    ValueError
        Neither kind of network, or tensors that are missing, unexpected or of the wrong shape. The message uses the
        names of the released code.
    """
    state = _unwrapped(state_dict)
    net: MTNet | SRTGNet
    with torch.device("meta"):  # no memory, no random numbers
        if any(".conv1_1." in name for name in state):
            net, names = _mtnet(state, options)
        elif any(".sar.lstm." in name for name in state):
            net, names = _srtg(state, {"gate": "none", **options})
        else:
            raise UsageError(
                f"the state dict is neither of a released MTNet, with names such as 'layer1.0.conv1_1.conv_short.weight', "
                f"nor of an SRTG network, with names such as 'layer1.0.sar.lstm.weight_ih_l0'; got {_abbreviated(state)}"
            )
    _load(net, names, state)
    return net.eval()


def _unwrapped(state_dict: Mapping[str, Any]) -> State:
    """Return names and tensors without the "state_dict" key of a checkpoint and the prefix "module." of all names."""
    state = state_dict
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not state:
        raise UsageTypeError(f"expected a state dict of names and tensors, got {type(state).__name__}; {_LOAD}")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UsageTypeError(
                f"expected a state dict of names and tensors, got {type(tensor).__name__} for {name!r}; {_LOAD}"
            )
    has_prefix = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if has_prefix else name: tensor for name, tensor in state.items()}


def _load(net: nn.Module, names: Mapping[str, str], state: State) -> None:
    """Load a state dict whose names and shapes must match exactly.

    Parameters
    ----------
    net : module
        On the meta device.
    names : mapping
        Names of modules in `net` to their names in the released code.
    state : mapping
        Released names to tensors.
    """
    expected = {}
    for name, tensor in net.state_dict().items():
        module, _, last = name.rpartition(".")
        expected[name] = (f"{names[module]}.{last}", tensor.shape)
    _check_names(state, {released for released, _ in expected.values()})
    mismatched = [(released, shape) for released, shape in expected.values() if state[released].shape != shape]
    if mismatched:
        released, shape = mismatched[0]
        raise UsageError(
            f"{released!r} has shape {list(state[released].shape)}, expected {list(shape)} from the shapes of the others"
            + (f" ({len(mismatched)} such tensors)" if len(mismatched) > 1 else "")
        )
    net.to_empty(device="cpu")
    net.load_state_dict({name: state[released] for name, (released, _) in expected.items()})


def _check_names(state: State, expected: Iterable[str], exact: bool = True) -> None:
    """Raise ValueError if an expected name is missing or, with ``exact``, if there is any other name."""
    missing, unexpected = set(expected) - set(state), set(state) - set(expected) if exact else set()
    if missing or unexpected:
        faults = [f"it lacks {_abbreviated(missing)}"] * bool(missing)
        faults += [f"it has unexpected {_abbreviated(unexpected)}"] * bool(unexpected)
        raise UsageError(f"the state dict is not that of a complete released network: {'; '.join(faults)}")


def _abbreviated(names: Iterable[str]) -> str:
    """First three names, and the number of the others."""
    listed = sorted(names)
    return ", ".join(map(repr, listed[:3])) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _depths(state: State) -> tuple[int, ...]:
    """Return the number of blocks of each stage."""
    matches = (re.match(r"layer(\d{1,3})\.(\d{1,3})\.", name) for name in state)
    blocks = {(int(match[1]), int(match[2])) for match in matches if match}
    stages = [stage for stage, _ in blocks]
    depths = tuple(stages.count(stage) for stage in range(1, 1 + len(set(stages))))
    names = [f"layer{stage}.{block}" for stage, block in sorted(blocks)]
    if not blocks or names != _block_names(depths):
        got = ", ".join(names) or f"none, but {_abbreviated(state)}; remove any prefix of the names"
        raise UsageError(f"blocks must be numbered without gaps, starting at layer1.0; got {got}")
    return depths


def _block_names(depths: tuple[int, ...]) -> list[str]:
    """Return the released names of all blocks, in order."""
    return [f"layer{stage + 1}.{block}" for stage, depth in enumerate(depths) for block in range(depth)]


def _mtnet(state: State, options: dict[str, Any]) -> tuple[MTNet, dict[str, str]]:
    """Return an MTNet with the sizes of a state dict, and the released names of its modules."""
    depths = _depths(state)
    convs = ["layer1.0.conv1_1", *(f"layer{stage}.0.conv3" for stage in range(1, 1 + len(depths)))]
    norms = [(f"{conv}.norm_short.bias", f"{conv}.norm_long.bias") for conv in convs]
    _check_names(state, ["fc.bias", *(name for pair in norms for name in pair)], exact=False)
    narrow, *widths = (state[short].numel() + state[long].numel() for short, long in norms)
    groups, share = widths[0] // max(narrow, 1), state[norms[-1][0]].numel() / max(widths[-1], 1)
    net = MTNet(state["fc.bias"].numel(), depths, tuple(widths), groups, share, **options)
    blocks = _block_names(depths)
    modules = {name.rpartition(".")[0] for name in net.state_dict()}
    return net, {module: _released_name(module, blocks) for module in modules}


def _released_name(module: str, blocks: list[str]) -> str:
    """Return the name in the released MTNet of a module of ours that has parameters."""
    if not module.startswith("blocks."):
        return module  # stem and classifier
    _, index, first, rest = module.split(".", 3)
    if first.startswith("recursion_"):
        return f"{blocks[int(index)]}.sr_{first.removeprefix('recursion_')}.op"
    return f"{blocks[int(index)]}.{_CONVS[first]}.{_PARTS.get(rest, rest)}"


class SRTGNet(nn.Module):
    """Residual network with a squeeze and recursion after each block, as `released_network` builds it.

    Attributes
    ----------
    stem, pool : module
    blocks : nn.ModuleList of SRTGResidual
        Blocks of all stages.
    fc : nn.Linear
        Reads the means of the channels.
    """

    def __init__(self, stem: nn.Module, blocks: Iterable[nn.Module], fc: nn.Linear) -> None:
        super().__init__()
        self.stem, self.pool = stem, nn.MaxPool3d(3, 2, 1)
        self.blocks, self.fc = nn.ModuleList(blocks), fc

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logits (batch, class) of clips (batch, 3, time, height, width)."""
        x = self.pool(self.stem(clips))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.fc(x.mean((2, 3, 4)))
        return logits


class SRTGResidual(nn.Module):
    """Residual block around given convolutions, with a squeeze and recursion after sum and ReLU."""

    def __init__(self, path: nn.Module, shortcut: nn.Module, recursion: SRTG) -> None:
        super().__init__()
        self.path, self.shortcut, self.recursion = path, shortcut, recursion

    def forward(self, x: Tensor) -> Tensor:
        """Transform (batch, channel, time, height, width)."""
        scaled: Tensor = self.recursion(torch.relu(self.path(x) + self.shortcut(x)))
        return scaled


def _srtg(state: State, options: dict[str, Any]) -> tuple[SRTGNet, dict[str, str]]:
    """Return an SRTG network with the sizes of a state dict, and the released names of its modules."""
    blocks = _block_names(_depths(state))
    inner = {block: {name[len(block) + 1 :] for name in state if name.startswith(f"{block}.")} for block in blocks}
    common = {name for names in inner.values() for name in names if not name.startswith("downsample.")}
    _check_names(state, ["fc.bias", *(f"{block}.{name}" for block in blocks for name in common)], exact=False)
    stem, width, names = _path(state, "stem.", 3, (1, 2, 2))
    released, modules = {"fc": "fc"} | {f"stem.{name}": original for name, original in names.items()}, []
    for index, block in enumerate(blocks):
        stride = 2 if block.endswith(".0") and index else 1
        module, width, names = _residual(state, block, width, stride, options)
        modules.append(module)
        released |= {f"blocks.{index}.{name}": original for name, original in names.items()}
    return SRTGNet(stem, modules, nn.Linear(width, state["fc.bias"].numel())), released


def _residual(
    state: State, block: str, inputs: int, stride: int, options: dict[str, Any]
) -> tuple[SRTGResidual, int, dict[str, str]]:
    """Return one residual block, its width, and the released names of its modules."""
    path, width, names = _path(state, f"{block}.conv", inputs, (stride,) * 3)
    released = {"recursion.recursion": f"{block}.sar.lstm"} | {
        f"path.{name}": original for name, original in names.items()
    }
    shortcut: nn.Module = nn.Identity()
    if inputs != width:
        shortcut = nn.Sequential(nn.Conv3d(inputs, width, 1, stride, bias=False), nn.BatchNorm3d(width))
        released |= {f"shortcut.{part}": f"{block}.downsample.{part}" for part in (0, 1)}
    return SRTGResidual(path[:-1], shortcut, SRTG(width, **options)), width, released  # the last ReLU follows the sum


def _path(state: State, prefix: str, inputs: int, stride: Axes) -> tuple[nn.Sequential, int, dict[str, str]]:
    """Return the convolutions of a prefix, each with its norm and ReLU, their last width, and their released names.

    Along each axis, the first convolution that is larger than one cell takes the stride.
    """
    path, width, names, remaining = nn.Sequential(), inputs, {}, list(stride)
    for name in sorted(name for name in state if name.startswith(prefix) and name.endswith(".weight")):
        shape, expected = state[name].shape, "a norm" if len(path) % 3 else "a convolution"
        if len(shape) != (1 if len(path) % 3 else 5):
            raise UsageError(f"{name!r} has shape {list(shape)}, expected {expected} in this position")
        names[str(len(path))] = name.removesuffix(".weight")
        if len(path) % 3:
            path.extend([nn.BatchNorm3d(width), nn.ReLU()])
            continue
        kernel: Any = tuple(shape[2:])
        steps: Any = tuple(step if size > 1 else 1 for step, size in zip(remaining, kernel, strict=True))
        padding: Any = tuple(size // 2 for size in kernel)
        remaining = [1 if size > 1 else step for step, size in zip(remaining, kernel, strict=True)]
        groups = width if shape[:2] == (width, 1) else 1  # depthwise, or no groups
        path.append(nn.Conv3d(width, shape[0], kernel, steps, padding, groups=groups, bias=False))
        width = shape[0]
    if not path or len(path) % 3:
        raise UsageError(f"the state dict lacks {'a norm' if path else 'convolutions'} at '{prefix}*'")
    return path, width, names

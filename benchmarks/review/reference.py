"""A float64 copy of a network with hooks of its own: what the review compares explanations with.

Nothing here comes from the package. A layer is found by its printed name: ``module``, ``module#2`` for the second call,
``module[1]`` for the second tensor. Names that are no module's stand for inputs of global pooling, which `Pass` collects.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointFunction

from benchmarks.review.architectures import Architecture
from benchmarks.review.norms import ConstantNorms, hold_written_out_norms, release_written_out_norms

MEAN, STD = 0.45, 0.225
_REDUCTIONS = ("mean", "sum", "amax", "max", "avg_pool", "max_pool")
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Replace = Callable[[str, Tensor], Tensor]


Clip = NDArray[np.uint8] | NDArray[np.float32]  # (time, height, width, channel); floats are from 0 to 1


def example_clip(frames: int, size: int, seed: int = 0, channels: int = 3) -> Clip:
    """Make a clip of moving coloured clouds with noise: uint8 for 3 channels, float32 in 0..1 for any other number."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(size=(1, channels, 4, 6, 6)))
    clouds = nn.functional.interpolate(coarse, (frames, size, size), mode="trilinear", align_corners=True)[0].numpy()
    clip = (128 + 55 * clouds + rng.normal(scale=15, size=clouds.shape)).clip(0, 255).transpose(1, 2, 3, 0)
    return np.ascontiguousarray(clip.astype(np.uint8) if channels == 3 else (clip / 255).astype(np.float32))


def network_input(clip: Clip, architecture: Architecture, dtype: torch.dtype) -> tuple[Any, ...]:
    """Return the arguments of the network's forward: the normalised clip in its order of axes, or a list of pathways."""
    video = torch.from_numpy(clip).to(dtype).permute(3, 0, 1, 2)[None]
    video = ((video / 255 if clip.dtype == np.uint8 else video) - MEAN) / STD
    if architecture.feed is not None:
        return architecture.feed(video)
    if isinstance(architecture.layout, tuple):
        frames = video.shape[2]
        chosen = [torch.linspace(0, frames - 1, frames // stride).long() for stride in architecture.layout]
        return ([video[:, :, index].contiguous() for index in chosen],)
    return (video.transpose(1, 2).contiguous() if architecture.layout == "BTCHW" else video.contiguous(),)


def logits_of(output: Any) -> Tensor:
    """Return the logits (1, class, ...) in a network's output."""
    logits: Tensor = output if isinstance(output, Tensor) else output.logits
    return logits


def _with_graph(value: Any, with_graph: bool) -> Any:
    """Return the input with copies of its tensors of floats, which require a gradient if asked for."""
    if isinstance(value, Tensor):
        return value.detach().requires_grad_(with_graph) * 1 if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(_with_graph(part, with_graph) for part in value)
    if isinstance(value, dict):
        return {key: _with_graph(part, with_graph) for key, part in value.items()}
    return value


@dataclass
class Pass:
    """Tensors of one pass, in its graph.

    Attributes
    ----------
    logits : tensor (class,)
        Before a softmax or sigmoid that ends the network.
    outputs : dict of layer name to tensor
        Every tensor that a module returned, under its full name, "module#call[path]", calls counted from 1.
    pool_inputs : list of tensor
        What entered each operation that may be a global pooling.
    statistics : list
        Of the norms, if they were held constant.
    """

    logits: Tensor
    outputs: dict[str, Tensor]
    pool_inputs: list[Tensor]
    statistics: list[Any] = field(default_factory=list)

    def find(self, name: str) -> tuple[Tensor, ...]:
        """Return the tensors of a layer by its printed name: one, or one for each call of a module without "#"."""
        match = re.fullmatch(r"(.*?)(?:#(\d+))?((?:\[[^\]]*\])*)", name)
        assert match is not None
        module, call, path = match[1], match[2], match[3]
        calls = [call] if call else [str(number) for number in range(1, len(self.outputs) + 1)]
        found = []
        for number in calls:
            tensor = self.outputs.get(f"{module}#{number}{path}")
            if tensor is None and not path:  # the only tensor in a container
                prefix = f"{module}#{number}["
                tensor = next((value for full, value in self.outputs.items() if full.startswith(prefix)), None)
            if tensor is None:
                break
            found.append(tensor)
        return tuple(found)


class Reference:
    """A copy of a network and its input.

    Parameters
    ----------
    net : nn.Module
        Copied; it is left as it is.
    architecture : Architecture
    clip : array (time, height, width, channel)
    dtype : torch.dtype
        Float64 where values are compared; float32 where it is enough to see what changes, which is many times faster.
    """

    def __init__(
        self,
        net: nn.Module,
        architecture: Architecture,
        clip: Clip,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.net = copy.deepcopy(net).to(dtype).eval()
        for module in self.net.modules():
            for name, value in list(vars(module).items()):  # tables that are not registered as buffers
                if isinstance(value, Tensor) and value.is_floating_point() and not isinstance(value, nn.Parameter):
                    setattr(module, name, value.to(dtype))
        self.architecture, self.clip, self.dtype = architecture, clip, dtype

    def make_kernels_symmetric(self) -> None:
        """Make every convolution alike on both sides of its middle, so that random weights shift nothing."""
        with torch.no_grad():
            for module in self.net.modules():
                if isinstance(module, _CONVOLUTIONS):
                    axes = tuple(range(2, module.weight.ndim))
                    for axis in axes:
                        module.weight.copy_((module.weight + module.weight.flip(axis)) / 2)

    def run(
        self,
        *,
        constant_norms: bool = False,
        replay: list[Any] | None = None,
        with_means: bool = False,
        replace: Replace | None = None,
        with_graph: bool = True,
        clip: Clip | None = None,
        modules: Collection[str] | None = None,
        zeroed_pools: Collection[int] = (),
    ) -> Pass:
        """Run the copy once.

        Parameters
        ----------
        constant_norms : bool
            Hold the norms' divisors constant.
        replay : list, optional
            Statistics of the norms of another pass: their divisors are used instead, and their means `with_means`.
        replace : function, optional
            ``replace(name, tensor)`` returns what is passed on instead of a module's output ("module#call[path]").
        with_graph : bool
        clip : array, optional
            Another clip of the same size.
        modules : collection of str, optional
            Dotted names of the modules whose outputs are kept; all by default.
        zeroed_pools : collection of int
            Indices into `Pass.pool_inputs` of those that are replaced by 0.
        """
        outputs: dict[str, Tensor] = {}
        inputs = network_input(self.clip if clip is None else clip, self.architecture, self.dtype)
        inputs = _with_graph(inputs, with_graph)
        pools, final = _PoolInputs(zeroed_pools), _FinalActivation()
        with ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(with_graph))
            stack.enter_context(patch.object(CheckpointFunction, "apply", _run_directly))
            stack.enter_context(_hooked(self.net, outputs, replace, modules))
            norms = ConstantNorms(replay, with_means)
            if constant_norms or replay is not None:
                stack.enter_context(norms)
                hold_written_out_norms(self.net, norms)
                stack.callback(release_written_out_norms, self.net)
            stack.enter_context(pools)
            stack.enter_context(final)
            output = (self.architecture.scores or logits_of)(self.net(*inputs))
        logits = final.before(output)
        logits = logits.flatten(2).mean(2) if logits.ndim > 2 else logits
        return Pass(logits[0], outputs, pools.inputs, norms.statistics)


@contextmanager
def _hooked(
    net: nn.Module, outputs: dict[str, Tensor], replace: Replace | None, names: Collection[str] | None
) -> Iterator[None]:
    calls: dict[str, int] = defaultdict(int)

    def make_hook(name: str) -> Callable[..., Any]:
        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            calls[name] += 1
            return _walk(output, f"{name}#{calls[name]}", outputs, replace)

        return hook

    handles = [
        module.register_forward_hook(make_hook(name)) for name, module in net.named_modules() if _is_wanted(name, names)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_wanted(name: str, names: Collection[str] | None) -> bool:
    return bool(name) and (names is None or name in names)


def module_of(layer: str) -> str:
    """Return the dotted name of the module in a layer's printed name."""
    return re.sub(r"(#\d+)?(\[[^\]]*\])*$", "", layer)


def _walk(output: Any, name: str, outputs: dict[str, Tensor], replace: Replace | None) -> Any:
    """Keep every tensor in an output and return the output with copies, since an in-place operation may follow."""
    if isinstance(output, Tensor):
        kept = output.clone() if replace is None else replace(name, output).clone()
        outputs[name] = kept
        return kept.clone()
    if isinstance(output, (list, tuple)) and type(output) in (list, tuple):
        return type(output)(_walk(part, f"{name}[{index}]", outputs, replace) for index, part in enumerate(output))
    if isinstance(output, Mapping):  # an output of transformers: its tensors are kept, and passed on as they are
        outputs.update({f"{name}[{key}]": part for key, part in output.items() if isinstance(part, Tensor)})
    return output


def _run_directly(function: Callable[..., Any], _: bool, *arguments: Any) -> Any:
    """Run what reentrant checkpointing would run without a graph."""
    return function(*arguments)


class _PoolInputs(TorchFunctionMode):
    """Collects what enters each operation that may be a global pooling, and replaces some of it by 0."""

    def __init__(self, zeroed: Collection[int]) -> None:
        super().__init__()
        self.inputs: list[Tensor] = []
        self.zeroed = zeroed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        watched = name.strip("_") in _REDUCTIONS[:4] or any(part in name for part in _REDUCTIONS[4:])
        if watched and args and isinstance(args[0], Tensor) and args[0].is_floating_point():
            copied = args[0].clone()
            result = func(copied, *args[1:], **(kwargs or {}))
            if isinstance(result, Tensor) and result.numel() * 4 <= copied.numel():
                self.inputs.append(copied)
                if len(self.inputs) - 1 in self.zeroed:
                    return func(torch.zeros_like(copied), *args[1:], **(kwargs or {}))
            return result
        return func(*args, **(kwargs or {}))


class _FinalActivation(TorchFunctionMode):
    """Remembers the inputs of softmax and sigmoid, to undo one that ends the network."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in ("softmax", "log_softmax", "sigmoid") and isinstance(args[0], Tensor):
            self.inputs.append((args[0], result.detach()))
        return result

    def before(self, output: Tensor) -> Tensor:
        """Return the input of the softmax whose result is the output, up to its shape; else the output."""
        for given, result in self.inputs:
            if result.numel() == output.numel() and torch.allclose(result.flatten(), output.detach().flatten()):
                return given.reshape(-1)[None] if given.numel() == output.shape[1] else given
        return output

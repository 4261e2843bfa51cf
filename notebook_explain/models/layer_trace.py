"""Trace clip positions through a network: one pass that finds every module's outputs and the inputs of pooling calls.

``trace_layers`` runs a ``PositionTensor`` through an unmodified module and returns a `LayerTrace`: in order of execution,
each output in which values from different positions are still separate, and each tensor that enters a global pooling,
including plain function calls such as ``x.mean((2, 3, 4))``; further the modules in which layers over time or over tokens
mix all positions. ``layers`` chooses from it what is shown by default.
A `TensorRef` names one of these tensors, so that ``recording`` finds it again in a real pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.layouts import is_volume
from notebook_explain.models.output_cells import OutputPositions, Path, output_positions
from notebook_explain.models.positions.custom_functions import has_position_proxy
from notebook_explain.models.positions.extents import spread
from notebook_explain.models.positions.merging import mixtures_reported
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.unsure_positions import UnsurePositions

MAX_NESTING = 4  # containers within containers, in what a module returns

_POOLING = frozenset(
    {"mean", "sum", "amax", "max", "logsumexp"}
    | {f"{kind}_pool{n}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for n in (1, 2, 3)}
)

_FACTORIES = frozenset({"zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"})


@dataclass(frozen=True)
class TensorRef:
    """Reference to one tensor of a forward pass.

    Attributes
    ----------
    module : str or None
        Dotted name of the module that returns it; ``None`` for the input of a pooling call.
    call : int
        Index of the module's call, from 0; or index of the pooling call in the whole pass.
    path : tuple
        Keys and indices into what the module returns; () for a tensor.
    """

    module: str | None
    call: int
    path: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class TracedOutput:
    """A tensor returned by a module during the trace, whose values still belong to different positions."""

    ref: TensorRef
    module: Any  # nn.Module; None once the trace is slim
    tensor: PositionTensor


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """Result of one pass of positions.

    Attributes
    ----------
    size : (time, height, width)
        Size of the clip.
    outputs : tuple of TracedOutput
        In order of execution.
    pools : tuple of (int, PositionTensor)
        Call index and input of each global pooling that the network's output depends on.
    modules : dict of dotted name to nn.Module
        Values are ``None`` once the trace is slim.
    calls : dict of dotted name to int
        Number of calls of each module.
    chained : frozenset of str
        Modules that read, directly or not, what an earlier call of theirs returned.
    mixtures : dict of dotted name to frozenset of int
        Modules in which a mixture of all positions along axes of the clip (0 is time, 1 height, 2 width) is added to a
        tensor with positions of its own, whose positions are kept.
    unplaced : tuple of str
        Modules after which positions are unknown: they return nothing but such a mixture, on which the network's output
        depends, or positions could not be followed through them. "" is the network itself.
    ends : dict of path to OutputPositions
        Positions of the tensors that the network returns.
    """

    size: tuple[int, int, int]
    outputs: tuple[TracedOutput, ...]
    pools: tuple[tuple[int, PositionTensor], ...]
    modules: dict[str, Any]
    calls: dict[str, int]
    chained: frozenset[str] = frozenset()
    mixtures: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unplaced: tuple[str, ...] = ()
    ends: Mapping[Path, OutputPositions] = field(default_factory=dict)

    def slim(self) -> LayerTrace:
        """Return a copy without references to modules, so that the shadow can be freed."""
        outputs = tuple(replace(output, module=None) for output in self.outputs)
        return replace(self, outputs=outputs, modules=dict.fromkeys(self.modules))

    def has_several_outputs(self, ref: TensorRef) -> bool:
        """Return whether this call of the module returned several traced tensors."""
        return sum((o.ref.module, o.ref.call) == (ref.module, ref.call) for o in self.outputs) > 1


class PoolCalls(TorchFunctionMode):
    """Number the calls of functions that may pool, so that another pass can find one of them.

    Parameters
    ----------
    on_call : function, optional
        ``on_call(index, input, result)`` runs after each call.
    on_input : function, optional
        ``on_input(index, input)`` returns the tensor to call the function with instead.
    """

    def __init__(
        self,
        on_call: Callable[[int, Any, Any], None] | None = None,
        on_input: Callable[[int, torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.count, self.on_call, self.on_input = 0, on_call, on_input

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        may_pool = getattr(func, "__name__", "").strip("_") in _POOLING or has_position_proxy(func)
        if not (may_pool and args and isinstance(args[0], torch.Tensor)):
            return func(*args, **kwargs)
        index, self.count = self.count, self.count + 1
        if self.on_input is not None:
            args = (self.on_input(index, args[0]), *args[1:])
        result = func(*args, **kwargs)
        if self.on_call is not None:
            self.on_call(index, args[0], result)
        return result


class _NewBuffers(TorchFunctionMode):
    """Mark the plain tensors that a traced network makes, so that positions can be written into them.

    A buffer of the network itself cannot take positions, since it stays after the pass.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _FACTORIES and type(result) is torch.Tensor and result.is_floating_point():
            result.is_new_buffer = True  # type: ignore[attr-defined]
        return result


def trace_layers(shadow: nn.Module, inputs: Any, size: tuple[int, int, int]) -> LayerTrace:
    """Run positions through a shadow module.

    Parameters
    ----------
    shadow : nn.Module
        Hooks are added to it, and removed at the end.
    inputs : PositionTensor or list of them
        In the layout of the network's forward (``video_model.position_input``).
    size : (time, height, width)
        Size of the clip.

    Raises
    ------
    Exception
        Anything that the network raises on an input of this shape.
    """
    outputs: list[TracedOutput] = []
    calls: dict[str, int] = defaultdict(int)
    pools: dict[int, PositionTensor] = {}
    modules = dict(shadow.named_modules())
    unsure = UnsurePositions()

    def on_output(name: str, arguments: Any, output: Any) -> None:
        call, calls[name] = calls[name], calls[name] + 1
        found = list(tensors(output))
        unsure.on_output(name, [tensor for _, tensor in tensors(arguments)], [tensor for _, tensor in found])
        for path, tensor in found:
            if isinstance(tensor, PositionTensor) and is_volume(tensor):
                outputs.append(TracedOutput(TensorRef(name, call, path), modules[name], tensor))

    def on_pool(index: int, value: Any, result: Any) -> None:
        if (
            isinstance(value, PositionTensor)
            and isinstance(result, PositionTensor)
            and not value.pool_calls
            and _collapses(value, result)
        ):
            pools[index] = value
            result.pool_calls |= {index}

    watched = unsure.watch(modules)
    try:
        with PoolCalls(on_pool), mixtures_reported(unsure):
            output = _run_with_hooks(shadow, inputs, [name for name in modules if name], on_output)
    finally:
        for handle in watched:
            handle.remove()
    returned = list(tensors(output))
    ends = [tensor for _, tensor in returned if isinstance(tensor, PositionTensor)]
    reached = frozenset().union(*(end.pool_calls for end in ends))
    pool_inputs = tuple((index, pools[index]) for index in sorted(reached))
    several = _modules_at_several_positions(outputs)
    chained = _chained_modules(shadow, inputs, several) if several else frozenset()
    unplaced = unsure.unplaced(ends)
    return LayerTrace(
        size,
        tuple(outputs),
        pool_inputs,
        modules,
        dict(calls),
        chained,
        unsure.mixtures(),
        unplaced,
        output_positions(returned),
    )


def _modules_at_several_positions(outputs: list[TracedOutput]) -> list[str]:
    """Return the modules of which two calls return tensors of one shape with different positions."""
    first: dict[tuple[Any, ...], PositionTensor] = {}
    found: dict[str, None] = {}
    for output in outputs:
        key = (output.ref.module, output.ref.path, tuple(output.tensor.shape))
        before = first.setdefault(key, output.tensor)
        if before is not output.tensor and not _has_same_positions(before, output.tensor):
            found[str(output.ref.module)] = None
    return list(found)


def _has_same_positions(a: PositionTensor, b: PositionTensor) -> bool:
    with torch._C.DisableTorchFunction():
        pairs = zip(a.positions(), b.positions(), strict=True)
        return all(x.shape == y.shape and torch.allclose(x, y, atol=1e-3, equal_nan=True) for x, y in pairs)


def _chained_modules(shadow: nn.Module, inputs: Any, names: list[str]) -> frozenset[str]:
    """Return the modules whose later calls read what earlier calls returned, found by marking what they return."""
    marks = {name: -1 - index for index, name in enumerate(names)}  # not the index of any pooling call
    chained: set[str] = set()

    def on_output(name: str, arguments: Any, output: Any) -> None:
        mark = marks[name]
        if any(isinstance(t, PositionTensor) and mark in t.pool_calls for _, t in tensors(arguments)):
            chained.add(name)
        for _, tensor in tensors(output):
            if isinstance(tensor, PositionTensor):
                tensor.pool_calls |= {mark}

    _run_with_hooks(shadow, inputs, names, on_output)
    return frozenset(chained)


def _run_with_hooks(
    shadow: nn.Module, inputs: Any, names: list[str], on_output: Callable[[str, Any, Any], None]
) -> Any:
    """Run a shadow, call ``on_output(name, inputs, output)`` after each call of the named modules; return the output."""
    wanted = set(names)

    def hook_of(name: str) -> Callable[..., None]:
        return lambda _, arguments, output: on_output(name, arguments, output)

    handles = [module.register_forward_hook(hook_of(name)) for name, module in shadow.named_modules() if name in wanted]
    try:
        with torch.no_grad(), LocalRandomness(), _NewBuffers():
            return shadow(list(inputs) if isinstance(inputs, list) else inputs)
    finally:
        for handle in handles:
            handle.remove()


def tensors(
    output: Any, path: tuple[Any, ...] = (), parents: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], torch.Tensor]]:
    """Yield every tensor in what a module returned with its path: keys, indices, and `Attribute` for objects."""
    if isinstance(output, torch.Tensor):
        yield path, output
        return
    if id(output) in parents or len(path) > MAX_NESTING:  # a container that holds itself, or not an output at all
        return
    if isinstance(output, dict):
        entries = list(output.items())
    elif isinstance(output, (list, tuple)):
        entries = list(enumerate(output))
    elif hasattr(output, "__dict__") and not isinstance(output, (type, nn.Module)):  # an object of the network's code
        entries = [(Attribute(name), value) for name, value in vars(output).items()]
    else:
        return
    for key, value in entries:
        yield from tensors(value, (*path, key), (*parents, id(output)))


class Attribute(str):
    """Path entry that is an attribute of an object, not a key."""


def _collapses(before: PositionTensor, after: PositionTensor) -> bool:
    """Return whether a pooling call merges height and width (windows of at least half of both: I3D pools with stride 1)."""
    (_, y, x), (_, y_after, x_after) = spread(before), spread(after)
    return (y > 0 or x > 0) and y_after <= y / 2 and x_after <= x / 2

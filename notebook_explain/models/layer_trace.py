"""Trace positions through a network once: the outputs of every module and the inputs of pooling calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.layouts import is_volume, spread
from notebook_explain.models.positions.tensor import PositionTensor

MOST_NESTED = 4  # structures within structures of what a module returns


_POOLING = frozenset(
    {"mean", "sum", "amax", "max", "logsumexp"}
    | {
        f"{kind}_pool{n}d"
        for kind in ("avg", "max", "soft", "adaptive_avg", "adaptive_max", "adaptive_soft")
        for n in (1, 2, 3)
    }
)


@dataclass(frozen=True)
class TensorRef:
    """How to find one tensor again while the network runs.

    Attributes
    ----------
    module : str or None
        Dotted name of the module that emits it; ``None`` for the input of a pooling call.
    call : int
        Which call of the module, from 0; or which pooling call of the whole pass.
    path : tuple
        Keys and indices into what the module emits, () for a tensor.
    """

    module: str | None
    call: int
    path: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class TracedOutput:
    """A tensor with places that a module emitted during the pass of coordinates."""

    place: TensorRef
    module: Any  # nn.Module; None once the survey is slim
    tensor: PositionTensor


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """Everything one pass of coordinates found."""

    size: tuple[int, int, int]
    emissions: tuple[TracedOutput, ...]
    pools: tuple[tuple[int, PositionTensor], ...]  # call and input of each pooling that the output lies behind
    modules: dict[str, Any]  # nn.Module by dotted name; None once the survey is slim
    calls: dict[str, int]

    def slim(self) -> LayerTrace:
        """Without the modules of the shadow, which has done its work."""
        emissions = tuple(replace(emission, module=None) for emission in self.emissions)
        return replace(self, emissions=emissions, modules=dict.fromkeys(self.modules))

    def several(self, place: TensorRef) -> bool:
        """Whether the call of a module emitted several tensors with places."""
        same = [e for e in self.emissions if (e.place.module, e.place.call) == (place.module, place.call)]
        return len(same) > 1


class PoolCalls(TorchFunctionMode):
    """Count calls that may pool, so that one of them can be found again: ``seen(index, input, result)`` after each."""

    def __init__(self, seen: Callable[[int, Any, Any], None]) -> None:
        super().__init__()
        self.count, self.seen = 0, seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "").strip("_") in _POOLING and args and isinstance(args[0], torch.Tensor):
            index, self.count = self.count, self.count + 1
            self.seen(index, args[0], result)
        return result


def survey(shadow: nn.Module, inputs: Any, size: tuple[int, int, int]) -> LayerTrace:
    """Run coordinates through a shadow (its hooks are this function's to use).

    Raises
    ------
    Exception
        Whatever the network raises on an input of this shape.
    """
    emissions: list[TracedOutput] = []
    calls: dict[str, int] = defaultdict(int)
    pools: dict[int, PositionTensor] = {}
    modules = dict(shadow.named_modules())

    def hook(name: str) -> Callable[..., None]:
        def remember(module: nn.Module, _: Any, output: Any) -> None:
            call, calls[name] = calls[name], calls[name] + 1
            for path, tensor in tensors(output):
                if isinstance(tensor, PositionTensor) and is_volume(tensor):
                    emissions.append(TracedOutput(TensorRef(name, call, path), module, tensor))

        return remember

    def pooled(index: int, value: Any, result: Any) -> None:
        if (
            isinstance(value, PositionTensor)
            and isinstance(result, PositionTensor)
            and not value.pooled
            and _collapses(value, result)
        ):
            pools[index] = value
            result.pooled |= {index}

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items() if name]
    try:
        with torch.no_grad(), PoolCalls(pooled):
            output = shadow(inputs)
    finally:
        for handle in handles:
            handle.remove()
    ends = frozenset().union(*(t.pooled for _, t in tensors(output) if isinstance(t, PositionTensor)))
    return LayerTrace(size, tuple(emissions), tuple((i, pools[i]) for i in sorted(ends)), modules, dict(calls))


def tensors(
    output: Any, path: tuple[Any, ...] = (), within: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], torch.Tensor]]:
    """Every tensor in what a module returned, with the path to it (keys, places, and ``Attribute`` of objects)."""
    if isinstance(output, torch.Tensor):
        yield path, output
        return
    if id(output) in within or len(path) > MOST_NESTED:  # it holds itself, or is no output at all
        return
    if isinstance(output, dict):
        steps = list(output.items())
    elif isinstance(output, (list, tuple)):
        steps = list(enumerate(output))
    elif hasattr(output, "__dict__") and not isinstance(output, (type, nn.Module)):  # an object of the network's own
        steps = [(Attribute(name), value) for name, value in vars(output).items()]
    else:
        return
    for step, value in steps:
        yield from tensors(value, (*path, step), (*within, id(output)))


class Attribute(str):
    """A step of a path that is an attribute of an object, not a key."""


def _collapses(before: PositionTensor, after: PositionTensor) -> bool:
    """Whether a pooling call ends height and width (a window of at least half of both counts: I3D's stride-1 pooling)."""
    (_, y, x), (_, below, beside) = spread(before), spread(after)
    return (y > 0 or x > 0) and below <= y / 2 and beside <= x / 2

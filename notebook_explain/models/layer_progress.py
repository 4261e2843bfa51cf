"""Report which layer a pass has reached, forward and backward, to the line of progress of the work that runs.

Hooks count the modules without submodules, in the order in which a pass first reaches them. They are on the shadow only,
and only while someone listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from notebook_explain._progress import Line, active

Result = TypeVar("Result")
FORWARD, BACKWARD = "forward", "backward"


def reporting_layers(compute: Callable[[nn.Module], Result]) -> Callable[[nn.Module], Result]:
    """Return a function of a shadow that computes the same and reports the layers of its passes, if anyone listens."""
    line = active()
    if line is None:
        return compute

    def run(shadow: nn.Module) -> Result:
        with layer_hooks(shadow, line):
            return compute(shadow)

    return run


@contextmanager
def layer_hooks(shadow: nn.Module, line: Line) -> Iterator[None]:
    """Report the layers of all passes of a shadow within this context."""
    leaves = [module for module in shadow.modules() if next(module.children(), None) is None]
    layers = _Layers(line, len(leaves))
    handles: list[Any] = [shadow.register_forward_hook(_RootHook(layers))]
    for index, module in enumerate(leaves):
        handles.append(module.register_forward_pre_hook(_ForwardHook(layers, index)))
        handles.append(module.register_forward_hook(_BackwardHook(layers, index)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Layers:
    """Numbers of the layers, in the order in which a pass first reaches them."""

    def __init__(self, line: Line, count: int) -> None:
        self.line, self.count = line, count
        self.number: dict[int, int] = {}

    def reach(self, direction: str, index: int) -> None:
        self.line.reach_layer(direction, self.number.setdefault(index, len(self.number) + 1), self.count)


class _Hook:
    """A hook that copies of a shadow share, although they copy all other hooks."""

    def __init__(self, layers: _Layers, index: int = 0) -> None:
        self.layers, self.index = layers, index

    def __deepcopy__(self, memo: dict[int, Any]) -> _Hook:
        return self


class _RootHook(_Hook):
    def __call__(self, *_: Any) -> None:
        self.layers.count = len(self.layers.number) or 1  # some modules may never run


class _ForwardHook(_Hook):
    def __call__(self, *_: Any) -> None:
        self.layers.reach(FORWARD, self.index)


class _BackwardHook(_Hook):
    def __call__(self, _: nn.Module, __: Any, output: Any) -> None:
        tensor = next(iter(output), None) if isinstance(output, (tuple, list)) else output
        if type(tensor) is not torch.Tensor:  # positions have no gradient
            return
        with torch._C.DisableTorchFunction():  # nothing that watches the pass sees these calls
            if tensor.requires_grad:
                tensor.register_hook(self._on_gradient)

    def _on_gradient(self, _: torch.Tensor) -> None:
        self.layers.reach(BACKWARD, self.index)

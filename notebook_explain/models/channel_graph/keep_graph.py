"""Keep the autograd graph connected where a network cuts it, and detect where it is cut nevertheless.

Networks cut the graph (``no_grad``, ``detach``) to save memory or to stop training. Which channel feeds which does not
depend on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

# Functions that combine tensors; one without a graph may join others that have one.
JOINING = frozenset("cat concat concatenate stack hstack vstack maximum minimum max min setitem copy".split())


class KeepGraph(TorchFunctionMode):
    """Continue the graph through ``torch.no_grad``, ``detach``, ``.data`` and views of the same memory.

    A tensor without a graph in the memory of a recent tensor with a graph has the same values (``Variable(x)``) and is
    replaced by it.
    """

    def __init__(self) -> None:
        super().__init__()
        # Held, so that no other tensor is allocated in their memory.
        self.recent: deque[torch.Tensor] = deque(maxlen=32)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "_set_grad_enabled":
            return func(True)
        args = tuple(self._with_graph(value) for value in args)
        tracked = args[0] if args and isinstance(args[0], torch.Tensor) and args[0].requires_grad else None
        if tracked is not None:
            if name == "detach_":
                return tracked
            if name == "detach" or getattr(func, "__self__", None) is torch.Tensor.data:
                return tracked.view_as(tracked)
            if name in ("numpy", "__array__", "__deepcopy__"):  # torch refuses these for tensors with a graph
                return func(tracked.detach(), *args[1:], **kwargs)
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and result.grad_fn is not None:
            self.recent.append(result)
        return result

    def _with_graph(self, value: Any) -> Any:
        """Return the recent tensor with a graph in the memory of this argument, or the argument itself."""
        if type(value) in (list, tuple):
            return type(value)(self._with_graph(entry) for entry in value)
        if type(value) is not torch.Tensor or value.requires_grad or not value.is_floating_point() or not value.numel():
            return value
        memory = value.data_ptr(), value.shape, value.stride()
        for recent in reversed(self.recent):
            if (recent.data_ptr(), recent.shape, recent.stride()) == memory:
                return recent
        return value


class UntrackedInputs:
    """Tensors without a graph that are combined with tensors with one: constants, or hidden paths from the clip.

    A constant has the same sum for every clip, so two passes with different clips separate the two cases.

    Attributes
    ----------
    sums : list of float
        Sum over the untracked tensors of each call, in order of registration.
    """

    def __init__(self, shadow: nn.Module) -> None:
        self.sums: list[float] = []
        self._parameters = {value.untyped_storage().data_ptr() for value in (*shadow.parameters(), *shadow.buffers())}

    def register(self, *arguments: Any) -> int | None:
        """Register the untracked tensors among some arguments; return their index, or None if there is none."""
        total, found = 0.0, False
        for value in _tensors(arguments):
            known = value.grad_fn is not None or value.untyped_storage().data_ptr() in self._parameters
            if not known and value.is_floating_point() and value.numel():
                total, found = total + float(value.detach().double().sum()), True
        if not found:
            return None
        self.sums.append(total)
        return len(self.sums) - 1

    def varying(self, other: UntrackedInputs) -> set[int]:
        """Return the indices of inputs that differ from those of another clip."""
        count = len(self.sums)
        if len(other.sums) != count:
            return set(range(count))
        return {index for index in range(count) if self.sums[index] != other.sums[index]}


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)

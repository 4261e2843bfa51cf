"""Keep the graph whole where the network cuts it, and find out where it is cut all the same.

Which channel feeds which has nothing to do with whether somebody wanted it trained.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

JOINS = frozenset("cat concat concatenate stack hstack vstack maximum minimum max min setitem copy".split())


class OpenGradients(TorchFunctionMode):
    """Within it the graph goes on through ``torch.no_grad``, ``detach``, ``.data`` and whatever shares memory.

    A tensor without a graph that lies where one with a graph lay a moment ago is the same values (``Variable(x)``).
    """

    def __init__(self) -> None:
        super().__init__()
        # Held, so that nothing else comes to lie in their memory.
        self.recent: deque[torch.Tensor] = deque(maxlen=32)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "_set_grad_enabled":
            return func(True)
        args = tuple(self._known(value) for value in args)
        given = args[0] if args and isinstance(args[0], torch.Tensor) and args[0].requires_grad else None
        if given is not None:
            if name == "detach_":
                return given
            if name == "detach" or getattr(func, "__self__", None) is torch.Tensor.data:
                return given.view_as(given)
            if name in ("numpy", "__array__", "__deepcopy__"):  # torch refuses these where there is a graph
                return func(given.detach(), *args[1:], **kwargs)
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and result.grad_fn is not None:
            self.recent.append(result)
        return result

    def _known(self, value: Any) -> Any:
        """The tensor with a graph that an argument is, if it is one that lost it."""
        if type(value) in (list, tuple):
            return type(value)(self._known(each) for each in value)
        if type(value) is not torch.Tensor or value.requires_grad or not value.is_floating_point() or not value.numel():
            return value
        place = value.data_ptr(), value.shape, value.stride()
        for recent in reversed(self.recent):
            if (recent.data_ptr(), recent.shape, recent.stride()) == place:
                return recent
        return value


class UntrackedInputs:
    """Tensors without a graph that are joined with such that have one: constant, or a hidden way from the clip.

    Attributes
    ----------
    sums : list of float
        Sum over each suspect, in the order of the calls: that of a constant is the same for every clip.
    """

    def __init__(self, shadow: nn.Module) -> None:
        self.sums: list[float] = []
        self._own = {value.untyped_storage().data_ptr() for value in (*shadow.parameters(), *shadow.buffers())}

    def look(self, *given: Any) -> int | None:
        """Number of the suspect among some arguments; ``None`` where there is none."""
        total, some = 0.0, False
        for value in _flat(given):
            known = value.grad_fn is not None or value.untyped_storage().data_ptr() in self._own
            if not known and value.is_floating_point() and value.numel():
                total, some = total + float(value.detach().double().sum()), True
        if not some:
            return None
        self.sums.append(total)
        return len(self.sums) - 1

    def guilty(self, other: UntrackedInputs) -> set[int]:
        """Which of them differ from those of another clip."""
        count = len(self.sums)
        if len(other.sums) != count:
            return set(range(count))
        return {at for at in range(count) if self.sums[at] != other.sums[at]}


def _flat(given: Any) -> Iterator[torch.Tensor]:
    for value in given:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _flat(value)

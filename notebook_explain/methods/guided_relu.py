"""Guided backpropagation: gradients of ReLUs that pass only where they are positive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from notebook_explain._errors import join_names
from notebook_explain.explanations.caveats import Caveat, CaveatCode

_RELUS = frozenset({"relu", "relu6"})
_OTHERS = {
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "hardswish": "Hardswish",
    "hardtanh": "Hardtanh",
    "leaky_relu": "LeakyReLU",
    "prelu": "PReLU",
    "rrelu": "RReLU",
    "elu": "ELU",
    "selu": "SELU",
    "celu": "CELU",
    "softplus": "Softplus",
    "tanh": "Tanh",
}


class GuidedReLU(TorchFunctionMode):
    """Watch the ReLUs of a forward pass, as modules or functions; within `guided`, backward passes are guided.

    Attributes
    ----------
    relus : int
        Number of ReLUs that were called.
    others : dict of str to None
        Names of other activation functions that were called, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.relus = 0
        self.others: dict[str, None] = {}
        self._is_guided = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "").strip("_")
        if isinstance(result, torch.Tensor):
            if name in _RELUS or (name == "hardtanh" and _lower_bound(args, kwargs) == 0):  # nn.ReLU6 is a hardtanh
                self.relus += 1
                if result.requires_grad:
                    result.register_hook(self._through)  # type: ignore[no-untyped-call]
            elif name in _OTHERS:
                self.others[_OTHERS[name]] = None
        return result

    @contextmanager
    def guided(self) -> Iterator[None]:
        """Guide the backward passes of the recorded graph within this context; others are exact."""
        self._is_guided = True
        try:
            yield
        finally:
            self._is_guided = False

    def caveats(self) -> list[Caveat]:
        """Return a caveat for activation functions whose gradient is not changed."""
        if self.relus == 0:
            text = "This network has no ReLU, so its guided gradient is the plain gradient."
            return [Caveat(text)]
        if not self.others:
            return []
        text = (
            "Guided backpropagation is defined for ReLU; the gradient of this network's "
            f"{join_names(list(self.others), 'and')} passes unchanged."
        )
        return [Caveat(text, CaveatCode.OTHER)]

    def _through(self, gradient: torch.Tensor) -> torch.Tensor | None:
        return gradient.clamp_min(0) if self._is_guided else None


def _lower_bound(args: Any, kwargs: Any) -> Any:
    return kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)

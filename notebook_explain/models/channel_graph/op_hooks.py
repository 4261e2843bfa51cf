"""Hooks on every convolution, linear layer and addition of a forward pass: its position, its operands, its result.

Functions are hooked, not modules: a convolution counts wherever it is called from, and its operand is the tensor that it
really gets, with any padding applied before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.channel_graph.graph import Site

_ADDITION_SIGNS = {
    "add": (1, 1),
    "radd": (1, 1),
    "iadd": (1, 1),
    "sub": (1, -1),
    "subtract": (1, -1),
    "isub": (1, -1),
    "rsub": (-1, 1),
}
_IN_PLACE = frozenset({"add_", "sub_", "__iadd__", "__isub__"})
# Functions that change each channel separately, position by position: the result still belongs to the same kernel.
ELEMENTWISE = frozenset(
    """batch_norm relu relu6 leaky_relu elu celu selu gelu silu mish hardswish hardtanh softplus prelu rrelu dropout
    dropout3d feature_dropout clone contiguous""".split()
)
_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")


@dataclass(frozen=True, eq=False)
class Call:
    """An operation that is about to be computed.

    Attributes
    ----------
    site : Site
    operands : tuple of tensor
        The input of a layer; both terms of an addition, of which an in-place addition overwrites the first.
    weight, bias : tensor or None
        Parameters of a layer; weight is (out, in / groups, ...), for transposed convolutions (in, out / groups, ...).
    stride, dilation : tuple of int
    padding : tuple of (before, after)
    groups : int
    transposed : bool
    signs : (int, int)
        Signs of the terms of an addition.
    """

    site: Site
    operands: tuple[torch.Tensor, ...]
    weight: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    transposed: bool = False
    signs: tuple[int, int] = (1, 1)

    @property
    def kernel(self) -> tuple[int, ...]:
        """Kernel size of a convolution in (time, height, width); empty for other operations."""
        return () if self.weight is None else tuple(self.weight.shape[2:])

    @property
    def out_channels(self) -> int:
        """Number of kernels of a layer."""
        assert self.weight is not None
        return int(self.weight.shape[1] * self.groups if self.transposed else self.weight.shape[0])

    @property
    def in_channels(self) -> int:
        """Number of channels that a layer reads."""
        assert self.weight is not None
        return int(self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups)

    @property
    def channel_axis(self) -> int:
        """Channel axis of a layer, counted from the end, since convolutions take clips without a batch axis too."""
        return -1 if not self.kernel else -1 - len(self.kernel)


OnResult = Callable[[torch.Tensor], "torch.Tensor | None"]
OnCall = Callable[[Call], "OnResult | None"]
OnFunction = Callable[[str, str, Any, Any], "torch.Tensor | None"]


@contextmanager
def watch(shadow: nn.Module, on_call: OnCall, on_function: OnFunction | None = None) -> Iterator[None]:
    """Hook what a shadow computes in this thread, within this context.

    Parameters
    ----------
    shadow : module
        Hooks are added to its modules and removed afterwards.
    on_call : function
        Called with a ``Call`` before each convolution, linear layer and addition. If it returns a function, that is
        called with the result. If that returns a tensor, it replaces the result (except of in-place operations).
    on_function : function, optional
        Called after any torch function with its name, the name of the module it ran in, its arguments and its result.
        If it returns a tensor, that replaces the result.
    """
    running = [""]

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def leave(*_: Any) -> None:
        running.pop()

    handles = []
    try:
        for name, module in shadow.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name)))
            handles.append(module.register_forward_hook(leave, always_call=True))
        with _FunctionHooks(running, on_call, on_function):
            yield
    finally:
        for handle in handles:
            handle.remove()


class _FunctionHooks(TorchFunctionMode):
    """Calls the hooks around each torch function; ``running`` holds the names of the modules that run, innermost last."""

    def __init__(self, running: list[str], on_call: OnCall, on_function: OnFunction | None) -> None:
        super().__init__()
        self.running, self.on_call, self.on_function = running, on_call, on_function
        self.counts: dict[tuple[str, str], int] = defaultdict(int)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", "")).strip("_")
        call = self._call(name, args, kwargs)
        on_result = None if call is None else self.on_call(call)
        result = func(*args, **kwargs)
        if on_result is not None:
            replacement = on_result(result)
            result = result if replacement is None or func.__name__ in _IN_PLACE else replacement
        if self.on_function is not None:
            replacement = self.on_function(name, self.running[-1], args, result)
            result = result if replacement is None else replacement
        return result

    def _call(self, name: str, args: Any, kwargs: Any) -> Call | None:
        if name.startswith("conv") and name.removeprefix("conv_transpose").removeprefix("conv") in ("1d", "2d", "3d"):
            return _conv_call(self._site("conv"), "transpose" in name, args, kwargs)
        if name == "linear":
            given = dict(zip(_CONV, args, strict=False)) | kwargs
            return Call(self._site("linear"), (given["input"],), given["weight"], given.get("bias"))
        operands = (*args[:2], *(kwargs[key] for key in ("input", "other") if key in kwargs))
        is_addition = name in _ADDITION_SIGNS and len(operands) == 2
        if not is_addition or not all(isinstance(value, torch.Tensor) for value in operands):
            return None
        return Call(self._site("add"), operands, signs=_ADDITION_SIGNS[name])

    def _site(self, op: str) -> Site:
        module = self.running[-1]
        number = self.counts[module, op]
        self.counts[module, op] += 1
        return Site(module, op, number)


def _conv_call(site: Site, transposed: bool, args: Any, kwargs: Any) -> Call:
    given = dict(zip(_TRANSPOSED if transposed else _CONV, args, strict=False)) | kwargs
    weight = given["weight"]
    sizes = tuple(weight.shape[2:])
    stride, dilation = (_per_axis(given.get(key, 1), len(sizes)) for key in ("stride", "dilation"))
    return Call(
        site,
        (given["input"],),
        weight,
        given.get("bias"),
        stride,
        _padding(given.get("padding", 0), sizes, dilation),
        dilation,
        int(given.get("groups", 1)),
        transposed,
    )


def _per_axis(value: Any, count: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return tuple(int(entry) for entry in (values * count if len(values) == 1 else values))


def _padding(value: Any, sizes: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each axis."""
    if value == "valid":
        return ((0, 0),) * len(sizes)
    if value == "same":  # torch pads an odd total by one more at the end
        totals = [d * (k - 1) for k, d in zip(sizes, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((pad, pad) for pad in _per_axis(value, len(sizes)))

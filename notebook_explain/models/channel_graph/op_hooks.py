"""Watch a network run: every convolution, linear layer and addition, where it stands and what it is given.

It is the functions that are watched, not the modules: a convolution counts wherever it is called from, and the input
seen is the one that it really gets, padded or not.
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

_ADDS = {"add": (1, 1), "radd": (1, 1), "iadd": (1, 1), "sub": (1, -1), "subtract": (1, -1), "isub": (1, -1)}
_ADDS["rsub"] = (-1, 1)
# Functions that change a channel by itself, position by position: what they make of a kernel is still that kernel.
SHAPING = frozenset(
    """batch_norm relu relu6 leaky_relu elu celu selu gelu silu mish hardswish hardtanh softplus prelu rrelu dropout
    dropout3d feature_dropout clone contiguous""".split()
)
_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")


@dataclass(frozen=True, eq=False)
class Call:
    """One operation, about to be computed.

    Attributes
    ----------
    site : Site
    operands : tuple of tensor
        What it reads: the input of a layer; both terms of an addition, of which an in-place one overwrites the first.
    weight, bias : tensor or None
        Of a layer; weight is (out, in / groups, ...), for transposed convolutions (in, out / groups, ...).
    stride, dilation : tuple of int
    padding : tuple of (before, after)
    groups : int
    transposed : bool
    signs : (int, int)
        Of the terms of an addition.
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
        """Size of a convolution's kernel in (time, height, width); empty for the others."""
        return () if self.weight is None else tuple(self.weight.shape[2:])


Seen = Callable[[Call], "Callable[[torch.Tensor], torch.Tensor | None] | None"]
Named = Callable[[str, str, Any, Any], "torch.Tensor | None"]


@contextmanager
def watch(shadow: nn.Module, seen: Seen, named: Named | None = None) -> Iterator[None]:
    """While this is open, watch what a shadow (its hooks are ours to use) computes in this thread.

    Parameters
    ----------
    shadow : module
    seen : function
        Called with a ``Call`` before each operation; what it returns, if anything, is called with the result, and
        what that returns, if anything, goes on in the result's place (never for in-place operations).
    named : function, optional
        Called after any function of torch with its name, the module that it ran in, its arguments, and the result;
        what it returns, if anything, goes on in the result's place.
    """
    running = [""]

    def enters(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def leaves(*_: Any) -> None:
        running.pop()

    handles = []
    try:
        for name, module in shadow.named_modules():
            handles.append(module.register_forward_pre_hook(enters(name)))
            handles.append(module.register_forward_hook(leaves, always_call=True))
        with _Watching(running, seen, named):
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Watching(TorchFunctionMode):
    def __init__(self, running: list[str], seen: Seen, named: Named | None) -> None:
        super().__init__()
        self.running, self.seen, self.named = running, seen, named
        self.counts: dict[tuple[str, str], int] = defaultdict(int)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", "")).strip("_")
        call = self._call(name, args, kwargs)
        after = None if call is None else self.seen(call)
        result = func(*args, **kwargs)
        if after is not None:
            instead = after(result)
            result = result if instead is None or func.__name__ in _IN_PLACE else instead
        if self.named is not None:
            instead = self.named(name, self.running[-1], args, result)
            result = result if instead is None else instead
        return result

    def _call(self, name: str, args: Any, kwargs: Any) -> Call | None:
        if name.startswith("conv") and name.removeprefix("conv_transpose").removeprefix("conv") in ("1d", "2d", "3d"):
            return _conv(self._site("conv"), "transpose" in name, args, kwargs)
        if name == "linear":
            given = dict(zip(_CONV, args, strict=False)) | kwargs
            return Call(self._site("linear"), (given["input"],), given["weight"], given.get("bias"))
        operands = (*args[:2], *(kwargs[key] for key in ("input", "other") if key in kwargs))
        if name not in _ADDS or len(operands) != 2 or not all(isinstance(value, torch.Tensor) for value in operands):
            return None
        return Call(self._site("add"), operands, signs=_ADDS[name])

    def _site(self, op: str) -> Site:
        module = self.running[-1]
        number = self.counts[module, op]
        self.counts[module, op] += 1
        return Site(module, op, number)


_IN_PLACE = frozenset({"add_", "sub_", "__iadd__", "__isub__"})


def _conv(site: Site, transposed: bool, args: Any, kwargs: Any) -> Call:
    given = dict(zip(_TRANSPOSED if transposed else _CONV, args, strict=False)) | kwargs
    weight = given["weight"]
    sizes = tuple(weight.shape[2:])
    stride, dilation = (_each(given.get(key, 1), len(sizes)) for key in ("stride", "dilation"))
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


def _each(value: Any, count: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return tuple(int(entry) for entry in (values * count if len(values) == 1 else values))


def _padding(value: Any, sizes: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    if value == "valid":
        return ((0, 0),) * len(sizes)
    if value == "same":  # what cannot be halved goes to the end
        totals = [d * (k - 1) for k, d in zip(sizes, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((each, each) for each in _each(value, len(sizes)))

"""What a block says of itself, in a form that needs no knowledge of the block: numbers per frame, numbers by name, tables.

Any module of anybody's takes part. What it may have:

* ``explain(*inputs)``, decorated by `explains`: an object, whose ``told()`` is a list of what is defined here.
* ``ablations()``: for each part of it that can be taken out, its name and a function that makes a context, within which
  the block works without that part.
* ``parts()``: for each part of what it returns, its name, which of several tensors it is in ("" for the only one, "[1]"
  for the second) and which of the channels it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

Function = TypeVar("Function", bound=Callable[..., Any])


class PerFrame(NamedTuple):
    """A number for each step in time.

    Attributes
    ----------
    what : str
        What it is, in a few words: "frames are multiplied by".
    values : tensor (batch, time)
    neutral : float or None
        The value of a frame to which nothing is done.
    side : "input" or "output"
        Whose steps in time these are, the block's input's or its output's.
    """

    what: str
    values: Tensor
    neutral: float | None = None
    side: str = "output"


class Named(NamedTuple):
    """A number for each of some things.

    Attributes
    ----------
    what : str
    names : tuple of str, or "classes"
        What they are; the classes of the network, in their order.
    values : tensor (batch, name)
    neutral : float or None
    bounds : (low, high) or None
        Between which the values must lie, whatever the clip: pictures show where in between.
    """

    what: str
    names: tuple[str, ...] | str
    values: Tensor
    neutral: float | None = None
    bounds: tuple[float, float] | None = None


class ByClass(NamedTuple):
    """A number for each class and each channel of the block.

    Attributes
    ----------
    what : str
    values : tensor (class, channel)
    """

    what: str
    values: Tensor


Told = PerFrame | Named | ByClass


def explains(method: Function) -> Function:
    """Mark the ``explain`` of a block; TorchScript leaves it alone."""
    method._explains = True  # type: ignore[attr-defined]
    torch.jit.unused(method)
    return method


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """Modules that explain themselves, by dotted name ("" is the network itself).

    A method that merely has that name may be anything, and is not called.
    """
    return {name: part for name, part in model.named_modules() if hasattr(getattr(part, "explain", None), "_explains")}


def checked(name: str, value: Any) -> list[Told]:
    """What a block tells, if it is what it should be; TypeError or ValueError otherwise, with the block's name."""
    of = f"what {name!r} tells" if name else "what the network tells"
    tells = callable(getattr(value, "told", None))
    told = value.told() if tells else None
    if not isinstance(told, (list, tuple)) or isinstance(told, Told):
        came = type(told).__name__ if tells else f"{type(value).__name__}, which has no told()"
        raise TypeError(
            f"{of}: explain() must return an object whose told() gives a list of PerFrame, Named and ByClass, got {came}"
        )
    for one in told:
        if not isinstance(one, Told) or not isinstance(one.values, Tensor):
            raise TypeError(f"{of}: {type(one).__name__} is no PerFrame, Named or ByClass with a tensor of values")
        if one.values.ndim != 2:
            axes = {PerFrame: "(batch, time)", Named: "(batch, name)", ByClass: "(class, channel)"}[type(one)]
            raise ValueError(f"{of}: values of {one.what!r} must be {axes}, got shape {tuple(one.values.shape)}")
        if isinstance(one, PerFrame) and one.side not in ("input", "output"):
            raise ValueError(f"{of}: side of {one.what!r} must be 'input' or 'output', got {one.side!r}")
    return list(told)


@contextmanager
def holding(owner: Any, **attributes: Any) -> Iterator[None]:
    """Within it, some attributes have other values."""
    before = {name: getattr(owner, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)

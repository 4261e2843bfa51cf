"""Protocol by which any module reports signals: frame signals, labelled values, tables, and selected frames.

A module of this package or of your own takes part by any of these:

* ``explain(*inputs)``, decorated with `explains`, takes what ``forward`` takes and returns an object whose ``report()``
  is a list of `FrameSignal`, `LabelledValues` and `ClassChannelTable`.
* A ``forward`` that selects frames by their content passes their indices to `report_selected_frames`. So that positions
  are traced through them, the selection is a function with the attributes described in
  ``notebook_explain/models/positions/custom_functions.py``.
* ``ablations()`` maps the name of each part that can be removed to a function without arguments. It returns a context
  manager, within which the module works without that part.
* ``parts()`` maps the name of each part of the output to (path, channels): the path of its tensor in the output ("" for
  the only tensor, "[1]" for the second of several) and a slice of channels.
* ``caveat`` is a sentence that every explanation of a network with this module carries. ``caveat_code`` is its kind, a
  value of ``notebook_explain.explanations.caveats.CaveatCode``: "frame_selection" for modules that select frames, whose
  caveat is replaced in explanations once the frames are known. By default, it is "module".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from notebook_explain._deprecated import renamed_names
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._warn import warn

Function = TypeVar("Function", bound=Callable[..., Any])
SIDES = ("input", "output")
_selections: ContextVar[list[Tensor] | None] = ContextVar("_selections", default=None)


class FrameSignal(NamedTuple):
    """A number for each time step.

    Attributes
    ----------
    what : str
        Short description, such as "factor on each frame".
    values : tensor (batch, time)
    neutral : float or None
        Value of a frame that the module leaves unchanged.
    side : "input" or "output"
        Whether the steps are those of the module's input or of its output.
    """

    what: str
    values: Tensor
    neutral: float | None = None
    side: str = "output"


class LabelledValues(NamedTuple):
    """A number for each of several labels.

    Attributes
    ----------
    what : str
        Short description.
    names : tuple of str, or "classes"
        Labels; "classes" stands for the network's classes in their order.
    values : tensor (batch, name)
    neutral : float or None
        Value without effect.
    bounds : (low, high) or None
        Range of the values for any clip; figures show it as the axis.
    """

    what: str
    names: tuple[str, ...] | str
    values: Tensor
    neutral: float | None = None
    bounds: tuple[float, float] | None = None


class ClassChannelTable(NamedTuple):
    """A number for each class and each channel of the module.

    Attributes
    ----------
    what : str
        Short description.
    values : tensor (class, channel)
    """

    what: str
    values: Tensor


Signal = FrameSignal | LabelledValues | ClassChannelTable
_AXES = {FrameSignal: "(batch, time)", LabelledValues: "(batch, name)", ClassChannelTable: "(class, channel)"}


def explains(method: Function) -> Function:
    """Mark the ``explain`` method of a module as part of this protocol; TorchScript skips it."""
    method._explains = True  # type: ignore[attr-defined]
    torch.jit.unused(method)
    return method


def reporting_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return modules with a marked ``explain`` method by dotted name ("" is the network itself).

    Methods that are called ``explain`` but not marked are ignored: they may do anything.
    """
    return {name: part for name, part in model.named_modules() if hasattr(getattr(part, "explain", None), "_explains")}


def deprecated_told(explained: Any) -> list[Signal]:
    """Return ``explained.report()`` and warn that ``told()``, which calls this, is deprecated."""
    warn("told() is deprecated; call report()", DeprecationWarning)
    signals: list[Signal] = explained.report()
    return signals


def validate_signals(name: str, explained: Any) -> list[Signal]:
    """Check what a module's ``explain`` returned, and return its signals.

    Parameters
    ----------
    name : str
        Dotted name of the module, for errors; "" is the network itself.
    explained : object
        Has ``report()``. An object that has only ``told()``, the name of version 0.2, gives a DeprecationWarning.

    Raises
    ------
    TypeError
        No ``report()``, or it returns something other than a list of signals.
    ValueError
        Signals whose values have other axes than documented, or an unknown side.
    """
    owner = f"signals of {name!r}" if name else "signals of the network"
    signals = _reported(explained)
    if not isinstance(signals, (list, tuple)) or isinstance(signals, Signal):
        has_report = callable(getattr(explained, "report", None)) or callable(getattr(explained, "told", None))
        got = type(signals).__name__ if has_report else f"{type(explained).__name__}, which has no report()"
        raise UsageTypeError(
            f"{owner}: explain() must return an object whose report() returns a list of FrameSignal, LabelledValues and "
            f"ClassChannelTable, got {got}"
        )
    for signal in signals:
        if not isinstance(signal, Signal) or not isinstance(signal.values, Tensor):
            raise UsageTypeError(
                f"{owner}: expected FrameSignal, LabelledValues or ClassChannelTable with a tensor of values, "
                f"got {_described(signal)}"
            )
        if signal.values.ndim != 2:
            raise UsageError(
                f"{owner}: values of {signal.what!r} must be {_AXES[type(signal)]}, got shape {tuple(signal.values.shape)}"
            )
        if isinstance(signal, FrameSignal) and signal.side not in SIDES:
            raise UsageError(f"{owner}: side of {signal.what!r} must be 'input' or 'output', got {signal.side!r}")
    return list(signals)


def _reported(explained: Any) -> Any:
    if callable(getattr(explained, "report", None)):
        return explained.report()
    if callable(getattr(explained, "told", None)):
        warn(f"{type(explained).__name__}.told() is deprecated; rename it to report()", DeprecationWarning)
        return explained.told()
    return None


def _described(signal: Any) -> str:
    kind = type(signal).__name__
    return f"{kind} with {type(signal.values).__name__}" if isinstance(signal, Signal) else kind


def report_selected_frames(indices: Tensor) -> None:
    """Report the frames that a module selects by their content; call it from ``forward``, once for each selection.

    Explanations then place the maps after the module at these frames. Cheap when nothing records.

    Parameters
    ----------
    indices : int64 tensor (batch, kept)
        Positions of the kept frames on the time axis of the module's input, in ascending order.
    """
    selections = _selections.get()
    if selections is not None:
        selections.append(indices.detach())


@contextmanager
def recording_selected_frames() -> Iterator[list[Tensor]]:
    """Collect the indices that modules pass to `report_selected_frames` within this context.

    Yields
    ------
    list of int64 tensor (batch, kept)
        One for each selection, in order of execution. Contexts may be nested; the innermost one records.
    """
    selections: list[Tensor] = []
    token = _selections.set(selections)
    try:
        yield selections
    finally:
        _selections.reset(token)


@contextmanager
def temporary_attributes(owner: Any, **attributes: Any) -> Iterator[None]:
    """Set attributes of an object within this context and restore them afterwards."""
    before = {name: getattr(owner, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


if not TYPE_CHECKING:  # type checkers would take any name for one of this module
    __getattr__ = renamed_names(
        __name__, {"ByClass": "ClassChannelTable", "Named": "LabelledValues", "PerFrame": "FrameSignal"}
    )

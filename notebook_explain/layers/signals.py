"""Signals of the modules in a network: what each of them did with a batch of clips, as tensors.

* SoftPool: weights of the cells of each window (`Routing`).
* SRTG: factor on each frame and cyclic consistency (`Signals`).
* MTNet: contribution of both streams to each logit, and the frames that they keep (`StreamShares`).
* Class regularization: the early guess, and the table of classes and channels (`Guess`).

`notebook_explain.BlockSignals` makes an explanation with figures of them. Signals of FAST convolutions are
differences of scores: `plane_evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from notebook_explain._errors import UsageError
from notebook_explain.layers.signal_types import reporting_modules
from notebook_explain.layers.swap import copied_model

Call = tuple[str, Any, tuple[Any, ...]]  # name ("#2" after it for the second call), module, inputs


def signals(model: nn.Module, *inputs: Any) -> dict[str, Any]:
    """Run a network once and return the signals of its modules.

    A copy of the network runs, in evaluation mode and without gradients; the network itself is not modified.

    Parameters
    ----------
    model : module
        Its modules with an ``explain`` method marked by `explains` report signals.
    inputs
        Arguments of its forward: a batch of clips, normalised as in training.

    Returns
    -------
    dict of dotted name to what ``explain`` returned
        In order of execution; "#2" after the name for the second call of a module.

    Raises
    ------
    ValueError
        No module reports signals.

    Examples
    --------
    >>> signals(net, clips)["layer1.1"].factor.mean(1)    # factor on each frame, (batch, time)
    """
    copied = copied_model(model).eval()
    if not reporting_modules(copied):
        raise UsageError(f"{type(model).__name__} has no module that reports signals; add some with ne.layers.swap()")
    with torch.no_grad(), recording_signals(copied) as explained:
        copied(*inputs)
    return dict(explained)


@contextmanager
def recording_signals(model: nn.Module) -> Iterator[Iterator[tuple[str, Any]]]:
    """Record the inputs of all reporting modules within this context.

    Yields
    ------
    iterator of (name, what ``explain`` returned)
        In order of execution. Consume it after the context: ``explain`` may run other modules, whose calls must not
        be recorded as calls of the network.
    """
    recorded: list[Call] = []
    handles = [
        module.register_forward_pre_hook(_recording_hook(name, recorded))
        for name, module in reporting_modules(model).items()
    ]
    try:
        yield _explained(recorded)
    finally:
        for handle in handles:
            handle.remove()


def _recording_hook(name: str, recorded: list[Call]) -> Callable[[Any, tuple[Any, ...]], None]:
    calls = 0

    def record(module: Any, inputs: tuple[Any, ...]) -> None:
        nonlocal calls
        calls += 1
        # Cloned, because later operations may work in place.
        copies = tree_map(lambda value: value.detach().clone() if isinstance(value, Tensor) else value, inputs)
        recorded.append((name if calls == 1 else f"{name}#{calls}", module, copies))

    return record


def _explained(recorded: list[Call]) -> Iterator[tuple[str, Any]]:
    while recorded:
        name, module, inputs = recorded.pop(0)
        with torch.no_grad():
            explained = module.explain(*inputs)
        yield name, explained

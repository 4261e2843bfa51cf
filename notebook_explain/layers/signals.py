"""What the building blocks in a network say of themselves: values to look at, for any network that holds some of them.

* SoftPool: which cells each window listened to (`Routing`).
* SRTG: by what each frame was multiplied, and whether it found back to itself (`Signals`).
* MTNet: what the short and the long stream add to each logit, and which frames they keep (`StreamShares`).
* Class regularization: the guess, and the table of classes and kernels (`Guess`).
* FAST: what each plane adds to a score (`plane_evidence`).

The network is copied for it; it is not touched, and nothing is remembered in it. `notebook_explain.BlockSignals` makes
an explanation of all this, with figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from notebook_explain.layers.fast import PLANES, FAST3d
from notebook_explain.layers.signal_types import blocks_of
from notebook_explain.layers.swap import copied_model


def signals(model: nn.Module, *inputs: Any) -> dict[str, Any]:
    """Run a network once, in evaluation mode and without gradients, and let each block explain what it is given.

    Parameters
    ----------
    model : module
        Blocks are its modules that have an ``explain`` method (marked by ``told.explains``).
    inputs
        Of its forward: a batch of clips, normalised as the network was trained.

    Returns
    -------
    dict of dotted name to what ``explain`` returned, in the order of execution; "#2" for a block's second call

    Raises
    ------
    ValueError
        No block in it.

    Examples
    --------
    >>> signals(net, clips)["layer1.1"].factor.mean(1)    # how much each frame is amplified, (batch, time)
    """
    copied = copied_model(model).eval()
    if not blocks_of(copied):
        raise ValueError(f"{type(model).__name__} has no module that explains itself; ne.layers.swap() puts some in")
    with torch.no_grad(), listening(copied) as said:
        copied(*inputs)
    return dict(said)


@contextmanager
def listening(model: nn.Module) -> Iterator[Iterator[tuple[str, Any]]]:
    """Within it, what a network's blocks are given is kept; afterwards, what they say of it can be had, one by one.

    They are asked when the network has run: a block may run others to explain itself, and whoever listens to those must
    not take it for the network's own pass.
    """
    given: list[tuple[str, Any, tuple[Any, ...]]] = []
    calls: dict[str, int] = defaultdict(int)

    def keeping(name: str) -> Any:
        def keep(block: Any, inputs: tuple[Any, ...]) -> None:
            calls[name] += 1
            key = name if calls[name] == 1 else f"{name}#{calls[name]}"
            # What comes next may overwrite it.
            kept = tree_map(lambda one: one.detach().clone() if isinstance(one, Tensor) else one, inputs)
            given.append((key, block, kept))

        return keep

    handles = [block.register_forward_pre_hook(keeping(name)) for name, block in blocks_of(model).items()]
    try:
        yield _asked(given)
    finally:
        for handle in handles:
            handle.remove()


def _asked(given: list[tuple[str, Any, tuple[Any, ...]]]) -> Iterator[tuple[str, Any]]:
    while given:
        name, block, inputs = given.pop(0)
        with torch.no_grad():
            said = block.explain(*inputs)
        yield name, said


def plane_evidence(
    model: nn.Module, clips: Tensor, target: int, blocks: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """How much a score falls when FAST convolutions no longer see their neighbours in one plane.

    A plane's kernel keeps only its middle cell: channels are mixed as before, but nothing is seen beside the place
    itself. What "tx" adds, time along the horizontal, against "ty", time along the vertical, tells along which axis
    the network saw motion.

    Parameters
    ----------
    model : module
        From a batch of clips to logits (batch, class).
    clips : tensor (batch, 3, time, height, width)
    target : int
        Class.
    blocks : iterable of str, optional
        Names of FAST convolutions; by default all of them, at once.

    Returns
    -------
    dict of "yx", "tx" and "ty" to tensor (batch,)
        Logit with all planes, less the logit without this one.

    Raises
    ------
    ValueError
        No FAST convolution in it, or none of such a name.
    """
    copied = copied_model(model).eval()
    every = {name: part for name, part in copied.named_modules() if isinstance(part, FAST3d)}
    wanted = list(every) if blocks is None else [blocks] if isinstance(blocks, str) else list(blocks)
    strange = [name for name in wanted if name not in every]
    if strange or not wanted:
        there = f"; there are {', '.join(every)}" if every else ""
        raise ValueError(f"no FAST convolution{f' {strange[0]!r}' if strange else ''} in {type(model).__name__}{there}")
    found = {}
    with torch.no_grad():
        score = copied(clips)[:, target]
        for plane in PLANES:
            with ExitStack() as without:
                for name in wanted:
                    without.enter_context(every[name].without(plane))
                found[plane] = score - copied(clips)[:, target]
    return found

"""What the building blocks in a network say of themselves: values to look at, for any network that holds some of them.

* SoftPool: which cells each window listened to (`soft_pool_weights`).
* SRTG: by what each frame was multiplied, and whether it found back to itself (`Signals`).
* MTNet: what the short and the long stream add to each logit (`MTNet.shares`).
* Class regularization: the guess, and the table of classes and kernels (`Guess`).
* FAST: what each plane adds to a score (`plane_evidence`).

The network is copied for it; it is not touched, and nothing is remembered in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from notebook_explain.layers.fast import PLANES, FAST3d
from notebook_explain.layers.swap import copied_model


def signals(model: nn.Module, *inputs: Any) -> dict[str, Any]:
    """Run a network once, in evaluation mode and without gradients, and let each block explain what it is given.

    Parameters
    ----------
    model : module
        Blocks are its modules that have an ``explain`` method.
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
    blocks = {name: part for name, part in copied.named_modules() if callable(getattr(part, "explain", None))}
    if not blocks:
        raise ValueError(f"{type(model).__name__} has no module that explains itself; ne.layers.swap() puts some in")
    found: dict[str, Any] = {}
    calls = dict.fromkeys(blocks, 0)

    def before(name: str) -> Any:
        def asked(block: Any, given: tuple[Any, ...]) -> None:
            calls[name] += 1
            found[name if calls[name] == 1 else f"{name}#{calls[name]}"] = block.explain(*given)

        return asked

    for name, block in blocks.items():
        block.register_forward_pre_hook(before(name))
    with torch.no_grad():
        copied(*inputs)
    return found


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
    with torch.no_grad():
        score = copied(clips)[:, target]
        return {
            plane: score - _without(copied, [every[name] for name in wanted], plane, clips)[:, target]
            for plane in PLANES
        }


def _without(model: nn.Module, blocks: list[FAST3d], plane: str, clips: Tensor) -> Tensor:
    """Logits while one plane of some blocks sees nothing but the place itself."""
    weights: list[Tensor] = [getattr(block, plane)[0].weight for block in blocks]
    kept = [weight.clone() for weight in weights]
    for weight, whole in zip(weights, kept, strict=True):
        middle: Any = (..., *(size // 2 for size in weight.shape[2:]))
        weight.zero_()
        weight[middle] = whole[middle]
    logits: Tensor = model(clips)
    for weight, whole in zip(weights, kept, strict=True):
        weight.copy_(whole)
    return logits

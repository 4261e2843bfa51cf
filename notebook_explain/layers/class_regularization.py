"""Class regularization: an early guess of the class amplifies the channels with evidence for it and damps the others.

At a layer with activations x (batch, C_l channels, ...), with the classifier's weights U (class, C_L)::

    z = mean of x over its positions         (batch, C_l)
    M = U P^T, P (C_l, C_L) learned          (class, C_l)      each class in terms of this layer's channels
    k = argmax_k <z, M_k>                    the guess
    w = 1 + beta (2 u - 1)                   u = M_k scaled to [0, 1] over its channels: w in [1 - beta, 1 + beta]
    out = x * w

beta = 0 is the identity. M is a table of classes and channels that can be inspected at every layer.

Reference: Stergiou, Poppe, Veltkamp: Learning Class Regularized Features for Action Recognition, arXiv:2002.02651;
Applied Sciences 10(18):6241, 2020. No code was released with it, and only an abstract and a caption of these texts could
be read: this is a reconstruction. These details are unknown and therefore options: beta, the positions of the blocks (such as
after each stage), whether the label replaces the guess in training, whether gradient reaches U, and whether w comes from
one class or from all classes weighted by their probability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.layers.signal_types import (
    ClassChannelTable,
    LabelledValues,
    Signal,
    deprecated_told,
    explains,
    temporary_attributes,
)
from notebook_explain.layers.soft_pool.kernels import upcast_half
from notebook_explain.layers.swap import copied_model, exchange, followed_by
from notebook_explain.layers.swap_report import Swapped

GUESSES = ("hard", "soft")


class Guess(NamedTuple):
    """Guess of a block for a batch.

    Attributes
    ----------
    scores : tensor (batch, class)
        <z, M_k>.
    factor : tensor (batch, channel)
        w, by which channels are multiplied.
    table : tensor (class, channel)
        M: weight of each channel for each class.
    """

    scores: Tensor
    factor: Tensor
    table: Tensor

    def report(self) -> list[Signal]:
        """Return the guess and the table as signals for explanations."""
        return [
            LabelledValues("early guess of the class (logits)", "classes", self.scores, 0.0),
            ClassChannelTable("weight of each channel for each class", self.table),
        ]

    def told(self) -> list[Signal]:
        """Call `report`; deprecated name."""
        return deprecated_told(self)


def class_regularize(
    x: Tensor,
    table: Tensor,
    beta: float = 0.1,
    labels: Tensor | None = None,
    soft: bool = False,
    order: Tensor | None = None,
) -> Tensor:
    """Scale channels by the row of the guessed class in a table.

    Parameters
    ----------
    x : float tensor (batch, channel, ...)
    table : float tensor (class, channel)
    beta : float in [0, 1]
    labels : int tensor (batch,), optional
        Classes that replace the guess.
    soft : bool
        Mix the rows by the softmax of the guess, so that gradient flows through the guess too.
    order : int tensor (class,), optional
        Row of the table that is used for each class; by default its own.

    Returns
    -------
    tensor of the shape and type of x
    """
    rows = table if order is None else table[order]
    factor = _factor(_scores(x, table), rows, beta, labels, soft).to(x.dtype)
    return x * factor.view(list(factor.shape) + [1] * (x.dim() - 2))


def _scores(x: Tensor, table: Tensor) -> Tensor:
    return upcast_half(x).flatten(2).mean(2) @ upcast_half(table).t()


def _factor(scores: Tensor, rows: Tensor, beta: float, labels: Tensor | None, soft: bool) -> Tensor:
    """Return w (batch, channel)."""
    rows = upcast_half(rows)
    if labels is not None:
        chosen = rows[labels]
    elif soft:
        chosen = scores.softmax(1) @ rows
    else:
        chosen = rows[scores.argmax(1)]
    low, high = chosen.amin(1, keepdim=True), chosen.amax(1, keepdim=True)
    scaled = (chosen - low) / (high - low).clamp_min(1e-12)
    # If all channels have the same weight, none is changed.
    return torch.where(high > low, 1 + beta * (2 * scaled - 1), torch.ones_like(scaled))


class ClassRegularization(nn.Module):
    """Scale channels by their weight for the class that they suggest.

    Attributes
    ----------
    weight : parameter (class, C_L)
        Weight of the classifier, shared with it.
    projection : parameter (channel, C_L)
        P.
    beta : float in [0, 1]
    guess : "hard" or "soft"
    detach : bool
        Block the gradient from this block to the classifier.
    order : int tensor (class,)
        Row of the table that is used for each guess: its own, unless ``shuffled`` is the seed of a random order. If
        shuffled rows work as well, the gain comes from the gating and not from the classes.

    Examples
    --------
    >>> ClassRegularization(64, net.fc.weight)
    >>> ne.layers.class_regularized(net, "fc", after=["layer1", "layer2"], beta=0.1).model
    """

    if TYPE_CHECKING:  # TorchScript cannot parse it
        order: Tensor

    def __init__(
        self,
        channels: int,
        weight: nn.Parameter,
        beta: float = 0.1,
        guess: str = "hard",
        detach: bool = False,
        shuffled: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if not 0 <= beta <= 1:
            raise UsageError(f"beta must be in [0, 1], got {beta!r}")
        check_choice("guess", guess, GUESSES)
        if not isinstance(weight, nn.Parameter) or weight.dim() < 2:
            raise UsageTypeError(
                f"weight must be the classifier's parameter (class, channel), such as net.fc.weight; "
                f"got {type(weight).__name__}"
            )
        self.channels, self.beta, self.guess, self.detach = channels, float(beta), guess, detach
        self.weight = weight
        factory: dict[str, Any] = {"device": device or weight.device, "dtype": dtype or weight.dtype}
        self.projection = nn.Parameter(torch.empty(channels, weight[0].numel(), **factory))
        nn.init.kaiming_uniform_(self.projection, a=5**0.5)
        classes = len(weight)
        order = torch.arange(classes)
        if shuffled is not None:
            order = torch.randperm(classes, generator=torch.Generator().manual_seed(shuffled))
        self.register_buffer("order", order.to(weight.device))

    def table(self) -> Tensor:
        """Return M (class, channel), the weight of each channel of this layer for each class."""
        weight = self.weight.flatten(1)
        return (weight.detach() if self.detach else weight) @ self.projection.t()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scale (batch, channel, ...); `labels` (batch,) replace the guess if given."""
        if x.dim() < 3 or x.shape[1] != self.channels:
            raise ValueError(f"expected (batch, {self.channels} channels, ...), got shape {list(x.shape)}")
        return class_regularize(x, self.table(), self.beta, labels, self.guess == "soft", self.order)

    @explains
    def explain(self, x: Tensor) -> Guess:
        """Return the guess for a batch, the factors on its channels, and the table that they come from."""
        table = self.table()
        scores = _scores(x, table)
        return Guess(scores, _factor(scores, table[self.order], self.beta, None, self.guess == "soft"), table)

    def ablations(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        """Return a context that sets beta to 0: the block is the identity within it."""
        return {"class regularization": lambda: temporary_attributes(self, beta=0.0)}

    def extra_repr(self) -> str:
        """Settings, for repr."""
        text = f"{self.channels}, classes={len(self.weight)}, beta={self.beta}, guess={self.guess!r}"
        return text + (", detach=True" if self.detach else "")


def class_regularized(model: nn.Module, head: str, after: Iterable[str], beta: float = 0.1, **options: Any) -> Swapped:
    """Copy a network and put a class regularization after some of its modules; the network itself is not modified.

    Parameters
    ----------
    model : module
    head : str
        Dotted name of the classifier; the blocks share its weights.
    after : iterable of str
        Names of modules, or patterns of names; a block is put after each of them.
    beta, options
        See `ClassRegularization`.

    Raises
    ------
    TypeError, ValueError
        ``after`` is a str, or there is no such classifier or module.
    """
    copied = copied_model(model)
    classifier = dict(copied.named_modules()).get(head)
    weight = getattr(classifier, "weight", None)
    if not isinstance(weight, nn.Parameter):
        linear = [name for name, part in copied.named_modules() if isinstance(part, nn.Linear)]
        raise UsageError(
            f"head {head!r} is not a module with weights in this model; its linear layers are {', '.join(linear)}"
        )
    if isinstance(after, str):
        raise UsageTypeError(f"after must be a list of names, got the string {after!r}; write [{after!r}]")
    block = followed_by(ClassRegularization, weight=weight, beta=beta, **options)
    return exchange(copied, dict.fromkeys(after, block))

"""Class regularization: an early guess of the class amplifies the channels that speak for it and damps the others.

At a layer with activations x (batch, C_l channels, ...), with the classifier's weights U (class, C_L)::

    z = mean of x over its positions         (batch, C_l)
    M = U P^T, P (C_l, C_L) learned          (class, C_l)      each class in terms of this layer's channels
    k = argmax_k <z, M_k>                    the guess
    w = 1 + beta (2 u - 1)                   u = M_k scaled to [0, 1] over its channels: w in [1 - beta, 1 + beta]
    out = x * w

beta = 0 is the identity. M is a table of classes and kernels, which can be read at every layer.

Reference: Stergiou, Poppe, Veltkamp: Learning Class Regularized Features for Action Recognition, arXiv:2002.02651;
Applied Sciences 10(18):6241, 2020. No code was released with it, and of both texts only an abstract and a caption could
be read: this is a reconstruction. Unknown, and therefore options: beta, where blocks stand (after each stage, say),
whether the guess is replaced by the label in training, whether gradient reaches U, and whether one class or all of them,
by their probability, make w.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from notebook_explain.layers.signal_types import ByClass, Named, Told, explains, holding
from notebook_explain.layers.soft_pool.kernels import in_full
from notebook_explain.layers.swap import Swapped, copied_model, exchanged, followed_by

GUESSES = ("hard", "soft")


class Guess(NamedTuple):
    """What a block made of a batch.

    Attributes
    ----------
    scores : tensor (batch, class)
        <z, M_k>.
    factor : tensor (batch, channel)
        w, by which channels are multiplied.
    table : tensor (class, channel)
        M: what each kernel says of each class here.
    """

    scores: Tensor
    factor: Tensor
    table: Tensor

    def told(self) -> list[Told]:
        """In a form for any viewer."""
        return [
            Named("early guess of the class (logits)", "classes", self.scores, 0.0),
            ByClass("what each kernel says of each class", self.table),
        ]


def class_regularize(
    x: Tensor,
    table: Tensor,
    beta: float = 0.1,
    labels: Tensor | None = None,
    soft: bool = False,
    order: Tensor | None = None,
) -> Tensor:
    """Multiply channels by what the guessed class's row of a table says of them.

    Parameters
    ----------
    x : float tensor (batch, channel, ...)
    table : float tensor (class, channel)
    beta : float in [0, 1]
    labels : int tensor (batch,), optional
        Classes to use instead of a guess.
    soft : bool
        Mix the rows by the softmax of the guess, so that gradient flows through the guess too.
    order : int tensor (class,), optional
        Which row is used for which class, if not its own.
    """
    rows = table if order is None else table[order]
    factor = _factor(_scores(x, table), rows, beta, labels, soft).to(x.dtype)
    return x * factor.view(list(factor.shape) + [1] * (x.dim() - 2))


def _scores(x: Tensor, table: Tensor) -> Tensor:
    return in_full(x).flatten(2).mean(2) @ in_full(table).t()


def _factor(scores: Tensor, rows: Tensor, beta: float, labels: Tensor | None, soft: bool) -> Tensor:
    """W (batch, channel)."""
    rows = in_full(rows)
    if labels is not None:
        chosen = rows[labels]
    elif soft:
        chosen = scores.softmax(1) @ rows
    else:
        chosen = rows[scores.argmax(1)]
    low, high = chosen.amin(1, keepdim=True), chosen.amax(1, keepdim=True)
    scaled = (chosen - low) / (high - low).clamp_min(1e-12)
    # Of channels that all say the same, none is to be changed.
    return torch.where(high > low, 1 + beta * (2 * scaled - 1), torch.ones_like(scaled))


class ClassRegularization(nn.Module):
    """Scale channels by what they say of the class that they themselves suggest.

    Attributes
    ----------
    weight : parameter (class, C_L)
        The classifier's own, shared with it.
    projection : parameter (channel, C_L)
        P.
    beta : float in [0, 1]
    guess : "hard" or "soft"
    detach : bool
        Keep the gradient of this block away from the classifier.
    order : int tensor (class,)
        Which class's row is used for which guess: each its own, unless ``shuffled`` gave the seed of another order.
        If other rows do as well, it is a gate and not the classes that help.

    Examples
    --------
    >>> ClassRegularization(64, net.fc.weight)
    >>> ne.layers.class_regularized(net, "fc", after=["layer1", "layer2"], beta=0.1).model
    """

    if TYPE_CHECKING:  # TorchScript cannot read it
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
            raise ValueError(f"beta must lie in [0, 1], got {beta!r}")
        if guess not in GUESSES:
            raise ValueError(f"guess must be 'hard' or 'soft', got {guess!r}")
        if not isinstance(weight, nn.Parameter) or weight.dim() < 2:
            raise TypeError("weight must be the classifier's parameter (class, channel), as net.fc.weight")
        self.channels, self.beta, self.guess, self.detach = channels, float(beta), guess, detach
        self.weight = weight
        like: dict[str, Any] = {"device": device or weight.device, "dtype": dtype or weight.dtype}
        self.projection = nn.Parameter(torch.empty(channels, weight[0].numel(), **like))
        nn.init.kaiming_uniform_(self.projection, a=5**0.5)
        classes = len(weight)
        order = torch.arange(classes)
        if shuffled is not None:
            order = torch.randperm(classes, generator=torch.Generator().manual_seed(shuffled))
        self.register_buffer("order", order.to(weight.device))

    def table(self) -> Tensor:
        """M (class, channel): what each kernel of this layer says of each class."""
        weight = self.weight.flatten(1)
        return (weight.detach() if self.detach else weight) @ self.projection.t()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scale (batch, channel, ...); `labels` (batch,) stand for the guess, where they are given."""
        if x.dim() < 3 or x.shape[1] != self.channels:
            raise ValueError(f"expected (batch, {self.channels} channels, ...), got shape {list(x.shape)}")
        return class_regularize(x, self.table(), self.beta, labels, self.guess == "soft", self.order)

    @explains
    def explain(self, x: Tensor) -> Guess:
        """What is guessed of a batch, what follows for its channels, and the table that says so."""
        table = self.table()
        scores = _scores(x, table)
        return Guess(scores, _factor(scores, table[self.order], self.beta, None, self.guess == "soft"), table)

    def ablations(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        """Without it, what comes in goes on."""
        return {"class regularization": lambda: holding(self, beta=0.0)}

    def extra_repr(self) -> str:
        """Settings, for repr."""
        said = f"{self.channels}, classes={len(self.weight)}, beta={self.beta}, guess={self.guess!r}"
        return said + (", detach=True" if self.detach else "")


def class_regularized(model: nn.Module, head: str, after: Iterable[str], beta: float = 0.1, **options: Any) -> Swapped:
    """Copy a network and put a class regularization behind some of its modules; the network itself is not touched.

    Parameters
    ----------
    model : module
    head : str
        Dotted name of the classifier, whose weights the blocks share.
    after : iterable of str
        Names, or patterns of names, of the modules to put one behind.
    beta, options
        See `ClassRegularization`.

    Raises
    ------
    TypeError, ValueError
        ``after`` is a text; no such classifier or module.
    """
    copied = copied_model(model)
    classifier = dict(copied.named_modules()).get(head)
    weight = getattr(classifier, "weight", None)
    if not isinstance(weight, nn.Parameter):
        named = [name for name, part in copied.named_modules() if isinstance(part, nn.Linear)]
        raise ValueError(
            f"head {head!r} is no module with weights of this model; its linear layers are {', '.join(named)}"
        )
    if isinstance(after, str):
        raise TypeError(f"after must be a list of names, got the text {after!r}; write [{after!r}]")
    block = followed_by(ClassRegularization, weight=weight, beta=beta, **options)
    return exchanged(copied, dict.fromkeys(after, block))

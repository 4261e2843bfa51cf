"""Base of the objectives, their sums and their multiples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import Target
from notebook_explain.methods.feature_visualization.passes import Pass
from notebook_explain.models import VideoModel
from notebook_explain.models.heads import Head


class Objective:
    """A score for each clip of a pass; the optimiser raises that of the made clip."""

    def __add__(self, other: Any) -> Objective:
        return Sum(self, other) if isinstance(other, Objective) else NotImplemented

    def __sub__(self, other: Any) -> Objective:
        return Sum(self, Scaled(-1.0, other)) if isinstance(other, Objective) else NotImplemented

    def __mul__(self, factor: Any) -> Objective:
        return Scaled(_factor(factor), self) if _is_number(factor) else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return Scaled(-1.0, self)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return ()

    @property
    def target(self) -> Target | None:
        """The class that it stands for, if it is the logit of one."""
        return None

    @property
    def title(self) -> str:
        """Name for readers."""
        return repr(self)

    @property
    def has_own_scale(self) -> bool:
        """True if the score is used as it is, as for logits; others are divided by their spread over the real clips."""
        return False

    def named(self, labels: Mapping[str, tuple[str, ...]]) -> Objective:
        """Return the same objective with the label of its class instead of an index, where it has one."""
        return self

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective with indices for labels, checked against a pass of the network.

        Parameters
        ----------
        model : VideoModel
        heads : dict of head name to Head
        channels : dict of layer name to int
            Number of channels of each layer.
        """
        return self

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Sum(Objective):
    """Sum of two objectives."""

    first: Objective
    second: Objective

    def __repr__(self) -> str:
        second = self.second
        if isinstance(second, Scaled) and second.factor < 0:
            positive = second.inner if second.factor == -1 else Scaled(-second.factor, second.inner)
            return f"{self.first!r} - {_in_brackets(positive)}"
        return f"{self.first!r} + {self.second!r}"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return tuple(dict.fromkeys((*self.first.layers, *self.second.layers)))

    @property
    def has_own_scale(self) -> bool:
        """True if both parts have their own scale."""
        return self.first.has_own_scale and self.second.has_own_scale

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective, checked against a pass of the network."""
        return Sum(self.first.resolved(model, heads, channels), self.second.resolved(model, heads, channels))

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        return self.first.scores(found) + self.second.scores(found)


@dataclass(frozen=True, repr=False)
class Scaled(Objective):
    """An objective times a number."""

    factor: float
    inner: Objective

    def __repr__(self) -> str:
        inner = _in_brackets(self.inner)
        return f"-{inner}" if self.factor == -1 else f"{self.factor:g} * {inner}"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return self.inner.layers

    @property
    def has_own_scale(self) -> bool:
        """True if the scaled objective has its own scale."""
        return self.inner.has_own_scale

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective, checked against a pass of the network."""
        return Scaled(self.factor, self.inner.resolved(model, heads, channels))

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        return self.factor * self.inner.scores(found)


def as_objectives(given: Any) -> tuple[Objective, ...]:
    """Return one objective or a list of them as a tuple.

    Raises
    ------
    TypeError, ValueError
        Something else, or an empty list.
    """
    found = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if not found:
        raise UsageError("objective is an empty list; leave it out for the target class, or give at least one")
    for one in found:
        if not isinstance(one, Objective):
            raise UsageTypeError(
                "objective must be one of notebook_explain.objectives, such as Logit('kick') or Channel('layer3', 5), got "
                f"{one!r}"
            )
    return found


def layers_of(objectives: Sequence[Objective]) -> Iterator[str]:
    """Yield the names of the layers that objectives read, each once."""
    yield from dict.fromkeys(name for one in objectives for name in one.layers)


def _in_brackets(one: Objective) -> str:
    return f"({one!r})" if isinstance(one, Sum) else repr(one)


def _is_number(value: Any) -> bool:
    return not isinstance(value, (bool, Objective)) and hasattr(value, "__float__") and np.ndim(value) == 0


def _factor(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise UsageError(f"an objective is scaled by a finite number, got {number!r}")
    return number

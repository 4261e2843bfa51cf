"""Lineage of a traced tensor: what it was computed from, as far as positions depend on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Range = tuple[float, float]


@dataclass(frozen=True)
class Mixture:
    """A product with weights that merged positions along an axis of the clip.

    Attributes
    ----------
    axis : int
        0 is time, 1 height, 2 width.
    number : int
        Tells it from other mixtures of a pass.
    is_total : bool
        It merged all positions; else those of patches or windows.
    """

    axis: int
    number: int
    is_total: bool


@dataclass(frozen=True, eq=False)
class Lineage:
    """Sources from which a tensor of positions was computed.

    Attributes
    ----------
    itself : int
        A number with one bit, different for each tensor of a pass.
    ancestors : int
        The bits of all tensors that this one was computed from, and its own.
    weights : frozenset of int
        Identities of the weights of convolutions and linear layers that were applied.
    mixtures : frozenset of Mixture
        Those along an axis are dropped once the tensor is added to something with positions of its own there.
    seen : (first, last) or None
        Clip frames that a recurrent state depends on; ``None`` for anything else.
    numbers : iterator
        Counts the tensors of a pass.
    """

    itself: int
    ancestors: int
    weights: frozenset[int] = frozenset()
    mixtures: frozenset[Mixture] = frozenset()
    seen: Range | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @classmethod
    def of(cls, parents: Sequence[Lineage]) -> Lineage:
        """Return the lineage of a new tensor that is computed from others; without any, a pass begins."""
        numbers = parents[0].numbers if parents else itertools.count()
        itself = ancestors = 1 << next(numbers)
        weights, mixtures, seen = frozenset[int](), frozenset[Mixture](), None
        for parent in parents:
            ancestors |= parent.ancestors
            weights |= parent.weights
            mixtures |= parent.mixtures
            seen = union(seen, parent.seen)
        return cls(itself, ancestors, weights, mixtures, seen, numbers)

    def descends_from(self, other: Lineage) -> bool:
        """Return whether the other tensor is an ancestor."""
        return bool(self.ancestors & other.itself)

    def next_number(self) -> int:
        """Return a number that nothing else of this pass has."""
        return next(self.numbers)


def union(a: Range | None, b: Range | None) -> Range | None:
    """Return the range from the smaller start to the larger end; ``None`` counts as empty."""
    if a is None or b is None:
        return b if a is None else a
    return min(a[0], b[0]), max(a[1], b[1])

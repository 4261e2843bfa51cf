"""While a network runs for an explanation, its building blocks tell of themselves what they have to tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain.explanations import ClassTable, Course, Geometry, Numbers
from notebook_explain.layers.signals import listening
from notebook_explain.layers.told import ByClass, Named, PerFrame, Told, blocks_of
from notebook_explain.models import VideoModel, moments_of

LOST = "What {} tells ({}) is not finite and is left out."
EVEN = "When the steps of {} lie could not be measured; they are drawn as if they lay evenly in time."


class Overheard:
    """What the blocks of one model tell, in the order in which they run."""

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self.kinds = {name: type(block).__name__ for name, block in blocks_of(model.module).items()}
        self.told: list[tuple[str, Told]] = []  # name of the block ("#2" in its second call), and what it tells
        self.remarks: list[str] = []

    @contextmanager
    def around(self, shadow: nn.Module) -> Iterator[None]:
        """Listen, while a shadow of the model runs."""
        with listening(shadow) as said:
            yield
        for name, value in said:
            for one in value.told() if hasattr(value, "told") else ():
                if torch.isfinite(one.values).all():
                    self.told.append((name, one))
                else:
                    self.remarks.append(LOST.format(_quoted(name), one.what))

    def courses(self) -> tuple[Course, ...]:
        """What was told of each moment; `remarks` gets a sentence for each block whose moments are not known."""
        told = [(name, one) for name, one in self.told if isinstance(one, PerFrame)]
        moments = moments_of(self.model, {_block(name) for name, _ in told})
        return tuple(
            Course(
                name, self._kind(name), one.what, values, self._rows(name, len(values), moments, one.side), one.neutral
            )
            for name, one in told
            for values in (_first(one.values),)
        )

    def _rows(self, name: str, steps: int, moments: Any, side: str) -> NDArray[np.float64]:
        rows: NDArray[np.float64] | None = moments.get((name, side))
        if rows is not None and len(rows) == steps:
            return rows
        self.remarks.append(EVEN.format(_quoted(name)))
        return Geometry.even((steps, 1, 1), self.model.preprocessing.shape).rows

    def numbers(self, classes: tuple[str, ...]) -> tuple[Numbers, ...]:
        """What was told of things that have names; ``classes`` are the network's."""
        found = []
        for name, one in self.told:
            if isinstance(one, Named):
                values = _first(one.values)
                labels = classes if one.names == "classes" else tuple(one.names)
                found.append(Numbers(name, self._kind(name), one.what, labels, values, one.neutral))
        return tuple(found)

    def tables(self, classes: tuple[str, ...]) -> tuple[ClassTable, ...]:
        """What was told of classes and kernels; blocks that run twice have one table."""
        found = {
            _block(name): ClassTable(
                _block(name), self._kind(name), one.what, classes, one.values.float().cpu().numpy()
            )
            for name, one in self.told
            if isinstance(one, ByClass)
        }
        return tuple(found.values())

    def _kind(self, name: str) -> str:
        return self.kinds[_block(name)]


def _block(name: str) -> str:
    return name.rsplit("#", 1)[0]


def _quoted(name: str) -> str:
    return repr(name) if name else "the network"


def _first(values: torch.Tensor) -> NDArray[np.float32]:
    """Of the only clip of the batch."""
    return values[0].detach().float().cpu().numpy()

"""While a network runs for an explanation, its building blocks tell of themselves what they have to tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain.explanations import ClassTable, Course, Geometry, Numbers
from notebook_explain.layers.mtconv import CAVEAT, choices
from notebook_explain.layers.signal_types import ByClass, Named, PerFrame, Told, blocks_of, checked
from notebook_explain.layers.signals import listening
from notebook_explain.models import Layer, VideoModel, moments_of, placed

LOST = "What {} tells ({}) is not finite and is left out."
CHOSEN = "The network keeps half of the frames by what they hold; maps lie at those that it kept of this clip."
WRONG = "What {} tells ({}) is left out: {}."
EVEN = "When the steps of {} lie could not be measured; they are drawn as if they lay evenly in time."


class SignalRecorder:
    """What the blocks of one model tell, in the order in which they run."""

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self.kinds = {name: type(block).__name__ for name, block in blocks_of(model.module).items()}
        self.told: list[tuple[str, Told]] = []  # name of the block ("#2" in its second call), and what it tells
        self.remarks: list[str] = []
        self.caveats = model.caveats  # less what is known better by now
        self.frames: list[torch.Tensor] = []  # that the network chose, (kept,) for each selection

    @contextmanager
    def around(self, shadow: nn.Module) -> Iterator[None]:
        """Listen, while a shadow of the model runs."""
        with listening(shadow) as said, choices() as made:
            yield
        self.frames = [each[0] for each in made]
        for name, value in said:
            for one in checked(name, value):
                if torch.isfinite(one.values).all():
                    self.told.append((name, one))
                else:
                    self.remarks.append(LOST.format(_quoted(name), one.what))

    def placed(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """The layers where they lie in this clip: at the frames that the network chose, if it chooses any."""
        if not self.frames or self.model.survey is None:
            return tuple(layers)
        try:
            found = placed(self.model, layers, self.frames)
        except (ValueError, RuntimeError):  # positions cannot be followed with them: the caveat stays
            self.frames = []
            return tuple(layers)
        self.caveats = tuple(CHOSEN if text == CAVEAT else text for text in self.caveats)
        return found

    def courses(self) -> tuple[Course, ...]:
        """What was told of each moment; `remarks` gets a sentence for each block whose moments are not known."""
        told = [(name, one) for name, one in self.told if isinstance(one, PerFrame)]
        moments = moments_of(self.model, {_block(name) for name, _ in told}, self.frames)
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
                try:
                    found.append(Numbers(name, self._kind(name), one.what, labels, values, one.neutral, one.bounds))
                except ValueError as error:  # somebody's own block may say of itself what is not so
                    self.remarks.append(WRONG.format(_quoted(name), one.what, error))
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

"""Report of the changes that `swap` made in a copy of a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Change:
    """Record of one exchanged module.

    Attributes
    ----------
    name : str
        Dotted name, "" for the network itself.
    before, after : str
        Class names of the old and the new module.
    kept : tuple of str
        Weights and buffers of the new module that were taken from the old one.
    new : tuple of str
        Weights and buffers with initial values; train them before you draw conclusions.
    lost_hooks : int
        Number of hooks that were on the old module.
    """

    name: str
    before: str
    after: str
    kept: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    lost_hooks: int = 0

    def __str__(self) -> str:
        text = f"{self.name or '(the network)'}: {self.before} -> {self.after}"
        if self.kept or self.new:
            text += f", {_count(len(self.kept), 'weight')} kept, {len(self.new)} new"
        return text + (f", {_count(self.lost_hooks, 'hook')} lost" if self.lost_hooks else "")


@dataclass(frozen=True, eq=False)
class Swapped:
    """Copy of a network with exchanged modules.

    Attributes
    ----------
    model : module or VideoModel
        As it was given.
    changes : tuple of Change
    left : tuple of str
        Names of modules that match a key but were not exchanged: the new class cannot replace them, or a function
        returned ``None`` for them.
    """

    model: Any
    changes: tuple[Change, ...]
    left: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        is_network = isinstance(self.model, nn.Module)
        network = self.model if is_network else self.model.module
        rows = [
            f"{type(network).__name__}, {_count(len(self.changes), 'module')} exchanged:",
            *map(str, self.changes),
        ]
        if self.left:
            rows.append(f"left unchanged: {', '.join(self.left)}")
        rows.append(f"the new {'network' if is_network else 'model'} is .model")
        return "\n  ".join(rows)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

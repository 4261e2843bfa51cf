"""Find the modules of a traced network in which positions are mixed or lost, and write caveats about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.layouts import still_axes
from notebook_explain.models.positions.lineage import Mixture
from notebook_explain.models.positions.tensor import PositionTensor

_AXES = ("frames", "rows", "columns")


class UnsurePositions:
    """Follows which module runs, and notes where positions are mixed or lost."""

    def __init__(self) -> None:
        self._running: list[str] = [""]
        self._summed: dict[str, set[int]] = defaultdict(set)
        self._made: dict[Mixture, str] = {}
        self._returned: set[Mixture] = set()
        self._losing: list[str] = []
        self._run_without_positions = False

    def watch(self, modules: Mapping[str, nn.Module]) -> list[Any]:
        """Add hooks; returns their handles."""
        named = [(name, module) for name, module in modules.items() if name]
        before = [module.register_forward_pre_hook(self._enter(name)) for name, module in named]
        return before + [module.register_forward_hook(self._leave) for _, module in named]

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            self._running.append(name)

        return hook

    def _leave(self, *_: Any) -> None:
        self._running.pop()

    def on_mixture(self, mixture: Mixture) -> None:
        """Note that the running module mixes positions."""
        self._made[mixture] = self._running[-1]

    def on_sum(self, axis: int) -> None:
        """Note that the running module adds a mixture along an axis of the clip to a tensor with positions."""
        self._summed[self._running[-1]].add(axis)

    def on_output(self, name: str, given: Sequence[torch.Tensor], returned: Sequence[torch.Tensor]) -> None:
        """Note a module that returns a mixture without positions, or no positions though it was given some."""
        for tensor in returned:
            # A mixture has an axis without positions besides that of the channels.
            if isinstance(tensor, PositionTensor) and tensor.lineage.mixtures and len(still_axes(tensor)) > 1:
                self._returned |= tensor.lineage.mixtures
        if not _have_positions(returned) and any(map(_may_be_volume, returned)):
            self._run_without_positions = True
            if _have_positions(given):
                self._losing.append(name)

    def mixtures(self) -> dict[str, frozenset[int]]:
        """Return the axes of the clip along which positions are mixed, for each module."""
        return {name: frozenset(axes) for name, axes in self._summed.items()}

    def unplaced(self, ends: Sequence[PositionTensor]) -> tuple[str, ...]:
        """Return the modules after which positions are unknown.

        Parameters
        ----------
        ends : sequence of PositionTensor
            What the network returned, as far as it has positions.
        """
        if not ends:
            return (*self._losing, "")[:1] if self._run_without_positions else ()
        used = frozenset[Mixture]().union(*(end.lineage.mixtures for end in ends))
        lost = self._returned & used
        return tuple(dict.fromkeys(name for mixture, name in self._made.items() if mixture in lost))


def _may_be_volume(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has an axis besides those of the batch and of the channels."""
    return tensor.is_floating_point() and sum(length > 1 for length in tensor.shape[1:]) > 1


def _have_positions(found: Sequence[torch.Tensor]) -> bool:
    return any(isinstance(tensor, PositionTensor) for tensor in found)


def position_caveats(mixtures: Mapping[str, frozenset[int]], unplaced: Sequence[str]) -> list[Caveat]:
    """Return caveats about layers over time or over tokens: what was kept, and what could not be placed.

    Parameters
    ----------
    mixtures, unplaced
        As in a ``LayerTrace``.
    """
    caveats = []
    by_axes: dict[frozenset[int], list[str]] = {}
    for name, axes in mixtures.items():
        by_axes.setdefault(axes, []).append(name)
    for axes, names in by_axes.items():
        mixed = _join(_AXES[axis] for axis in sorted(axes))
        text = (
            f"A layer in {_few(names)} mixes {mixed}. Cells are drawn at the positions of the tensor that the "
            f"mixture is added to (a residual connection), but from there on each also depends on other {mixed}."
        )
        caveats.append(Caveat(text, CaveatCode.ASSUMED_POSITIONS))
    if unplaced:
        text = (
            f"Positions are mixed in {_few(unplaced)}, without a residual connection, or cannot be followed there. The "
            "positions of cells of this and of later layers are unknown, so these are not shown."
        )
        caveats.append(Caveat(text, CaveatCode.ASSUMED_POSITIONS))
    return caveats


def _few(names: Iterable[str]) -> str:
    """Return up to three names, and how many others there are."""
    quoted = [repr(name) if name else "the network's forward" for name in names]
    return _join(quoted) if len(quoted) <= 3 else _join([*quoted[:2], f"{len(quoted) - 2} other modules"])


def _join(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last

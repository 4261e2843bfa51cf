"""Edits of the network: channels of a layer switched off or scaled, and modules exchanged, on a copy of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import nn

from notebook_explain import layers as building_blocks
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_range
from notebook_explain.explanations import Concepts
from notebook_explain.explanations.number_format import counted, short, shortened
from notebook_explain.explanations.text import LONGEST_NAME
from notebook_explain.models import VideoModel
from notebook_explain.what_if.channel_hooks import ScaledChannels, WithoutDirection, change_layer, check_channels
from notebook_explain.what_if.edits.base import Edit, check_indices

ZERO, MEAN = "zero", "mean"
MAX_CHANNELS = 65_536
MAX_NAME = 1000
MOST_FACTOR = 1e4
IDENTITY, POSITIONS = "Identity", "positions"
LISTED = 8  # channels named in a sentence


class NetworkEdit(Edit):
    """An edit of a copy of the network, which shares its parameters; the network itself is never changed."""

    of: ClassVar[str] = "network"

    @property
    def changes_nothing(self) -> bool:
        """True if the network computes the same with this edit, whatever the clip."""
        return False

    def apply_to(self, model: VideoModel) -> None:
        """Add the edit to a model whose module is a copy.

        Raises
        ------
        ValueError
            The network has no such layer or channel.
        """
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Ablate(NetworkEdit):
    """Switch off channels of a layer.

    Attributes
    ----------
    layer : str
        Dotted name of the layer, as in ``model.layers``.
    channels : sequence of int, optional
        From 0; all channels by default.
    to : "zero", "mean" or sequence of float
        What the channels are set to: 0, their mean over the clip, or one number for each channel, such as their means over
        other clips (`mean_activations`).
    """

    layer: str
    channels: tuple[int, ...] | None = None
    to: str | tuple[float, ...] = ZERO

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        given = self.channels
        if given is not None:
            object.__setattr__(self, "channels", check_indices("channels", given, MAX_CHANNELS))
        if isinstance(self.to, str):
            check_choice("to", self.to, (ZERO, MEAN))
            return
        if not isinstance(self.to, (list, tuple)) or self.channels is None or len(self.to) != len(self.channels):
            raise UsageError(
                f"to must be {ZERO!r}, {MEAN!r} or one number for each of the channels, in ascending order; got {self.to!r}"
            )
        values = tuple(check_range("to", value, -1e30, 1e30) for value in self.to)
        object.__setattr__(self, "to", values)

    @property
    def changes_nothing(self) -> bool:
        """True without channels."""
        return self.channels == ()

    def apply_to(self, model: VideoModel) -> None:
        """Add the edit to a model whose module is a copy."""
        check_channels(model, self.layer, self.channels)
        change_layer(model, self.layer, ScaledChannels(self.channels, 0.0, self.to))

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        to = {ZERO: "switched off", MEAN: "set to their mean over the clip"}.get(str(self.to), "set to given values")
        return f"{_channel_words(self.channels)} of {self.layer} {to}"


@dataclass(frozen=True, repr=False)
class Scale(NetworkEdit):
    """Multiply channels of a layer by a factor.

    Attributes
    ----------
    layer : str
        Dotted name of the layer, as in ``model.layers``.
    channels : sequence of int, optional
        From 0; all channels by default.
    factor : float
        1 changes nothing.
    """

    layer: str
    channels: tuple[int, ...] | None = None
    factor: float = 0.5

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        if self.channels is not None:
            object.__setattr__(self, "channels", check_indices("channels", self.channels, MAX_CHANNELS))
        object.__setattr__(self, "factor", check_range("factor", self.factor, -MOST_FACTOR, MOST_FACTOR))

    @property
    def changes_nothing(self) -> bool:
        """True without channels, and for a factor of 1."""
        return self.channels == () or self.factor == 1

    def apply_to(self, model: VideoModel) -> None:
        """Add the edit to a model whose module is a copy."""
        check_channels(model, self.layer, self.channels)
        change_layer(model, self.layer, ScaledChannels(self.channels, self.factor))

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"{_channel_words(self.channels)} of {self.layer} times {short(self.factor)}"


@dataclass(frozen=True, repr=False)
class Swap(NetworkEdit):
    """Exchange a module for a building block of ``notebook_explain.layers``. Swaps come before the other edits of a network.

    Attributes
    ----------
    layer : str
        Dotted name of a module, or a pattern of names ("layer*.pool").
    module : str or class
        Name of a block, such as "SoftPool3d", or "Identity" to leave the module out.
    """

    layer: str
    module: str

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        given: Any = self.module
        name = given.__name__ if isinstance(given, type) else given
        object.__setattr__(self, "module", check_choice("module", name, tuple(_blocks())))

    @property
    def exchange(self) -> dict[Any, Any]:
        """The exchange, as ``notebook_explain.layers.swap`` takes it."""
        return {self.layer: _blocks()[self.module]}

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"without {self.layer}" if self.module == IDENTITY else f"with {self.module} instead of {self.layer}"


@dataclass(frozen=True, repr=False)
class WithoutConcept(NetworkEdit):
    """Remove a concept from a layer: at every position, the part of the activations along the concept's direction.

    `WithoutConcept.from_concepts` takes the direction from `Concepts`.

    Attributes
    ----------
    layer : str
        Dotted name of the layer.
    direction : sequence of float
        One number for each channel; its length does not matter.
    name : str
        Name of the concept, for sentences.
    """

    layer: str
    direction: tuple[float, ...]
    name: str = "a concept"

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        given: Any = self.direction
        if not isinstance(given, (list, tuple, np.ndarray)) or not 0 < len(given) <= MAX_CHANNELS:
            raise UsageError(
                f"direction must be 1 to {MAX_CHANNELS:,} numbers, one for each channel; got {type(given).__name__}"
            )
        numbers = given.tolist() if isinstance(given, np.ndarray) else given
        values = tuple(check_range("direction", value, -1e15, 1e15) for value in numbers)
        if not any(values):
            raise UsageError("direction has no length: all of its numbers are 0")
        object.__setattr__(self, "direction", values)
        if not isinstance(self.name, str) or len(self.name) > MAX_NAME:
            raise UsageError(f"name must be a string of at most {MAX_NAME} letters, got {type(self.name).__name__}")

    @classmethod
    def from_concepts(cls, concepts: Concepts, which: int | str) -> WithoutConcept:
        """Return the edit that removes one of several concepts: its centre, compared with the mean of all centres.

        Parameters
        ----------
        concepts : Concepts
            Of positions, whose centres are in the channels of one layer.
        which : int or str
            Index or name.

        Raises
        ------
        ValueError
            No such concept; concepts of other units, which several layers describe; a single cluster.
        """
        if concepts.units != POSITIONS:
            raise UsageError(
                f"these concepts are of {concepts.units}, which several layers describe together; discover them with "
                f"units={POSITIONS!r} to remove one from a layer"
            )
        index = concepts.index(which)
        centres = concepts.centres.astype(np.float64)
        if len(centres) < 2:
            raise UsageError("there is a single cluster, so nothing tells its direction from that of the others")
        direction = centres[index] - centres.mean(0)
        return cls(concepts.layer, tuple(direction.tolist()), concepts[index].name)

    def apply_to(self, model: VideoModel) -> None:
        """Add the edit to a model whose module is a copy."""
        count = check_channels(model, self.layer, None)
        if count != len(self.direction):
            raise UsageError(
                f"direction has {len(self.direction)} numbers, but layer {self.layer!r} has {count} channels"
            )
        values = np.array(self.direction)
        change_layer(model, self.layer, WithoutDirection(tuple((values / np.linalg.norm(values)).tolist())))

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"layer {self.layer} without {shortened(self.name, LONGEST_NAME)}"


def _blocks() -> dict[str, Any]:
    """Return the classes of blocks that can replace a module, by name."""
    found: dict[str, Any] = {IDENTITY: nn.Identity}
    for name in building_blocks.__all__:
        value = getattr(building_blocks, name)
        if isinstance(value, type) and issubclass(value, nn.Module):
            found[name] = value
    return found


def _check_layer(name: Any) -> None:
    if not isinstance(name, str):
        raise UsageTypeError(f"layer must be the name of a layer (str), as list(model.layers) shows them; got {name!r}")
    if not 0 < len(name) <= MAX_NAME:
        raise UsageError(f"layer must be a name of 1 to {MAX_NAME} letters, got {len(name)}")


def _channel_words(channels: tuple[int, ...] | None) -> str:
    if channels is None:
        return "all channels"
    if len(channels) > LISTED:
        return counted(len(channels), "channel")
    return f"channel{'' if len(channels) == 1 else 's'} {', '.join(map(str, channels))}" if channels else "no channel"

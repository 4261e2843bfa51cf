"""Edits of the network: channels of a layer switched off or scaled, and modules exchanged, on a copy of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from notebook_explain import layers as building_blocks
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_range
from notebook_explain.explanations.number_format import counted, short
from notebook_explain.models import VideoModel
from notebook_explain.what_if.channel_hooks import ChannelChange, edit_channels
from notebook_explain.what_if.edits.base import Edit, check_indices

ZERO, MEAN = "zero", "mean"
MAX_CHANNELS = 65_536
MAX_NAME = 1000
MOST_FACTOR = 1e4
IDENTITY = "Identity"
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
        edit_channels(model, self.layer, self.channels, ChannelChange(0.0, self.to))

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
        edit_channels(model, self.layer, self.channels, ChannelChange(self.factor))

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

"""Pictures of values: how people see a clip whose channels are not red, green and blue.

The network gets the values themselves. A `Picture` says which of their channels are shown, how, and between which limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_int

GREY, RGB, FLOW, HEATMAPS = KINDS = ("grey", "rgb", "flow", "heatmaps")
PERCENTILES, LOW, HIGH = "percentiles", 1, 99
_COUNTS = {GREY: (1, 1), RGB: (2, 3), FLOW: (2, 2), HEATMAPS: (1, 512)}  # fewest and most channels of a kind
_SPARSE = 1e-3  # fraction of the largest value, below which a value of a heatmap is background


@dataclass(frozen=True)
class Picture:
    """Rule by which values become a picture.

    Attributes
    ----------
    kind : str
        "grey": one channel from black to white. "rgb": three channels as red, green and blue; or two, as red and cyan.
        "flow": two channels, to the right and down; the hue is the direction, the brightness the magnitude. "heatmaps":
        each channel in a hue of its own; where several overlap, the largest of each primary colour.
    channels : tuple of int
        Channels of the values that are shown, from 0, in the order of the kind.
    ranges : tuple of (low, high)
        Values that are shown darkest and brightest: one pair for each channel of "grey" and "rgb", one for the magnitude of
        "flow" and for all channels of "heatmaps".
    """

    kind: str
    channels: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        fewest, most = _COUNTS[self.kind]
        if not fewest <= len(self.channels) <= most or min(self.channels) < 0:
            raise UsageError(f"a picture of kind {self.kind!r} cannot show the channels {self.channels!r}")
        pairs = len(self.channels) if self.kind in (GREY, RGB) else 1
        if len(self.ranges) != pairs or not all(low < high for low, high in self.ranges):  # also refuses NaN
            raise UsageError(f"a picture of kind {self.kind!r} needs {pairs} pairs (low, high), got {self.ranges!r}")

    @classmethod
    def choose(cls, values: NDArray[np.float32], channels: Any = None, limits: Any = None) -> Picture:
        """Return the picture that was asked for, or a usual one for this number of channels.

        Parameters
        ----------
        values : float32 array (time, height, width, channel)
        channels : None, str, int or sequence of int
            A kind, or one to three channels. By default one channel is grey; two are flow, or red and cyan if none is
            negative; four or more that are mostly 0 are heatmaps; of others the first three are red, green and blue.
        limits : None, (low, high), "percentiles", or one pair for each channel
            By default the smallest and the largest of the values that are shown; 0 and 1 for values in 0..1 that exceed
            0.5. Magnitudes of flow, and heatmaps without negative values, start at 0.

        Raises
        ------
        TypeError, ValueError
            A kind or channels that these values do not have; limits that are not low < high.
        """
        kind, chosen = _kind_and_channels(channels, values)
        shown = values[..., list(chosen)]
        if kind == FLOW:
            shown = np.hypot(shown[..., 0], shown[..., 1])[..., None]
        elif kind == HEATMAPS:
            shown = shown.reshape(-1, 1)
        return cls(kind, chosen, _ranges(limits, shown, kind))

    def with_range(self, limits: Any, values: NDArray[np.float32]) -> Picture:
        """Return a picture of the same channels between other limits, as for `choose`."""
        channels: Any = self.kind if self.kind in (FLOW, HEATMAPS) else self.channels
        return Picture.choose(values, channels, limits)

    def render(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return uint8 frames (time, height, width, 3) of values (time, height, width, channel)."""
        frames = np.empty((*values.shape[:3], 3), np.uint8)
        for time, frame in enumerate(values):  # one at a time, since the steps take several times the memory
            frames[time] = np.rint(255 * self._colours(frame[..., list(self.channels)].astype(np.float64)))
        return frames

    def _colours(self, shown: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the colours (height, width, 3) in 0..1 of one frame of the shown channels."""
        if self.kind == FLOW:
            right, down = shown[..., 0], shown[..., 1]
            level = _level(np.hypot(right, down), self.ranges[0])
            return level[..., None] * _hue(np.arctan2(down, right) / (2 * math.pi))
        if self.kind == HEATMAPS:
            colours = _hue(np.arange(shown.shape[-1]) / shown.shape[-1])
            level = _level(shown, self.ranges[0])
            return np.stack([(level * colours[:, primary]).max(axis=-1) for primary in range(3)], axis=-1)
        levels = [_level(shown[..., k], limits) for k, limits in enumerate(self.ranges)]
        red, green, blue = {1: (0, 0, 0), 2: (0, 1, 1), 3: (0, 1, 2)}[len(levels)]
        return np.stack([levels[red], levels[green], levels[blue]], axis=-1)

    def background(self, count: int) -> NDArray[np.float32]:
        """Return the values of ``count`` channels beyond the border of a letterbox: shown in black; 0 where not shown."""
        values = np.zeros(count, np.float32)
        if self.kind != FLOW:
            ranges = self.ranges if self.kind != HEATMAPS else self.ranges * len(self.channels)
            for channel, (low, _) in zip(self.channels, ranges, strict=True):
                values[channel] = low
        return values

    def describe(self, count: int, with_range: bool = True) -> str:
        """Return a sentence on how values of ``count`` channels are shown; for grey, the range may be left out."""
        if self.kind == FLOW:
            return (
                "The picture shows flow: the hue is the direction (to the right red, down yellow-green, to the left cyan, "
                f"up violet), the brightness is the magnitude, from {_span(self.ranges[0])}. The network gets the flow itself."
            )
        if self.kind == HEATMAPS:
            return (
                f"The picture shows {_names(self.channels, count)}, each in a hue of its own, from {_span(self.ranges[0])}. "
                "The network gets the values themselves."
            )
        if self.kind == GREY and not with_range:
            return f"The picture shows {_names(self.channels, count)} in grey. The network gets the values themselves."
        colours = {1: "in grey", 2: "as red and cyan", 3: "as red, green and blue"}[len(self.channels)]
        spans = list(dict.fromkeys(map(_span, self.ranges)))
        span = spans[0] if len(spans) == 1 else ", from ".join(map(_span, self.ranges))
        return f"The picture shows {_names(self.channels, count)} {colours}, from {span}. The network gets the values themselves."


def _kind_and_channels(channels: Any, values: NDArray[np.float32]) -> tuple[str, tuple[int, ...]]:
    count = values.shape[-1]
    if channels is None:
        return _usual(values)
    if isinstance(channels, str):
        kind = check_choice("channels", channels, KINDS)
        wanted = {GREY: 1, RGB: 3, FLOW: 2, HEATMAPS: count}[kind]
        if count != wanted:
            advice = "; name the channels by their indices, such as channels=0 or channels=(3, 2, 1)"
            raise UsageError(f"channels={kind!r} shows {wanted} channels, but these values have {count}{advice}")
        if kind == HEATMAPS and count > _COUNTS[HEATMAPS][1]:
            raise UsageError(f"channels='heatmaps' shows at most {_COUNTS[HEATMAPS][1]} channels, got {count}")
        return kind, tuple(range(count))
    indices = channels if isinstance(channels, (list, tuple)) else (channels,)
    chosen = tuple(check_int("channels", index, least=0) for index in indices)
    if not 1 <= len(chosen) <= 3 or max(chosen) >= count:
        raise UsageError(
            f"channels must be one of {', '.join(map(repr, KINDS))}, or one to three indices from 0 to {count - 1}; "
            f"got {channels!r}"
        )
    return GREY if len(chosen) == 1 else RGB, chosen


def _usual(values: NDArray[np.float32]) -> tuple[str, tuple[int, ...]]:
    """Return the kind and the channels for values of which nothing is known but their numbers."""
    count = values.shape[-1]
    if count == 1:
        return GREY, (0,)
    if count == 2:
        return (FLOW if values.min() < 0 else RGB), (0, 1)
    is_sparse = values.min() >= 0 and np.count_nonzero(values > _SPARSE * values.max()) < values.size / 2
    if 4 <= count <= _COUNTS[HEATMAPS][1] and is_sparse:
        return HEATMAPS, tuple(range(count))
    return RGB, (0, 1, 2)


def _ranges(limits: Any, shown: NDArray[np.float32], kind: str) -> tuple[tuple[float, float], ...]:
    """Return one pair for each channel that is shown; ``limits`` as in `Picture.choose`."""
    count = shown.shape[-1]
    if limits is None or (isinstance(limits, str) and limits == PERCENTILES):
        return tuple(_range_of(shown[..., k], kind, limits == PERCENTILES) for k in range(count))
    expected = f"range must be (low, high) with low < high, {PERCENTILES!r}, or one pair for each channel that is shown"
    try:
        array = np.asarray(limits, np.float64)
    except (TypeError, ValueError):
        raise UsageTypeError(f"{expected}; got {limits!r}") from None
    pairs = np.broadcast_to(array, (count, 2)) if array.shape == (2,) else array
    if pairs.shape != (count, 2) or not np.isfinite(pairs).all() or not (pairs[:, 0] < pairs[:, 1]).all():
        raise UsageError(f"{expected} ({count}); got {limits!r}")
    return tuple((float(low), float(high)) for low, high in pairs)


def _range_of(shown: NDArray[np.float32], kind: str, by_percentiles: bool) -> tuple[float, float]:
    """Return the limits of values that are shown; those of a magnitude and of heatmaps start at 0."""
    low, high = float(shown.min()), float(shown.max())
    if by_percentiles:
        inner = (float(bound) for bound in np.percentile(shown, (LOW, HIGH)))
        low, high = next(((a, b) for a, b in [tuple(inner)] if a < b), (low, high))
    elif low >= 0 and 0.5 < high <= 1:
        return 0.0, 1.0
    if kind == FLOW or (kind == HEATMAPS and low > 0):
        low = 0.0
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if low < high else (0.0, 1.0)


def _level(values: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    low, high = limits
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float64)


def _hue(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return saturated colours (..., 3) in 0..1; 0 turns is red, 1/3 green, 2/3 blue."""
    sixths = 6 * (turns % 1)
    red = np.abs(sixths - 3) - 1
    green, blue = 2 - np.abs(sixths - 2), 2 - np.abs(sixths - 4)
    return np.asarray(np.clip(np.stack([red, green, blue], axis=-1), 0, 1), np.float64)


def _names(channels: Sequence[int], count: int) -> str:
    if count == 1:
        return "the values"
    if len(channels) == count and list(channels) == list(range(count)) and count > 3:
        return f"all {count} channels"
    *first, last = map(str, channels)
    noun = "channels " + ", ".join(first) + " and " if first else "channel "
    return f"{noun}{last} of {count} (counted from 0)"


def _span(limits: tuple[float, float]) -> str:
    return " to ".join(map(number_text, limits))


def number_text(value: float) -> str:
    """Format a number with a minus sign: whole numbers as they are, others with four digits."""
    is_whole = float(value).is_integer() and abs(value) < 1e6
    return (f"{value:.0f}" if is_whole else f"{value:.4g}").replace("-", "\u2212")

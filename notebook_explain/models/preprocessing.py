"""Convert a clip to the network's input: size, crop, normalisation, layout of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int, check_size
from notebook_explain.clip import Clip
from notebook_explain.clip.resize import check_crop
from notebook_explain.models.input_layouts import (
    InputLayout,
    Inputs,
    arrange,
    channels_first,
    check_layout,
    has_channels,
)


@dataclass(frozen=True)
class Preprocessing:
    """Conversion of a clip to the network's input.

    Attributes
    ----------
    size : (height, width) ints
        In pixels. One number is a square, and is stored as two.
    frames : int
    mean, std : floats, one for each channel
        One number for all channels is repeated. Of a clip of 8-bit colours the network gets ``(rgb / 255 - mean) / std``,
        with both in units of 0..1; of a clip of values (`Clip.from_array`), ``(values - mean) / std`` in their unit.
    layout : str or tuple of int
        Axes B, T, C, H, W in the network's order, merged ones in parentheses: "BCTHW", "BTCHW" (Hugging Face), "(BT)CHW"
        (frames in the batch axis), "B(TC)HW", "BNCTHW" (N is one view), "BTHW" (one channel: the grey of a colour clip). Or,
        for a list of pathways, their strides in time: ``(4, 1)`` gives SlowFast's slow pathway every fourth frame and its
        fast pathway all of them.
    crop : str
        Method that fits a clip to the size, as for ``Clip.read``: "center", "letterbox", "stretch", "center:256" or
        "center:128x171".
    assumed : tuple of str
        Names of the fields above that were not specified.
    channels : int
        Number of channels of the network's input. A network of one channel gets the grey of a clip of colours.
    """

    size: tuple[int, int]
    frames: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: InputLayout
    assumed: tuple[str, ...] = ()
    crop: str = "center"
    channels: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", check_size(self.size))
        object.__setattr__(self, "frames", check_int("frames", self.frames))
        object.__setattr__(self, "channels", check_int("channels", self.channels))
        check_crop(self.crop)
        for name in ("mean", "std"):
            value = repeated(name, getattr(self, name), self.channels)
            if not np.all(np.isfinite(value)):
                raise UsageError(f"{name} must be finite, got {value!r}")
            if name == "std" and min(value) <= 0:
                raise UsageError(f"std must be above 0, got {value!r}")
            object.__setattr__(self, name, value)
        check_layout(self.layout)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time, height, width) of the network's input, in frames and pixels."""
        return (self.frames, *self.size)

    def takes_grey_of(self, clip: Clip) -> bool:
        """Return whether the network gets the grey of a clip of colours that is not grey itself."""
        if clip.values is not None or (self.channels != 1 and has_channels(self.layout)):
            return False
        return bool((clip.frames != clip.frames[..., :1]).any())

    def range_of(self, clip: Clip) -> tuple[float, float]:
        """Return the smallest and the largest number that the network gets of a clip of values."""
        assert clip.values is not None
        mean, std = np.array(self.mean), np.array(self.std)
        low, high = ((clip.values.min((0, 1, 2)) - mean) / std).min(), ((clip.values.max((0, 1, 2)) - mean) / std).max()
        return float(low), float(high)

    def fit(self, clip: Clip) -> Clip:
        """Return the clip that the network gets: sampled evenly, and resized unless it has the size already.

        Raises
        ------
        ValueError
            The clip has another number of channels than the network takes, or mean and std are not in its unit.
        """
        self._check_channels(clip)
        return clip.sampled(self.frames).resized(self.size, self.crop)

    def tensor(self, clip: Clip, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Return (1, channel, time, height, width), normalised, on a device."""
        self._check_channels(clip)
        values = clip.frames if clip.values is None else clip.values
        video = torch.tensor(np.ascontiguousarray(values)).to(device).permute(3, 0, 1, 2)[None].float()
        if clip.values is None:
            video = (grey_of(video) if self.channels == 1 else video) / 255
        mean, std = (torch.tensor(value, device=device).view(1, -1, 1, 1, 1) for value in (self.mean, self.std))
        return ((video - mean) / std).to(dtype)

    def _check_channels(self, clip: Clip) -> None:
        if clip.values is not None:
            count = clip.values.shape[3]
            if count != self.channels:
                repeat = "; to repeat grey for three colours, np.repeat(values, 3, axis=-1)" if count == 1 else ""
                raise UsageError(
                    f"this network takes {self.channels} channels, but the clip has values of {count}; make the clip of the "
                    f"channels that the network was trained with{repeat}"
                )
        elif self.channels not in (1, 3):
            raise UsageError(
                f"this network takes {self.channels} channels, but the clip has three colours (red, green, blue); make a "
                f"clip of {self.channels} channels with Clip.from_array(values)"
            )
        else:
            check_units(self.mean, self.std)

    def arrange(self, video: torch.Tensor) -> Inputs:
        """Return (1, channel, time, height, width) in the layout of the network's forward."""
        return arrange(video, self.layout)

    def channels_first(self, part: torch.Tensor) -> torch.Tensor:
        """Return a view of the network's input, or of one pathway of it, with the channels on axis 1."""
        sizes = dict(zip("CTHW", (self.channels, *self.shape), strict=True))
        return channels_first(part, self.layout, sizes)


def check_units(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ValueError unless mean and std are in units of 0..1, as they must be for 8-bit colours."""
    for name, value in (("mean", mean), ("std", std)):
        if max(value) > 1.5:
            raise UsageError(f"{name} must be in units of 0..1, got {tuple(value)!r}; divide mean and std by 255")


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """Return one number or several as a tuple; raise TypeError for anything else."""
    parts = value if isinstance(value, (list, tuple, np.ndarray, torch.Tensor)) and np.ndim(value) else [value]
    try:
        return tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        raise UsageTypeError(f"{name} must be numbers, one for all channels or one for each, got {value!r}") from None


def repeated(name: str, value: Any, channels: int) -> tuple[float, ...]:
    """Return one number for each channel, given that or one for all; raise TypeError for another number of them."""
    found = numbers(name, value)
    if len(found) not in (1, channels):
        several = "three (red, green, blue)" if channels == 3 else f"{channels}, one for each channel"
        raise UsageTypeError(f"{name} must be one number{'' if channels == 1 else f' or {several}'}, got {value!r}")
    return found * channels if len(found) == 1 else found


def grey_of(video: torch.Tensor) -> torch.Tensor:
    """Return the luminance of red, green and blue (ITU-R BT.601), in exact steps, so that grey stays as it is."""
    red, green, blue = (video[:, k : k + 1] for k in range(3))
    grey: torch.Tensor = (299 * red + 587 * green + 114 * blue) / 1000
    return grey

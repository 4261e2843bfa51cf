"""Convert a clip to the network's input: size, crop, normalisation, layout of axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int, check_size
from notebook_explain.clip import Clip
from notebook_explain.clip.resize import check_crop
from notebook_explain.models.input_layouts import Inputs, arrange, check_layout


@dataclass(frozen=True)
class Preprocessing:
    """Conversion of a clip to the network's input.

    Attributes
    ----------
    size : (height, width) ints
        In pixels. One number is a square, and is stored as two.
    frames : int
    mean, std : 3 floats each
        Of red, green and blue, in units of 0..1: the network sees ``(rgb / 255 - mean) / std``.
    layout : str or tuple of int
        "BCTHW", "BTCHW" (Hugging Face), "BTHWC", "(BT)CHW" (frames in the batch axis); or, for a list of pathways, their
        strides in time: ``(4, 1)`` gives SlowFast's slow pathway every fourth frame and its fast pathway all of them.
    crop : str
        Method that fits a clip to the size, as for ``Clip.read``: "center", "letterbox", "stretch", "center:256" or
        "center:128x171".
    assumed : tuple of str
        Names of the fields above that were not specified.
    """

    size: tuple[int, int]
    frames: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: str | tuple[int, ...]
    assumed: tuple[str, ...] = ()
    crop: str = "center"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", check_size(self.size))
        object.__setattr__(self, "frames", check_int("frames", self.frames))
        check_crop(self.crop)
        for name in ("mean", "std"):
            value = tuple(float(part) for part in getattr(self, name))
            if len(value) != 3 or not np.all(np.isfinite(value)):
                raise UsageError(f"{name} must be 3 numbers (red, green, blue), got {value!r}")
            if max(value) > 1.5:
                raise UsageError(f"{name} must be in units of 0..1, got {value!r}; divide mean and std by 255")
            if name == "std" and min(value) <= 0:
                raise UsageError(f"std must be above 0, got {value!r}")
            object.__setattr__(self, name, value)
        check_layout(self.layout)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time, height, width) of the network's input, in frames and pixels."""
        return (self.frames, *self.size)

    def fit(self, clip: Clip) -> Clip:
        """Return the clip that the network sees: sampled evenly, and resized unless it has the size already."""
        return clip.sampled(self.frames).resized(self.size, self.crop)

    def tensor(self, clip: Clip, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Return (1, 3, time, height, width), normalised, on a device."""
        video = torch.tensor(np.ascontiguousarray(clip.frames)).to(device).permute(3, 0, 1, 2)[None].float() / 255
        mean, std = (torch.tensor(value, device=device).view(1, 3, 1, 1, 1) for value in (self.mean, self.std))
        return ((video - mean) / std).to(dtype)

    def arrange(self, video: torch.Tensor) -> Inputs:
        """Return (1, 3, time, height, width) in the layout of the network's forward."""
        return arrange(video, self.layout)


def rgb(name: str, value: Any) -> tuple[float, float, float]:
    """Return three numbers, given three or one for all colours; raise TypeError for anything else."""
    parts = value if isinstance(value, (list, tuple, np.ndarray, torch.Tensor)) and np.ndim(value) else [value] * 3
    try:
        red, green, blue = (float(part) for part in parts)
    except (TypeError, ValueError):
        raise UsageTypeError(f"{name} must be one number or three (red, green, blue), got {value!r}") from None
    return red, green, blue

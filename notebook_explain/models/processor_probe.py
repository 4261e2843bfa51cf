"""Measure what a processor does: it is called with clips of one colour, with ramps, and with a smooth picture.

For values ``x`` of a channel, the output of a usual processor is ``(x / 255 - mean) / std``, whatever its steps are
called. Two colours determine mean and standard deviation; two more show whether the processor is of this form. All
frames of a clip are the same, so that it does not matter which of them a processor takes.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.models.input_layouts import COMMON_LAYOUTS
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness

_COLOURS = np.array([[10, 130, 250], [250, 10, 130], [130, 250, 10], [60, 90, 200]], np.uint8)
_FRAMES, _MORE_FRAMES = 2, 5  # neither is 3, the number of channels
_CANVAS = (270, 360)
_CANVASES = (_CANVAS, (400, 300))
_KEYS = ("pixel_values", "pixel_values_videos", "video")
_ORDERS = {"TCHW": 1, "CTHW": 0, "THWC": 3}  # axes of an output, and which of them the channels are
_TOLERANCE = 1e-3  # of the range of a channel's output
_DIGITS = 7
_NEAR = (0, -1, 1, -2, 2)  # pixels
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Measured:
    """Measured effect of a processor.

    Attributes
    ----------
    mean, std : 3 floats, or None
        In units of 0..1; None if the output is not of this form.
    size : (height, width) or None
        Of the output; None if it depends on the clip.
    frames : int or None
        Number of frames of the output; None if it depends on the clip.
    layout : str or None
        Order of the axes, if the processor makes a whole clip and not a batch of pictures.
    is_reversed : bool
        The channels are in reverse order.
    """

    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    size: tuple[int, int] | None
    frames: int | None
    layout: str | None
    is_reversed: bool


@dataclass(frozen=True, eq=False)
class _Output:
    """Output of a processor: the first frame (channel, height, width), the number of frames, the layout."""

    picture: NDArray[np.float64]
    frames: int
    layout: str | None

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[2]


class Probe:
    """Calls a processor in the first usual way that works.

    Parameters
    ----------
    processor : callable
    """

    def __init__(self, processor: Any) -> None:
        self.calls: list[Callable[[Picture], Any]] = [
            lambda frames: processor(list(frames), return_tensors="pt"),  # Hugging Face
            lambda frames: processor(list(frames), return_tensors="pt", do_sample_frames=False),
            lambda frames: processor(torch.from_numpy(frames).permute(0, 3, 1, 2)),  # torchvision
            lambda frames: _of_pictures(processor, frames),  # timm, and torchvision for pictures
            lambda frames: processor(torch.from_numpy(frames).permute(3, 0, 1, 2).float()),  # pytorchvideo
            lambda frames: processor({"video": torch.from_numpy(frames).permute(3, 0, 1, 2).float()}),
        ]
        self.smooth: list[tuple[Picture, _Output | None]] = []

    def measure(self) -> Measured | None:
        """Return what the processor does; None if it cannot be called with the frames of a clip."""
        found = [self._output(np.broadcast_to(colour, (*_CANVAS, 3))) for colour in _COLOURS]
        outputs = [output for output in found if output is not None]
        if len(outputs) < len(found):
            return None
        first, size = outputs[0], outputs[0].size
        turned = self._output(np.broadcast_to(_COLOURS[0], (*_CANVAS[::-1], 3)))
        longer = self._output(np.broadcast_to(_COLOURS[0], (*_CANVAS, 3)), _MORE_FRAMES)
        colours = np.array([output.picture[:, size[0] // 2, size[1] // 2] for output in outputs])
        straight, reversed_ = _affine(colours, _COLOURS), _affine(colours, _COLOURS[:, ::-1])
        mean, std = straight or reversed_ or (None, None)
        return Measured(
            mean,
            std,
            size if turned is not None and turned.size == size else None,
            first.frames if longer is not None and longer.frames == first.frames else None,
            first.layout,
            is_reversed=straight is None and reversed_ is not None,
        )

    def difference(self, values: Mapping[str, Any]) -> float | None:
        """Return the largest difference between the processor's output and that of a preprocessing, on smooth pictures.

        Parameters
        ----------
        values : dict
            Size, mean, std and crop of the preprocessing.

        Returns
        -------
        float or None
            Mean absolute difference in units of 0..1; None if the shapes differ.
        """
        if not self.smooth:
            self.smooth = [(picture, self._output(picture)) for picture in map(_smooth_picture, _CANVASES)]
        gaps = [_difference(values, picture, output) for picture, output in self.smooth]
        return None if None in gaps else max(filter(None, gaps), default=0.0)

    def crop_candidates(self, size: tuple[int, int], mean: Any, std: Any) -> list[str]:
        """Return crop modes that the processor may have, measured on ramps from top to bottom and from left to right.

        The slope of a ramp in the output tells to what length the frame was resized, up to a pixel or two.
        """
        lengths = []
        for axis in (0, 1):
            ramp = np.round(np.linspace(0, 255, _CANVAS[axis])).astype(np.uint8)
            found = self._output(np.broadcast_to(ramp[:, None, None] if axis == 0 else ramp[:, None], (*_CANVAS, 3)))
            if found is None or found.size != size:
                return []
            shares = found.picture * np.array(std)[:, None, None] + np.array(mean)[:, None, None]
            length = _resized_length(shares.mean(0).mean(1 - axis), _CANVAS[axis])
            if length is None:
                return []
            lengths.append(length)
        height, width = lengths
        near = [max(height + step, 1) for step in _NEAR], [max(width + step, 1) for step in _NEAR]
        keeps_proportions = abs(height * _CANVAS[1] / _CANVAS[0] - width) <= 2 * max(_NEAR)
        shorter = [f"center:{length}" for length in near[0]] if keeps_proportions else []
        return ["center", "stretch", *shorter, *(f"center:{rows}x{columns}" for rows in near[0] for columns in near[1])]

    def _output(self, picture: NDArray[Any], frames: int = _FRAMES) -> _Output | None:
        """Return the output for a clip of equal frames; None if the processor does not return such a thing."""
        clip = np.array(np.broadcast_to(picture, (frames, *picture.shape)))
        for call in self.calls:
            values: NDArray[np.float64] = np.zeros(0)
            # Only what others wrote may raise anything.
            with contextlib.suppress(Exception), warnings.catch_warnings(), torch.no_grad(), LocalRandomness():
                warnings.simplefilter("ignore")
                output = call(clip)
                if isinstance(output, Mapping):
                    output = next(output[name] for name in _KEYS if name in output)
                values = np.asarray(output, np.float64)
            arranged = _arranged(values)
            if arranged is not None:
                self.calls = [call]
                return arranged
        return None


def _difference(values: Mapping[str, Any], picture: Picture, found: _Output | None) -> float | None:
    """Return the mean difference between an output and that of a preprocessing; None if the shapes differ."""
    try:
        p = Preprocessing(frames=1, layout="BCTHW", **values)
    except UsageError:  # values that the network cannot be given
        return None
    ours = p.tensor(p.fit(Clip(picture[None])), torch.device("cpu"), torch.float32)[0, :, 0].numpy()
    if found is None or found.picture.shape != ours.shape:
        return None
    gap = float(np.mean(np.abs(found.picture - ours) * np.array(p.std)[:, None, None]))
    return gap if math.isfinite(gap) else None


def _of_pictures(processor: Any, frames: Picture) -> Any:
    from PIL import Image

    return torch.stack([processor(Image.fromarray(frame)) for frame in frames])


def _arranged(values: NDArray[np.float64]) -> _Output | None:
    """Return an output with its axes in order; None if they cannot be recognised."""
    has_batch = values.ndim == 5 and len(values) == 1
    inner = values[0] if has_batch else values
    orders = [order for order, channel in _ORDERS.items() if inner.ndim == 4 and inner.shape[channel] == 3]
    if len(orders) != 1:
        return None
    (order,) = orders
    # Frames in front are a batch of pictures unless the clip has an axis of its own.
    layout = f"B{order}" if f"B{order}" in COMMON_LAYOUTS and (has_batch or order == "CTHW") else None
    ordered = inner.transpose([order.index(axis) for axis in "TCHW"])
    return _Output(ordered[0], len(ordered), layout)


def _affine(outputs: NDArray[np.float64], colours: Picture) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and standard deviation that explain the outputs (colour, channel) of colours; None if none do."""
    shares = colours.astype(np.float64) / 255
    slope = (outputs[1] - outputs[0]) / (shares[1] - shares[0])
    constant = outputs[0] - slope * shares[0]
    if not np.all(np.isfinite(slope)) or np.any(slope <= 0):
        return None
    if np.any(np.abs(outputs - (slope * shares + constant)) > _TOLERANCE * slope):
        return None
    std, mean = 1 / slope, -constant / slope
    return tuple(round(float(v), _DIGITS) for v in mean), tuple(round(float(v), _DIGITS) for v in std)


def _resized_length(line: NDArray[np.float64], length: int) -> int | None:
    """Return the length to which a ramp from 0 to 1 was resized, given what is left of it; None if that is no ramp."""
    inner = slice(len(line) // 8, -(len(line) // 8) or None)  # without narrow bars
    slope = float(np.polyfit(np.arange(len(line))[inner], line[inner], 1)[0])
    return round(length / (slope * (length - 1))) if 0 < slope < math.inf else None  # NaN too


def _smooth_picture(canvas: tuple[int, int]) -> Picture:
    """Return long waves that differ in every direction and colour."""
    rows, columns = (np.arange(length, dtype=np.float64) for length in canvas)
    waves = [
        np.cos(rows[:, None] / (25 + 9 * channel)) + np.sin(columns[None] / (31 + 7 * channel) + 2 * channel)
        for channel in range(3)
    ]
    return np.moveaxis(np.round(127.5 + 60 * np.array(waves)), 0, -1).astype(np.uint8)

"""Measure what a processor does: it is called with clips of plain colours, and with a smooth picture.

For values ``x`` of a channel the output is ``(x / 255 - mean) / std``, whatever the steps are called by which it gets
there. Two colours determine mean and standard deviation; two more show whether the processor is of this form.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.models.input_layouts import COMMON_LAYOUTS
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness

_COLOURS = np.array([[10, 130, 250], [250, 10, 130], [130, 250, 10], [60, 90, 200]], np.uint8)
_FRAMES = len(_COLOURS)  # not 3, the number of channels
_CANVAS = (270, 360)
_CANVASES = (_CANVAS, (400, 300))
_OUTPUTS = ("pixel_values", "pixel_values_videos")
_TOLERANCE = 1e-3  # of the range of a channel's output
_DIGITS = 7
_NEAR = (0, -1, 1, -2, 2)  # pixels


@dataclass(frozen=True)
class Measured:
    """What a processor does.

    Attributes
    ----------
    mean, std : 3 floats, or None
        In units of 0..1; None if the processor is not of this form.
    size : (height, width) or None
        Of the output; None if it depends on the clip.
    layout : str or None
        Order of the axes, if the processor makes a whole batch of one clip.
    is_reversed : bool
        The channels are in reverse order.
    """

    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    size: tuple[int, int] | None
    layout: str | None
    is_reversed: bool


def measure(processor: Any) -> Measured | None:
    """Return what a processor does with colours; None if it cannot be called with the frames of a clip."""
    frames = np.broadcast_to(_COLOURS[:, None, None], (_FRAMES, *_CANVAS, 3))
    found = _output(processor, frames)
    turned = _output(processor, frames.transpose(0, 2, 1, 3))
    if found is None:
        return None
    values, layout = found
    size = tuple(values.shape[2:])
    is_fixed = turned is not None and tuple(turned[0].shape[2:]) == size
    colours = values[:, :, size[0] // 2, size[1] // 2]
    straight, reversed_ = _affine(colours, _COLOURS), _affine(colours, _COLOURS[:, ::-1])
    mean, std = straight or reversed_ or (None, None)
    is_reversed = straight is None and reversed_ is not None
    return Measured(mean, std, (size[0], size[1]) if is_fixed else None, layout, is_reversed)


def difference(processor: Any, values: Mapping[str, Any]) -> float | None:
    """Return how much a processor's output and that of a preprocessing differ on smooth pictures of two sizes, at most.

    Parameters
    ----------
    processor : callable
    values : dict
        Size, mean, std and crop of the preprocessing.

    Returns
    -------
    float or None
        Mean absolute difference in units of 0..1; None if the shapes differ.
    """
    gaps = [_difference(processor, values, _smooth_frames(canvas)) for canvas in _CANVASES]
    return None if None in gaps else max(filter(None, gaps), default=0.0)


def _difference(processor: Any, values: Mapping[str, Any], frames: NDArray[np.uint8]) -> float | None:
    found = _output(processor, frames)
    p = Preprocessing(frames=_FRAMES, layout="BCTHW", **values)
    ours = p.tensor(p.fit(Clip(frames)), torch.device("cpu"), torch.float32)[0].transpose(0, 1).numpy()
    if found is None or found[0].shape != ours.shape:
        return None
    gap = float(np.mean(np.abs(found[0] - ours) * np.array(p.std)[None, :, None, None]))
    return gap if math.isfinite(gap) else None


def crop_candidates(processor: Any, size: tuple[int, int], mean: Any, std: Any) -> list[str]:
    """Return crop modes that a processor may have, measured on ramps from top to bottom and from left to right.

    The slope of a ramp in the output tells to what length the frame was resized, up to a pixel or two.
    """
    ramps = np.zeros((_FRAMES, *_CANVAS, 3), np.uint8)
    ramps[0] = np.round(np.linspace(0, 255, _CANVAS[0]))[:, None, None]
    ramps[1] = np.round(np.linspace(0, 255, _CANVAS[1]))[:, None]
    found = _output(processor, ramps)
    if found is None or found[0].shape[2:] != size:
        return []
    shares = found[0] * np.array(std)[None, :, None, None] + np.array(mean)[None, :, None, None]
    lengths = []
    for axis in (0, 1):
        middle = shares[axis].mean(0).mean(1 - axis)
        inner = slice(len(middle) // 8, -(len(middle) // 8) or None)  # without narrow bars
        slope = np.polyfit(np.arange(len(middle))[inner], middle[inner], 1)[0]
        if not 0 < slope < math.inf:  # NaN too
            return []
        lengths.append(round(_CANVAS[axis] / (slope * (_CANVAS[axis] - 1))))
    height, width = lengths
    near = [max(height + step, 1) for step in _NEAR], [max(width + step, 1) for step in _NEAR]
    keeps_proportions = abs(height * _CANVAS[1] / _CANVAS[0] - width) <= 2 * max(_NEAR)
    shorter = [f"center:{length}" for length in near[0]] if keeps_proportions else []
    return ["center", "stretch", *shorter, *(f"center:{rows}x{columns}" for rows in near[0] for columns in near[1])]


def _output(processor: Any, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float64], str | None] | None:
    """Return (time, channel, height, width) and the layout; None if the processor does not return such a thing."""
    frames = np.ascontiguousarray(frames)
    calls = (
        lambda: processor(list(frames), return_tensors="pt"),  # Hugging Face
        lambda: processor(torch.from_numpy(frames).permute(0, 3, 1, 2)),  # torchvision
        lambda: _of_pictures(processor, frames),  # timm, and torchvision for pictures
    )
    for call in calls:
        with contextlib.suppress(Exception), warnings.catch_warnings(), torch.no_grad(), LocalRandomness():
            warnings.simplefilter("ignore")
            output = call()
            if isinstance(output, Mapping):
                output = next(output[name] for name in _OUTPUTS if name in output)
            arranged = _arranged(np.asarray(output, np.float64))
            if arranged is not None:
                return arranged
    return None


def _of_pictures(processor: Any, frames: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return torch.stack([processor(Image.fromarray(frame)) for frame in frames])


def _arranged(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], str | None] | None:
    """Return values as (time, channel, height, width), and their layout; None if the axes cannot be recognised."""
    has_batch = values.ndim == 5 and len(values) == 1
    inner = values[0] if has_batch else values
    if inner.ndim != 4 or inner.shape.count(_FRAMES) != 1 or inner.shape.count(3) != 1:
        return None
    time, channel = inner.shape.index(_FRAMES), inner.shape.index(3)
    letters = ["H", "W"]
    names = "B" + "".join("T" if axis == time else "C" if axis == channel else letters.pop(0) for axis in range(4))
    # Frames in front are a batch of pictures unless the clip has an axis of its own.
    layout = names if names in COMMON_LAYOUTS and (has_batch or time > 0) else None
    return np.moveaxis(inner, (time, channel), (0, 1)), layout


def _affine(
    outputs: NDArray[np.float64], colours: NDArray[np.uint8]
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and standard deviation that explain the outputs (frame, channel) of colours; None if none do."""
    shares = colours.astype(np.float64) / 255
    slope = (outputs[1] - outputs[0]) / (shares[1] - shares[0])
    constant = outputs[0] - slope * shares[0]
    if not np.all(np.isfinite(slope)) or np.any(slope <= 0):
        return None
    if np.any(np.abs(outputs - (slope * shares + constant)) > _TOLERANCE * slope):
        return None
    std, mean = 1 / slope, -constant / slope
    return tuple(round(float(v), _DIGITS) for v in mean), tuple(round(float(v), _DIGITS) for v in std)


def _smooth_frames(canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """Return frames of long waves that differ in every direction, colour and frame."""
    rows, columns = (np.arange(length, dtype=np.float64) for length in canvas)
    waves = [
        [
            np.cos(rows[:, None] / (25 + 9 * channel) + frame) + np.sin(columns[None] / (31 + 7 * frame) + 2 * channel)
            for channel in range(3)
        ]
        for frame in range(_FRAMES)
    ]
    return np.moveaxis(np.round(127.5 + 60 * np.array(waves)), 1, -1).astype(np.uint8)

"""Random masks of a clip, and what the hidden parts of it are filled with."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

FILLS = ("blur", "mean", "freeze", "grey")
_BLUR = 1 / 8  # standard deviation, as a fraction of each axis
_GREY = 0.5  # of 0..1

Size = tuple[int, int, int]


def random_masks(count: int, cells: Size, size: Size, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Return random masks: coarse grids of zeros and ones, shifted at random and interpolated linearly along each axis.

    Parameters
    ----------
    count : int
    cells : (time, height, width) in cells
        An axis of the clip that is shorter has a cell for each frame or pixel.
    size : (time, height, width) of the clip
    probability : float
        Of a cell to be kept.
    generator : torch.Generator
        On the CPU; masks drawn one by one are those drawn together.

    Returns
    -------
    float32 tensor (count, time, height, width)
        1 where the clip is kept, 0 where it is hidden.
    """
    counts = [min(number, length) for number, length in zip(cells, size, strict=True)]
    masks = []
    for _ in range(count):
        mask = (torch.rand([number + 1 for number in counts], generator=generator) < probability).float()
        shifts = torch.rand(3, generator=generator).tolist()
        for number, length, shift in zip(counts, size, shifts, strict=True):
            mask = torch.tensordot(mask, _weights(number, length, shift), ([0], [1]))
        masks.append(mask)
    return torch.stack(masks)


def _weights(cells: int, length: int, shift: float) -> torch.Tensor:
    """Return weights (length, cells + 1) of linear interpolation between the centres of cells, which are shifted.

    Parameters
    ----------
    cells : int
        Number of cells that cover the axis; one more lets it be shifted.
    length : int
        Frames or pixels.
    shift : float in 0..1
        In cells.
    """
    position = (torch.arange(length) + 0.5) * cells / length - 0.5 + shift
    position = position.clamp(0, cells)
    return (1 - (position[:, None] - torch.arange(cells + 1)).abs()).clamp_min(0)


def background(video: torch.Tensor, fill: str, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Return what takes the place of the hidden parts of a clip, in a shape that broadcasts to the clip's.

    Parameters
    ----------
    video : float tensor (1, channel, time, height, width)
        Normalised.
    fill : str
        "blur": the clip blurred in space and time by an eighth of each axis; "mean": the mean colour of the clip; "freeze":
        the mean over time of each pixel, so that nothing moves; "grey": the middle of 0..1.
    mean, std : tuple of float, one for each channel
        Of the normalisation.
    """
    if fill == "blur":
        return _blurred(video)
    if fill == "mean":
        return video.mean((2, 3, 4), keepdim=True)
    if fill == "freeze":
        return video.mean(2, keepdim=True)
    grey = [(_GREY - middle) / scale for middle, scale in zip(mean, std, strict=True)]
    return torch.tensor(grey, dtype=video.dtype, device=video.device).view(1, -1, 1, 1, 1)


def _blurred(video: torch.Tensor) -> torch.Tensor:
    """Return a clip blurred by a Gaussian along time, height and width; the border is repeated."""
    found = video.float()
    for axis in (2, 3, 4):
        length = found.shape[axis]
        radius = max(1, math.ceil(3 * _BLUR * length))
        taps = torch.arange(-radius, radius + 1, device=video.device)
        kernel = torch.exp(-((taps / (_BLUR * length)) ** 2) / 2)
        lines = found.movedim(axis, -1)
        padded = F.pad(lines.reshape(-1, 1, length), (radius, radius), "replicate")
        smooth = F.conv1d(padded, (kernel / kernel.sum()).view(1, 1, -1))
        found = smooth.reshape(lines.shape).movedim(-1, axis)
    return found.to(video.dtype)

"""Read a map at the resolution of the clip from gradients at the network's input.

    f = B(B(blur(||g||) d))

``||g||`` is the norm of the gradient over the input's channels, ``d`` the difference of the frame from what the clip shows
without movement (``reference``), and B the joint bilateral filter, which averages over neighbouring pixels of similar colour:
it fills the inside of a limb from its edges, where gradients are large. Constants in pixels are given for a side of 64
pixels and grow with the clip.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from notebook_explain.methods.sharp_tubes.reference import REFERENCE_SIDE, difference_from_reference

BLUR = 1.0  # standard deviations in pixels
BILATERAL = 2.0
REACH = 3  # taps of the bilateral filter to each side
COLOUR = 0.0625  # standard deviation of colours in 0..1
FRAMES_AT_ONCE = 8


class ReadOut:
    """Read-out for the frames of one clip; use it for any number of gradients.

    Parameters
    ----------
    frames : uint8 array (time, height, width, 3)
        The clip that the network saw.
    """

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.scale = pixel_scale(frames)
        self.difference = torch.from_numpy(difference_from_reference(frames))
        self.colours = torch.from_numpy(np.ascontiguousarray(frames)).float() / 255

    def __call__(self, gradients: torch.Tensor) -> torch.Tensor:
        """Return maps float32 (map, time, height, width), 0 or more.

        Parameters
        ----------
        gradients : float tensor (map, channel, time, height, width)
            With respect to the normalised clip.
        """
        norm = reduce(torch.hypot, gradients.float().cpu().unbind(1)).abs()  # many times faster than norm(dim=1)
        detail = blurred(norm, BLUR * self.scale) * self.difference
        return self.bilateral(detail)

    def bilateral(self, maps: torch.Tensor) -> torch.Tensor:
        """Apply the joint bilateral filter twice, to every frame of maps (map, time, height, width)."""
        parts = []
        for first in range(0, maps.shape[1], FRAMES_AT_ONCE):
            frames = slice(first, first + FRAMES_AT_ONCE)
            weights = _Weights(self.colours[frames], self.scale)
            parts.append(weights.average(weights.average(maps[:, frames])))
        return torch.cat(parts, dim=1)


class _Weights:
    """Weights of the bilateral filter for some frames: one tensor for each pair of opposite neighbours."""

    def __init__(self, colours: torch.Tensor, scale: float) -> None:
        taps = [round(tap * scale) for tap in range(-REACH, REACH + 1)]
        offsets = [(dy, dx) for dy in taps for dx in taps if (dy, dx) > (0, 0)]
        planes = colours.movedim(-1, 0).contiguous()  # (colour, time, height, width)
        height, width = planes.shape[2:]
        self.total = torch.ones(planes.shape[1:])
        self.pairs = []
        for dy, dx in offsets:
            if dy >= height or abs(dx) >= width:
                continue
            here, there = _shifted(height, width, dy, dx)
            distance = (planes[(..., *here)] - planes[(..., *there)]).square_().sum(0)
            spatial = (dy * dy + dx * dx) / (2 * (BILATERAL * scale) ** 2)
            weight = distance.mul_(-1 / (2 * COLOUR**2)).sub_(spatial).exp_()
            self.total[(..., *here)] += weight
            self.total[(..., *there)] += weight
            self.pairs.append((here, there, weight))

    def average(self, maps: torch.Tensor) -> torch.Tensor:
        """Return weighted means over the neighbours of each pixel, itself included."""
        total = maps.clone()
        for here, there, weight in self.pairs:
            total[(..., *here)].addcmul_(maps[(..., *there)], weight)
            total[(..., *there)].addcmul_(maps[(..., *here)], weight)
        return total.div_(self.total)


def _shifted(height: int, width: int, dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return rows and columns of the pixels that have a neighbour at an offset, and of these neighbours."""
    left, right = max(0, -dx), width - max(0, dx)
    return (slice(0, height - dy), slice(left, right)), (slice(dy, height), slice(left + dx, right + dx))


def pixel_scale(frames: NDArray[np.uint8]) -> float:
    """Return the factor by which constants in pixels grow with a clip."""
    return max(1.0, float(min(frames.shape[1:3])) / REFERENCE_SIDE)


def blurred(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return maps (map, time, height, width) blurred within each frame by a Gaussian, with reflected borders."""
    height, width = maps.shape[-2:]
    radius = math.ceil(3 * sigma)
    position = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-(position**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    images = maps.flatten(0, 1)[:, None]
    mode = "reflect" if radius < min(height, width) else "replicate"
    with torch.autocast(images.device.type, enabled=False):  # an autocast of the caller must not change the precision
        images = F.conv2d(F.pad(images, (0, 0, radius, radius), mode), kernel.view(1, 1, -1, 1))
        images = F.conv2d(F.pad(images, (radius, radius, 0, 0), mode), kernel.view(1, 1, 1, -1))
    found: torch.Tensor = images.reshape(maps.shape)
    return found

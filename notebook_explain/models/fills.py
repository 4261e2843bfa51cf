"""Fills: what the hidden parts of a clip show."""

from __future__ import annotations

from collections.abc import Sequence

import torch

FILLS = ("blur", "mean", "freeze", "grey")
_GREY = 0.5  # of 0..1


def background(video: torch.Tensor, fill: str, mean: Sequence[float] = (), std: Sequence[float] = ()) -> torch.Tensor:
    """Return what hidden parts of a clip show, in a shape that broadcasts to the clip's.

    Parameters
    ----------
    video : float tensor (1, channel, time, height, width)
        Normalised.
    fill : str
        "blur": the clip blurred in space and time by an eighth of each axis; "mean": the mean colour of the clip; "freeze":
        the mean over time of each pixel, so that nothing moves; "grey": the middle of 0..1.
    mean, std : sequence of float, one for each channel
        Of the normalisation; for "grey" only.
    """
    if fill == "blur":
        return blurred(video)
    if fill == "mean":
        return video.mean((2, 3, 4), keepdim=True)
    if fill == "freeze":
        return video.mean(2, keepdim=True)
    grey = [(_GREY - middle) / scale for middle, scale in zip(mean, std, strict=True)]
    return torch.tensor(grey, dtype=video.dtype, device=video.device).view(1, -1, 1, 1, 1)


def blurred(video: torch.Tensor, block: Sequence[slice] = (slice(None),) * 3) -> torch.Tensor:
    """Return a clip blurred by a Gaussian of an eighth of each axis; the border is repeated.

    Parameters
    ----------
    video : float tensor (batch, channel, time, height, width)
    block : (time, height, width) slices, optional
        Part of the blurred clip to compute; the shortest part of an axis first, which leaves the least to do.
    """
    found = video.float()
    kept = [len(range(*part.indices(length))) / length for part, length in zip(block, video.shape[2:], strict=True)]
    for axis in sorted(range(3), key=lambda axis: kept[axis]):
        matrix = _gaussian(found.shape[axis + 2])[block[axis]].to(found)
        found = torch.tensordot(found, matrix, ([axis + 2], [1])).movedim(-1, axis + 2)
    return found.to(video.dtype)


def _gaussian(length: int) -> torch.Tensor:
    """Return the matrix (length, length) that blurs an axis; positions beyond the border are those at the border."""
    sigma = length / 8
    radius = max(1, round(3 * sigma))
    taps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (taps / sigma) ** 2)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    reads = (torch.arange(length)[:, None] + taps.long()).clamp(0, length - 1)
    return matrix.scatter_add_(1, reads, (weights / weights.sum()).expand(length, -1).contiguous())

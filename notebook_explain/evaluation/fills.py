"""Fills: what takes the place of the parts of a clip that are hidden.

* "blur": the clip blurred in space and time, by an eighth of each axis (standard deviation).
* "freeze": the mean over time of each pixel, so that nothing moves.
* "mean": the mean colour of the clip.
* "linear": noisy linear imputation (`linear_imputation`), which leaves no outline of what is hidden.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from notebook_explain.evaluation.linear_imputation import impute

FILLS = ("blur", "freeze", "mean", "linear")
Hide = Callable[[torch.Tensor], torch.Tensor]  # shown voxels (n, time, height, width) -> clips (n, channel, ...)


def filling(video: torch.Tensor, fill: str, seed: int = 0) -> Hide:
    """Return a function that hides parts of a clip.

    Parameters
    ----------
    video : float tensor (1, channel, time, height, width)
        The normalised clip.
    fill : str
        One of `FILLS`.
    seed : int
        Of the noise of "linear".

    Returns
    -------
    function
        From what is shown, bool or float in 0..1 (n, time, height, width), to clips (n, channel, time, height, width).
    """
    if fill == "linear":
        return lambda shown: impute(video, shown if shown.dtype == torch.bool else shown > 0.5, seed=seed)
    background = {"blur": blurred, "freeze": _frozen, "mean": _mean_colour}[fill](video)
    background = background.expand_as(video).contiguous()

    def hide(shown: torch.Tensor) -> torch.Tensor:
        if shown.dtype == torch.bool:
            return torch.where(shown[:, None], video, background)
        return torch.lerp(background, video, shown[:, None].to(video))

    return hide


def blurred(video: torch.Tensor) -> torch.Tensor:
    """Return a clip blurred by a Gaussian of an eighth of each axis; the border is repeated."""
    for axis in (2, 3, 4):
        matrix = _gaussian(video.shape[axis]).to(video)
        video = torch.tensordot(video, matrix, ([axis], [1])).movedim(-1, axis)
    return video


def _gaussian(length: int) -> torch.Tensor:
    """Return the matrix (length, length) that blurs an axis; positions beyond the border are those at the border."""
    sigma = length / 8
    radius = max(1, round(3 * sigma))
    taps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (taps / sigma) ** 2)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    reads = (torch.arange(length)[:, None] + taps.long()).clamp(0, length - 1)
    return matrix.scatter_add_(1, reads, (weights / weights.sum()).expand(length, -1).contiguous())


def _frozen(video: torch.Tensor) -> torch.Tensor:
    return video.mean(2, keepdim=True)


def _mean_colour(video: torch.Tensor) -> torch.Tensor:
    return video.mean((2, 3, 4), keepdim=True)

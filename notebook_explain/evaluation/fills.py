"""Fills: what the hidden parts of a clip show.

* "blur": the clip blurred in space and time, by an eighth of each axis (standard deviation).
* "freeze": the mean over time of each pixel, so that nothing moves.
* "mean": the mean colour of the clip.
* "linear": noisy linear imputation (`linear_imputation`), which leaves no outline of what is hidden.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from notebook_explain.evaluation.linear_imputation import impute
from notebook_explain.models.fills import background

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
    hidden = background(video, fill).expand_as(video).contiguous()
    # Exact where the weight is 0 or 1, and a third of the time of torch.where.
    return lambda shown: torch.lerp(hidden, video, shown[:, None].to(video))

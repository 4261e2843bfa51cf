"""Noisy linear imputation in three dimensions: hidden voxels become weighted means of their neighbours, plus noise.

The hidden voxels solve a sparse linear system: each equals the mean of its neighbours inside the clip, direct ones (6) with
weight 1/6 and those across an edge (12) with half of that. So no outline of the hidden part remains that a network could
read. The system is symmetric and positive definite as long as any voxel is known, and is solved by conjugate gradients for
all clips and channels at once, without building the matrix.

Reference: Rong, Leemann, Borisov, Kasneci, Kasneci: A Consistent and Efficient Evaluation Strategy for Attribution
Methods, ICML 2022, arXiv:2202.00449 (in two dimensions).
"""

from __future__ import annotations

from functools import partial

import torch

DIRECT, DIAGONAL = 1 / 6, 1 / 12
NOISE = 0.01  # standard deviation of the noise, as a fraction of the clip's
TOLERANCE, MAX_STEPS = 1e-3, 500  # of the residual: far less than the noise
_OFFSETS = [
    offset
    for offset in ((t, y, x) for t in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1))
    if 1 <= sum(map(abs, offset)) <= 2
]


def impute(video: torch.Tensor, known: torch.Tensor, *, noise: float = NOISE, seed: int = 0) -> torch.Tensor:
    """Return clips in which the voxels that are not known are imputed.

    Parameters
    ----------
    video : float tensor (1, channel, time, height, width)
    known : bool tensor (n, time, height, width)
        A clip without any known voxel becomes the mean colour.
    noise : float
        Standard deviation of the noise on imputed voxels, as a fraction of the clip's own.
    seed : int

    Returns
    -------
    float tensor (n, channel, time, height, width)
    """
    hidden = (~known)[:, None].to(video.dtype)
    mean = video.mean((2, 3, 4), keepdim=True)
    centred = (video - mean) * (1 - hidden)  # without known voxels, the mean colour is left
    total = _neighbour_sum(torch.ones_like(hidden))  # neighbours inside the clip, by weight
    solved = _conjugate_gradients(hidden, total, hidden * _neighbour_sum(centred))
    generator = torch.Generator(video.device).manual_seed(seed)
    field = torch.randn(video.shape, generator=generator, device=video.device, dtype=video.dtype)
    return torch.where(known[:, None], video, mean + solved + noise * video.std() * field)


def _neighbour_sum(values: torch.Tensor) -> torch.Tensor:
    """Return the weighted sum over the neighbours of each voxel, (n, channel, time, height, width)."""
    result = torch.zeros_like(values)
    for offset in _OFFSETS:
        reads = tuple(slice(max(0, step), values.shape[k + 2] + min(0, step)) for k, step in enumerate(offset))
        writes = tuple(slice(max(0, -step), values.shape[k + 2] + min(0, -step)) for k, step in enumerate(offset))
        weight = DIRECT if sum(map(abs, offset)) == 1 else DIAGONAL
        result[..., writes[0], writes[1], writes[2]].add_(values[..., reads[0], reads[1], reads[2]], alpha=weight)
    return result


def _conjugate_gradients(hidden: torch.Tensor, total: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve (total - neighbours) x = right on the hidden voxels; all clips and channels are independent systems."""
    dot = partial(torch.sum, dim=(2, 3, 4), keepdim=True)
    x, residual = torch.zeros_like(right), right
    direction = residual / total
    product = dot(residual * direction)
    goal = TOLERANCE**2 * dot(right * right / total).clamp_min(1e-30)
    for _ in range(MAX_STEPS):
        is_open = product > goal  # each system ends by itself, so that it does not depend on the others of a batch
        if not bool(is_open.any()):
            break
        applied = hidden * (total * direction - _neighbour_sum(direction))
        step = torch.where(is_open, product / dot(direction * applied).clamp_min(1e-30), 0)
        x = x + step * direction
        residual = residual - step * applied
        preconditioned = residual / total
        before, product = product, torch.where(is_open, dot(residual * preconditioned), product)
        direction = preconditioned + product / before.clamp_min(1e-30) * direction
    return x

"""A still under a random flow: what the network says about movement that was not made for anything."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray


def random_flow_frames(still: NDArray[np.uint8], flow: NDArray[np.floating], seed: int) -> NDArray[np.uint8]:
    """Return a clip of a still under a smooth random flow with the size of another one.

    Parameters
    ----------
    still : uint8 array (height, width, 3)
    flow : float array (time, height, width, 2)
        The other flow, in pixels; the random one has the same root mean square.
    seed : int

    Returns
    -------
    uint8 array (time, height, width, 3)
    """
    time, height, width, _ = flow.shape
    rng = np.random.default_rng((seed, 1))
    noise = rng.normal(size=(time, height, width, 2))
    axes = [np.fft.fftfreq(length) for length in (time, height, width)]
    frequency = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    weights = np.maximum(frequency, 2 / height) ** -1.5
    smooth = np.fft.ifftn(np.fft.fftn(noise, axes=(0, 1, 2)) * weights[..., None], axes=(0, 1, 2)).real
    smooth *= np.sqrt(np.square(flow.astype(np.float64)).mean() / np.square(smooth).mean())
    return warped(still, smooth.astype(np.float32))


def warped(still: NDArray[np.uint8], flow: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the frames of a still whose pixels are moved by a flow (time, height, width, 2), as uint8."""
    time, height, width, _ = flow.shape
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    positions = np.stack([x, y], -1) + flow.astype(np.float32)
    grid = positions * (2 / np.array([max(width - 1, 1), max(height - 1, 1)])) - 1
    picture = torch.from_numpy(still.astype(np.float32)).permute(2, 0, 1)[None].expand(time, -1, -1, -1)
    moved = F.grid_sample(
        picture, torch.from_numpy(grid.astype(np.float32)), mode="bilinear", padding_mode="border", align_corners=True
    )
    return moved.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()

"""Random masks of a clip."""

from __future__ import annotations

import torch

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

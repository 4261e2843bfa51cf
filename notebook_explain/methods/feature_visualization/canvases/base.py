"""Base of the canvases: a plain value that makes the tensors which are optimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip

STARTS = ("noise", "clip")
SIDE = 64  # pixels; lengths and penalties are those of pictures of this height
OUTSIDE = 0.1  # gradient where a colour leaves 0..1


class Paint(Protocol):
    """Tensors of a canvas, for several restarts at once.

    Attributes
    ----------
    parameters : list of tensor
        What is optimised; the first axis is the restart.
    """

    parameters: list[torch.Tensor]

    def video(self) -> torch.Tensor:
        """Return colours in 0..1, float (restart, 3, time, height, width)."""

    def penalty(self) -> torch.Tensor:
        """Return what is subtracted from the objective, float (restart,)."""

    def flow(self) -> torch.Tensor | None:
        """Return displacements in pixels, float (restart, time, height, width, 2), to the right and down; None without."""


@dataclass(frozen=True)
class Canvas:
    """Base of the canvases, on which made clips are written.

    Attributes
    ----------
    rate : float
        Learning rate of the optimiser (Adam).
    jitter : int
        Largest random shift at each step, in pixels at a height of 64.
    """

    rate: float = 0.05
    jitter: int = 4

    def check(self, size: tuple[int, int, int]) -> None:
        """Raise ValueError if clips of a size (time, height, width) cannot be written on this canvas."""

    def paint(
        self,
        starts: Sequence[Clip],
        reals: Sequence[Clip],
        size: tuple[int, int, int],
        generator: torch.Generator,
        device: torch.device,
    ) -> Paint:
        """Return the tensors of a canvas.

        Parameters
        ----------
        starts : sequence of Clip
            What each restart starts from: one frame, or a clip.
        reals : sequence of Clip
            Clips whose colours and frequencies are used.
        size : (time, height, width)
        generator : torch.Generator
            Of the CPU.
        device : torch.device
        """
        raise NotImplementedError


class _Clip01(torch.autograd.Function):
    """Limit colours to 0..1; outside, a tenth of the gradient passes, so that a colour can come back."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values)
        return values.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (values,) = ctx.saved_tensors
        return torch.where((values < 0) | (values > 1), OUTSIDE * gradient, gradient)


def in_range(values: torch.Tensor) -> torch.Tensor:
    """Limit colours to 0..1 with a small gradient outside."""
    limited: torch.Tensor = _Clip01.apply(values)  # type: ignore[no-untyped-call]
    return limited


def colours_of(clip: Clip) -> torch.Tensor:
    """Return colours in 0..1, float (3, time, height, width)."""
    return torch.tensor(np.ascontiguousarray(clip.frames)).permute(3, 0, 1, 2).float() / 255


def check_canvas(canvas: Any) -> Canvas:
    """Return a canvas; raise TypeError for anything else."""
    if not isinstance(canvas, Canvas):
        raise UsageTypeError(f"canvas must be Flow(), Spectrum() or Pixels(), got {canvas!r}")
    return canvas

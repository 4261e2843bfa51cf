"""Canvas that sets every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.methods.feature_visualization.canvases.base import STARTS, Canvas, Paint, colours_of, in_range


@dataclass(frozen=True)
class Pixels(Canvas):
    """Every pixel of every frame.

    Attributes
    ----------
    start : "noise" or "clip"
        Faint noise on grey, or real clips: those with the largest objective, one for each restart.
    """

    start: str = "noise"

    def __post_init__(self) -> None:
        check_choice("start", self.start, STARTS)

    def paint(
        self,
        starts: Sequence[Clip],
        reals: Sequence[Clip],
        size: tuple[int, int, int],
        generator: torch.Generator,
        device: torch.device,
    ) -> Paint:
        """Return the tensors of this canvas."""
        return _PixelPaint(self, starts, size, generator, device)


class _PixelPaint:
    def __init__(
        self,
        canvas: Pixels,
        starts: Sequence[Clip],
        size: tuple[int, int, int],
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        shape = (len(starts), 3, *size)
        noise = torch.randn(shape, generator=generator)
        values = 0.5 + 0.1 * noise if canvas.start == "noise" else torch.stack([colours_of(start) for start in starts])
        self.parameters = [values.to(device).requires_grad_()]

    def video(self) -> torch.Tensor:
        return in_range(self.parameters[0])

    def penalty(self) -> torch.Tensor:
        return self.parameters[0].new_zeros(len(self.parameters[0]))

    def flow(self) -> None:
        return None

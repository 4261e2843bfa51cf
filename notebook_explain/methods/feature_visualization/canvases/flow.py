"""Canvas of a still picture whose pixels are moved by a smooth flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_range
from notebook_explain.clip import Clip
from notebook_explain.methods.feature_visualization.canvases.base import SIDE, Canvas, Paint


@dataclass(frozen=True)
class Flow(Canvas):
    """A still picture whose pixels are moved by a smooth flow: frame t shows at p what the still has at p + d(t, p).

    Attributes
    ----------
    still : Clip, path to a picture, or uint8 array (height, width, 3), optional
        By default, for each restart, the frame of a real clip that differs most from the mean of its frames: of the most central
        clips for a class or facet, of the best-scoring ones for other objectives.
    largest : float
        Largest horizontal, and largest vertical, displacement, as a share of the height.
    smoothness : float
        Weight of the penalties of differences between neighbouring pixels and frames; the study used 1.
    calm : float
        Weight of the penalty of pixels that move at all, which keeps still what need not move; the study used 1.
    """

    still: Any = None
    largest: float = 14 / SIDE
    smoothness: float = 1.0
    calm: float = 1.0
    rate: float = 0.1
    jitter: int = 3

    def __post_init__(self) -> None:
        for name, high in (("largest", 1), ("smoothness", 1e3), ("calm", 1e3), ("rate", 10)):
            object.__setattr__(self, name, check_range(name, getattr(self, name), 0, high))

    def __repr__(self) -> str:
        defaults = Flow()
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name in ("largest", "smoothness", "calm", "rate", "jitter")
            if getattr(self, name) != getattr(defaults, name)
        ]
        return f"Flow({', '.join(([] if self.still is None else ['still=...']) + changed)})"

    def check(self, size: tuple[int, int, int]) -> None:
        """Raise ValueError for a single frame."""
        if size[0] < 2:
            raise UsageError(
                "a flow moves a picture from frame to frame, but this network takes one frame; use canvas=Spectrum()"
            )

    def paint(
        self,
        starts: Sequence[Clip],
        reals: Sequence[Clip],
        size: tuple[int, int, int],
        generator: torch.Generator,
        device: torch.device,
    ) -> Paint:
        """Return the tensors of this canvas."""
        return _FlowPaint(self, starts, size, generator, device)


class _FlowPaint:
    def __init__(
        self,
        canvas: Flow,
        starts: Sequence[Clip],
        size: tuple[int, int, int],
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self._canvas, self._size = canvas, size
        time, height, width = size
        self._scale = height / SIDE  # pixels per pixel of a picture of 64
        stills = np.stack([start.frames[0] for start in starts])
        self._stills = torch.from_numpy(stills).to(device).permute(0, 3, 1, 2).float() / 255
        self._grid = (
            (max(2, height // 2), max(2, width // 2))
            if height <= 2 * SIDE
            else (SIDE, max(2, round(SIDE * width / height)))
        )
        rows, columns = self._grid
        shape = (len(starts), 2, time, rows, columns // 2 + 1)
        noise = torch.randn((*shape, 2), generator=generator).to(device)
        self.parameters = [(0.02 * noise).requires_grad_()]
        frequencies = torch.sqrt(
            torch.fft.fftfreq(time)[:, None, None] ** 2
            + torch.fft.fftfreq(rows)[None, :, None] ** 2
            + torch.fft.rfftfreq(columns)[None, None, :] ** 2
        )
        weights = frequencies.clamp_min(1 / rows) ** -1.5
        self._weights = (weights / weights.square().mean().sqrt()).to(device)
        self._rows, self._columns = (
            _bicubic(few, many).to(device) for few, many in zip(self._grid, (height, width), strict=True)
        )
        axes = [torch.arange(length, dtype=torch.float32) for length in (height, width)]
        y, x = torch.meshgrid(*axes, indexing="ij")
        self._pixels = torch.stack([x, y], -1).to(device)

    def _displacement(self) -> torch.Tensor:
        """Return displacements at the coarse grid, float (restart, 2, time, row, column), in pixels of a picture of 64."""
        spectrum = torch.view_as_complex(self.parameters[0]) * self._weights
        raw = torch.fft.irfftn(spectrum, s=(self._size[0], *self._grid), dim=(-3, -2, -1), norm="ortho")
        most = self._canvas.largest * SIDE
        return most * torch.tanh(raw / most)

    def _enlarged(self, coarse: torch.Tensor) -> torch.Tensor:
        """Return displacements of every pixel, float (restart, time, height, width, 2), in pixels."""
        large = self._rows @ coarse @ self._columns.T  # bicubic, as matrices: ten times as fast to differentiate
        return self._scale * large.permute(0, 2, 3, 4, 1)

    def video(self) -> torch.Tensor:
        self._coarse = self._displacement()
        positions = self._pixels + self._enlarged(self._coarse)
        restarts, time, height, width, _ = positions.shape
        scale = torch.tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)], device=positions.device)
        grid = (positions * scale - 1).reshape(restarts, time * height, width, 2)
        moved = F.grid_sample(self._stills, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return moved.reshape(restarts, 3, time, height, width)

    def penalty(self) -> torch.Tensor:
        """Return the penalties of the displacement of the last `video`."""
        d, canvas = self._coarse, self._canvas
        slope = d.diff(dim=-1).square().mean((1, 2, 3, 4)) + d.diff(dim=-2).square().mean((1, 2, 3, 4))
        change = d.diff(dim=2)
        rough = 0.3 * slope + 0.02 * change.square().mean((1, 2, 3, 4))
        if change.shape[2] > 1:
            rough = rough + 0.2 * change.diff(dim=2).square().mean((1, 2, 3, 4))
        # Of whole trajectories, so that a pixel either moves or stays where it is in all frames.
        size = 7.5 * (d.square().sum(1).mean(1) + 0.01).sqrt().mean((1, 2))
        return canvas.smoothness * rough + canvas.calm * size

    def flow(self) -> torch.Tensor:
        return self._enlarged(self._displacement())


def _bicubic(few: int, many: int) -> torch.Tensor:
    """Return the matrix (many, few) that enlarges a row of values bicubically."""
    units = torch.eye(few)[:, None, :, None]
    return F.interpolate(units, (many, 1), mode="bicubic", align_corners=False)[:, 0, :, 0].T.contiguous()

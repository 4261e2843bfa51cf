"""The canvas of the published schedule: every pixel of a clip that is larger than the network's input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from notebook_explain.clip import Clip
from notebook_explain.methods.feature_visualization.canvases.base import colours_of

ENLARGED = 1.2
PUBLISHED_HEIGHT = 512  # pixels
SPREAD = 0.4  # standard deviation of a window's corner, as a share of the slack
UNIT = 0.225  # of the canvas: the standard deviation of ImageNet's colours, by which the published canvas was divided
ROUNDS = 20  # of Chambolle's algorithm
TAU = 0.25  # its step; above this it may not converge


class PaperPaint:
    """Pixels of an enlarged clip, of which the network sees a window and readers see the middle.

    Parameters
    ----------
    starts : sequence of Clip
        Of each restart, as the network gets them.
    device : torch.device

    Attributes
    ----------
    parameters : list of one float tensor (restart, 3, time, height, width)
        Colours divided by `UNIT`.
    corners : int tensor (restart, 2)
        Row and column of the upper left corner of each restart's window.
    """

    def __init__(self, starts: Sequence[Clip], device: torch.device) -> None:
        colours = torch.stack([colours_of(start) for start in starts]).to(device)
        self.size = colours.shape[-2:]
        flat = F.interpolate(colours.flatten(1, 2), self._enlarged, mode="bilinear", align_corners=False)
        values = flat.reshape(*colours.shape[:3], *self._enlarged) / UNIT
        self._brightness = values.mean((1, 2, 3, 4), keepdim=True)
        self.parameters = [values.requires_grad_()]
        self.corners = torch.tensor([self._slack], dtype=torch.long).repeat(len(starts), 1) // 2

    @property
    def _enlarged(self) -> tuple[int, int]:
        height, width = (round(ENLARGED * length) for length in self.size)
        return height, width

    @property
    def _slack(self) -> tuple[int, int]:
        return self._enlarged[0] - self.size[0], self._enlarged[1] - self.size[1]

    def draw_windows(self, generator: torch.Generator) -> None:
        """Draw a window for each restart: normal around the middle, and within the canvas."""
        slack = torch.tensor(self._slack, dtype=torch.float32)
        drawn = slack / 2 + SPREAD * slack * torch.randn(self.corners.shape, generator=generator)
        self.corners = torch.minimum(drawn.round().clamp_min(0), slack).long()

    def windows(self) -> torch.Tensor:
        """Return what the network sees: colours in 0..1, float (restart, 3, time, height, width)."""
        return self._cropped(self.corners.tolist())

    def video(self) -> torch.Tensor:
        """Return the middle: colours in 0..1, float (restart, 3, time, height, width)."""
        middle = [length // 2 for length in self._slack]
        return self._cropped([middle] * len(self.corners))

    def _cropped(self, corners: Sequence[Sequence[int]]) -> torch.Tensor:
        height, width = self.size
        colours = UNIT * self.parameters[0]
        parts = [one[..., y : y + height, x : x + width] for one, (y, x) in zip(colours, corners, strict=True)]
        return torch.stack(parts)

    def penalty(self) -> torch.Tensor:
        """Return zeros (restart,)."""
        return self.parameters[0].new_zeros(len(self.parameters[0]))

    def flow(self) -> None:
        """Return None: nothing is moved."""

    def mask(self, share: float) -> torch.Tensor:
        """Return a Gaussian around the middle of the canvas, 1 there, float (height, width).

        Parameters
        ----------
        share : float
            Standard deviation, as a share of the height.
        """
        height, width = self._enlarged
        y, x = (torch.arange(length) - (length - 1) / 2 for length in (height, width))
        radius = (y[:, None].square() + x[None].square()) / (share * self.size[0]) ** 2
        return torch.exp(-radius / 2).to(self.parameters[0].device)

    @torch.no_grad()
    def limit(self) -> None:
        """Limit colours to 0..1."""
        self.parameters[0].clamp_(0, 1 / UNIT)

    @torch.no_grad()
    def brighten(self, amount: float) -> None:
        """Add an amount in 0..1 to the colours of canvases that are darker than they were, up to their first brightness."""
        canvas = self.parameters[0]
        missing = (self._brightness - canvas.mean((1, 2, 3, 4), keepdim=True)).clamp(0, amount / UNIT)
        canvas.add_(missing)
        self.limit()

    @torch.no_grad()
    def blur(self, sigma: float, share: float) -> None:
        """Blur each frame by a Gaussian: more, the farther from the middle.

        Parameters
        ----------
        sigma : float
            Standard deviation, in pixels.
        share : float
            Of the mask, within which frames stay sharp.
        """
        canvas, mask = self.parameters[0], self.mask(share)
        blurred = gaussian_blur(canvas.flatten(0, 2), sigma).reshape(canvas.shape)
        canvas.copy_(mask * canvas + (1 - mask) * blurred)

    @torch.no_grad()
    def denoise(self, weight: float) -> None:
        """Lower the total variation of each frame and colour.

        Parameters
        ----------
        weight : float
            Of the data in split Bregman, for a height of 512 pixels: the larger, the less is smoothed.
        """
        canvas = self.parameters[0]
        smoothing = self.size[0] / PUBLISHED_HEIGHT / weight
        denoised = tv_denoised(UNIT * canvas.flatten(0, 2), smoothing)
        canvas.copy_(denoised.reshape(canvas.shape) / UNIT)


def gaussian_blur(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur pictures (picture, height, width), whose borders are repeated, by a Gaussian of some pixels."""
    radius = max(1, int(np.ceil(3 * sigma)))
    offsets = torch.arange(-radius, radius + 1, dtype=pictures.dtype, device=pictures.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = F.pad(pictures[:, None], (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(rows, kernel.view(1, 1, 1, -1))[:, 0]


def tv_denoised(pictures: torch.Tensor, weight: float) -> torch.Tensor:
    """Return u that minimises TV(u) + |u - picture|^2 / (2 weight), nearly (Chambolle, JMIV 2004).

    Parameters
    ----------
    pictures : float tensor (picture, height, width)
    weight : float
        Of the total variation; in units of the colours times pixels.
    """
    dual = pictures.new_zeros((2, *pictures.shape))
    for _ in range(ROUNDS):
        ascent = _gradient(_divergence(dual) - pictures / weight)
        dual = (dual + TAU * ascent) / (1 + TAU * ascent.square().sum(0).sqrt())
    return pictures - weight * _divergence(dual)


def _gradient(pictures: torch.Tensor) -> torch.Tensor:
    """Return forward differences along rows and columns, 0 at the end: (2, picture, height, width)."""
    down = F.pad(pictures.diff(dim=1), (0, 0, 0, 1))
    right = F.pad(pictures.diff(dim=2), (0, 1))
    return torch.stack([down, right])


def _divergence(field: torch.Tensor) -> torch.Tensor:
    """Return the negative transpose of `_gradient`, (picture, height, width)."""
    down, right = field[0, :, :-1], field[1, :, :, :-1]
    return F.pad(down, (0, 0, 0, 1)) - F.pad(down, (0, 0, 1, 0)) + F.pad(right, (0, 1)) - F.pad(right, (1, 0))

"""Canvas with the colours and frequencies of the real clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.methods.feature_visualization.canvases.base import STARTS, Canvas, Paint, colours_of, in_range

NOISE, FAINT = 0.3, 0.01  # of natural clips, at the start; for much less, some networks have dead units only


@dataclass(frozen=True)
class Spectrum(Canvas):
    """Colours and frequencies of the real clips, with free phases: x = m + M irfft(A z).

    A is the root mean square of the real clips' spectra, m and M the mean and a square root of the covariance of their
    colours.

    Attributes
    ----------
    start : "noise" or "clip"
        Faint noise, or real clips: those with the largest objective, one for each restart.
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
        return _SpectrumPaint(self, starts, reals, size, generator, device)


class _SpectrumPaint:
    def __init__(
        self,
        canvas: Spectrum,
        starts: Sequence[Clip],
        reals: Sequence[Clip],
        size: tuple[int, int, int],
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        if not reals:
            raise UsageError(
                "a Spectrum canvas takes its colours and frequencies from real clips; give clips, or use Pixels()"
            )
        self._size = size
        pixels = torch.cat([colours_of(clip).flatten(1) for clip in reals], 1).double()
        self._mean = pixels.mean(1)
        values, vectors = torch.linalg.eigh(torch.cov(pixels) + 1e-6 * torch.eye(3, dtype=torch.float64))
        mix = vectors * values.clamp_min(1e-6).sqrt()
        unmix = torch.linalg.inv(mix)
        spectra = [self._transform(clip, unmix) for clip in reals]
        amplitude = torch.stack([spectrum.abs().square() for spectrum in spectra]).mean(0).sqrt().clamp_min(1e-6)
        noise = NOISE if canvas.start == "noise" else FAINT
        z = noise * torch.randn((len(starts), *amplitude.shape, 2), generator=generator)
        if canvas.start == "clip":
            z = z + torch.stack(
                [torch.view_as_real(self._transform(start, unmix) / amplitude).float() for start in starts]
            )
        self.parameters = [z.to(device).requires_grad_()]
        self._mean, self._mix, self._amplitude = (part.float().to(device) for part in (self._mean, mix, amplitude))

    def _transform(self, clip: Clip, unmix: torch.Tensor) -> torch.Tensor:
        centred = torch.einsum("ij,jthw->ithw", unmix, colours_of(clip).double() - self._mean.view(3, 1, 1, 1))
        spectrum: torch.Tensor = torch.fft.rfftn(centred, dim=(-3, -2, -1), norm="ortho")
        return spectrum

    def video(self) -> torch.Tensor:
        spectrum = torch.view_as_complex(self.parameters[0]) * self._amplitude
        mixed = torch.fft.irfftn(spectrum, s=self._size, dim=(-3, -2, -1), norm="ortho")
        colours = torch.einsum("ij,rjthw->rithw", self._mix, mixed) + self._mean.view(1, 3, 1, 1, 1)
        return in_range(colours)

    def penalty(self) -> torch.Tensor:
        return self.parameters[0].new_zeros(len(self.parameters[0]))

    def flow(self) -> None:
        return None

"""Are made clips right where the answer is known? ``python -m benchmarks.visualization_answers``.

Linear detectors: the score is ``<w, x> - l2 |x|^2``, whose largest value is at ``x = w / (2 l2)``. Printed: the cosine between
the made clip and w, for three detectors and two canvases.

Planted motion: the score is the logarithm of the energy of a pair of Gabor filters that move with a velocity, divided by the
mean square of the clip, and the answer is a wave that moves so. Printed: the velocity of each made clip, for 14 filters and two
seeds.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.methods.feature_visualization import Canvas

SHAPE = (8, 24, 24)  # of a linear detector
VELOCITIES, FREQUENCIES = (0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5), (0.1875, 0.25)  # pixels per frame, cycles per pixel
FILTERS = [(velocity, frequency) for frequency in FREQUENCIES for velocity in VELOCITIES]
FRAMES, SIZE, WIDTH = 16, 24, 7  # of planted motion: clips, and the width of filters
SIGMA_T, SIGMA_X = 1.6, 1.8
TOLERANCE = 0.3  # pixels per frame


class LinearDetectors(nn.Module):
    """Scores ``<w, x> - l2 |x|^2`` of three random w; the best x has a standard deviation of 0.12."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.stem = nn.Conv3d(3, 3, 1, bias=False)
        self.stem.weight.data = torch.eye(3)[:, :, None, None, None]
        self.weights = nn.Parameter(torch.randn((3, 3, *SHAPE), generator=generator))
        self.l2 = 1 / (2 * 0.12)

    def forward(self, x: Tensor) -> Tensor:
        """Map clips (clip, 3, time, height, width) to scores (clip, 3)."""
        y = self.stem(x).flatten(1)
        scores: Tensor = y @ self.weights.flatten(1).T - self.l2 * y.square().sum(1, keepdim=True)
        return scores


class MotionDetectors(nn.Module):
    """Scores log(energy / mean square) of quadrature pairs of moving Gabor filters, at circular borders.

    Parameters
    ----------
    filters : list of (velocity, frequency)
    """

    def __init__(self, filters: list[tuple[float, float]]) -> None:
        super().__init__()
        kernels = [moving_gabor(*one, phase) for one in filters for phase in (0.0, np.pi / 2)]
        self.filters = nn.Conv3d(1, len(kernels), WIDTH, padding=WIDTH // 2, padding_mode="circular", bias=False)
        self.filters.weight.data = torch.stack(kernels)[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """Map clips (clip, 3, time, height, width) to scores (clip, filter)."""
        grey = x.mean(1, keepdim=True)
        grey = grey - grey.mean((2, 3, 4), keepdim=True)
        energy = self.filters(grey).square().mean((2, 3, 4))
        pairs = energy[:, 0::2] + energy[:, 1::2]
        return torch.log(pairs + 1e-12) - torch.log(grey.square().mean((1, 2, 3, 4))[:, None] + 1e-12)


def moving_gabor(velocity: float, frequency: float, phase: float) -> Tensor:
    """Return a filter (time, height, width) without a mean, whose wave moves to the right by some pixels per frame."""
    t, y, x = np.mgrid[:WIDTH, :WIDTH, :WIDTH] - (WIDTH - 1) / 2
    wave = np.cos(2 * np.pi * frequency * (x - velocity * t) + phase)
    kernel = wave * np.exp(-(t**2) / (2 * SIGMA_T**2) - (x**2 + y**2) / (2 * SIGMA_X**2))
    kernel -= kernel.mean()
    return F.normalize(torch.from_numpy(kernel.astype(np.float32)).flatten(), dim=0).view(kernel.shape)


def velocity_of(frames: NDArray[np.uint8]) -> float:
    """Return the velocity to the right of a clip in pixels per frame: least squares over its spectrum, ft = -v fx."""
    grey = frames.astype(np.float64).mean(-1)
    power = np.abs(np.fft.fftn(grey - grey.mean())) ** 2
    t, _, x = np.meshgrid(*(np.fft.fftfreq(length) for length in grey.shape), indexing="ij")
    return float(-(power * t * x).sum() / (power * x**2).sum())


def cosine_with_detector(canvas: Canvas, index: int, *, steps: int = 200, seed: int = 0) -> float:
    """Return the cosine between the clip that is made for a linear detector and its weights."""
    net = LinearDetectors()
    model = ne.adapt(net, size=SHAPE[1:], frames=SHAPE[0], mean=0.5, std=1.0, layout="BCTHW")
    reals = np.random.default_rng(seed).normal(127, 30, (6, *SHAPE, 3)).clip(0, 255).astype(np.uint8)
    explain = ne.FeatureVisualization(canvas=canvas, steps=steps, restarts=1, statistics=0, level=None, seed=seed)
    made = explain(model, list(reals), index)[0].clip.frames
    x = (made.astype(np.float64) / 255 - 0.5).transpose(3, 0, 1, 2).ravel()
    w = net.weights[index].detach().double().numpy().ravel()
    return float(x @ w / np.linalg.norm(x) / np.linalg.norm(w))


def velocities(filters: list[tuple[float, float]], *, steps: int = 150, seed: int = 0) -> list[float]:
    """Return the velocity of the clip that is made for each filter."""
    model = ne.adapt(
        MotionDetectors(filters), size=SIZE, frames=FRAMES, mean=0.5, std=1.0, layout="BCTHW", outputs="regression"
    )
    explain = ne.FeatureVisualization(
        canvas=ne.Pixels(jitter=0), steps=steps, restarts=1, statistics=0, level=None, seed=seed
    )
    made = explain(model, None, list(range(len(filters))))
    return [velocity_of(one.clip.frames) for one in made]


def main() -> None:
    """Print the answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="of planted motion")
    arguments = parser.parse_args()
    for canvas in (ne.Pixels(jitter=0), ne.Spectrum(jitter=0)):
        cosines = [cosine_with_detector(canvas, index) for index in range(3)]
        print(f"linear detector, {type(canvas).__name__}: cosine {', '.join(f'{one:.4f}' for one in cosines)}")
    right = 0
    for seed in range(arguments.seeds):
        for (wanted, frequency), found in zip(FILTERS, velocities(FILTERS, seed=seed), strict=True):
            right += abs(found - wanted) <= TOLERANCE
            print(f"planted motion, seed {seed}, {frequency} cycles per pixel: {wanted:+.1f} made {found:+.2f}")
    print(f"within {TOLERANCE} pixels per frame: {right} of {arguments.seeds * len(FILTERS)}")


if __name__ == "__main__":
    main()

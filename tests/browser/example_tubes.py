"""Tubes computed without torch: a bright ball crosses a landscape, and the evidence follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations import FrameSignal, Geometry, LayerMap, Provenance, TargetResult, Tubes


@dataclass(frozen=True)
class Layer:
    """Specification of a layer's map.

    Attributes
    ----------
    rows : frame of each row; evenly spaced by default
    negative : strength of the evidence against the target, behind the ball
    pathway : index among the network's parallel pathways
    gap : score minus the mean of the map
    """

    name: str
    kind: str
    grid: tuple[int, int, int]
    rows: tuple[float, ...] | None = None
    negative: float = 0.7
    pathway: int | None = None
    gap: float = 0.1


FINE = Layer("stem", "stem", (16, 32, 32))
MIDDLE = Layer("layer2.1", "block", (8, 16, 16))
UNEVEN = Layer("layer3.1", "block", (5, 14, 14), rows=(0.0, 1.0, 4.0, 9.0, 15.0))
COARSE = Layer("layer4.1", "pooling input", (2, 7, 7))
LAYERS = (FINE, MIDDLE, UNEVEN, COARSE)
POSITIVE = (Layer("only for", "stem", (16, 32, 32), negative=0.0),)
TWO_PATHWAYS = tuple(
    Layer(f"{name}.{stage}", "pooling input" if stage == "s5" else "block", grid, pathway=pathway)
    for stage, side in (("s2", 16), ("s3", 8), ("s5", 4))
    for pathway, (name, grid) in enumerate((("slow", (4, side, side)), ("fast", (16, side, side))))
)
TARGETS = ("ball rolls right", "ball is thrown")


def tubes(
    *,
    frames: int = 16,
    size: int = 64,
    width: int | None = None,
    layers: Sequence[Layer] = LAYERS,
    targets: Sequence[str] = TARGETS,
    probabilities: Sequence[float | None] = (0.83, 0.11),
    source: str = "a ball crosses a landscape",
    caveats: Sequence[str] = (),
) -> Tubes:
    """Return tubes of a clip of ``frames`` frames, ``size`` pixels high and ``width`` (by default ``size``) wide."""
    clip = Clip(
        landscape(frames, size, width or size),
        times=np.arange(frames) / 8,
        source=source,
        is_synthetic=source.startswith("synthetic"),
    )
    padded = (*probabilities, *[0.01] * len(targets))
    best = tuple(
        (name, p) for name, p in (*zip(targets, padded, strict=False), ("ball bounces", 0.04)) if p is not None
    )
    results = tuple(
        TargetResult(name, k, "", 4.2 - 1.5 * k, padded[k], bias=0.1, top5=best) for k, name in enumerate(targets)
    )
    provenance = Provenance(
        "SaliencyTubes", {}, "by hand", {}, {"numpy": np.__version__}, 0.01, 1, len(targets), tuple(caveats)
    )
    maps = tuple(_map(layer, clip.size, len(targets)) for layer in layers)
    return Tubes(clip, results, maps, provenance)


def noisy_tubes(size: tuple[int, int, int], layers: int) -> Tubes:
    """Return tubes with noise in every map, which compresses badly; the maps are half as high and wide as the clip."""
    frames, height, width = size
    names = [f"layer{k}" for k in range(layers)]
    grid = (frames, height // 2, width // 2)
    made = tubes(frames=frames, size=height, width=width, layers=[Layer(name, "block", (1, 2, 2)) for name in names])
    rng = np.random.default_rng(0)
    geometry = Geometry.even(grid, made.clip.size)
    maps = [LayerMap(name, "block", rng.normal(size=(1, *grid)).astype(np.float32), geometry) for name in names]
    return replace(made, targets=made.targets[:1], layers=tuple(maps))


def frame_signals(frames: int = 16) -> tuple[FrameSignal, ...]:
    """Return signals that blocks might report: a gate, the frames kept by a stream, and a constant gate."""
    every, half = np.arange(frames, dtype=np.float64), np.arange(0.5, frames, 2)
    high = 1 - 2 * np.abs(ball((every + 0.5) / frames)[0] - 0.5)
    multiplied = "factor on each frame (mean of its channels)"
    short = "kept by the short stream (1: kept, 0: left out)"
    return (
        FrameSignal("layer2.1", "SRTG", multiplied, 0.6 + 0.6 * high, every, 1.0),
        FrameSignal("layer3.0.conv", "MTConv", short, np.sin(half / 2) > 0.2, half),
        FrameSignal("layer4.1", "SRTG", multiplied, np.ones(2), np.array([3.5, 11.5]) * frames / 16, 1.0),
    )


def ball(time: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ball's (y, x) as fractions of the picture, at fractions of the clip; its path is not symmetric."""
    return 0.68 - 0.34 * np.sin(np.pi * time) ** 2 - 0.1 * time, 0.2 + 0.6 * time


def landscape(frames: int, height: int, width: int) -> NDArray[np.uint8]:
    """Draw the sky, two hills, and a bright ball with a highlight that crosses in an arc."""
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    sky = np.array([96, 134, 170]) + (np.array([178, 186, 178]) - np.array([96, 134, 170])) * y[..., None]
    far = (y > 0.62 + 0.08 * np.sin(5 * x + 1))[..., None]
    near = (y > 0.78 + 0.05 * np.sin(9 * x))[..., None]
    ground = np.where(near, np.array([58, 92, 70]), np.where(far, np.array([92, 124, 108]), sky))
    pictures = []
    for time in (np.arange(frames) + 0.5) / frames:
        cy, cx = ball(time)
        disc = np.clip((0.085 - np.hypot(y - cy, x - cx)) * height / 1.5 + 0.5, 0, 1)[..., None]
        shine = np.exp(-((y - cy + 0.03) ** 2 + (x - cx + 0.03) ** 2) / 0.002)[..., None]
        pictures.append((1 - disc) * ground + disc * (np.array([206, 84, 92]) + 48 * shine))
    return np.clip(np.round(pictures), 0, 255).astype(np.uint8)


def evidence(
    target: int, time: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64], width: float, against: float
) -> NDArray[np.float64]:
    """Return evidence at fractions of the clip: positive at the ball (above it for the second target), negative behind."""
    cy, cx = ball(time)
    when = 0.35 + 0.65 * np.exp(-(((time - (0.7 if target == 0 else 0.4)) / 0.28) ** 2))
    shift = 0.0 if target == 0 else -0.12
    positive = np.exp(-((y - cy - shift) ** 2 + (x - cx) ** 2) / (2 * width**2))
    negative = np.exp(-((y - 0.75 + shift) ** 2 + (x - 0.72 + 0.4 * time) ** 2) / (2 * (0.8 * width) ** 2))
    return when * positive - against * (1 - time) * negative


def _map(layer: Layer, size: tuple[int, int, int], targets: int) -> LayerMap:
    geometry = Geometry.even(layer.grid, size)
    if layer.rows is not None:
        geometry = Geometry(np.array(layer.rows) * (size[0] - 1) / 15, geometry.origin, geometry.step)
    _, height, width = layer.grid
    time = ((geometry.rows + 0.5) / size[0])[:, None, None]
    y = ((np.arange(height) + 0.5) / height)[None, :, None]
    x = ((np.arange(width) + 0.5) / width)[None, None, :]
    blur = 0.1 + 0.35 / height
    values = np.stack([evidence(k, time, y, x, blur, layer.negative) for k in range(targets)]).astype(np.float32)
    values *= np.float32(3.0)
    gap = np.full(targets, layer.gap, np.float32)
    return LayerMap(layer.name, layer.kind, values, geometry, layer.pathway, gap)


def scan(frames: int = 16, size: int = 64) -> NDArray[np.int16]:
    """Return a volume like a CT in Hounsfield units: air, bone, tissue at 40, an organ at 62, and one at 90 that moves down."""
    noise = np.random.default_rng(0)
    y, x = np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij")
    body = np.hypot(x, 1.2 * y)
    slices = []
    for time in range(frames):
        values = np.where(body < 0.9, 40.0, -1000.0)
        values[np.hypot(x + 0.3, y) < 0.25] = 62
        values[np.hypot(x - 0.35, y - 0.6 * (time / frames - 0.5)) < 0.18] = 90
        values[(body > 0.83) & (body < 0.9)] = 1100
        slices.append(values + np.where(body < 0.9, noise.normal(0, 4, values.shape), 0))
    return np.rint(slices).astype(np.int16)


def grey_tubes(frames: int = 16, size: int = 64) -> Tubes:
    """Return tubes of a grey volume with values in thousands."""
    return _with_values(Clip.from_array(scan(frames, size), layout="THW", fps=8, source="scan of a phantom"))


def flow_tubes(frames: int = 16, size: int = 64) -> Tubes:
    """Return tubes of optical flow: a disc that turns faster and faster."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij")
    turn = np.stack([-y, x], axis=-1)
    flow = np.stack([4 * (1 + time / 8) * turn for time in range(frames)])
    return _with_values(Clip.from_array(flow, channels="flow", fps=8, source="a turning disc"))


def _with_values(clip: Clip) -> Tubes:
    time, height, _ = clip.size
    return replace(tubes(frames=time, size=height), clip=clip)

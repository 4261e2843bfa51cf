"""The parts of sharp tubes against oracles: gates by hand, the bilateral filter by loops, known cameras, exact sums."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.explanations import Geometry, LayerMap
from notebook_explain.methods.sharp_tubes import readout, redistribution, reference
from notebook_explain.methods.sharp_tubes.gates import Gate, gated_gradient, gates
from notebook_explain.models import score_of
from tests import zoo


@settings(max_examples=60)
@given(
    grid=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(2, 8), st.integers(4, 20), st.integers(4, 20)),
    kind=st.sampled_from(["random", "zero", "sparse", "flat", "huge"]),
    seed=st.integers(0, 2**31),
)
def test_redistribution_loses_and_adds_nothing(
    grid: tuple[int, int, int], size: tuple[int, int, int], kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    detail = {
        "random": lambda: rng.random(size),
        "zero": lambda: np.zeros(size),
        "sparse": lambda: (rng.random(size) > 0.99) * 1.0,
        "flat": lambda: np.full(size, 3.0),
        "huge": lambda: rng.random(size) * 1e20,
    }[kind]()
    evidence = rng.random(grid) * (rng.random(grid) > 0.3)
    layer = LayerMap("l", "block", np.zeros((1, *grid), np.float32), Geometry.even(grid, size))
    spread = redistribution.redistributed(evidence, detail, redistribution.windows(layer, size))
    assert spread.shape == size
    assert (spread >= 0).all()
    assert spread.sum() == pytest.approx(evidence.sum(), rel=1e-12, abs=1e-15)
    if kind in ("zero", "flat"):
        np.testing.assert_allclose(
            spread,
            redistribution.redistributed(evidence, np.ones(size), redistribution.windows(layer, size)),
            rtol=1e-9,
        )


def test_redistribution_equals_its_formula() -> None:
    rng = np.random.default_rng(0)
    grid, size = (2, 3, 3), (4, 9, 12)
    layer = LayerMap("l", "block", np.zeros((1, *grid), np.float32), Geometry.even(grid, size))
    detail, evidence = rng.random(size), rng.random(grid)
    over = redistribution.windows(layer, size)
    wanted = np.zeros(size)
    floored = detail + 1e-6 * detail.mean()
    for t, y, x in np.ndindex(*grid):
        window = over[0][:, t][:, None, None] * over[1][:, y][:, None] * over[2][:, x]
        weight = floored * window
        wanted += evidence[t, y, x] * weight / weight.sum()
    np.testing.assert_allclose(redistribution.redistributed(evidence, detail, over), wanted, rtol=1e-10)


def test_windows_are_gaussians_of_two_and_a_half_cells_around_the_cells() -> None:
    layer = LayerMap(
        "l", "block", np.zeros((1, 1, 4, 4), np.float32), Geometry(np.array([3.0]), (2.0, 1.0), (8.0, 6.0))
    )
    t, y, x = redistribution.windows(layer, (8, 32, 24))
    np.testing.assert_array_equal(t, np.ones((8, 1)))
    assert y[:, 1] == pytest.approx(np.exp(-((np.arange(32) - 10) ** 2) / (2 * 20**2)))
    assert x[:, 2] == pytest.approx(np.exp(-((np.arange(24) - 13) ** 2) / (2 * 15**2)))


class _Chain(nn.Module):
    """Three blocks before a pooling and a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Conv3d(c, 5, 3, padding=1), nn.ReLU()) for c in (3, 5, 5)))
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(x).mean((2, 3, 4)))


def _by_hand(net: _Chain, video: torch.Tensor, sign: float, guided: bool = False) -> torch.Tensor:
    """Apply the gates one after the other, with the exact gradient of each block in between; its ReLU may be guided first."""
    cuts = [video]
    for block in net.blocks:
        cuts.append(block(cuts[-1].detach().requires_grad_()))
    last = cuts[3].detach().requires_grad_()
    (gradient,) = torch.autograd.grad(sign * net.head(last.mean((2, 3, 4)))[0, 2], last)
    for index in (3, 2, 1):
        activation = cuts[index].detach()
        gradient = gradient.relu() if guided else gradient
        evidence = (gradient * activation).sum(1, keepdim=True).relu()
        fraction = evidence / evidence.max()
        if index == 3:
            gradient = gradient * fraction
        else:
            gradient = gradient * (gradient * activation > 0)
            if index == 2:
                gradient = gradient * fraction.sqrt()
        before = cuts[index - 1].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net.blocks[index - 1](before), before, gradient)
    return gradient[0]


def _chain_model() -> tuple[_Chain, ne.VideoModel]:
    torch.manual_seed(3)
    net = _Chain().eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    return net, ne.adapt(net, size=16, frames=4, layout="BCTHW", mean=zoo.MEAN, std=zoo.STD)


@pytest.mark.parametrize("guided", [True, False])
def test_relus_are_guided_before_the_gates_unless_it_is_switched_off(guided: bool) -> None:
    net, model = _chain_model()
    clip = model.fit(ne.Clip.of(zoo.random_clip(4, 16, 1)))
    found = ne.SharpTubes(conserve=False, guided=guided)(model, clip, 2).layers[-1].values
    video = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    wanted, other = (
        readout.ReadOut(clip.frames)(_by_hand(net, video, 1, by)[None]).numpy() for by in (guided, not guided)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5 * wanted.max())
    assert np.abs(found - other).max() > 0.01 * wanted.max()


@pytest.mark.parametrize("sign", [1, -1])
def test_gates_equal_the_rule_block_by_block(sign: int) -> None:
    net, model = _chain_model()
    clip = model.fit(ne.Clip.of(zoo.random_clip(4, 16, 1)))
    assert len(model.layers) == 3

    def compute(recording):
        chosen = gates(recording.layers, recording.layers[-1:])
        assert list(chosen.values()) == [Gate.EARLIER, Gate.BEFORE_LAST, Gate.LAST]
        (target,) = model.resolve(recording.heads, 2)
        return gated_gradient(recording, sign * score_of(recording, target), chosen, last=True)

    found, _ = model.run(clip, model.layers, compute)
    video = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    wanted = _by_hand(net, video, sign).numpy()
    assert wanted.any()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


def test_each_pathway_has_a_chain_of_its_own() -> None:
    name = next(name for name in zoo.ZOO if "slowfast" in name.lower())
    from tests.models.test_adapt import adapted

    model = adapted(name)
    ends = [layer for layer in model.layers if layer.kind == "pooling input"]
    assert len(ends) == 2
    chosen = gates(model.layers, ends)
    assert [layer for layer, gate in chosen.items() if gate is Gate.LAST] == ends
    before = [layer for layer, gate in chosen.items() if gate is Gate.BEFORE_LAST]
    assert {layer.pathway for layer in before} in ({0, 1}, {None})


def test_the_bilateral_filter_equals_its_loops() -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 60, (2, 12, 14, 3), dtype=np.uint8)
    maps = torch.from_numpy(rng.random((1, 2, 12, 14)).astype(np.float32))
    found = readout.ReadOut(frames).bilateral(maps)[0].numpy()
    colours, wanted = frames / 255, maps[0].numpy().astype(float)
    for _ in range(2):
        wanted = np.stack([_filtered(image, colour) for image, colour in zip(wanted, colours, strict=True)])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def _filtered(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    height, width = image.shape
    result = np.zeros_like(image)
    for y, x in np.ndindex(height, width):
        total = weights = 0.0
        for v in range(max(0, y - 3), min(height, y + 4)):
            for u in range(max(0, x - 3), min(width, x + 4)):
                distance = ((colours[y, x] - colours[v, u]) ** 2).sum()
                weight = math.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * 2.0**2) - distance / (2 * 0.0625**2))
                total, weights = total + weight * image[v, u], weights + weight
        result[y, x] = total / weights
    return result


def test_the_filter_grows_with_the_clip() -> None:
    sample = samples.single("kick", seed=3)
    frames = sample.frames[:2]
    double = frames.repeat(2, axis=1).repeat(2, axis=2)
    maps = torch.zeros(1, 2, 64, 64)
    maps[..., 30, 30] = 1
    small = readout.ReadOut(frames).bilateral(maps)
    large = readout.ReadOut(double).bilateral(maps.repeat_interleave(2, 2).repeat_interleave(2, 3))
    pooled = torch.nn.functional.avg_pool2d(large[0], 2)
    assert float((small[0] * pooled).sum() / (small[0].norm() * pooled.norm())) > 0.9


def _scene(size: int = 160) -> np.ndarray:
    rng = np.random.default_rng(5)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (size, size, 3), dtype=np.uint8), (0, 0), 2)
    return cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)


def _panned(offsets: list[tuple[int, int]], side: int = 64) -> np.ndarray:
    scene = _scene()
    return np.stack([scene[40 + y : 40 + y + side, 40 + x : 40 + x + side] for y, x in offsets])


def test_a_still_camera_has_the_plain_median_as_its_reference() -> None:
    frames = samples.single("kick", seed=3).frames
    found = reference.stabilised_reference(frames)
    assert found.shape == (1, 64, 64, 3)
    np.testing.assert_array_equal(found[0], np.median(frames, axis=0).astype(np.float32))


def test_the_movement_of_a_camera_is_found_and_undone() -> None:
    frames = _panned([(step, 3 * step) for step in range(-4, 4)])
    cameras = reference.camera_movement(frames)
    shifts = np.array([camera[:, 2] for camera in cameras])
    np.testing.assert_allclose(shifts[:, 0], 3 * np.arange(-4, 4), atol=0.3)
    np.testing.assert_allclose(shifts[:, 1], np.arange(-4, 4), atol=0.3)
    plain = np.linalg.norm(frames / 255 - np.median(frames, axis=0) / 255, axis=-1).mean()
    assert reference.difference_from_reference(frames).mean() < 0.25 * plain


def test_what_moves_against_the_camera_differs_from_the_reference() -> None:
    frames = _panned([(0, 2 * step) for step in range(-4, 4)]).copy()
    inside = np.zeros(frames.shape[:3], bool)
    for index, frame in enumerate(frames):
        y = 8 + 6 * index
        frame[y : y + 6, 28:34] = (255, 0, 0)
        inside[index, y : y + 6, 28:34] = True
    difference = reference.difference_from_reference(frames)
    assert difference[inside].mean() > 5 * difference[~inside].mean()


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two_and_only_seen_frames_vote() -> None:
    values = np.array([1, 2, 10, 50], np.float32).reshape(4, 1, 1).repeat(3, 2)
    seen = np.ones((4, 1, 3), bool)
    seen[3, 0, 1] = False
    seen[:, 0, 2] = False
    np.testing.assert_array_equal(reference._median_of_seen(values, seen), [[6, 2, 0]])


@pytest.mark.parametrize("kind", ["black", "noise", "cut", "one colour per frame"])
def test_clips_without_a_camera_to_find_have_a_finite_reference(kind: str) -> None:
    rng = np.random.default_rng(0)
    frames = {
        "black": lambda: np.zeros((6, 32, 32, 3), np.uint8),
        "noise": lambda: rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8),
        "cut": lambda: np.concatenate([_scene(32)[None].repeat(3, 0), _scene(96)[None, 50:82, 50:82].repeat(3, 0)]),
        "one colour per frame": lambda: np.broadcast_to(
            (np.arange(6) * 40).astype(np.uint8)[:, None, None, None], (6, 32, 32, 3)
        ),
    }[kind]()
    difference = reference.difference_from_reference(frames)
    assert difference.shape == frames.shape[:3]
    assert np.isfinite(difference).all()

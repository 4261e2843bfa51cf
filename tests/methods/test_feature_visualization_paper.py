"""The published schedule of The Mind's Eye: what it does, and each fault of the published code that is mended."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.methods.feature_visualization.facets import find_facets
from notebook_explain.methods.feature_visualization.paper import (
    BLUR,
    ITERATIONS,
    PaperOptimisation,
    PaperSchedule,
    PaperTarget,
    input_of_block,
    mean_clip,
    paper_optimisation,
)
from notebook_explain.methods.feature_visualization.paper_canvas import PaperPaint, gaussian_blur, tv_denoised
from notebook_explain.methods.feature_visualization.passes import Runner
from tests.methods.visualization_networks import PICTURES, GaborNet, clips, grating, tiny_model


def features(count: int = 12, channels: int = 8) -> np.ndarray:
    """Return two groups of features, the first strong in the first half of the channels, the second in the others."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.3, (count, channels))
    values[: count // 2, : channels // 2] += 1
    values[count // 2 :, channels // 2 :] += 1
    return values


def targets() -> list[PaperTarget]:
    return [PaperTarget.of(one) for one in find_facets(features(), "block", 2, 0)]


def optimisation(steps: int = 20, restarts: int = 2) -> PaperOptimisation:
    model = tiny_model()
    reals = [model.prepare(clip)[1] for clip in clips(12)]
    runner = Runner(model, model.layers)
    return paper_optimisation(runner, targets()[0], reals, steps, restarts, 0)[0]


def test_facets_of_clips_and_of_pictures() -> None:
    result = ne.FeatureVisualization(mode="paper", steps=6, restarts=2)(tiny_model(), clips(8))
    assert all(one.facet is not None and one.is_moved and one.flow is None for one in result)
    assert result.provenance.knobs["facets"] == "auto"
    assert "mode='paper'" in result[0].objective
    assert result[0].clip.frames.shape == result[0].start.frames.shape == (4, 12, 12, 3)
    pictures = [grating(angle, seed) for seed in range(5) for angle in (0, 2)]
    made = ne.FeatureVisualization(mode="paper", steps=6, restarts=1, facets=2)(
        ne.adapt(GaborNet(), **PICTURES), pictures
    )
    assert [one.clip.frames.shape for one in made] == [(1, 24, 24, 3)] * 2


def test_the_objective_rises_and_each_clip_is_nearest_its_own_facet() -> None:
    pictures = [grating(angle, seed) for seed in range(6) for angle in (0, 2)]
    model = ne.adapt(GaborNet(), **PICTURES)
    made = ne.FeatureVisualization(mode="paper", steps=60, restarts=1, facets=2)(model, pictures)
    assert [one.facet.is_nearest_own for one in made] == [True, True]
    assert all(one.score > one.start_score for one in made)
    assert not np.array_equal(made[0].clip.frames, made[1].clip.frames)


def test_a_facet_is_the_mean_of_its_nearest_members() -> None:
    values = features(40)
    for facet in find_facets(values, "block", 2, 0):
        own = values[list(facet.members)]
        distances = np.linalg.norm(own - own.mean(0), axis=1)
        assert (np.diff(distances) >= 0).all()
        assert len(facet.weights) == 10
        assert sum(facet.weights) == pytest.approx(1)
        assert (np.diff(facet.weights) <= 0).all()
        np.testing.assert_allclose(facet.mean, np.average(own[:10], axis=0, weights=facet.weights), rtol=1e-5)


def test_the_start_is_the_weighted_mean_of_the_members() -> None:
    facet = targets()[0]
    reals = [Clip(np.full((2, 4, 4, 3), 20 * k, np.uint8)) for k in range(12)]
    wanted = sum(w * 20 * k for w, k in zip(facet.weights, facet.members, strict=False))
    assert mean_clip(facet, reals).frames == pytest.approx(wanted, abs=0.51)


def test_each_facet_raises_its_own_channels() -> None:
    first, second = sorted(targets(), key=lambda one: int(one.mean.argmax()))
    assert set(first.top.tolist()) <= set(range(4))
    assert set(second.top.tolist()) <= set(range(4, 8))
    only = torch.zeros(1, 8)
    only[0, second.top[0]] = 1.0
    assert float(first.activation(only)) == 0
    assert float(second.activation(only)) == pytest.approx(float(second.mean.max()))


def test_the_score_is_activation_minus_robust_distance() -> None:
    facet = targets()[0]
    values = torch.rand(3, 8)
    x, m, s = values.numpy(), facet.mean, facet.scale
    top = np.argsort(-m)[:2]
    wanted = (x[:, top] * m[top]).sum(1) - (np.sqrt(1 + ((x - m) / s) ** 2) - 1).mean(1)
    np.testing.assert_allclose(facet.scores_of(values).numpy(), wanted, rtol=1e-5)


def test_the_loss_adds_the_size_of_the_last_blocks_input() -> None:
    one = optimisation()
    assert input_of_block(one.runner.layers, "block") == "stem"
    assert input_of_block(one.runner.layers, "stem") is None

    def compute() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        (found,) = one.runner.passes(torch.rand(1, 3, 4, 12, 12))
        loss, score = one._loss(found, one._log_scale[:1]), one.objective.scores(found)
        return loss.detach(), score.detach(), found.volumes["stem"].detach()

    loss, score, volume = one.runner(compute)
    size = volume.abs().sum() / 4  # frames
    assert float(loss) == pytest.approx(float(-score + 1e-4 * size), rel=1e-4)


def test_momentum_and_the_learned_scale_build_up() -> None:
    one = optimisation()
    one.step = 1  # before anything is due at 20 steps, steps are of 100 iterations
    assert float(one._log_scale.detach().abs().max()) == 0
    sizes = []
    for _ in range(3):
        canvas = one.paint.parameters[0].detach().clone()
        one._descend([torch.full_like(canvas, 1e-3), torch.full_like(one._log_scale, 1e-3)])
        sizes.append(float((one.paint.parameters[0].detach() - canvas).abs().max()))
        one.step += 1
    assert sizes[1] > 1.3 * sizes[0]
    assert sizes[2] > sizes[1]
    assert float(one._log_scale.detach().abs().max()) > 0.01


def test_small_changes_are_not_rounded_away() -> None:
    one = optimisation(steps=ITERATIONS)
    before = one.frames()
    canvas = one.paint.parameters[0].detach().clone()
    for step in range(1, 9):
        one.step = step
        one._descend([torch.full_like(canvas, 1e-4), torch.zeros_like(one._log_scale)])
        if step == 1:
            assert np.abs(one.frames().astype(int) - before).max() <= 1
    moved = canvas - one.paint.parameters[0].detach()
    assert 0 < float(moved.max()) * 0.225 < 1 / 255
    assert float((moved > 0).float().mean()) > 0.9


def test_the_mask_is_a_gaussian() -> None:
    paint = PaperPaint([Clip(np.zeros((1, 51, 41, 3), np.uint8))], torch.device("cpu"))
    mask = paint.mask(0.5)
    assert mask.shape == (61, 49)
    assert float(mask[30, 24]) == 1
    assert float(mask[30 + 20, 24]) == pytest.approx(math.exp(-((20 / 25.5) ** 2) / 2), rel=1e-5)
    assert float(mask[30 - 10, 24 + 10]) == pytest.approx(math.exp(-200 / 25.5**2 / 2), rel=1e-5)


def test_a_few_clips_are_enough_and_a_seed_gives_the_same_facets() -> None:
    assert len(find_facets(features(5), "block", None, 0)) >= 2
    first, second = (find_facets(features(30), "block", None, 7) for _ in range(2))
    assert [one.members for one in first] == [one.members for one in second]


@pytest.mark.parametrize("steps", [ITERATIONS, 500, 100])
def test_the_schedule_is_scaled_to_the_steps(steps: int) -> None:
    paper = PaperSchedule(steps)
    assert paper.rate(0) == pytest.approx(0.5 * ITERATIONS / steps)
    assert paper.rate(steps - 1) == pytest.approx(0.08 * ITERATIONS / steps)
    rates = [paper.rate(step) for step in range(steps)]
    np.testing.assert_allclose(np.diff(rates, 2), 0, atol=1e-9)
    assert sum(rates) == pytest.approx(0.29 * ITERATIONS)
    for every, times in ((400, 5), (50, min(40, steps)), (10, min(200, steps))):
        assert sum(paper.is_due(step, every) for step in range(steps)) == times
    if steps == ITERATIONS:
        assert [step for step in range(100) if paper.is_due(step, 50)] == [49, 99]
    assert paper.between(BLUR, (steps - 1) // 2) == pytest.approx(0.55, abs=0.01)


def test_windows_are_drawn_around_the_middle_for_each_restart() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
    paint = PaperPaint([Clip(frames)] * 300, torch.device("cpu"))
    assert tuple(paint.parameters[0].shape) == (300, 3, 2, 24, 36)
    assert torch.equal(paint.windows(), paint.video())
    paint.draw_windows(torch.Generator().manual_seed(0))
    assert paint.corners.min() == 0
    assert paint.corners.max(0).values.tolist() == [4, 6]
    assert paint.corners.float().mean(0).tolist() == pytest.approx([2, 3], abs=0.3)
    y, x = paint.corners[7].tolist()
    whole = 0.225 * paint.parameters[0].detach()
    assert torch.equal(paint.windows()[7].detach(), whole[7, :, :, y : y + 20, x : x + 30])


def test_denoising_lowers_a_disc_by_the_known_amount() -> None:
    y, x = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    disc = ((y - 20) ** 2 + (x - 20) ** 2 <= 8**2).float()
    lowered = tv_denoised(disc[None], 0.2)[0]
    assert float((disc - lowered)[disc > 0].mean()) == pytest.approx(2 * 0.2 / 8, rel=0.3)  # a disc of pixels
    noisy = disc + 0.1 * torch.randn(disc.shape, generator=torch.Generator().manual_seed(0))

    def cost(u: torch.Tensor) -> float:
        down, right = u.diff(dim=0)[:, :-1], u.diff(dim=1)[:-1]
        return float((down**2 + right**2).sqrt().sum() + (u - noisy).square().sum() / (2 * 0.15))

    cleaned = tv_denoised(noisy[None], 0.15)[0]
    assert cost(cleaned) < min(cost(noisy), cost(disc), cost(torch.full_like(noisy, float(noisy.mean()))))
    assert float((cleaned - disc).abs().mean()) < 0.5 * float((noisy - disc).abs().mean())
    flat = torch.full((1, 6, 6), 0.3)
    assert torch.allclose(tv_denoised(flat, 0.5), flat)


def test_blur_is_a_gaussian_and_spares_the_middle() -> None:
    point = torch.zeros(1, 15, 15)
    point[0, 7, 7] = 1
    blurred = gaussian_blur(point, 0.9)[0]
    assert float(blurred.sum()) == pytest.approx(1, rel=1e-5)
    offsets = torch.arange(15.0) - 7
    assert float((blurred.sum(0) * offsets.square()).sum()) == pytest.approx(0.81, rel=0.05)
    frames = np.random.default_rng(0).integers(0, 256, (1, 40, 40, 3), np.uint8)
    paint = PaperPaint([Clip(frames)], torch.device("cpu"))
    before = paint.parameters[0].detach().clone()
    paint.blur(0.9, 0.3)
    change = (paint.parameters[0].detach() - before).abs()[0, :, 0]
    assert float(change[:, 23:25, 23:25].mean()) < 0.02 * float(change[:, :4, :4].mean())


def test_a_dark_canvas_is_brightened_and_no_other() -> None:
    frames = np.random.default_rng(0).integers(50, 100, (2, 8, 8, 3), np.uint8)
    paint = PaperPaint([Clip(frames)] * 3, torch.device("cpu"))
    first = 0.225 * paint.parameters[0].detach().mean((1, 2, 3, 4))
    with torch.no_grad():
        paint.parameters[0][0] += 0.1  # brighter, darker, a little darker
        paint.parameters[0][1] -= 0.1
        paint.parameters[0][2] -= 0.01
    before = 0.225 * paint.parameters[0].detach().mean((1, 2, 3, 4))
    paint.brighten(5 / 255)
    after = 0.225 * paint.parameters[0].detach().mean((1, 2, 3, 4))
    assert float(after[0]) == pytest.approx(float(before[0]))
    assert float(after[1] - before[1]) == pytest.approx(5 / 255, rel=1e-3)
    assert float(after[2]) == pytest.approx(float(first[2]))


def test_frames_are_smoothed_on_their_own() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    together, alone = (PaperPaint([Clip(part)], torch.device("cpu")) for part in (frames, frames[1:2]))
    for paint in (together, alone):
        paint.blur(0.9, 0.3)
        paint.denoise(2.0)
    assert torch.allclose(together.parameters[0][:, :, 1], alone.parameters[0][:, :, 0], atol=1e-5)
    assert float(together.parameters[0].detach().max()) <= 1 / 0.225 + 1e-6


@pytest.mark.parametrize("knobs", [{"canvas": ne.Pixels()}, {"objective": ne.objectives.Logit(1)}])
def test_it_has_a_canvas_and_objectives_of_its_own(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"leave {next(iter(knobs))} out"):
        ne.FeatureVisualization(mode="paper", **knobs)


def test_a_class_is_no_target_of_it() -> None:
    with pytest.raises(ValueError, match="leave it out with facets"):
        ne.FeatureVisualization(mode="paper")(tiny_model(), clips(), 1)

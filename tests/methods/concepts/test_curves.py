"""Curves of added and removed concepts, beside brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.curves import _Runner
from notebook_explain.methods.concepts.new_clips import ConceptFinder
from notebook_explain.models.fills import background
from tests.methods.concepts.networks import random_clips, small_concepts_run, small_model


def _probabilities(video: torch.Tensor) -> np.ndarray:
    model, _ = small_concepts_run()
    with torch.no_grad():
        return model.module(video)[0].softmax(0).numpy()


@pytest.mark.parametrize("fill", ["blur", "freeze"])
def test_numbers_of_concepts_are_brute_force(fill: str) -> None:
    model, concepts = small_concepts_run()
    held_out = random_clips(2, 60)
    curves = concepts.curves(held_out, by="concepts", fill=fill, draws=3, steps=[1, 3])
    assert curves.probabilities.shape == (2, 3, 2, 2)
    for number, clip in enumerate(held_out):
        video = model.preprocessing.tensor(Clip(clip), torch.device("cpu"), torch.float32)
        hidden = background(video, fill).expand_as(video)
        parts = ConceptFinder(concepts, None)(clip).masks(len(concepts))
        orders = {0: [0, 1, 2, 3, 4], 2: [4, 3, 2, 1, 0]}
        assert curves.baseline[number] == pytest.approx(_probabilities(video)[1], abs=1e-5)
        for order, sequence in orders.items():
            for step, first in enumerate([1, 3]):
                shown = torch.from_numpy(parts[sequence[:first]].any(0))
                for direction, (inside, outside) in enumerate([(video, hidden), (hidden, video)]):
                    wanted = _probabilities(torch.where(shown, inside, outside))
                    assert curves.probabilities[direction, order, number, step] == pytest.approx(wanted[1], abs=1e-5)
                    assert curves.accuracies[direction, order, number, step] == (wanted.argmax() == 1)


@pytest.mark.parametrize("by", ["change", "volume"])
def test_orders_are_matched_at_every_step(by: str) -> None:
    _, concepts = small_concepts_run()
    finder = ConceptFinder(concepts, None)
    new, rng = finder(random_clips(1, 70)[0]), np.random.default_rng(0)
    runner = _Runner(finder, "freeze", by, (0.1, 0.5, 1.0), None)
    parts, change = new.masks(len(concepts)), rng.random(new.embedded.clip.size).astype(np.float32)
    noise = rng.random(new.embedded.clip.size)
    weights = change if by == "change" else np.ones_like(change)
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        shown = runner._shown(parts, order, noise, change)
        reached = (shown * weights).sum((1, 2, 3)) / weights.sum()
        np.testing.assert_allclose(reached, [0.1, 0.5, 1.0], atol=2e-3)
        assert (shown[0] <= shown[1]).all()
        # No voxel of a later concept before all of an earlier one.
        for earlier, later in pairwise(order):
            if (shown[0] & parts[later]).any():
                assert shown[0][parts[earlier]].all()


def test_all_of_the_clip_is_the_clip_and_nothing_is_the_fill() -> None:
    _, concepts = small_concepts_run()
    curves = concepts.curves(random_clips(2, 80), by="volume", fill="freeze", draws=2, steps=[0.0, 1.0])
    whole = np.broadcast_to(curves.baseline[:, None], (3, 2, 1))[..., 0]
    np.testing.assert_allclose(curves.probabilities[0, :, :, 1], whole, atol=1e-5)
    np.testing.assert_allclose(curves.probabilities[1, :, :, 0], whole, atol=1e-5)
    for order in range(3):
        np.testing.assert_allclose(
            curves.probabilities[0, order, :, 0], curves.probabilities[1, order, :, 1], atol=1e-5
        )


def test_the_same_seed_gives_the_same_curves_and_random_orders_are_averaged() -> None:
    _, concepts = small_concepts_run()
    first, second, other = (concepts.curves(random_clips(2, 90), draws=2, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert np.abs(first.probabilities[:, 1] - other.probabilities[:, 1]).max() > 0
    assert first.fill == "blur"
    assert (first.by, first.steps, first.draws) == ("change", (0.1, 0.2, 0.3, 0.4, 0.5), 2)


def test_wrong_arguments() -> None:
    _, concepts = small_concepts_run()
    with pytest.raises(ValueError, match="held_out is empty"):
        concepts.curves([])
    with pytest.raises(ValueError, match="by must be one of 'change', 'volume', 'concepts'"):
        concepts.curves(random_clips(1), by="size")
    with pytest.raises(ValueError, match=r"steps must lie in 0\.\.1"):
        concepts.curves(random_clips(2), steps=[1, 2])
    with pytest.raises(TypeError, match="steps must be a whole number"):
        concepts.curves(random_clips(2), by="concepts", steps=[0.5])
    model = small_model()
    difference = ne.ConceptDiscovery(count=3, fills=("blur",))(model, random_clips(5), ne.Target(1) - 2)
    with pytest.raises(ValueError, match="of a difference or a value"):
        difference.curves(random_clips(2))

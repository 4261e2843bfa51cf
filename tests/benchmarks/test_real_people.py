"""Study of real people: repeatable training, correct scoring, and baselines that can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from benchmarks import real_people, small_net
from benchmarks.small_net import SmallNet, augmented, fresh, leave_one_out, probabilities, train_small
from benchmarks.weizmann import LABELS, RealClip
from notebook_explain.explanations import Geometry, LayerMap
from notebook_explain.samples import ACTIONS
from tests.example_values import small_tubes


def bar(label: int, seed: int, frames: int = 48) -> np.ndarray:
    """Draw a bright bar that swings across the frame (label 0), or a spot that blinks in the centre (label 1)."""
    rng = np.random.default_rng(seed)
    clip = np.full((frames, 64, 64, 3), rng.integers(60, 120), np.uint8)
    for time, phase in enumerate(np.sin(np.arange(frames) / 4 + rng.uniform(0, 6))):
        if label == 0:
            x = int(32 + 20 * phase)
            clip[time, 8:56, x - 3 : x + 3] = 220
        elif phase > 0:
            clip[time, 26:38, 26:38] = 220
    return clip


def people(count: int) -> list[RealClip]:
    """Return two clips of each person, one per label."""
    return [RealClip(bar(k, 10 * person + k), LABELS[k], person) for person in range(count) for k in (0, 1)]


class Tiny(nn.Module):
    """One layer of eight filters on the difference from the temporal mean: trains in a second."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv3d(3, 8, (3, 8, 8), (2, 4, 4), bias=False)
        self.layers = nn.Sequential(conv, nn.BatchNorm3d(8), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.head = nn.Linear(8, 2)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(clips - clips.mean(dim=2, keepdim=True)))


def trained_state(seed: int, epochs: int = 2) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.seed()  # a different global random state each time
        before = torch.get_rng_state()
        net = fresh(lambda: SmallNet(2), seed)
        train_small(net, [bar(k % 2, k) for k in range(4)], [0, 1, 0, 1], torch.Generator().manual_seed(seed), epochs)
        assert torch.equal(torch.get_rng_state(), before)
    return net.state_dict()


class Fixed(nn.Module):
    """Return the same logits for every clip, and count the windows."""

    def __init__(self, **logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits.get(name.replace(" ", "_"), 0.0) for name in ACTIONS])
        self.shown = 0

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        self.shown += len(clips)
        assert clips.shape[1:] == (3, 16, 64, 64)
        return self.logits.expand(len(clips), -1)


def test_an_easy_task_is_solved_for_a_held_out_person():
    results = list(leave_one_out(people(3), Tiny, epochs=40))
    assert [result.fold.person for result in results] == [0, 1, 2]
    assert sum(int(result.right.sum()) for result in results) == 6
    for result in results:
        assert result.scores.shape == (2, 2)
        np.testing.assert_allclose(result.scores.sum(axis=1), 1)
        assert not any(module.training for module in result.net.modules())


def test_predictions_are_compared_with_the_labels_of_the_held_out_clips():
    clips = people(1)
    result = small_net.FoldResult(
        real_people.folds(clips).__next__(), nn.Identity(), np.array([[0.2, 0.8], [0.3, 0.7]]), 0
    )
    assert result.right.tolist() == [False, True]
    assert real_people.predicted_labels(result) == (["wave1", "wave2"], ["wave2", "wave2"])


def test_the_same_seed_gives_the_same_weights_and_keeps_the_global_random_state():
    torch.testing.assert_close(trained_state(3), trained_state(3), rtol=0, atol=0)
    assert not torch.equal(trained_state(3)["head.weight"], trained_state(4)["head.weight"])


def test_augmentation_copies_the_clip_and_keeps_static_borders_static():
    clip, generator = bar(0, 5), torch.Generator().manual_seed(0)
    before, drawn = clip.copy(), [augmented(clip, generator) for _ in range(8)]
    np.testing.assert_array_equal(clip, before)
    for x in drawn:
        assert x.shape == (3, 16, 64, 64)
        torch.testing.assert_close(x[:, :, :2].amax(1), x[:, :, :2].amin(1))  # rows that the bar never reaches
        assert x.std(dim=1).max() > 0.3
    assert len({float(x.mean()) for x in drawn}) == 8


def test_a_shifted_clip_repeats_its_border():
    wall, generator = np.full((50, 64, 64, 3), 200, np.uint8), torch.Generator().manual_seed(0)
    assert all(float(x.std()) < 1e-5 for x in (augmented(wall, generator) for _ in range(6)))


def test_probabilities_are_averaged_over_windows():
    ramp = np.repeat(np.arange(61, dtype=np.uint8)[:, None, None, None], 64, axis=1).repeat(64, 2).repeat(3, 3)

    class First(nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            level = ((clips[:, 0, 0, 0, 0] * 0.25 + 0.5) * 255).round()  # number of the window's first frame
            return torch.stack([level * 0.1, torch.zeros_like(level)], dim=1)

    expected = np.mean([1 / (1 + np.exp(-0.1 * start)) for start in (0, 5, 10, 15)])
    np.testing.assert_allclose(probabilities(First(), ramp), (expected, 1 - expected), atol=1e-6)


def test_the_second_prediction_is_among_the_four_actions():
    net = Fixed(kick=3.0, bend=2.0, wave_one_hand=1.0)
    clips = [RealClip(bar(0, 0), "wave1", 0)]
    assert real_people.zero_shot(net, ACTIONS, clips, 2) == (["kick"], ["bend"])
    assert net.shown == small_net.WINDOWS


def test_the_table_maps_labels_to_actions_of_the_cartoons():
    assert tuple(real_people.IN_CARTOONS) == LABELS
    assert set(real_people.IN_CARTOONS.values()) <= set(ACTIONS)
    assert len(set(real_people.IN_CARTOONS.values())) == len(LABELS)


def test_confusions_are_counted_by_pair():
    text = real_people.describe_confusions(["a", "b", "b", "b"], ["a", "c", "c", "a"])
    assert text == "'b' as 'c': 2; 'b' as 'a': 1"
    assert real_people.describe_confusions(["a"], ["a"]) == "no errors"
    assert real_people.describe_confusions("abcdef", "uuuuuu").endswith("'d' as 'u': 1; others: 2")


def test_a_linear_classifier_separates_motions_but_not_equal_first_frames():
    clips = people(4)
    assert real_people.linear_correct(clips, real_people.motion_energy) == 8
    same = [RealClip(np.concatenate((clip.frames[:1] * 0, clip.frames)), clip.label, clip.person) for clip in clips]
    assert real_people.linear_correct(same, real_people.first_frame) == 4  # one prediction for all


def test_motion_energy_is_positive_only_where_something_moves():
    energy = real_people.motion_energy(bar(1, 0)).reshape(16, 16)
    assert energy[7:9, 7:9].min() > 10
    assert energy[:6].max() == 0


def test_the_page_shows_every_clip_of_the_person_with_the_most_errors(tmp_path):
    fold_a, fold_b = real_people.folds(people(2))
    net = fresh(lambda: SmallNet(4), 0).eval()
    right, wrong = np.eye(4)[:2], np.eye(4)[[0, 0]]
    results = [small_net.FoldResult(fold_a, net, right, 0), small_net.FoldResult(fold_b, net, wrong, 0)]
    text = real_people.write_page(results, tmp_path / "made" / "page.html").read_text()
    assert "Person 1 was held out: 1 of 2 correct" in text
    assert "wave1 of person 1, correct" in text
    assert "wave2 of person 1, wrong" in text
    first, second = real_people.explain_held_out(results[1])
    assert [target.name for target in first.targets] == ["wave1"]
    assert [target.name for target in second.targets] == ["wave1", "wave2"]
    np.testing.assert_array_equal(second.clip.frames, fold_b.held_out[1].frames[1:47:3])


@pytest.mark.parametrize(
    ("inside", "outside", "share"), [(1, 0, "100 %"), (0, 1, "0 %"), (-1, 2, "0 %"), (1, 1, "4 %")]
)
def test_evidence_on_moving_pixels_is_reported(inside, outside, share):
    clip, tubes = ne.Clip(bar(1, 0, frames=16)), small_tubes(targets=1)
    values = np.full((1, *clip.size), outside, np.float32)
    values[:, :, 26:38, 26:38] = inside
    layer = LayerMap("by hand", "named", values, Geometry.even(clip.size, clip.size))
    text = real_people.describe_motion(replace(tubes, clip=clip, layers=(layer,)))
    assert text == f"{share} of the evidence lies on moving pixels, which are 4 % of the clip"  # 12 x 12 of 64 x 64


def test_without_the_clips_nothing_is_measured(capsys, monkeypatch):
    monkeypatch.setattr(real_people, "found", lambda: False)
    monkeypatch.setattr(real_people, "read", lambda: pytest.fail("clips were read"))
    real_people.main()
    assert "not on this machine; nothing was measured" in capsys.readouterr().out

"""What the figures of real people rest on: training that repeats, answers read rightly, baselines that can fail."""

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
    """A bright bar that swings over the picture (label 0), or a spot that blinks in the middle (label 1)."""
    rng = np.random.default_rng(seed)
    clip = np.full((frames, 64, 64, 3), rng.integers(60, 120), np.uint8)
    for time, phase in enumerate(np.sin(np.arange(frames) / 4 + rng.uniform(0, 6))):
        if label == 0:
            at = int(32 + 20 * phase)
            clip[time, 8:56, at - 3 : at + 3] = 220
        elif phase > 0:
            clip[time, 26:38, 26:38] = 220
    return clip


def people(count: int) -> list[RealClip]:
    return [RealClip(bar(k, 10 * person + k), LABELS[k], person) for person in range(count) for k in (0, 1)]


class Tiny(nn.Module):
    """How much moves along each of eight directions of colour, space and time: a test trains it in a second."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv3d(3, 8, (3, 8, 8), (2, 4, 4), bias=False)
        self.layers = nn.Sequential(conv, nn.BatchNorm3d(8), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.head = nn.Linear(8, 2)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(clips - clips.mean(dim=2, keepdim=True)))


def state(seed: int, epochs: int = 2) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.seed()  # the global random state is another one each time
        before = torch.get_rng_state()
        net = fresh(lambda: SmallNet(2), seed)
        train_small(net, [bar(k % 2, k) for k in range(4)], [0, 1, 0, 1], torch.Generator().manual_seed(seed), epochs)
        assert torch.equal(torch.get_rng_state(), before)
    return net.state_dict()


class Fixed(nn.Module):
    """Says the same of every clip, and counts how many windows it was shown."""

    def __init__(self, **logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits.get(name.replace(" ", "_"), 0.0) for name in ACTIONS])
        self.shown = 0

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        self.shown += len(clips)
        assert clips.shape[1:] == (3, 16, 64, 64)
        return self.logits.expand(len(clips), -1)


def test_a_person_never_seen_is_named_rightly_when_the_task_is_easy():
    tried = list(leave_one_out(people(3), Tiny, epochs=40))
    assert [one.fold.person for one in tried] == [0, 1, 2]
    assert sum(int(one.right.sum()) for one in tried) == 6
    for one in tried:
        assert one.scores.shape == (2, 2)
        np.testing.assert_allclose(one.scores.sum(axis=1), 1)
        assert not any(module.training for module in one.net.modules())


def test_right_is_counted_against_the_truth_of_the_held_out_clips():
    clips = people(1)
    one = small_net.Tried(real_people.folds(clips).__next__(), nn.Identity(), np.array([[0.2, 0.8], [0.3, 0.7]]), 0)
    assert one.right.tolist() == [False, True]
    assert real_people.named(one) == (["wave1", "wave2"], ["wave2", "wave2"])


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_random_state_alone():
    torch.testing.assert_close(state(3), state(3), rtol=0, atol=0)
    assert not torch.equal(state(3)["head.weight"], state(4)["head.weight"])


def test_a_drawn_window_is_of_its_clip_alone_and_its_border_stands_still():
    clip, generator = bar(0, 5), torch.Generator().manual_seed(0)
    before, drawn = clip.copy(), [augmented(clip, generator) for _ in range(8)]
    np.testing.assert_array_equal(clip, before)
    for x in drawn:
        assert x.shape == (3, 16, 64, 64)
        torch.testing.assert_close(x[:, :, :2].amax(1), x[:, :, :2].amin(1))  # rows that no bar reaches
        assert x.std(dim=1).max() > 0.3
    assert len({float(x.mean()) for x in drawn}) == 8


def test_a_moved_clip_goes_on_beyond_its_border():
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


def test_four_answers_are_the_best_of_the_four_actions():
    net = Fixed(kick=3.0, bend=2.0, wave_one_hand=1.0)
    clips = [RealClip(bar(0, 0), "wave1", 0)]
    assert real_people.zero_shot(net, ACTIONS, clips, 2) == (["kick"], ["bend"])
    assert net.shown == small_net.WINDOWS


def test_the_stated_table_names_actions_that_the_cartoons_do():
    assert tuple(real_people.IN_CARTOONS) == LABELS
    assert set(real_people.IN_CARTOONS.values()) <= set(ACTIONS)
    assert len(set(real_people.IN_CARTOONS.values())) == len(LABELS)


def test_mistakes_are_counted_by_pair():
    said = real_people.mistakes(["a", "b", "b", "b"], ["a", "c", "c", "a"])
    assert said == "'b' taken for 'c': 2; 'b' taken for 'a': 1"
    assert real_people.mistakes(["a"], ["a"]) == "no mistakes"
    assert real_people.mistakes("abcdef", "uuuuuu").endswith("'d' taken for 'u': 1; others: 2")


def test_a_linear_classifier_tells_motions_apart_and_equal_first_frames_not():
    clips = people(4)
    assert real_people.linear_hits(clips, real_people.motion_energy) == 8
    same = [RealClip(np.concatenate((clip.frames[:1] * 0, clip.frames)), clip.label, clip.person) for clip in clips]
    assert real_people.linear_hits(same, real_people.first_frame) == 4  # blind: one answer for all


def test_motion_energy_lies_where_something_moves():
    energy = real_people.motion_energy(bar(1, 0)).reshape(16, 16)
    assert energy[7:9, 7:9].min() > 10
    assert energy[:6].max() == 0


def test_the_page_shows_every_clip_of_the_person_with_most_mistakes(tmp_path):
    fold_a, fold_b = real_people.folds(people(2))
    net = fresh(lambda: SmallNet(4), 0).eval()
    right, wrong = np.eye(4)[:2], np.eye(4)[[0, 0]]
    tried = [small_net.Tried(fold_a, net, right, 0), small_net.Tried(fold_b, net, wrong, 0)]
    text = real_people.write_page(tried, tmp_path / "made" / "page.html").read_text()
    assert "Person 1 was held out: 1 of 2 right" in text
    assert "wave1 of person 1, right" in text
    assert "wave2 of person 1, wrong" in text
    first, second = real_people.explained(tried[1])
    assert [target.name for target in first.targets] == ["wave1"]
    assert [target.name for target in second.targets] == ["wave1", "wave2"]
    np.testing.assert_array_equal(second.clip.frames, fold_b.held_out[1].frames[1:47:3])


@pytest.mark.parametrize(
    ("inside", "outside", "share"), [(1, 0, "100 %"), (0, 1, "0 %"), (-1, 2, "0 %"), (1, 1, "4 %")]
)
def test_where_says_how_much_evidence_is_over_movement(inside, outside, share):
    clip, made = ne.Clip(bar(1, 0, frames=16)), small_tubes(targets=1)
    values = np.full((1, *clip.size), outside, np.float32)
    values[:, :, 26:38, 26:38] = inside
    layer = LayerMap("by hand", "named", values, Geometry.even(clip.size, clip.size))
    said = real_people.where(replace(made, clip=clip, layers=(layer,)))
    assert said == f"{share} of the evidence over movement, which is 4 % of the clip"  # 12 x 12 of 64 x 64


def test_without_the_clips_it_says_so_and_writes_nothing(capsys, monkeypatch):
    monkeypatch.setattr(real_people, "found", lambda: False)
    monkeypatch.setattr(real_people, "read", lambda: pytest.fail("read them all the same"))
    real_people.main()
    assert "not on this machine: nothing was measured" in capsys.readouterr().out

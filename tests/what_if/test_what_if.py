"""Effects of edits on predictions and explanations: known answers, batches, files and pages."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain import edits
from notebook_explain.explanations import Pyramid, Tubes, change_words
from notebook_explain.what_if import clip_scores, scores
from tests import zoo
from tests.example_values import small_what_if
from tests.explanations.equality import assert_same
from tests.what_if.networks import FRAMES, SIZE, SPECIFIED, Linear, coloured_clip, reads_frames

CLIP = coloured_clip()


def linear() -> ne.VideoModel:
    return ne.adapt(zoo.seeded(Linear), **SPECIFIED)


@pytest.mark.parametrize("nothing", [[], [edits.Brighten(1)], [edits.Freeze(3, (3, 4))], [edits.Reverse((2, 3))]])
def test_an_edit_of_nothing_changes_nothing_bitwise(nothing: list[Any]) -> None:
    found = ne.what_if(ne.demo_model(), CLIP, nothing, explainer=ne.SaliencyTubes())
    assert np.array_equal(found.before.head().logits, found.after.head().logits)
    assert np.array_equal(found.before.head().probabilities, found.after.head().probabilities)
    assert np.array_equal(found.clip.frames, found.edited.frames)
    assert found.drop == 0
    assert "nothing changes" in found.in_words()
    pairs = zip(found.before.explanation.layers, found.after.explanation.layers, strict=True)
    assert all(np.array_equal(before.values, after.values) for before, after in pairs)


def test_the_drop_under_occlusion_of_one_cell_is_that_of_a_loop_with_torch() -> None:
    model = linear()
    boxes = [(x, y, x + 4, y + 4) for y in range(0, SIZE, 4) for x in range(0, SIZE, 4)]
    found = ne.what_if(model, CLIP, [[edits.Occlude(box, (3, 6), "grey")] for box in boxes], target=0)
    x = torch.from_numpy(CLIP.frames).float() / 255
    for (left, top, right, bottom), one in zip(boxes, found, strict=True):
        hidden = x.clone()
        hidden[3:6, top:bottom, left:right] = 128 / 255
        with torch.no_grad():
            before, after = (model.module(v.permute(3, 0, 1, 2)[None])[0, 0].item() for v in (x, hidden))
        assert one.drop == pytest.approx(before - after, abs=1e-5)
        assert one.before.target.logit == pytest.approx(before, abs=1e-5)


def test_edits_are_applied_to_the_clip_as_given_and_it_is_fitted_afterwards() -> None:
    big = coloured_clip(frames=18, size=24)
    edit = edits.Occlude((2, 2, 20, 20), (4, 9), "grey")
    found = ne.what_if(linear(), big, edit)
    expected = linear().fit(edit(big))
    assert np.array_equal(found.edited.frames, expected.frames)
    assert found.edited.size == (FRAMES, SIZE, SIZE)
    longer = ne.what_if(linear(), big, edits.Repeat((3, 5), 4))
    assert np.array_equal(longer.edited.frames, linear().fit(edits.Repeat((3, 5), 4)(big)).frames)


def test_edits_follow_one_another_in_the_order_given() -> None:
    model, first, second = reads_frames([0.0] * 7 + [1.0, 0.0]), edits.Reverse(), edits.Drop((0, 4))
    assert ne.what_if(model, CLIP, [first, second]).edited.frame_numbers.tolist() == [8, 8, 6, 6, 4, 4, 2, 2, 0]
    assert ne.what_if(model, CLIP, [second, first]).edited.frame_numbers.tolist() == [16, 16, 14, 14, 12, 12, 10, 10, 8]


def test_a_list_of_lists_gives_the_results_of_single_calls() -> None:
    model = ne.demo_model()
    lists = [
        [edits.Reverse()],
        [],
        [edits.Ablate("stem", [0, 1])],
        [edits.Flip(), edits.Ablate("stem", [0, 1])],
        *([edits.Freeze(k)] for k in range(8)),
    ]
    together = ne.what_if(model, CLIP, lists, target="kick")
    for entries, one in zip(lists, together, strict=True):
        alone = ne.what_if(model, CLIP, entries, target="kick")
        assert [edit.code for edit in one.edits] == [repr(edit) for edit in entries]
        np.testing.assert_allclose(one.after.head().logits, alone.after.head().logits, rtol=1e-4, atol=1e-4)
        assert one.drop == pytest.approx(alone.drop, abs=1e-4)
        edited = scores(edits.edited_model(model, entries), [edits.edited_clip(CLIP, entries)])[0][""]
        np.testing.assert_allclose(one.after.head().logits, edited.logits, rtol=1e-4, atol=1e-4)
    assert together[0].before is together[-1].before
    assert together[0].provenance.forwards <= len(lists) + 8


class Counting(nn.Module):
    """Counts its passes and the clips in them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 1), nn.Linear(4, 3)
        self.batches: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Counting:
        copied = Counting()
        copied.load_state_dict(self.state_dict())
        copied.batches = self.batches  # shared with all copies
        return copied

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is Tensor:
            self.batches.append(len(x))
        return self.head(self.conv(x).relu().mean((2, 3, 4)))


def test_many_edits_share_batches_and_equal_clips_are_run_once() -> None:
    model = ne.adapt(zoo.seeded(Counting), **SPECIFIED)
    ne.what_if(model, CLIP, [[edits.Freeze(k)] for k in range(9)])  # finds out that it takes batches
    model.module.batches.clear()
    ne.what_if(model, CLIP, [[edits.Brighten(1 + k / 64)] for k in range(32)] + [[edits.Brighten(1.5)]] * 10)
    assert sum(model.module.batches) == 33  # the clip, which is Brighten(1.0) too, 31 others, and Brighten(1.5) once
    assert max(model.module.batches) == 8


@pytest.mark.parametrize(("memory", "most"), [(2**30, 8), (4 * 3 * 4 * 9 * 12 * 12 * 4, 3), (1, 1)])
def test_a_batch_is_as_large_as_fits_into_memory(monkeypatch: pytest.MonkeyPatch, memory: int, most: int) -> None:
    model = ne.adapt(zoo.seeded(Counting), **SPECIFIED)  # its largest tensor has 4 channels of 9 x 12 x 12 floats
    monkeypatch.setattr(clip_scores, "MEMORY", memory)
    scores(model, [edits.Brighten(1 + k / 64)(CLIP) for k in range(16)])
    model.module.batches.clear()
    scores(model, [edits.Brighten(1 + k / 64)(CLIP) for k in range(16)])
    assert max(model.module.batches) == most
    assert sum(model.module.batches) == 16


def test_one_clip_costs_one_pass_once_the_network_is_known() -> None:
    model = ne.adapt(zoo.seeded(Counting), **SPECIFIED)
    scores(model, [CLIP])
    model.module.batches.clear()
    found = scores(model, [edits.Reverse()(CLIP)])
    assert model.module.batches == [1]
    edited = edits.edited_model(model, edits.Scale("conv", factor=2))
    scores(edited, [CLIP])  # what is known of the network is known of its edits
    assert model.module.batches == [1, 1]
    assert found[0][""].logits.shape == (3,)
    assert scores(model, []) == []


def test_scores_are_those_of_the_model_for_all_heads_and_kinds() -> None:
    for name in ("dict", "probs", "sigmoid", "per_time", "frames_in_batch", "pathways"):
        for entry in [entry for entry in zoo.ZOO.values() if name in entry.traits][:1]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = ne.adapt(
                    entry.make(), size=entry.size, frames=entry.frames, mean=0.45, std=0.225, layout=entry.layout
                )
            clips = [ne.Clip(zoo.random_clip(entry.frames, entry.size, seed)) for seed in range(7)]
            for clip, found in zip(clips, scores(model, clips), strict=True):
                said = model(clip)
                assert set(found) == {head.name for head in said.heads}
                for head in said.heads:
                    np.testing.assert_allclose(found[head.name].logits, head.logits, rtol=1e-3, atol=1e-3)
                    if head.probabilities is not None:
                        np.testing.assert_allclose(found[head.name].probabilities, head.probabilities, atol=1e-4)


def test_a_difference_and_its_words() -> None:
    target = ne.Target("kick") - "punch"
    found = ne.what_if(ne.demo_model(), CLIP, edits.Reverse(), target)
    one, two = found.before.head(), found.after.head()
    index = [one.labels.index(name) for name in ("kick", "punch")]
    expected = [float(head.logits[index[0]] - head.logits[index[1]]) for head in (one, two)]
    assert [found.before.target.logit, found.after.target.logit] == pytest.approx(expected, abs=1e-5)
    assert found.target_words().startswith("'kick' rather than 'punch' ")


def test_what_moved_most_is_sorted_and_told() -> None:
    found = small_what_if()
    moved = found.moved()
    assert [one.label for one in moved] == ["class 0", "class 1", "class 2"]
    assert [abs(one.change) for one in moved] == sorted((abs(one.change) for one in moved), reverse=True)
    assert found.target_words() == "'class 0' 63 % to 14 %"
    assert found.in_words() == (
        "The clip runs backwards: 'class 0' 63 % to 14 %. Of the others, most moved: class 1 23 % to 63 %; "
        "class 2 14 % to 23 %. The top class changes from 'class 0' to 'class 1'."
    )
    assert change_words(found.before.head(), found.after.head()) == "class 0 63 % to 14 %; class 1 23 % to 63 %"
    assert change_words(found.before.head("speed"), found.after.head("speed")) == "value 3 to 2 m/s"
    assert change_words(found.before.head(), found.before.head()) == "nothing changes"
    with pytest.raises(ValueError, match="head 'verb' is not in this model; it has '', 'speed'"):
        found.moved(head="verb")


@pytest.mark.parametrize("explainer", [None, ne.SaliencyTubes(), ne.FeaturePyramid(depth=3)])
def test_a_what_if_is_the_same_after_saving(explainer: Any, tmp_path: Path) -> None:
    found = ne.what_if(ne.demo_model(), CLIP, [edits.Reverse(), edits.Scale("stem", [1], 2)], explainer=explainer)
    again = ne.load(found.save(tmp_path / "w.npz"))
    assert_same(ne.load(again.save(tmp_path / "again.npz")), again)
    for name in ("clip", "heads", "target"):
        assert_same(getattr(again.after, name), getattr(found.after, name))
    assert repr(again.after.explanation) == repr(found.after.explanation)
    assert again.in_words() == found.in_words()
    assert again.provenance == found.provenance
    assert [edits.from_json(edit.entry) for edit in again.edits] == [edits.Reverse(), edits.Scale("stem", [1], 2)]


def test_both_explanations_are_of_the_target_before_the_edits() -> None:
    model = ne.demo_model()
    found = ne.what_if(model, CLIP, [edits.Reverse(), edits.Ablate("stem", [2])], "jog", ne.SaliencyTubes())
    before, after = found.before.explanation, found.after.explanation
    assert isinstance(before, Tubes)
    assert isinstance(after, Tubes)
    assert [one.targets[0].name for one in (before, after)] == ["jog", "jog"]
    assert before.targets[0].logit == pytest.approx(found.before.target.logit, abs=1e-4)
    assert after.targets[0].logit == pytest.approx(found.after.target.logit, abs=1e-4)
    assert np.array_equal(after.clip.frames, found.edited.frames)
    pyramid = ne.what_if(model, CLIP, edits.Flip(), explainer=ne.FeaturePyramid(depth=3)).after.explanation
    assert isinstance(pyramid, Pyramid)


@pytest.mark.parametrize("explainer", [None, ne.SaliencyTubes(), ne.FeaturePyramid(depth=3)])
def test_pages_figures_and_cells(explainer: Any, tmp_path: Path) -> None:
    found = ne.what_if(ne.demo_model(), CLIP, edits.Reverse(), explainer=explainer)
    text = found.to_html(tmp_path / "page.html", title="What <if>?").read_text()
    assert "What &lt;if&gt;?" in text
    assert "The clip runs backwards" in text
    assert found.to_png(tmp_path / "p").read_bytes().startswith(b"\x89PNG")
    bundle = found._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= set(bundle if isinstance(bundle, dict) else bundle[0])
    if isinstance(explainer, ne.SaliencyTubes):
        assert found.view(frame=3).frame == 3
    else:
        with pytest.raises(ValueError, match="pass explainer=SharpTubes"):
            found.view()


class FailsWhenDark(nn.Module):
    """Raises for dark clips, and returns NaN for black ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is Tensor and x.max() == 0:
            return self.head(self.conv(x).mean((2, 3, 4))) * float("nan")
        if type(x) is Tensor and 0 < x.abs().max() < 0.1:
            raise RuntimeError("it is too dark")
        return self.head(self.conv(x).mean((2, 3, 4)))


def test_a_network_that_fails_or_answers_nan_is_one_error() -> None:
    model = ne.adapt(zoo.seeded(FailsWhenDark), **SPECIFIED)
    with pytest.raises(ne.ExplainError, match="the network fails on this clip: it is too dark"):
        ne.what_if(model, CLIP, edits.Brighten(0.05))
    with pytest.raises(ne.ExplainError, match="returns NaN for this clip"):
        ne.what_if(model, CLIP, edits.Brighten(0))
    assert ne.what_if(model, CLIP, edits.Reverse()).drop == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, CLIP, []), "model must be a VideoModel"),
        ((linear(), CLIP, edits.Reverse), r"an edit must be one of|edits must be a list"),
        ((linear(), CLIP, [edits.Reverse]), r"got <class .*>; write Reverse\(\)"),
        ((linear(), CLIP, ["reverse"]), "an edit must be one of notebook_explain.edits"),
        ((linear(), CLIP, "reverse"), "edits must be a list of edits"),
        ((linear(), CLIP, [[edits.Reverse()], edits.Flip]), "edits must be a list of edits"),
        ((linear(), CLIP, [], [0, 1]), "give one target at a time"),
        ((linear(), CLIP, [], 7), "target 7 is out of range"),
        ((linear(), CLIP, [], 0, lambda model, clip, target: 3), "explainer must explain one clip"),
        ((linear(), "no such file.mp4", []), "no such file"),
    ],
)
def test_bad_arguments_are_one_clear_error(arguments: Any, words: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        ne.what_if(*arguments)

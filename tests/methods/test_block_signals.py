"""Blocks in an explanation: what they tell arrives where and when it belongs, and what is taken out is put back."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.layers.signal_types import ByClass, Named, PerFrame, explains
from notebook_explain.methods.block_signals import SHARES
from tests import zoo
from tests.test_contract import _assert_same, _trace

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
VIDEO = zoo.feed(zoo.ZOO["residual"], CLIP)


@cache
def model(name: str) -> ne.VideoModel:
    return ne.adapt(zoo.seeded(zoo.BLOCKS[name]), **STATED)


@cache
def report(name: str) -> Any:
    return ne.BlockSignals()(model(name), CLIP, 1)


def added(found: Any) -> dict[str, float]:
    (numbers,) = (one for one in found.numbers if one.what == ADDED)
    return dict(zip(numbers.labels, numbers.values.tolist(), strict=True))


def test_what_a_recursion_does_to_each_frame_lies_where_its_steps_lie() -> None:
    found = report("srtg")
    direct = ne.layers.signals(model("srtg").module, VIDEO)
    factors = {course.name: course for course in found.courses if course.neutral == 1}
    assert list(factors) == ["layer1.recursion", "layer2.recursion"]
    for name, course in factors.items():
        assert course.kind == "SRTG"
        np.testing.assert_allclose(course.values, direct[name].factor.mean(1)[0], rtol=1e-5)
        np.testing.assert_array_equal(course.rows, model("srtg").layer(name).geometry.rows)
    assert len(factors["layer2.recursion"].rows) == 4, "it has half of the frames"


def test_what_a_recursion_adds_is_the_score_less_the_score_of_closed_gates() -> None:
    net = copy.deepcopy(model("srtg").module)
    for part in net.modules():
        if isinstance(part, ne.layers.SRTG):
            part.gate = "closed"
    with torch.no_grad():
        wanted = float(model("srtg").module(VIDEO)[0, 1] - net(VIDEO)[0, 1])
    assert added(report("srtg")) == {"SRTG (squeeze and recursion), 2 blocks": pytest.approx(wanted, abs=1e-5)}
    assert abs(wanted) > 0.01
    each = added(ne.BlockSignals(each=True)(model("srtg"), CLIP, 1))
    assert list(each) == [
        "layer1.recursion: SRTG (squeeze and recursion)",
        "layer2.recursion: SRTG (squeeze and recursion)",
    ]
    assert report("srtg").provenance.forwards == 2


def test_a_gate_tells_how_far_it_can_open() -> None:
    gates = [one for one in report("srtg").numbers if "gate" in one.what]
    assert [one.bounds for one in gates] == [(0.0, 1.0)] * 2
    assert [one.bounds for one in report("srtg").numbers if one.what == ADDED] == [None]


def test_planes_add_what_plane_evidence_says() -> None:
    wanted = ne.layers.plane_evidence(model("fast").module, VIDEO, 1)
    found = added(report("fast"))
    assert [words.split()[1] for words in found] == list(wanted)
    for words, value in found.items():
        assert value == pytest.approx(float(wanted[words.split()[1]]), abs=1e-5)


def test_a_difference_of_two_classes_is_a_target_too() -> None:
    one, other = (added(ne.BlockSignals()(model("fast"), CLIP, target)) for target in (1, 2))
    both = added(ne.BlockSignals()(model("fast"), CLIP, ne.Target(1) - ne.Target(2)))
    assert both == {words: pytest.approx(one[words] - other[words], abs=1e-5) for words in one}


def test_streams_that_the_classifier_reads_add_what_mtnet_says_and_the_bias_makes_the_logit() -> None:
    found = report("mtnet")
    net: Any = model("mtnet").module
    last = [one for one in found.numbers if one.what == SHARES][-1]
    assert last.labels == ("short stream", "long stream")
    np.testing.assert_allclose(last.values, net.shares(VIDEO)[0, 1].detach(), atol=1e-5)
    assert last.values.sum() + float(net.fc.bias[1].detach()) == pytest.approx(found.target.logit, abs=1e-4)
    steps = [len(course.values) for course in found.courses if course.name == last.name]
    assert steps == [2, 1], "the long stream has half of the frames"


def test_channels_of_both_streams_together_are_the_evidence_of_the_layer() -> None:
    found, name = report("mtconv"), "layer4.1.conv2.0"
    tubes = ne.SaliencyTubes(layers=(name,))(model("mtconv"), CLIP, 1)
    streams = [course for course in found.courses if course.name == name]
    assert [course.what for course in streams] == [
        f"evidence for 'class 1' in the {which} stream" for which in ("short", "long")
    ]
    whole = tubes.layers[0].values[0]
    np.testing.assert_allclose(
        sum(course.values for course in streams), whole.mean((1, 2)) / len(whole), rtol=1e-3, atol=1e-6
    )


def test_frames_that_mtnet_keeps_are_those_that_it_selects() -> None:
    net: Any = model("mtnet").module
    short, long = (course for course in report("mtnet").courses if course.kind == "MTNet")
    kept = ne.layers.select_frames(net.pool(net.stem(VIDEO)))
    again = [np.flatnonzero(course.values).tolist() for course in (short, long)]
    whole = net.pool(net.stem(VIDEO))
    torch.testing.assert_close(kept, whole[:, :, again[0]])
    assert len(again[0]) == 4
    assert len(again[1]) == 2
    assert set(again[1]) < set(again[0])
    np.testing.assert_array_equal(short.rows, np.arange(8))


def test_an_early_guess_has_a_logit_for_each_class_and_a_table_of_kernels() -> None:
    found = report("class regularization")
    guesses = [one for one in found.numbers if one.what.startswith("early guess")]
    assert [guess.name for guess in guesses] == [table.name for table in found.tables] == ["layer1.1", "layer3.1"]
    assert guesses[0].labels == found.tables[0].classes == tuple(f"class {at}" for at in range(5))
    direct = ne.layers.signals(model("class regularization").module, VIDEO)["layer3.1"]
    np.testing.assert_allclose(guesses[1].values, direct.scores[0].detach(), rtol=1e-4)
    np.testing.assert_allclose(found.tables[1].values, direct.table.detach(), rtol=1e-5)


@pytest.mark.parametrize("name", ["srtg", "mtnet", "mtconv", "fast", "class regularization"])
def test_a_model_is_as_found_after_its_blocks_have_told_and_were_taken_out(name: str) -> None:
    net = zoo.seeded(zoo.BLOCKS[name]).train()
    before, settings = _trace(net), {part: repr(each) for part, each in net.named_modules()}
    adapted = ne.adapt(net, **STATED)
    ne.BlockSignals(each=True)(adapted, CLIP, 1)
    ne.SaliencyTubes()(adapted, CLIP, 1)
    _assert_same(before, _trace(net))
    assert settings == {part: repr(each) for part, each in net.named_modules()}


def test_tubes_hear_the_blocks_in_their_own_pass() -> None:
    net = zoo.seeded(zoo.BLOCKS["srtg"])
    passes: list[int] = []
    stem = net.stem
    original = type(stem).forward

    class Counting(type(stem)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            if type(x) is Tensor:  # the network's own pass, not that of positions
                passes.append(1)
            return original(self, x)

    stem.__class__ = Counting
    adapted = ne.adapt(net, **STATED)
    passes.clear()
    tubes = ne.SaliencyTubes()(adapted, CLIP, 1)
    assert len(passes) == 1
    told = report("srtg").courses
    assert [(course.name, course.what) for course in tubes.courses] == [(course.name, course.what) for course in told]
    for ours, theirs in zip(tubes.courses, told, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)
    silent = ne.SaliencyTubes()(ne.adapt(zoo.ZOO["residual"].make(), **STATED), CLIP, 1)
    assert silent.courses == ()


class Scale(nn.Module):
    """Somebody's own block, whose input the next module overwrites."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        return x.view_as(x)

    @explains
    def explain(self, x: Tensor) -> Scale:
        self.seen = x.mean((1, 3, 4)) / (0 if self.broken else 1)
        return self

    def told(self) -> list[Any]:
        table = torch.arange(10.0).reshape(5, 2)
        return [PerFrame("mean", self.seen), Named("two", ("a", "b"), self.seen[:, :2]), ByClass("table", table)]


def with_scale(**options: Any) -> ne.VideoModel:
    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, Scale(**options), nn.Threshold(0.3, 0.0, inplace=True))
    return ne.adapt(net, **STATED)


def test_anybodys_block_takes_part_and_tells_of_what_it_was_given() -> None:
    adapted = with_scale()
    found = ne.BlockSignals()(adapted, CLIP, 0)
    (course,) = found.courses
    assert (course.name, course.kind, course.what) == ("stem.1", "Scale", "mean")
    wanted = adapted.module.stem[0](VIDEO).mean((1, 3, 4))[0].detach()
    np.testing.assert_allclose(course.values, wanted, rtol=1e-4)
    assert found.numbers[0].labels == ("a", "b")
    assert found.tables[0].values.shape == (5, 2)


def test_what_is_not_finite_is_left_out_and_said() -> None:
    found = ne.SaliencyTubes()(with_scale(broken=True), CLIP, 0)
    assert found.courses == ()
    assert "What 'stem.1' tells (mean) is not finite and is left out." in found.provenance.caveats


def test_what_contradicts_itself_is_left_out_and_said() -> None:
    class Boasting(Scale):
        def told(self) -> list[Any]:
            return [Named("a share", ("a",), torch.full((1, 1), 7.0), 0.0, (0.0, 1.0))]

    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, Boasting())
    found = ne.BlockSignals()(ne.adapt(net, **STATED), CLIP, 0)
    assert found.numbers == ()
    assert any(text.startswith("What 'stem.1' tells (a share) is left out:") for text in found.provenance.caveats)


@pytest.mark.parametrize(
    ("told", "error", "words"),
    [
        (lambda x: PerFrame("mean", x), TypeError, r"what 'stem.1' tells: .* must return .*, got PerFrame"),
        (lambda x: None, TypeError, "got NoneType"),
        (lambda x: [{"mean": x}], TypeError, "dict is no PerFrame, Named or ByClass"),
        (lambda x: [PerFrame("mean", x.numpy())], TypeError, "PerFrame is no .* with a tensor"),
        (lambda x: [PerFrame("mean", x[0])], ValueError, r"values of 'mean' must be \(batch, time\), got shape \(8,\)"),
        (
            lambda x: [PerFrame("mean", x, side="out")],
            ValueError,
            "side of 'mean' must be 'input' or 'output', got 'out'",
        ),
    ],
)
def test_a_block_that_tells_what_cannot_be_read_is_named(told: Any, error: type[Exception], words: str) -> None:
    class Wrong(Scale):
        def told(self) -> Any:
            return told(self.seen)

    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, Wrong())
    with pytest.raises(error, match=words):
        ne.SaliencyTubes()(ne.adapt(net, **STATED), CLIP, 0)


def test_a_method_that_merely_has_that_name_is_not_called() -> None:
    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.explain = lambda *_: pytest.fail("called")
    assert ne.SaliencyTubes()(ne.adapt(net, **STATED), CLIP, 0).courses == ()


def test_without_blocks_and_with_several_targets_it_says_so() -> None:
    with pytest.raises(ValueError, match=r"ResNet3D has no building block that tells anything; ne.layers.swap"):
        ne.BlockSignals()(ne.adapt(zoo.ZOO["residual"].make(), **STATED), CLIP)
    with pytest.raises(TypeError, match="a report has one target"):
        ne.BlockSignals()(model("srtg"), CLIP, [0, 1])


def test_a_report_goes_on_tubes_of_its_own_clip_only() -> None:
    found = report("mtconv")
    tubes = ne.SaliencyTubes()(model("mtconv"), CLIP, 1)
    assert found.on(tubes).courses == found.courses
    other = ne.SaliencyTubes()(model("mtconv"), zoo.random_clip(8, 32, 5), 1)
    with pytest.raises(ValueError, match="of other frames of the clip 'array'"):
        found.on(other)
    plain = ne.SaliencyTubes()(ne.adapt(zoo.ZOO["residual"].make(), **STATED), CLIP, 1)
    with pytest.raises(ValueError, match=r"the courses are of .*, the tubes of ResNet3D"):
        found.on(plain)

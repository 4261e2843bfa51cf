"""Blocks in an explanation: their signals have the right values and times, and ablations are undone."""

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
from notebook_explain.layers.signal_types import ClassChannelTable, FrameSignal, LabelledValues, explains
from notebook_explain.methods.block_signals import SHARES
from tests import zoo
from tests.test_contract import _assert_same, _snapshot

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
VIDEO = zoo.feed(zoo.ZOO["residual"], CLIP)


@cache
def model(name: str) -> ne.VideoModel:
    return ne.adapt(zoo.seeded(zoo.BLOCKS[name]), **STATED)


@cache
def report(name: str) -> Any:
    return ne.BlockSignals()(model(name), CLIP, 1)


def effects(found: Any) -> dict[str, float]:
    (labelled,) = (labelled for labelled in found.labelled_values if labelled.what == ADDED)
    return dict(zip(labelled.labels, labelled.values.tolist(), strict=True))


def test_factors_of_a_recursion_have_the_times_of_its_steps() -> None:
    found = report("srtg")
    direct = ne.layers.signals(model("srtg").module, VIDEO)
    factors = {signal.name: signal for signal in found.frame_signals if signal.neutral == 1}
    assert list(factors) == ["layer1.recursion", "layer2.recursion"]
    for name, signal in factors.items():
        assert signal.kind == "SRTG"
        np.testing.assert_allclose(signal.values, direct[name].factor.mean(1)[0], rtol=1e-5)
        np.testing.assert_array_equal(signal.rows, model("srtg").layer(name).geometry.rows)
    assert len(factors["layer2.recursion"].rows) == 4, "it has half of the frames"


def test_the_effect_of_a_recursion_is_the_score_minus_the_score_with_closed_gates() -> None:
    net = copy.deepcopy(model("srtg").module)
    for part in net.modules():
        if isinstance(part, ne.layers.SRTG):
            part.gate = "closed"
    with torch.no_grad():
        expected = float(model("srtg").module(VIDEO)[0, 1] - net(VIDEO)[0, 1])
    assert effects(report("srtg")) == {"SRTG (squeeze and recursion), 2 blocks": pytest.approx(expected, rel=0.01)}
    assert abs(expected) > 5e-5  # small: an untrained recursion is consistent by little more than chance
    one_by_one = effects(ne.BlockSignals(each=True)(model("srtg"), CLIP, 1))
    assert list(one_by_one) == [
        "layer1.recursion: SRTG (squeeze and recursion)",
        "layer2.recursion: SRTG (squeeze and recursion)",
    ]
    assert report("srtg").provenance.forwards == 2


def test_a_gate_reports_its_bounds() -> None:
    gates = [labelled for labelled in report("srtg").labelled_values if "gate" in labelled.what]
    assert [labelled.bounds for labelled in gates] == [(0.0, 1.0)] * 2
    assert [labelled.bounds for labelled in report("srtg").labelled_values if labelled.what == ADDED] == [None]


def test_effects_of_planes_equal_plane_evidence() -> None:
    expected = ne.layers.plane_evidence(model("fast").module, VIDEO, 1)
    found = effects(report("fast"))
    assert [label.split()[1] for label in found] == list(expected)
    for label, value in found.items():
        assert value == pytest.approx(float(expected[label.split()[1]]), abs=1e-5)


def test_a_difference_of_two_classes_is_a_valid_target() -> None:
    first, second = (effects(ne.BlockSignals()(model("fast"), CLIP, target)) for target in (1, 2))
    difference = effects(ne.BlockSignals()(model("fast"), CLIP, ne.Target(1) - ne.Target(2)))
    assert difference == {label: pytest.approx(first[label] - second[label], abs=1e-5) for label in first}


def test_contributions_of_the_last_streams_equal_the_shares_of_mtnet() -> None:
    found = report("mtnet")
    net: Any = model("mtnet").module
    last = [labelled for labelled in found.labelled_values if labelled.what == SHARES][-1]
    assert last.labels == ("short stream", "long stream")
    np.testing.assert_allclose(last.values, net.shares(VIDEO)[0, 1].detach(), atol=1e-5)
    assert last.values.sum() + float(net.fc.bias[1].detach()) == pytest.approx(found.target.logit, abs=1e-4)
    steps = [len(signal.values) for signal in found.frame_signals if signal.name == last.name]
    assert steps == [2, 1], "the long stream has half of the frames"


def test_evidence_of_both_streams_sums_to_the_evidence_of_the_layer() -> None:
    found, name = report("mtconv"), "layer4.1.conv2.0"
    tubes = ne.SaliencyTubes(layers=(name,))(model("mtconv"), CLIP, 1)
    streams = [signal for signal in found.frame_signals if signal.name == name]
    assert [signal.what for signal in streams] == [
        f"evidence for 'class 1' in the {stream} stream" for stream in ("short", "long")
    ]
    values = tubes.layers[0].values[0]
    np.testing.assert_allclose(
        sum(signal.values for signal in streams), values.mean((1, 2)) / len(values), rtol=1e-3, atol=1e-6
    )


def test_the_reported_frames_of_mtnet_are_those_that_it_selects() -> None:
    net: Any = model("mtnet").module
    short, long = (signal for signal in report("mtnet").frame_signals if signal.kind == "MTNet")
    pooled = net.pool(net.stem(VIDEO))
    kept_short, kept_long = (np.flatnonzero(signal.values).tolist() for signal in (short, long))
    torch.testing.assert_close(ne.layers.select_frames(pooled), pooled[:, :, kept_short])
    assert len(kept_short) == 4
    assert len(kept_long) == 2
    assert set(kept_long) < set(kept_short)
    np.testing.assert_array_equal(short.rows, np.arange(8))


def test_an_early_guess_has_a_logit_per_class_and_a_table_of_channels() -> None:
    found = report("class regularization")
    guesses = [labelled for labelled in found.labelled_values if labelled.what.startswith("early guess")]
    assert [guess.name for guess in guesses] == [table.name for table in found.tables] == ["layer1.1", "layer3.1"]
    assert guesses[0].labels == found.tables[0].classes == tuple(f"class {index}" for index in range(5))
    direct = ne.layers.signals(model("class regularization").module, VIDEO)["layer3.1"]
    np.testing.assert_allclose(guesses[1].values, direct.scores[0].detach(), rtol=1e-4)
    np.testing.assert_allclose(found.tables[1].values, direct.table.detach(), rtol=1e-5)


@pytest.mark.parametrize("name", ["srtg", "mtnet", "mtconv", "fast", "class regularization"])
def test_a_model_is_not_modified_by_signals_and_ablations(name: str) -> None:
    net = zoo.seeded(zoo.BLOCKS[name]).train()
    before, settings = _snapshot(net), {part: repr(module) for part, module in net.named_modules()}
    adapted = ne.adapt(net, **STATED)
    ne.BlockSignals(each=True)(adapted, CLIP, 1)
    ne.SaliencyTubes()(adapted, CLIP, 1)
    _assert_same(before, _snapshot(net))
    assert settings == {part: repr(module) for part, module in net.named_modules()}


def test_tubes_record_the_signals_in_their_own_pass() -> None:
    net = zoo.seeded(zoo.BLOCKS["srtg"])
    passes: list[int] = []
    stem = net.stem
    original = type(stem).forward

    class Counting(type(stem)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            if type(x) is Tensor:  # a pass of the network, not one of positions
                passes.append(1)
            return original(self, x)

    stem.__class__ = Counting
    adapted = ne.adapt(net, **STATED)
    passes.clear()
    tubes = ne.SaliencyTubes()(adapted, CLIP, 1)
    assert len(passes) == 1
    expected = report("srtg").frame_signals
    assert [(signal.name, signal.what) for signal in tubes.frame_signals] == [
        (signal.name, signal.what) for signal in expected
    ]
    for signal, reported in zip(tubes.frame_signals, expected, strict=True):
        np.testing.assert_array_equal(signal.values, reported.values)
    without = ne.SaliencyTubes()(ne.adapt(zoo.ZOO["residual"].make(), **STATED), CLIP, 1)
    assert without.frame_signals == ()


class Scale(nn.Module):
    """Block of a user, whose input the next module overwrites."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        return x.view_as(x)

    @explains
    def explain(self, x: Tensor) -> Scale:
        self.means = x.mean((1, 3, 4)) / (0 if self.broken else 1)
        return self

    def report(self) -> list[Any]:
        table = torch.arange(10.0).reshape(5, 2)
        return [
            FrameSignal("mean", self.means),
            LabelledValues("two", ("a", "b"), self.means[:, :2]),
            ClassChannelTable("table", table),
        ]


def with_scale(**options: Any) -> ne.VideoModel:
    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, Scale(**options), nn.Threshold(0.3, 0.0, inplace=True))
    return ne.adapt(net, **STATED)


def test_a_users_block_reports_signals_of_its_input() -> None:
    adapted = with_scale()
    found = ne.BlockSignals()(adapted, CLIP, 0)
    (signal,) = found.frame_signals
    assert (signal.name, signal.kind, signal.what) == ("stem.1", "Scale", "mean")
    expected = adapted.module.stem[0](VIDEO).mean((1, 3, 4))[0].detach()
    np.testing.assert_allclose(signal.values, expected, rtol=1e-4)
    assert found.labelled_values[0].labels == ("a", "b")
    assert found.tables[0].values.shape == (5, 2)


def test_signals_that_are_not_finite_are_left_out_with_a_caveat() -> None:
    found = ne.SaliencyTubes()(with_scale(broken=True), CLIP, 0)
    assert found.frame_signals == ()
    assert "A signal of 'stem.1' (mean) is left out because it is not finite." in found.provenance.caveats


def test_signals_outside_of_their_bounds_are_left_out_with_a_caveat() -> None:
    class OutOfBounds(Scale):
        def report(self) -> list[Any]:
            return [LabelledValues("a share", ("a",), torch.full((1, 1), 7.0), 0.0, (0.0, 1.0))]

    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, OutOfBounds())
    found = ne.BlockSignals()(ne.adapt(net, **STATED), CLIP, 0)
    assert found.labelled_values == ()
    message = "A signal of 'stem.1' (a share) is left out because it is invalid:"
    assert any(caveat.startswith(message) for caveat in found.provenance.caveats)


@pytest.mark.parametrize(
    ("signals", "error", "message"),
    [
        (lambda x: FrameSignal("mean", x), TypeError, r"signals of 'stem.1': .* must return .*, got FrameSignal"),
        (lambda x: None, TypeError, "got NoneType"),
        (
            lambda x: [{"mean": x}],
            TypeError,
            "expected FrameSignal, LabelledValues or ClassChannelTable with a tensor of values, got dict",
        ),
        (
            lambda x: [FrameSignal("mean", x.numpy())],
            TypeError,
            "with a tensor of values, got FrameSignal with ndarray",
        ),
        (
            lambda x: [FrameSignal("mean", x[0])],
            ValueError,
            r"values of 'mean' must be \(batch, time\), got shape \(8,\)",
        ),
        (
            lambda x: [FrameSignal("mean", x, side="out")],
            ValueError,
            "side of 'mean' must be 'input' or 'output', got 'out'",
        ),
    ],
)
def test_errors_of_invalid_signals_name_the_block(signals: Any, error: type[Exception], message: str) -> None:
    class Wrong(Scale):
        def report(self) -> Any:
            return signals(self.means)

    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, Wrong())
    with pytest.raises(error, match=message):
        ne.SaliencyTubes()(ne.adapt(net, **STATED), CLIP, 0)


def test_an_unmarked_method_named_explain_is_not_called() -> None:
    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.explain = lambda *_: pytest.fail("called")
    assert ne.SaliencyTubes()(ne.adapt(net, **STATED), CLIP, 0).frame_signals == ()


def test_errors_for_networks_without_blocks_and_for_several_targets() -> None:
    with pytest.raises(ValueError, match=r"ResNet3D has no module that reports signals; .*ne.layers.swap"):
        ne.BlockSignals()(ne.adapt(zoo.ZOO["residual"].make(), **STATED), CLIP)
    with pytest.raises(TypeError, match="a block report has one target"):
        ne.BlockSignals()(model("srtg"), CLIP, [0, 1])


def test_a_report_is_added_to_tubes_of_the_same_clip_and_model_only() -> None:
    found = report("mtconv")
    tubes = ne.SaliencyTubes()(model("mtconv"), CLIP, 1)
    assert found.on(tubes).frame_signals == found.frame_signals
    other = ne.SaliencyTubes()(model("mtconv"), zoo.random_clip(8, 32, 5), 1)
    with pytest.raises(ValueError, match="of other frames of the clip 'array'"):
        found.on(other)
    plain = ne.SaliencyTubes()(ne.adapt(zoo.ZOO["residual"].make(), **STATED), CLIP, 1)
    with pytest.raises(ValueError, match=r"the frame signals are of .*, the tubes of ResNet3D"):
        found.on(plain)

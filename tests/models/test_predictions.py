"""model(clip): the numbers of a direct forward pass, in one pass that leaves no trace, for every kind of output."""

from __future__ import annotations

import html
import threading
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import HeadPrediction, Predictions
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from tests import zoo

NAMES = ["bow", "clap", "jump", "kick", "wave"]


def adapted(name: str, net: nn.Module | None = None, **changes: Any) -> ne.VideoModel:
    entry = zoo.ZOO[name]
    stated = {"size": entry.size, "frames": entry.frames, "mean": zoo.MEAN, "std": zoo.STD, "layout": entry.layout}
    return ne.adapt(entry.make() if net is None else net, **{**stated, **changes})


def clip_for(name: str) -> np.ndarray:
    return zoo.random_clip(zoo.ZOO[name].frames, zoo.ZOO[name].size)


def test_predictions_equal_a_direct_forward_pass() -> None:
    model, clip = adapted("residual", labels=NAMES), clip_for("residual")
    predictions = model(clip)
    with torch.no_grad():
        logits = zoo.ZOO["residual"].make()(zoo.feed(zoo.ZOO["residual"], clip))[0].double()
    np.testing.assert_allclose(predictions.logits, logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predictions.probabilities, logits.softmax(0), rtol=1e-5)
    order = logits.argsort(descending=True).tolist()
    assert [label for label, _ in predictions.top(3)] == [NAMES[index] for index in order[:3]]
    assert predictions.top(2)[1][1] == pytest.approx(float(logits.softmax(0)[order[1]]), rel=1e-5)
    assert predictions.labels == tuple(NAMES)
    assert (predictions.provenance.method, predictions.provenance.forwards) == ("Prediction", 1)
    assert predictions.clip.size == (zoo.ZOO["residual"].frames, 32, 32)


KINDS = [name for name in zoo.ZOO if "no_grad" not in zoo.ZOO[name].traits]


@pytest.mark.parametrize("name", KINDS)
def test_predictions_and_explanations_of_every_kind_of_output_agree(name: str) -> None:
    model, clip = adapted(name), clip_for(name)
    predictions = model(clip)
    for head in predictions.heads:
        target = ne.Target(1, head=head.name or None)
        result = ne.SaliencyTubes()(model, clip, target).targets[0]
        assert float(head.logits[1]) == pytest.approx(result.logit, rel=1e-4, abs=1e-5)
        assert head.probabilities is not None
        assert float(head.probabilities[1]) == pytest.approx(result.probability, rel=1e-4, abs=1e-6)
        assert [label for label, _ in head.top(5)] == [label for label, _ in result.top5]


def test_a_network_without_gradients_predicts() -> None:
    for name in (name for name in zoo.ZOO if "no_grad" in zoo.ZOO[name].traits):
        model, clip = adapted(name), clip_for(name)
        direct = zoo.ZOO[name].make()(zoo.feed(zoo.ZOO[name], clip))
        np.testing.assert_allclose(model(clip).logits, direct[0].detach(), rtol=1e-5, atol=1e-6)


class Counting(nn.Module):
    """Counts passes outside of the module itself, since explanations run a copy; notes whether gradients are on."""

    passes: list[bool] = []  # noqa: RUF012  shared by the copies

    def __init__(self, inner: nn.Module, features: bool = False) -> None:
        super().__init__()
        self.inner, self.features = inner, features

    def forward(self, x: torch.Tensor) -> Any:
        self.passes.append(torch.is_grad_enabled())
        logits = self.inner(x)
        return (x.mean((3, 4)), logits) if self.features else logits


def test_one_pass_without_gradients_unless_several_tensors_may_be_logits() -> None:
    clip = clip_for("residual")
    model = adapted("residual", Counting(zoo.ZOO["residual"].make()))
    Counting.passes.clear()
    model(clip)
    assert Counting.passes == [False]

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv3d(3, 7, 3), nn.Linear(7, 5)

        def forward(self, x: torch.Tensor) -> Any:
            features = self.conv(x).relu().mean((2, 3, 4))
            Counting.passes.append(torch.is_grad_enabled())
            return features, self.fc(features)

    model = adapted("residual", Features())
    Counting.passes.clear()
    predictions = model(clip)
    assert Counting.passes == [False, True]
    assert predictions.provenance.forwards == 2
    assert len(predictions.heads) == 1
    assert len(predictions.logits) == 5, "features are no head"


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_predictions_leave_no_trace(context: Any) -> None:
    net = zoo.ZOO["residual"].make().train()
    calls: list[Any] = []
    net.fc.register_forward_hook(lambda *_: calls.append(1))
    model = adapted("residual", net)
    before = {name: (value.clone(), value._version) for name, value in net.state_dict(keep_vars=True).items()}
    calls.clear()
    state = torch.get_rng_state()
    with context():
        model(clip_for("residual"))
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    assert calls == []
    for name, value in net.state_dict(keep_vars=True).items():
        assert torch.equal(value, before[name][0])
        assert value._version == before[name][1]
        assert value.grad is None


def test_a_network_that_cannot_be_copied_predicts() -> None:
    net = zoo.ZOO["residual"].make()
    net.lock = threading.Lock()
    clip = clip_for("residual")
    expected = adapted("residual")(clip).logits
    np.testing.assert_allclose(adapted("residual", net)(clip).logits, expected, rtol=1e-6)


def test_predictions_take_what_explainers_take(tmp_path: Any) -> None:
    from PIL import Image

    model, clip = adapted("residual"), clip_for("residual")
    for index, frame in enumerate(clip):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    for same in (ne.Clip(clip), clip, torch.from_numpy(clip), tmp_path, str(tmp_path)):
        np.testing.assert_array_equal(model(same).logits, model(clip).logits)
    with pytest.raises(TypeError, match="a clip must be a path, a Clip or an array"):
        model(None)


def test_caveats_of_predictions() -> None:
    with pytest.warns(UserWarning, match="Not specified, assumed: mean"):
        model = adapted("residual", mean=None, std=None)
    predictions = model(clip_for("residual")[:3])
    codes = [getattr(caveat, "code", None) for caveat in predictions.caveats]
    assert codes == [CaveatCode.ASSUMED_PREPROCESSING, CaveatCode.REPEATED_FRAMES]
    about_maps = (Caveat("The clip is divided evenly.", CaveatCode.ASSUMED_POSITIONS),)
    assert replace(model, caveats=about_maps)(clip_for("residual")).caveats == ()


def test_labels_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"labels hold 4 names, but the model has 5 classes; pass labels= to adapt"):
        adapted("residual", labels=NAMES[:4])(clip_for("residual"))


# The value


def made(**changes: Any) -> Predictions:
    model = adapted("residual", labels=NAMES)
    predictions = model(clip_for("residual"))
    return replace(predictions, heads=(replace(predictions.heads[0], **changes),))


def test_the_text_is_a_short_table() -> None:
    predictions = made(
        logits=np.array([1, 3, 2, -1, 0.5], np.float32), probabilities=np.array([0.1, 0.6, 0.2, 0.01, 0.09], np.float32)
    )
    lines = repr(predictions).splitlines()
    assert lines[0].endswith(" for array (8 frames of 32 x 32)")
    assert [line.split() for line in lines[1:]] == [
        ["60", "%", "clap", "(logit", "3)"],
        ["20", "%", "jump", "(logit", "2)"],
        ["10", "%", "bow", "(logit", "1)"],
        ["9.0", "%", "wave", "(logit", "0.5)"],
        ["1.0", "%", "kick", "(logit", "−1)"],
    ]


def test_quantities_have_their_unit_and_no_probability() -> None:
    predictions = made(
        kind="regression", unit="ms", probabilities=None, logits=np.array([55.61, -2, 0, 1, 2], np.float32)
    )
    assert predictions.probabilities is None
    assert predictions.top(2) == (("bow", pytest.approx(55.61)), ("clap", -2.0))
    assert [line.split() for line in repr(predictions).splitlines()[1:3]] == [
        ["55.61", "ms", "bow"],
        ["−2", "ms", "clap"],
    ]
    assert "%" not in predictions._repr_html_().replace("width:", "").split("<tbody>")[1]


def test_heads_are_named() -> None:
    name = next(name for name in zoo.ZOO if "dict" in zoo.ZOO[name].traits)
    model, clip = adapted(name), clip_for(name)
    predictions = model(clip)
    first, second = (head.name for head in predictions.heads)
    assert predictions.head(second) is predictions.heads[1]
    assert predictions.top(1, head=first) == predictions.heads[0].top(1)
    with pytest.raises(ValueError, match=rf"this model has the heads '{first}' and '{second}'; name one; pass head="):
        predictions.top()
    with pytest.raises(ValueError, match="head 'adverb' is not in these predictions; they have"):
        predictions.head("adverb")
    assert first in repr(predictions)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        assert {name for name, _ in attrs} <= {"style"}
        self.styles += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_escapes_every_text_and_takes_the_colours_of_the_page() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    predictions = made(labels=(evil, *NAMES[1:]), name=evil, logits=np.array([9, 0, 0, 0, 0], np.float32))
    origin = replace(predictions.provenance, caveats=(evil,), model=f"{evil}, 3 parameters")
    predictions = replace(predictions, provenance=origin, clip=replace(predictions.clip, source=evil))
    text = predictions._repr_html_()
    parser = _Tags()
    parser.feed(text)
    assert set(parser.tags) == {"div", "table", "tbody", "tr", "td"}
    assert parser.text.count("<img src=x onerror=alert(1)>") == 5
    assert html.escape(evil) in text
    colours = {
        part.split(":")[1]
        for style in parser.styles
        for part in style.split(";")
        if "color" in part or "background" in part
    }
    assert colours <= {"inherit", "transparent", "currentColor"}, "readable on light and on dark pages"


def test_a_head_without_names_names_classes_by_index() -> None:
    assert adapted("residual")(clip_for("residual")).labels == tuple(f"class {index}" for index in range(5))


@pytest.mark.parametrize("count", [0, -1, 1.5, "3", True])
def test_a_number_of_classes_is_a_whole_number_above_0(count: Any) -> None:
    head = HeadPrediction("", ("a",), np.zeros(1, np.float32), np.ones(1, np.float32))
    with pytest.raises(ValueError, match="count must be"):
        head.top(count)
    assert head.top(9) == (("a", 1.0),)


class OneOutput(nn.Module):
    """Network of one output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv3d(3, 4, 3), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3, 4)))


def direct(model: ne.VideoModel, clip: np.ndarray) -> torch.Tensor:
    """Return what the network itself returns, in float64."""
    x = model.preprocessing.tensor(model.fit(ne.Clip(clip)), torch.device("cpu"), torch.float32)
    with torch.no_grad():
        return model.module(model.preprocessing.arrange(x))[0].double()


def test_a_regression_has_its_value_and_unit() -> None:
    model, clip = adapted("residual", OneOutput(), outputs="regression", unit="ms"), clip_for("residual")
    predictions = model(clip)
    (head,) = predictions.heads
    assert (head.kind, head.unit, predictions.probabilities) == ("regression", "ms", None)
    assert float(predictions.logits[0]) == pytest.approx(float(direct(model, clip)), rel=1e-5)
    value = repr(predictions).splitlines()[1]
    assert value.split()[1] == "ms"
    assert "%" not in value


@pytest.mark.parametrize("names", [["ill"], ["well", "ill"]])
def test_a_binary_head_has_the_probabilities_of_no_and_yes(names: list[str]) -> None:
    model, clip = adapted("residual", OneOutput(), outputs="binary", labels=names), clip_for("residual")
    predictions = model(clip)
    yes = float(direct(model, clip).sigmoid())
    assert predictions.head().kind == "binary"
    assert predictions.probabilities is not None
    np.testing.assert_allclose(predictions.probabilities, [1 - yes, yes][-len(names) :], rtol=1e-5)
    assert predictions.labels[-1] == "ill"


def test_probabilities_of_labels_do_not_sum_to_one() -> None:
    model, clip = adapted("residual", outputs="multilabel"), clip_for("residual")
    predictions = model(clip)
    assert predictions.head().kind == "multilabel"
    np.testing.assert_allclose(predictions.probabilities, direct(model, clip).sigmoid(), rtol=1e-5)


def test_scores_of_every_voxel_are_averaged_with_a_caveat() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 2, 1))
    model, clip = adapted("residual", net), clip_for("residual")
    predictions = model(clip)
    np.testing.assert_allclose(predictions.logits, direct(model, clip).mean((1, 2, 3)), rtol=1e-4, atol=1e-6)
    assert "The network returns one score per voxel; this is their mean." in predictions.caveats


def test_clips_of_values_are_predicted() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(5, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(1), nn.Linear(4, 3))
    model = ne.adapt(net, size=16, frames=4, channels=5, mean=0.5, std=2, layout="BCTHW")
    values = np.random.default_rng(0).normal(size=(4, 16, 16, 5)).astype(np.float32)
    expected = net((torch.from_numpy(values).permute(3, 0, 1, 2)[None] - 0.5) / 2)[0].detach()
    for clip in (values, ne.Clip.from_array(values)):
        np.testing.assert_allclose(model(clip).logits, expected, rtol=1e-5, atol=1e-6)

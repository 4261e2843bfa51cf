"""Kinds of heads: what is explained, its probability or value, its name, and what is said of a guess."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode

FRAMES, SIZE = 6, 16
STATED: dict[str, Any] = {"size": SIZE, "frames": FRAMES, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = np.random.default_rng(3).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
INPUT = ((torch.tensor(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25).double()


class Pooled(nn.Module):
    """A convolution, global pooling and one linear layer, followed by an activation."""

    def __init__(self, outputs: int = 1, activation: nn.Module | None = None, bias: float | None = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Conv3d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, outputs)
        self.activation = activation or nn.Identity()
        if bias is not None:
            nn.init.constant_(self.fc.bias, bias)

    def before(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.stem(x)).mean((2, 3, 4)))

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.before(x))


def oracle(net: Pooled, score: Any) -> tuple[np.ndarray, float]:
    """Return gradient x activation at the stem and the score, in float64; ``score(network, clip)`` is a function."""
    net = copy.deepcopy(net).double()
    kept: dict[str, Tensor] = {}
    handle = net.stem.register_forward_hook(lambda _, __, out: kept.update(out=out))
    value = score(net, INPUT)
    handle.remove()
    (gradient,) = torch.autograd.grad(value, kept["out"])
    product = (gradient * kept["out"]).sum(1)[0]
    return (product * product.numel()).detach().numpy(), float(value.detach())


def explained(net: nn.Module, target: Any = None, **options: Any) -> ne.Tubes:
    return ne.SaliencyTubes(layers=("stem",))(ne.adapt(net.eval(), **STATED, **options), CLIP, target)


def assert_explains(tubes: ne.Tubes, net: Pooled, score: Any) -> ne.explanations.TargetResult:
    """Check the map and the score; bias and map add up to the score."""
    wanted, value = oracle(net, score)
    np.testing.assert_allclose(tubes.layer("stem").values[0], wanted, atol=1e-4 * np.abs(wanted).max())
    result = tubes.targets[0]
    assert result.logit == pytest.approx(value, rel=1e-5)
    return result


def guesses(tubes: ne.Tubes) -> list[str]:
    found = [caveat for caveat in tubes.provenance.caveats if caveat.code == CaveatCode.ASSUMED_OUTPUTS]
    assert all(caveat.arguments == ("outputs",) for caveat in found)
    return [str(caveat) for caveat in found]


@pytest.mark.parametrize("stated", [True, False])
def test_a_value_has_no_probability(stated: bool) -> None:
    net = Pooled(bias=55.6)
    tubes = explained(net, **({"outputs": "regression", "unit": "ms"} if stated else {}))
    result = assert_explains(tubes, net, lambda n, x: n.before(x)[0, 0])
    assert (result.name, result.kind, result.probability, result.top5) == ("value", "regression", None, ())
    assert result.bias == pytest.approx(55.6)
    assert tubes.in_words().startswith(f"{result.logit:.1f}{' ms' if stated else ''}. ")
    assert bool(guesses(tubes)) is not stated
    assert not any("%" in text.split(".")[0] for text in (tubes.in_words(),))


def test_a_value_is_explained_behind_its_last_sigmoid() -> None:
    net = Pooled(activation=nn.Sigmoid())
    tubes = explained(net, outputs="regression")
    assert_explains(tubes, net, lambda n, x: n(x)[0, 0])


def test_a_value_without_any_axis_is_found() -> None:
    class Squeezed(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            return self.before(x).squeeze()

    class Flat(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            return self.before(x).view(-1)

    for net in (Squeezed(), Flat()):
        assert_explains(explained(net), net, lambda n, x: n.before(x)[0, 0])


def test_several_values_are_named_by_labels_and_subtracted() -> None:
    net, labels = Pooled(2), ["EDV", "ESV"]
    model = {"outputs": "regression", "unit": "ml", "labels": labels}
    result = assert_explains(explained(net, "ESV", **model), net, lambda n, x: n.before(x)[0, 1])
    assert (result.name, result.unit, result.probability) == ("ESV", "ml", None)
    tubes = explained(net, ne.Target("EDV") - "ESV", **model)
    result = assert_explains(tubes, net, lambda n, x: n.before(x)[0] @ torch.tensor([1.0, -1.0]).double())
    assert tubes.in_words().startswith("'EDV' minus 'ESV' ")
    assert " ml. " in tubes.in_words()
    assert explained(net, outputs="regression").targets[0].name == "output 0"
    assert explained(net, "output 1", outputs="regression").targets[0].index == 1


def test_coordinates_on_two_axes_are_values_of_their_own() -> None:
    class Pose(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            return self.before(x).unflatten(1, (3, 2))  # (batch, joint, axis)

    class Poses(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            frames = torch.relu(self.stem(x)).mean((3, 4)).transpose(1, 2)
            return self.fc(frames).unflatten(2, (3, 2)).permute(0, 2, 1, 3)  # (batch, joint, frame, axis)

    labels = [f"{joint} {axis}" for joint in ("hand", "head", "foot") for axis in "xy"]
    for net in (Pose(6), Poses(6)):
        tubes = explained(net, "head y", outputs="regression", unit="px", labels=labels)
        result = assert_explains(tubes, net, lambda n, x: n.before(x)[0, 3])
        assert (result.name, result.index) == ("head y", 3)
    assert "The network returns one value per frame; their mean is explained." in tubes.provenance.caveats


def test_a_dense_output_without_an_axis_of_classes_is_one_output() -> None:
    class Depth(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.stem(x)).mean(1)

    net = Depth().eval()
    tubes = explained(net, outputs="regression", unit="m")
    assert tubes.targets[0].logit == pytest.approx(float(net.double()(INPUT).mean().detach()), rel=1e-4)
    assert "The network returns one value per voxel; their mean is explained." in tubes.provenance.caveats


@pytest.mark.parametrize("activation", [None, nn.Sigmoid(), nn.LogSigmoid()])
@pytest.mark.parametrize("stated", [True, False])
def test_two_names_of_one_logit_are_no_and_yes(activation: nn.Module | None, stated: bool) -> None:
    net = Pooled(activation=activation, bias=0.7)
    options = {"labels": ["real", "fake"], **({"outputs": "binary"} if stated else {})}
    p = float(net.double().before(INPUT).sigmoid().detach())
    net = net.float()
    fake = explained(net, "fake", **options)
    result = assert_explains(fake, net, lambda n, x: n.before(x)[0, 0])
    assert (result.kind, result.probability) == ("binary", pytest.approx(p, abs=1e-5))
    assert result.bias == pytest.approx(0.7)
    real = explained(net, "real", **options)
    result = assert_explains(real, net, lambda n, x: -n.before(x)[0, 0])
    assert result.probability == pytest.approx(1 - p, abs=1e-5)
    assert result.bias == pytest.approx(-0.7)
    assert dict(result.top5) == {"fake": pytest.approx(p, abs=1e-5), "real": pytest.approx(1 - p, abs=1e-5)}
    assert "ahead of 'real'" in fake.in_words() or "behind 'real'" in fake.in_words()
    assert explained(net, **options).targets[0].name == ("fake" if p > 0.5 else "real")
    assert bool(guesses(fake)) is not stated
    if not stated:
        assert "The first name, 'real', means no." in guesses(fake)[0]


def test_one_name_of_one_logit_is_yes() -> None:
    net = Pooled(activation=nn.Sigmoid())
    for options, name in (({"labels": ["fake"]}, "fake"), ({}, "yes")):
        tubes = explained(net, name, **options)
        result = assert_explains(tubes, net, lambda n, x: n.before(x)[0, 0])
        assert (result.kind, result.name) == ("binary", name)
        assert len(guesses(tubes)) == 1


def test_a_named_output_with_the_bias_of_a_value_is_a_value() -> None:
    assert explained(Pooled(bias=55.6), labels=["EF"]).targets[0].kind == "regression"
    assert explained(Pooled(bias=0.3), labels=["fake"]).targets[0].kind == "binary"
    assert explained(Pooled(bias=55.6), labels=["EF"], outputs="binary").targets[0].kind == "binary"


@pytest.mark.parametrize("activation", [None, nn.Sigmoid()])
def test_labels_that_do_not_exclude_one_another_have_sigmoids(activation: nn.Module | None) -> None:
    net, labels = Pooled(4, activation), ["run", "sit", "talk", "eat"]
    options = {} if activation else {"outputs": "multilabel"}
    tubes = explained(net, "talk", labels=labels, **options)
    result = assert_explains(tubes, net, lambda n, x: n.before(x)[0, 2])
    p = net.double().before(INPUT)[0].sigmoid().detach().numpy()
    assert result.kind == "multilabel"
    assert result.probability == pytest.approx(p[2], abs=1e-5)
    assert [value for _, value in result.top5] == pytest.approx(sorted(p, reverse=True), abs=1e-5)
    assert f"'talk' {100 * p[2]:.0f} %. " in tubes.in_words()  # not ahead of another label
    assert bool(guesses(tubes)) is (activation is not None)
    net = net.float()
    tubes = explained(net, ne.Target("talk") - "run", labels=labels, **options)
    assert_explains(tubes, net, lambda n, x: n.before(x)[0] @ torch.tensor([-1.0, 0, 1, 0]).double())


@pytest.mark.parametrize("activation", [None, nn.Softmax(1), nn.LogSoftmax(1)])
def test_classes_have_a_softmax_and_nothing_is_guessed_aloud(activation: nn.Module | None) -> None:
    net = Pooled(3, activation)
    for options in ({}, {"outputs": "classes"}):
        tubes = explained(net, 1, **options)
        result = assert_explains(tubes, net, lambda n, x: n.before(x)[0, 1])
        p = net.double().before(INPUT).softmax(1)[0, 1]
        net = net.float()
        assert (result.kind, result.probability) == ("classes", pytest.approx(float(p.detach()), abs=1e-5))
        assert not guesses(tubes)


def test_heads_have_kinds_of_their_own() -> None:
    class Two(Pooled):
        def __init__(self) -> None:
            super().__init__(3)
            self.age = nn.Linear(6, 1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            features = torch.relu(self.stem(x)).mean((2, 3, 4))
            return {"action": self.fc(features), "age": self.age(features)}

    net = Two()
    tubes = explained(net, [ne.Target(1, "action"), ne.Target(0, "age")], outputs={"age": "regression"}, unit="years")
    action, age = tubes.targets
    assert (action.kind, action.unit, age.kind, age.unit) == ("classes", "", "regression", "years")
    assert age.probability is None
    assert "years" in tubes.in_words(target=1)
    with pytest.raises(ValueError, match="outputs name the head 'weight', but the model has the heads 'action', 'age'"):
        explained(net, outputs={"weight": "regression"})


def test_a_hugging_face_configuration_states_the_kind() -> None:
    for problem, outputs, kind in (
        ("regression", 1, "regression"),
        ("multi_label_classification", 3, "multilabel"),
        ("single_label_classification", 3, "classes"),
        (None, 3, "classes"),
    ):
        net = Pooled(outputs)
        net.config = SimpleNamespace(problem_type=problem)  # type: ignore[assignment]
        tubes = explained(net)
        assert tubes.targets[0].kind == kind
        assert not guesses(tubes)


def test_a_single_output_of_hugging_face_is_a_value() -> None:
    net = Pooled(1)
    net.config = SimpleNamespace(problem_type=None, num_labels=1, id2label={0: "LABEL_0"})  # type: ignore[assignment]
    tubes = explained(net)
    assert (tubes.targets[0].kind, tubes.targets[0].name, guesses(tubes)) == ("regression", "value", [])


def test_a_wrong_number_of_labels_is_found_by_adapt() -> None:
    for names in (2, 4):
        with pytest.raises(ValueError, match=f"labels hold {names} names, but the model has 3 classes"):
            ne.adapt(Pooled(3).eval(), labels=list("abcd")[:names], **STATED)
    assert ne.adapt(Pooled(1).eval(), labels=["no", "yes"], **STATED).labels


def test_a_difference_of_two_kinds_is_refused() -> None:
    class Two(Pooled):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            scores = self.before(x)
            return {"action": scores[:, :3], "age": scores[:, 3:]}

    with pytest.raises(ValueError, match="two scores of one kind, got one of 'classes' and one of 'regression'"):
        explained(Two(4), ne.Target(0, "action") - ne.Target(0, "age"), outputs={"age": "regression"})


def test_kinds_that_do_not_fit_are_clear_errors() -> None:
    with pytest.raises(
        ValueError, match=r"outputs must be one of 'classes', .*; got 'regresion'; did you mean 'regression'"
    ):
        ne.adapt(Pooled(), outputs="regresion", **STATED)
    with pytest.raises(
        TypeError, match="outputs must be one of classes, binary, multilabel, regression, or these by head"
    ):
        ne.adapt(Pooled(), outputs=3, **STATED)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unit must be text"):
        ne.adapt(Pooled(), unit=3, **STATED)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unit must have at most 40 letters, got 50"):
        ne.adapt(Pooled(), unit="m" * 50, **STATED)
    with pytest.raises(ValueError, match="'binary' is one logit, but the model has 3 outputs; use 'classes'"):
        explained(Pooled(3), outputs="binary")
    with pytest.raises(ValueError, match="'classes' are several, but the model has one output; use 'binary'"):
        explained(Pooled(), outputs="classes")
    with pytest.raises(ValueError, match="labels hold 2 names, but the model has 1 regression output"):
        explained(Pooled(), outputs="regression", labels=["a", "b"])
    with pytest.raises(ValueError, match="labels hold 3 names, but the model has 1 binary output"):
        explained(Pooled(), outputs="binary", labels=["a", "b", "c"])
    with pytest.raises(ValueError, match="this model has outputs 0 to 0"):
        explained(Pooled(), 1, outputs="regression")
    model = ne.adapt(Pooled(), **STATED)
    with pytest.raises(TypeError, match="pass outputs to adapt"):
        ne.explain(model, CLIP, outputs="binary")


@pytest.mark.parametrize("target", ["real", "fake"])
def test_a_pyramid_of_a_binary_head_has_the_sign_of_its_name(target: str) -> None:
    class Deep(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.mid = nn.Conv3d(6, 6, 3, padding=1)

        def before(self, x: Tensor) -> Tensor:
            return self.fc(torch.relu(self.mid(torch.relu(self.stem(x)))).mean((2, 3, 4)))

    net = Deep().eval()
    model = ne.adapt(net, labels=["real", "fake"], outputs="binary", **STATED)
    pyramid = ne.FeaturePyramid(contribution="gradient_x_activation")(model, CLIP, target)
    assert pyramid.in_words().startswith(f"'{target}' ")
    # Oracle: the logit falls by w * mean(activation) if a kernel is removed; kernels with evidence have that of their name.
    activation = torch.relu(net.double().mid(torch.relu(net.stem(INPUT)))).mean((0, 2, 3, 4))
    effect = (net.fc.weight[0] * activation).detach().numpy() * (1 if target == "fake" else -1)
    row = next(row for row in pyramid.rows if row.name == "mid")
    favoured = {pyramid.units[unit].channel for unit in row.units if pyramid.units[unit].score > 0}
    assert favoured
    assert all(effect[channel] > 0 for channel in favoured)
    assert set(np.flatnonzero(effect > 0.2 * effect.max())) <= favoured
    other = "fake" if target == "real" else "real"
    difference = ne.FeaturePyramid()(model, CLIP, ne.Target(target) - other)
    assert difference.target.logit == pytest.approx(2 * pyramid.target.logit, rel=1e-5)

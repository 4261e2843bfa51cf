"""Captum's attributions equal those of captum called by hand, and say what they are."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from captum.attr import DeepLift, IntegratedGradients, LayerIntegratedGradients, NoiseTunnel, Saliency
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import ExplainError
from tests import zoo
from tests.models.test_adapt import adapted, clip_for

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
WINDOW = {"sliding_window_shapes": (3, 4, 16, 16), "strides": (3, 4, 16, 16)}
BLOCKS = torch.arange(2).repeat_interleave(4).view(1, 1, 8, 1, 1).expand(1, 3, 8, 32, 32).contiguous()
ONE_FOR_EACH_KIND: dict[str, tuple[str, dict[str, Any]]] = {
    "gradient": ("Saliency", {"abs": False}),
    "path": ("IntegratedGradients", {"n_steps": 6}),
    "path from a baseline": ("IntegratedGradients", {"n_steps": 6, "baselines": torch.full((1, 3, 8, 32, 32), 0.3)}),
    "without the input": ("IntegratedGradients", {"n_steps": 6, "multiply_by_inputs": False}),
    "hooks on ReLUs": ("GuidedBackprop", {}),
    "two clips in a pass": ("DeepLift", {}),
    "perturbation": ("Occlusion", WINDOW),
    "features": ("FeatureAblation", {"feature_mask": BLOCKS}),
    "sampling": ("ShapleyValueSampling", {"feature_mask": BLOCKS, "n_samples": 3}),
    "surrogate": ("KernelShap", {"feature_mask": BLOCKS, "n_samples": 5}),
}


def _net() -> nn.Module:
    net = zoo.ZOO["residual"].make()
    for part in net.modules():  # as captum wants it
        if isinstance(part, nn.ReLU):
            part.inplace = False
    return net


def _quiet(function: Any, *args: Any, **arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **arguments)


def _video() -> torch.Tensor:
    return zoo.feed(zoo.ZOO["residual"], CLIP)


@pytest.mark.parametrize(("name", "arguments"), ONE_FOR_EACH_KIND.values(), ids=ONE_FOR_EACH_KIND)
def test_it_equals_captum_called_by_hand(name: str, arguments: dict[str, Any]) -> None:
    tubes = ne.Captum(name, **arguments)(ne.adapt(_net(), **SPECIFIED), CLIP, [1, 0])
    arguments = dict(arguments)
    of_class = {key: arguments.pop(key) for key in ("multiply_by_inputs",) if key in arguments}
    attribution = getattr(captum.attr, name)(_net(), **of_class)
    shown = tubes.layers[0]
    assert shown.grid == (8, 32, 32)
    for target, index in enumerate((1, 0)):
        if name in ("ShapleyValueSampling", "KernelShap"):  # two features: exact, whatever is drawn
            torch.manual_seed(0)
        wanted = _quiet(attribution.attribute, _video(), target=index, **arguments).detach().sum(1)[0].numpy()
        scale = wanted.size if shown.kind == "named" else 1
        np.testing.assert_allclose(
            shown.values[target], wanted * scale, rtol=1e-3, atol=1e-3 * np.abs(wanted).max() * scale
        )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LayerGradCam", {}),
        ("LayerActivation", {}),
        ("LayerGradientXActivation", {}),
        ("LayerIntegratedGradients", {"n_steps": 6}),
        ("LayerConductance", {"n_steps": 6}),
    ],
)
def test_an_attribution_of_a_layer_lies_at_its_cells(name: str, arguments: dict[str, Any]) -> None:
    model = ne.adapt(_net(), **SPECIFIED)
    tubes = ne.Captum(name, layer="layer2.0", **arguments)(model, CLIP, 1)
    net = _net()
    attribution = getattr(captum.attr, name)(net, net.get_submodule("layer2.0"))
    target = {} if name == "LayerActivation" else {"target": 1}
    wanted = _quiet(attribution.attribute, _video(), **target, **arguments).detach().sum(1)[0].numpy()
    shown, layer = tubes.layers[0], model.layer("layer2.0")
    assert shown.grid == layer.grid
    assert shown.geometry.step == layer.geometry.step
    scale = wanted.size if shown.kind == "named" else 1
    np.testing.assert_allclose(shown.values[0], wanted * scale, rtol=1e-3, atol=1e-3 * np.abs(wanted).max() * scale)


def test_gradient_times_activation_is_the_saliency_tube_of_a_layer() -> None:
    model = ne.adapt(_net(), **SPECIFIED)
    ours = ne.SaliencyTubes(layers=("layer2.0",))(model, CLIP, 1).layers[0].values
    theirs = ne.Captum("LayerGradientXActivation", layer="layer2.0")(model, CLIP, 1).layers[0].values
    np.testing.assert_allclose(theirs * theirs[0].size, ours, rtol=1e-3, atol=1e-3 * np.abs(ours).max())


def test_a_transformers_layer_is_placed_by_its_tokens() -> None:
    model = adapted("token_mean")
    name = model.layers[0].name
    values = ne.Captum("LayerGradientXActivation", layer=name)(model, clip_for("token_mean"), 1).layers[0]
    exact = ne.SaliencyTubes(layers=(name,), norms="differentiated")(model, clip_for("token_mean"), 1).layers[0]
    np.testing.assert_allclose(
        values.values * values.values[0].size, exact.values, rtol=1e-3, atol=1e-3 * np.abs(exact.values).max()
    )


def test_with_completeness_it_is_evidence_whose_mean_is_the_difference_from_the_baseline() -> None:
    net = _net()
    tubes = ne.Captum(IntegratedGradients, n_steps=60)(
        ne.adapt(net, **SPECIFIED), CLIP, [1, ne.Target(1) - ne.Target(0)]
    )
    with torch.no_grad():
        scores = [net(video)[0] for video in (_video(), torch.zeros_like(_video()))]
    differences = [
        float(scores[0][1] - scores[1][1]),
        float((scores[0][1] - scores[0][0]) - (scores[1][1] - scores[1][0])),
    ]
    layer = tubes.layers[0]
    assert layer.quantity == "evidence"
    for index, difference in enumerate(differences):
        mean = layer.values[index].mean(dtype=np.float64)
        assert mean == pytest.approx(difference, abs=0.02 * max(1, abs(difference)))
        assert float(layer.gap[index]) == pytest.approx(tubes.targets[index].logit - mean, abs=1e-4)
    found = [text for text in tubes.provenance.caveats if "captum's error of" in text]
    assert len(found) == 2
    assert tubes.provenance.backwards > 2 * 6


def test_without_completeness_it_is_relevance_and_a_caveat_says_so() -> None:
    for explainer in (ne.Captum(Saliency), ne.Captum(IntegratedGradients, n_steps=3, multiply_by_inputs=False)):
        tubes = explainer(ne.adapt(_net(), **SPECIFIED), CLIP, 1)
        assert (tubes.layers[0].quantity, tubes.layers[0].gap) == ("relevance", None)
        assert any("relevance, not as evidence" in text for text in tubes.provenance.caveats)


def test_a_function_makes_an_attribution_of_several_parts() -> None:
    explainer = ne.Captum(
        lambda module: NoiseTunnel(Saliency(module)), nt_type="smoothgrad", nt_samples=3, stdevs=0.1, abs=False
    )
    first, second = (explainer(ne.adapt(_net(), **SPECIFIED), CLIP, 1).layers[0].values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    plain = ne.Captum(Saliency, abs=False)(ne.adapt(_net(), **SPECIFIED), CLIP, 1).layers[0].values
    assert 0.3 < np.corrcoef(first.ravel(), plain.ravel())[0, 1] < 0.999


def test_a_class_and_its_name_are_the_same_and_the_provenance_names_the_settings() -> None:
    model = ne.adapt(_net(), **SPECIFIED)
    baselines = torch.zeros(1, 3, 8, 32, 32)
    by_class = ne.Captum(IntegratedGradients, n_steps=3, baselines=baselines)(model, CLIP, 1)
    by_name = ne.Captum("IntegratedGradients", n_steps=3, baselines=baselines)(model, CLIP, 1)
    np.testing.assert_array_equal(by_class.layers[0].values, by_name.layers[0].values)
    assert by_name.provenance.knobs == {
        "attribution_class": "IntegratedGradients",
        "layer": None,
        "arguments": {"n_steps": 3, "baselines": "tensor (1, 3, 8, 32, 32)"},
    }
    assert by_name.provenance.method == "IntegratedGradients (captum)"
    assert repr(ne.Captum("LayerGradCam", layer="a.b")) == "Captum(LayerGradCam, layer='a.b')"


@pytest.mark.parametrize(
    "name", ["tsm", "slowfast", "cls_token", "logits_dict", "features_and_logits", "probs_first", "reused_relu"]
)
def test_it_runs_on_networks_of_other_forms(name: str) -> None:
    tubes = ne.Captum(IntegratedGradients, n_steps=3)(adapted(name), clip_for(name), 0)
    assert tubes.layers[0].grid == tubes.clip.size
    assert tubes.layers[0].values.any()


def test_what_captum_cannot_compute_is_one_error() -> None:
    with pytest.raises(ExplainError, match=r"captum cannot compute LRP for this network: .*Conv3d"):
        ne.Captum("LRP")(ne.adapt(_net(), **SPECIFIED), CLIP, 1)
    with pytest.raises(ValueError, match="layer 'nowhere'"):
        ne.Captum(LayerIntegratedGradients, layer="nowhere")(ne.adapt(_net(), **SPECIFIED), CLIP, 1)


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        ("IntegratedGradient", {}, "similar names: .*IntegratedGradients"),
        ("qqq", {}, "is not in captum.attr"),
        (5, {}, "must be a class of captum.attr"),
        (nn.ReLU, {}, "must be an attribution"),
        (NoiseTunnel, {}, "pass a function"),
        ("NeuronGradient", {}, "explains a unit"),
        ("GradientAttribution", {}, "choose another class"),
        ("LayerGradCam", {}, "pass layer='name'"),
        ("Saliency", {"layer": "stem"}, "takes no layer"),
        ("Saliency", {"layer": 3}, "layer must be the name"),
        ("Saliency", {"n_steps": 3}, "takes no argument 'n_steps'; it takes abs"),
        ("Occlusion", {}, "needs sliding_window_shapes="),
        (DeepLift, {"target": 1}, "target is not an argument of Captum"),
        (DeepLift, {"inputs": 1}, "inputs is not an argument of Captum"),
        (DeepLift, {"return_convergence_delta": True}, "always reported"),
    ],
)
def test_wrong_arguments_are_one_clear_error(given: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        ne.Captum(given, **arguments)


def test_without_captum_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ExplainError, match=r"pip install 'notebook_explain\[captum\]'"):
        ne.Captum("Saliency")


def test_numpys_and_torchs_generators_keep_their_state() -> None:
    explainer = ne.Captum("GradientShap", baselines=torch.zeros(3, 3, 8, 32, 32), n_samples=3)
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, second = (explainer(ne.adapt(_net(), **SPECIFIED), CLIP, 1).layers[0].values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(states[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(states[1], torch.get_rng_state())

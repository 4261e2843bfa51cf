"""adapt() with any module, layout and output; guesses are found by trial and reported."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models import VideoModel
from tests import zoo


def adapted(name: str, **changes: Any) -> VideoModel:
    entry = zoo.ZOO[name]
    specified = {"size": entry.size, "frames": entry.frames, "mean": zoo.MEAN, "std": zoo.STD, "layout": entry.layout}
    return ne.adapt(entry.make(), **{**specified, **changes})


def clip_for(name: str, seed: int = 0) -> np.ndarray:
    entry = zoo.ZOO[name]
    return zoo.random_clip(entry.frames, entry.size, seed)


EXPLAINABLE = [name for name in zoo.ZOO if "no_grad" not in zoo.ZOO[name].traits]


@pytest.mark.parametrize("name", EXPLAINABLE)
def test_default_layers_go_from_the_stem_to_the_last_layer_with_positions(name: str) -> None:
    model = adapted(name)
    assert 3 <= len(model.layers) <= 16
    assert model.layers[0].kind == "stem"
    assert len({layer.name for layer in model.layers}) == len(model.layers)
    cells = [np.prod(layer.grid) for layer in model.layers if layer.pathway in (None, 1)]
    assert cells == sorted(cells, reverse=True)
    assert model.caveats == ()


def test_a_nearly_global_window_counts_as_global_pooling() -> None:
    """I3D pools 7x7 windows at stride 1, also over larger grids."""

    class Windowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 6, 3, stride=(1, 4, 4), padding=1)
            self.pool = nn.AvgPool3d((2, 7, 7), stride=1)
            self.logits = nn.Conv3d(6, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.logits(self.pool(self.conv(x).relu())).mean((2, 3, 4))

    model = ne.adapt(Windowed(), size=32, frames=8, mean=0.5, std=0.5, layout="BCTHW")
    assert model.layers[-1].kind == "pooling input"
    assert model.layers[-1].grid == (8, 8, 8)
    assert [layer.name for layer in model.layers if layer.name == "logits"] == []
    tubes = ne.SaliencyTubes()(model, zoo.random_clip(8, 32), 2)
    assert tubes.layers[-1].gap is not None
    assert float(tubes.layers[-1].gap[0]) == pytest.approx(float(model.module.logits.bias[2].detach()), abs=1e-5)


NO_POOLING = {"strided_pool", "cls_token"}


@pytest.mark.parametrize("name", EXPLAINABLE)
def test_the_input_of_every_global_pooling_is_found(name: str) -> None:
    ends = [layer for layer in adapted(name).layers if layer.kind == "pooling input"]
    assert len(ends) == (0 if name in NO_POOLING else 2 if name == "slowfast" else 1)


def test_layers_are_named_after_their_modules() -> None:
    assert [layer.name for layer in adapted("residual").layers] == [
        "stem",
        *(f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)),
    ]


@pytest.mark.parametrize("name", ["residual", "tsm", "token_mean", "slowfast", "channels_last"])
def test_guesses_are_found_by_trial_and_reported_in_one_warning(name: str) -> None:
    entry = zoo.ZOO[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ne.adapt(entry.make(), size=entry.size, frames=entry.frames)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(
        f"{type(model.module).__name__}: Not specified, assumed: mean (0.432, 0.395, 0.376), std"
    )
    assert caught[0].message.args[0].arguments == ("mean", "std")
    assert caught[0].filename == __file__
    assert model.preprocessing.layout == entry.layout
    assert model.preprocessing.assumed == ("mean", "std")  # only one layout runs, so it is not a guess
    tubes = ne.SaliencyTubes()(model, clip_for(name))
    (caveat,) = (caveat for caveat in tubes.provenance.caveats if "Not specified, assumed: mean (" in caveat)
    assert isinstance(caveat, Caveat)
    assert (caveat.code, caveat.arguments) == (CaveatCode.ASSUMED_PREPROCESSING, ("mean", "std"))
    assert caveat.endswith(
        "If the guess is wrong, so is the explanation; pass mean= and std= to ne.adapt() or ne.explain()."
    )


def test_size_and_frames_are_guessed_if_several_run() -> None:
    with pytest.warns(UserWarning, match=r"Not specified, assumed: size 112, frames 16, mean \("):
        model = ne.adapt(zoo.ZOO["residual"].make())
    assert (model.preprocessing.size, model.preprocessing.frames) == ((112, 112), 16)


def test_size_frames_and_labels_are_read_from_the_configuration() -> None:
    class Configured(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = zoo.ZOO["token_mean"].make()
            self.config = type("Config", (), {"image_size": 32, "num_frames": 8, "id2label": {0: "a", 1: "b"}})()

        def forward(self, x: torch.Tensor) -> Any:
            return self.net(x)

    model = ne.adapt(Configured(), mean=0.5, std=0.5, layout="BTCHW")
    assert (model.preprocessing.size, model.preprocessing.frames, model.caveats) == ((32, 32), 8, ())
    assert model.labels == {"": ("a", "b")}


def test_a_single_score_is_the_logit_of_yes_against_no() -> None:
    class Binary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv3d(3, 4, 3), nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x).relu().mean((2, 3, 4)))

    stated = {"size": 16, "frames": 8, "mean": 0.5, "std": 0.5, "layout": "BCTHW"}
    tubes = ne.explain(Binary(), zoo.random_clip(8, 16), labels=["yes"], **stated)
    assert tubes.targets[0].probability == pytest.approx(1 / (1 + np.exp(-tubes.targets[0].logit)), abs=1e-6)


def test_a_network_that_returns_nan_is_refused() -> None:
    net = zoo.ZOO["residual"].make()
    with torch.no_grad():
        net.fc.bias[1] = float("nan")
    model = ne.adapt(net, size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    with pytest.raises(ne.ExplainError, match="the model returns NaN for this clip"):
        ne.SaliencyTubes()(model, clip_for("residual"), 0)


def test_a_clip_with_too_few_frames_has_a_caveat() -> None:
    model = adapted("residual")
    short = ne.SaliencyTubes()(model, clip_for("residual")[:3])
    assert any(
        "The clip has 3 frames and the network takes 8, so some frames are repeated." in caveat
        for caveat in short.provenance.caveats
    )
    assert short.clip.size[0] == 8
    assert not any(
        "The clip has" in caveat for caveat in ne.SaliencyTubes()(model, clip_for("residual")).provenance.caveats
    )


def test_the_users_error_is_quoted_and_chained() -> None:
    class Typo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.undefined(self.conv(x))

    with pytest.raises(
        ne.ExplainError, match=r"most likely reason: with 8x16x16, 'BCTHW' it raised: .*undefined"
    ) as caught:
        ne.adapt(Typo(), size=16, frames=8)
    assert isinstance(caught.value.__cause__, AttributeError)


def test_a_model_that_runs_with_no_input_names_the_missing_arguments() -> None:
    with pytest.raises(
        ne.ExplainError,
        match=r"^Linear ran with none of the inputs tried \(most likely reason: with 4x8x8, .*; pass layout= to adapt\(\)$",
    ):
        ne.adapt(nn.Linear(7, 3), size=8, frames=4)


def test_an_exported_program_is_refused() -> None:
    net = nn.Sequential(nn.Conv3d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(1), nn.Linear(4, 2)).eval()
    program = torch.export.export(net, (torch.zeros(1, 3, 4, 8, 8),))
    for module in (program.module(), nn.Sequential(program.module())):
        with pytest.raises(
            ne.ExplainError, match=r"is an exported program .*pass the nn.Module that it was exported from"
        ):
            ne.adapt(module)
    with pytest.raises(TypeError, match=r"got ExportedProgram; pass the nn.Module that it was exported from"):
        ne.adapt(program)
    traced = torch.fx.symbolic_trace(net)  # calls modules, so it can be explained
    assert [layer.name for layer in ne.adapt(traced, size=8, frames=4, mean=0.5, std=0.5, layout="BCTHW").layers]


def test_a_scripted_model_is_refused() -> None:
    net = zoo.ZOO["plain"].make()
    scripted = torch.jit.script(nn.Sequential(nn.Conv3d(3, 4, 1), nn.ReLU()))
    for module in (scripted, nn.Sequential(scripted, net)):
        with pytest.raises(ne.ExplainError, match=r"is scripted .*pass the nn.Module that it was scripted from"):
            ne.adapt(module, size=32, frames=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be at least 1 pixel, got 0"),
        ({"frames": 2.5}, "frames must be a whole number, got 2.5"),
        ({"mean": (114.75, 114.75, 114.75)}, "mean must be in units of 0..1.*divide mean and std by 255"),
        ({"std": 0}, "std must be above 0"),
        ({"std": 57.4}, "std must be in units of 0..1"),
        ({"layout": "TCHW"}, "layout must be one of BCTHW, BTCHW, .*got 'TCHW'"),
        ({"layout": (4, 0)}, r"layout must be one of .*got \(4, 0\)"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adapted("plain", **arguments)


def test_arguments_of_a_wrong_type_are_refused() -> None:
    with pytest.raises(TypeError, match=r"adapt takes a torch.nn.Module, got str"):
        ne.adapt("r3d_18")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"mean must be one number or three .* got \(0.4, 0.4\)"):
        adapted("plain", mean=(0.4, 0.4))
    with pytest.raises(TypeError, match=r"got {name: index}; swap keys and values"):
        adapted("plain", labels={"wave": 0, "clap": 1})
    with pytest.raises(TypeError, match="labels must be a sequence of names"):
        adapted("plain", labels="wave\nclap")


def test_labels_become_plain_text() -> None:
    model = adapted("plain", labels=["a\nb", "x" * 999, "<b>", "d", "e"])
    assert model.labels[""][0] == "a b"
    assert len(model.labels[""][1]) == 200
    assert model.labels[""][2] == "<b>"
    with pytest.raises(ValueError, match="count from 0 to 1 without gaps"):
        adapted("plain", labels={0: "a", 5: "b"})


def test_labels_must_match_the_number_of_classes_and_existing_heads() -> None:
    clip = clip_for("residual")
    with pytest.raises(ValueError, match="labels hold 4 names, but the model has 5 classes"):
        ne.SaliencyTubes()(adapted("residual", labels=list("abcd")), clip)
    labels = {"verb": ["a"], "noun": [str(k) for k in range(zoo.NOUNS)]}
    with pytest.raises(ValueError, match="labels of head 'verb' hold 1 names, but the model has 5 classes"):
        ne.SaliencyTubes()(adapted("logits_dict", labels=labels), clip_for("logits_dict"))
    with pytest.raises(
        ValueError,
        match=r"labels are one list, but the model has the heads 'verb', 'noun'; give labels as {head: names}",
    ):
        ne.SaliencyTubes()(adapted("logits_dict", labels=list("abcde")), clip_for("logits_dict"))
    with pytest.raises(ValueError, match="target 'a' stands for several classes of this model; use an index"):
        ne.SaliencyTubes()(adapted("residual", labels=list("abcda")), clip, "a")
    with pytest.raises(ValueError, match="head 'verb' is not in this model; it has a single head without a name"):
        ne.SaliencyTubes()(adapted("residual"), clip, ne.Target(0, head="verb"))
    with pytest.raises(ValueError, match="labels name the head 'x', but the model's heads are 'verb', 'noun'"):
        ne.SaliencyTubes()(adapted("logits_dict", labels={"x": ["a"]}), clip_for("logits_dict"))


def test_any_module_can_be_chosen_by_name() -> None:
    model = adapted("residual")
    tubes = ne.SaliencyTubes(layers=("layer1", "stem", "layer2.0.conv1"))(model, clip_for("residual"))
    assert [layer.name for layer in tubes.layers] == ["stem", "layer1", "layer2.0.conv1"]
    np.testing.assert_allclose(
        tubes.layers[1].values,
        ne.SaliencyTubes(layers=("layer1.1",))(model, clip_for("residual")).layers[0].values,
        atol=1e-6,
    )


def test_errors_say_why_a_layer_cannot_be_explained() -> None:
    model = adapted("residual")
    for name, message in {
        "layer9": "layer 'layer9' is not in this model; similar names: .*layer1",
        "fc": "layer 'fc' cannot be explained: its output has no separate positions left",
    }.items():
        with pytest.raises(ValueError, match=message):
            model.layer(name)
    reused = adapted("reused_relu")
    with pytest.raises(ValueError, match="layer 'relu' stands for several tensors; choose one of relu#1, relu#2"):
        reused.layer("relu")
    with pytest.raises(
        TypeError, match=r"layers must be a list of layer names, got 'stem'; the model is passed in the call"
    ):
        ne.SaliencyTubes(layers="stem")  # type: ignore[arg-type]


def _logits_of(name: str) -> torch.Tensor:
    entry = zoo.ZOO[name]
    with torch.no_grad():
        output = entry.make()(zoo.feed(entry, clip_for(name)))
    if "object" in entry.traits:
        return output.logits
    if name == "logits_dict":
        return output["verb"]
    if name in ("probs_first", "features_and_logits"):
        return output[1]
    if name == "logits_and_features":
        return output[0]
    return output.mean(2) if "per_time" in entry.traits else output


@pytest.mark.parametrize("name", [n for n in EXPLAINABLE if n != "slowfast"])
def test_the_explained_score_is_the_models_logit(name: str) -> None:
    entry = zoo.ZOO[name]
    tubes = ne.SaliencyTubes()(adapted(name), clip_for(name), [0, 1])
    expected = _logits_of(name)[0, :2].numpy()
    ours = np.array([target.logit for target in tubes.targets])
    if "log_probs" in entry.traits or ("probs" in entry.traits and name != "probs_first"):
        log_p = expected if "log_probs" in entry.traits else np.log(expected)
        assert ours[0] - ours[1] == pytest.approx(log_p[0] - log_p[1], abs=1e-4)  # logits, up to a common constant
        assert [t.probability for t in tubes.targets] == pytest.approx(np.exp(log_p), abs=1e-5)
    elif "sigmoid" in entry.traits:
        np.testing.assert_allclose(1 / (1 + np.exp(-ours)), expected, atol=1e-5)
        assert [t.probability for t in tubes.targets] == pytest.approx(expected, abs=1e-5)
    else:
        np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_several_heads_are_explained_by_name() -> None:
    labels = {"verb": [f"v{k}" for k in range(zoo.CLASSES)], "noun": [f"n{k}" for k in range(zoo.NOUNS)]}
    model = adapted("logits_dict", labels=labels)
    tubes = ne.SaliencyTubes()(
        model, clip_for("logits_dict"), ["n1", ne.Target("v2", head="verb"), ne.Target(1, "noun")]
    )
    assert [target.name for target in tubes.targets] == ["noun: n1", "verb: v2", "noun: n1"]
    np.testing.assert_array_equal(tubes.layers[-1].values[0], tubes.layers[-1].values[2])
    with pytest.raises(ValueError, match="head 'adverb' is not in this model; it has 'verb', 'noun'"):
        ne.SaliencyTubes()(model, clip_for("logits_dict"), ne.Target("v2", head="adverb"))


def test_probabilities_without_a_single_softmax_are_explained_as_log_p_with_a_caveat() -> None:
    class Averaged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = zoo.ZOO["residual"].make()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.net(x).softmax(-1) + 0.1) / (1 + 0.1 * zoo.CLASSES)

    model = ne.adapt(Averaged(), size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    tubes = ne.SaliencyTubes()(model, clip_for("residual"))
    assert tubes.targets[0].probability == pytest.approx(np.exp(tubes.targets[0].logit), abs=1e-5)
    assert any("log p is explained" in caveat for caveat in tubes.provenance.caveats)


def test_an_output_without_class_scores_is_described() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> Any:
            return OrderedDict(feature=self.conv(x).flatten(1, 2))

    model = ne.adapt(Odd(), size=16, frames=8, mean=0.5, std=0.5, layout="BCTHW")
    with pytest.raises(ne.ExplainError, match=r"no class scores .* \(a dict of feature: a tensor \(1, 24, 14, 14\)\)"):
        ne.SaliencyTubes()(model, zoo.random_clip(8, 16))


def test_a_forward_without_gradients_is_refused() -> None:
    with pytest.raises(ne.ExplainError, match=r"no gradient reaches the model's output: .*torch.no_grad"):
        ne.SaliencyTubes()(adapted("no_grad_forward"), clip_for("no_grad_forward"))


def test_targets_are_labels_indices_or_differences_and_unknown_ones_are_refused() -> None:
    labels = ["wave", "clap", "jog", "Squat", "kick"]
    model = adapted("residual", labels=labels)
    clip = clip_for("residual")
    names = ne.SaliencyTubes()(
        model, clip, ["wave", 1, np.int64(2), "squat", ne.Target("wave") - ne.Target("clap")]
    ).targets
    assert [target.name for target in names] == ["wave", "clap", "jog", "Squat", "wave − clap"]
    assert names[4].logit == pytest.approx(names[0].logit - names[1].logit, abs=1e-5)
    assert names[4].probability is None
    assert len(names[0].top5) == 5
    top = ne.SaliencyTubes()(model, clip).targets[0]
    assert top.name == max(zip(labels, _logits_of("residual")[0].tolist(), strict=True), key=lambda pair: pair[1])[0]
    for target, error, message in [
        ("wavs", ValueError, "target 'wavs' is not a label of this model; similar labels: 'wave'"),
        ("Wave - clap", ValueError, r"a difference of two classes as Target\(\"wave\"\) - Target\(\"clap\"\)$"),
        ("wave rather than JOG", ValueError, r"as Target\(\"wave\"\) - Target\(\"jog\"\)$"),
        ("wave - wavs", ValueError, "target 'wave - wavs' is not a label of this model; it has 'wave'"),
        (5, ValueError, "target 5 is out of range; this model has classes 0 to 4"),
        (1.5, TypeError, "a target is a label"),
        (True, TypeError, "a target is a label"),
        ([], ValueError, "target is an empty list"),
    ]:
        with pytest.raises(error, match=message):
            ne.SaliencyTubes()(model, clip, target)
    with pytest.raises(
        ValueError, match=r"this model has no labels; use an index, or name the classes; pass labels= to adapt\(\)"
    ):
        ne.SaliencyTubes()(adapted("residual"), clip, "wave")
    with pytest.raises(ValueError, match="cannot be subtracted again"):
        ne.Target("a") - (ne.Target("b") - ne.Target("c"))


def test_a_label_or_an_index_is_subtracted_as_a_target_of_the_same_head() -> None:
    a, verb = ne.Target("a"), ne.Target("open", head="verb")
    assert a - "b" == a - ne.Target("b")
    assert a - 3 == a - np.int64(3) == a - ne.Target(3)
    assert "b" - a == ne.Target("b") - a
    assert verb - "close" == verb - ne.Target("close", head="verb")
    for other in (1.5, None, True):
        with pytest.raises(TypeError, match="unsupported operand"):
            a - other

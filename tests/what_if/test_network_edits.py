"""Edits of a network: against hooks written by hand, for every explainer, and without a trace on the user's module."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain import edits
from notebook_explain.explanations import Pyramid, Tubes
from notebook_explain.models import VideoModel
from notebook_explain.models.shadow import shadow_of
from notebook_explain.what_if import scores
from tests import zoo
from tests.example_values import small_concepts
from tests.what_if.networks import coloured_clip, reads_frames

CLIP = zoo.random_clip(8, 32)
SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}


def adapted(entry: zoo.Entry) -> VideoModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ne.adapt(
            entry.make(), size=entry.size, frames=entry.frames, mean=zoo.MEAN, std=zoo.STD, layout=entry.layout
        )


def residual() -> VideoModel:
    return ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)


def logits(model: VideoModel, clip: Any) -> np.ndarray:
    return next(iter(scores(model, [ne.Clip.of(clip)])[0].values())).logits


def logits_of_hooked(model: VideoModel, clip: Any, layer: str, change: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Return the logits of a copy of the network with a hook written by hand on one module."""
    net = copy.deepcopy(model.module)
    net.get_submodule(layer).register_forward_hook(lambda _, __, output: change(output))
    with torch.no_grad():
        output = net(model.preprocessing.arrange(model.preprocessing.tensor(ne.Clip.of(clip), *_CPU)))
    return first_tensor(output)


_CPU = (torch.device("cpu"), torch.float32)


def first_tensor(output: Any) -> np.ndarray:
    return output[0].numpy()


PLAIN_LOGITS = {
    name: entry
    for name, entry in zoo.ZOO.items()
    if not entry.traits & {"per_time", "tuple", "dict", "object", "probs", "log_probs", "sigmoid", "no_grad"}
}


@pytest.mark.parametrize("entry", PLAIN_LOGITS.values(), ids=PLAIN_LOGITS)
def test_ablated_channels_are_those_that_a_hook_by_hand_sets_to_zero(entry: zoo.Entry) -> None:
    model, clip = adapted(entry), zoo.random_clip(entry.frames, entry.size)
    names = [layer.name for layer in model.layers if layer.ref.module == layer.name and not layer.ref.path]
    names = [name for name in names if model.layer_trace.calls[name] == 1]
    for name in [*names[:1], *names[-1:]]:
        count = model.layer(name).layout.channels
        channels = tuple(range(0, count, 2))

        def zeroed(output: Tensor, name: str = name, channels: tuple[int, ...] = channels) -> Tensor:
            is_last = output.ndim == 3 or ("channels_last" in entry.traits and name != "patch_embed")
            axis = -1 if is_last else 1
            assert output.shape[axis] == model.layer(name).layout.channels
            return output.index_fill(axis, torch.tensor(channels), 0.0)

        by_hand = logits_of_hooked(model, clip, name, zeroed)
        found = logits(edits.edited_model(model, edits.Ablate(name, channels)), clip)
        np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-4, err_msg=name)
        assert not np.allclose(found, logits(model, clip), atol=1e-6), f"{name}: nothing changed"


def test_ablating_every_channel_of_the_last_layer_leaves_the_bias() -> None:
    model = ne.demo_model()
    found = logits(edits.edited_model(model, edits.Ablate(model.layers[-1].name)), coloured_clip())
    bias = [value for name, value in model.module.named_parameters() if name.endswith("bias")][-1]
    assert np.array_equal(found, bias.detach().numpy())


@pytest.mark.parametrize("name", ["stem", "layer2.0"])
def test_mean_scale_and_given_values_are_those_of_a_hook_by_hand(name: str) -> None:
    model, chosen = residual(), [0, 3, 5]

    def to_mean(output: Tensor) -> Tensor:
        found = output.clone()
        found[:, chosen] = output.mean((2, 3, 4), keepdim=True)[:, chosen]
        return found

    def to_values(output: Tensor) -> Tensor:
        found = output.clone()
        found[:, chosen] = torch.tensor([0.5, -1.0, 2.0])[:, None, None, None]
        return found

    def scaled(output: Tensor) -> Tensor:
        found = output.clone()
        found[:, chosen] *= 0.3
        return found

    for edit, change in (
        (edits.Ablate(name, chosen, to="mean"), to_mean),
        (edits.Ablate(name, chosen, to=(0.5, -1.0, 2.0)), to_values),
        (edits.Scale(name, chosen, 0.3), scaled),
    ):
        by_hand = logits_of_hooked(model, CLIP, name, change)
        np.testing.assert_allclose(logits(edits.edited_model(model, edit), CLIP), by_hand, rtol=1e-5, atol=1e-5)


def test_means_over_other_clips_are_those_of_their_activations() -> None:
    model = residual()
    clips = [zoo.random_clip(8, 32, seed) for seed in range(3)]
    seen: list[Tensor] = []
    net = copy.deepcopy(model.module)
    net.layer2[0].register_forward_hook(lambda _, __, output: seen.append(output.mean((0, 2, 3, 4))))
    with torch.no_grad():
        for clip in clips:
            net(model.preprocessing.tensor(ne.Clip.of(clip), *_CPU))
    found = edits.mean_activations(model, clips, "layer2.0", [5, 1])
    np.testing.assert_allclose(found, torch.stack(seen).mean(0)[[1, 5]], rtol=1e-4)
    assert edits.Ablate("layer2.0", [5, 1], found).to == found
    with pytest.raises(ValueError, match="no clips"):
        edits.mean_activations(model, [], "layer2.0")


def test_without_a_concept_nothing_is_left_along_its_direction() -> None:
    model, concepts = residual(), small_concepts()
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, model.layer("layer2.0").layout.channels)).astype(np.float32)
    edit = edits.WithoutConcept.from_concepts(
        replace(concepts, units="positions", layer="layer2.0", centres=centres), 0
    )
    unit = centres[0].astype(float) - centres.astype(float).mean(0)
    unit /= np.linalg.norm(unit)

    def removed(output: Tensor) -> Tensor:
        v = torch.tensor(unit, dtype=torch.float32)
        return output - torch.einsum("bcthw,c,d->bdthw", output, v, v)

    edited = edits.edited_model(model, edit)
    by_hand = logits_of_hooked(model, CLIP, "layer2.0", removed)
    np.testing.assert_allclose(logits(edited, CLIP), by_hand, rtol=1e-4, atol=1e-5)
    assert edited.caveats[-1] == f"The network was edited: layer layer2.0 without {concepts[0].name}."
    with pytest.raises(ValueError, match="discover them with units='positions'"):
        edits.WithoutConcept.from_concepts(replace(concepts, units="supervoxels"), 0)
    with pytest.raises(ValueError, match=r"direction has 2 numbers, but layer 'stem' has \d+ channels"):
        edits.edited_model(model, edits.WithoutConcept("stem", [1, 2]))


def test_the_mean_is_that_of_each_clip_of_a_batch() -> None:
    model = edits.edited_model(residual(), edits.Ablate("layer1.0", to="mean"))
    clips = [ne.Clip.of(zoo.random_clip(8, 32, seed)) for seed in range(3)]
    videos = torch.cat([model.preprocessing.tensor(clip, *_CPU) for clip in clips])
    with torch.no_grad():
        together = model.module(videos)
    np.testing.assert_allclose(together.numpy(), [logits(model, clip) for clip in clips], rtol=1e-4, atol=1e-5)


class Twice(nn.Module):
    """Runs one convolution twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 3, 3, padding=1), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(self.conv(x).relu()).mean((2, 3, 4)))


def test_one_of_several_calls_of_a_module_is_edited_alone() -> None:
    model = ne.adapt(zoo.seeded(Twice), **SPECIFIED)
    net, x = model.module, model.preprocessing.tensor(ne.Clip.of(CLIP), *_CPU)
    keep = torch.tensor([1.0, 0.0, 1.0])[None, :, None, None, None]
    with torch.no_grad():
        first = net.head(net.conv((net.conv(x) * keep).relu()).mean((2, 3, 4)))[0]
        second = net.head((net.conv(net.conv(x).relu()) * keep).mean((2, 3, 4)))[0]
    for name, expected in (("conv#1", first), ("conv#2", second)):
        edited = edits.edited_model(model, edits.Ablate(name, [1]))
        for _ in range(2):  # a pass counts its calls anew
            np.testing.assert_allclose(logits(edited, CLIP), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_swaps_are_made_in_the_copy_before_the_other_edits() -> None:
    model = residual()
    edited = edits.edited_model(model, [edits.Ablate("stem", [1]), edits.Swap("layer4.1", "Identity")])
    assert isinstance(edited.module.get_submodule("layer4.1"), nn.Identity)
    assert not isinstance(model.module.get_submodule("layer4.1"), nn.Identity)
    assert edits.Swap("pool", ne.layers.SoftPool3d) == edits.Swap("pool", "SoftPool3d")
    assert edited.caveats[-1] == "The network was edited: channel 1 of stem switched off; without layer4.1."
    shadow = shadow_of(model.module)
    shadow.layer4[1] = nn.Identity()
    by_hand = logits_of_hooked(
        replace(model, module=shadow), CLIP, "stem", lambda x: x * (torch.arange(x.shape[1]) != 1)[:, None, None, None]
    )
    np.testing.assert_allclose(logits(edited, CLIP), by_hand, rtol=1e-5, atol=1e-5)


EXPLAINERS = {
    "tubes": ne.SaliencyTubes(),
    "sharp": ne.SharpTubes(),
    "pyramid": ne.FeaturePyramid(depth=4),
    "pyramid by gradient": ne.FeaturePyramid(contribution="gradient", depth=4),
    "guided": ne.GuidedGradCAM(),
    "RISE": ne.RISE(masks=8, batch=4),
}


@pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
@pytest.mark.parametrize("to", ["zero", "mean"])
def test_every_explainer_explains_the_edited_network(explainer: Any, to: str) -> None:
    model, channels = residual(), (0, 1, 2)
    edited = edits.edited_model(model, edits.Ablate("layer3.0", channels, to))
    found = explainer(edited, CLIP, 1)
    assert any("The network was edited" in caveat for caveat in found.provenance.caveats)
    result = found.targets[0]
    assert result.logit == pytest.approx(float(logits(edited, CLIP)[1]), rel=1e-4, abs=1e-4)
    if isinstance(found, Pyramid) and to == "zero":
        ablated = [unit for unit in found.units if found.rows[unit.row].name == "layer3.0" and unit.channel in channels]
        assert all(unit.score == 0 for unit in ablated)


def test_evidence_at_ablated_channels_is_gone_and_adds_up() -> None:
    edited = edits.edited_model(residual(), edits.Ablate("layer4.0"))
    tubes = ne.SaliencyTubes(layers=("layer4.0",))(edited, CLIP, 1)
    assert isinstance(tubes, Tubes)
    assert not tubes.layer("layer4.0").values.any()
    assert tubes.layer("layer4.0").gap[0] == pytest.approx(tubes.targets[0].logit)


def test_an_evaluation_runs_on_the_edited_network() -> None:
    edited = edits.edited_model(residual(), edits.Scale("stem", [0], 3.0))
    found = ne.evaluate(edited, ne.SaliencyTubes(), [ne.Clip.of(CLIP)], baselines=False)
    assert found.rows


def test_hooks_of_the_user_stay_off_the_copy_unless_they_are_kept() -> None:
    net, fired = zoo.ZOO["residual"].make(), []
    handle = net.layer1.register_forward_hook(lambda _, __, output: fired.append(1) or output * 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        without, kept = ne.adapt(net, **SPECIFIED), ne.adapt(net, **SPECIFIED, keep_hooks=True)
    edit = edits.Scale("stem", factor=2)
    handle.remove()
    plain = logits(edits.edited_model(ne.adapt(net, **SPECIFIED), edit), CLIP)
    net.layer1.register_forward_hook(lambda _, __, output: output * 0)
    np.testing.assert_array_equal(logits(edits.edited_model(without, edit), CLIP), plain)
    assert not np.allclose(logits(edits.edited_model(kept, edit), CLIP), plain)


def test_the_copy_shares_the_parameters_and_the_module_is_never_touched() -> None:
    model = residual()
    state = {name: value.clone() for name, value in model.module.state_dict().items()}
    hooks = [len(part._forward_hooks) for part in model.module.modules()]
    edited = edits.edited_model(model, [edits.Ablate("stem", [0]), edits.Scale("layer2.0", factor=0.1)])
    logits(edited, CLIP)
    assert hooks == [len(part._forward_hooks) for part in model.module.modules()]
    assert all(torch.equal(value, state[name]) for name, value in model.module.state_dict().items())
    pairs = zip(model.module.parameters(), edited.module.parameters(), strict=True)
    assert all(mine.data_ptr() == theirs.data_ptr() for mine, theirs in pairs)


@pytest.mark.parametrize("edit", [edits.Scale("stem", factor=1.0), edits.Scale("stem", []), edits.Ablate("stem", [])])
def test_edits_that_change_nothing_change_nothing_bitwise(edit: Any) -> None:
    model = residual()
    assert edits.edited_model(model, []) is model
    found = ne.what_if(model, CLIP, [edit])
    assert np.array_equal(found.before.head().logits, found.after.head().logits)
    assert np.array_equal(logits(edits.edited_model(model, edit), CLIP), logits(model, CLIP))


class Locked(nn.Module):
    """Cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head, self.lock = nn.Conv3d(3, 4, 1), nn.Linear(4, 2), threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).mean((2, 3, 4)))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (edits.Ablate("stem", [10**4]), r"channel 10000 is not in layer 'stem', which has channels 0 to \d+"),
        (edits.Ablate("layer9", [0]), "layer 'layer9' is not in this model; similar names: layer"),
        (edits.Swap("layer9", "Identity"), "no module named 'layer9'"),
        (edits.Scale("fc", [0]), "its output has no separate positions left"),
    ],
)
def test_bad_layers_and_channels_are_one_clear_error(edit: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ne.what_if(residual(), CLIP, edit)


def test_a_network_that_cannot_be_copied_takes_edits_of_the_clip_only() -> None:
    model = ne.adapt(zoo.seeded(Locked), **SPECIFIED)
    with pytest.raises(TypeError):
        shadow_of(model.module)
    assert ne.what_if(model, CLIP, edits.Reverse()).drop == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match="Locked cannot be copied"):
        ne.what_if(model, CLIP, edits.Ablate("conv", [0]))


def test_a_swap_that_the_network_cannot_take_is_one_error() -> None:
    with pytest.raises(
        ValueError, match=r"the network does not run without layer2.0 .*channels.*swap a module for one that takes"
    ):
        ne.what_if(residual(), CLIP, edits.Swap("layer2.0", "Identity"))


def test_frames_that_a_network_weighs_are_told_apart() -> None:
    model = reads_frames([0.0] * 8 + [1.0])
    clip = coloured_clip()
    expected = clip.frames[8].mean() / 255
    assert logits(model, clip)[0] == pytest.approx(expected, rel=1e-5)
    assert logits(model, edits.Reverse()(clip))[0] == pytest.approx(clip.frames[0].mean() / 255, rel=1e-5)

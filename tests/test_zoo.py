"""Networks of the zoo: they run, depend on their clips, and match their entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo import CLASSES, NOUNS, TRAITS, ZOO, Entry, feed, full_size_r3d18, random_clip, seeded

ENTRIES = pytest.mark.parametrize("entry", ZOO.values(), ids=list(ZOO))


@cache
def built(name: str) -> nn.Module:
    """Return a network that is built once, for tests that do not change it."""
    return ZOO[name].make()


def clip_of(entry: Entry, seed: int = 0) -> np.ndarray:
    return random_clip(entry.frames, entry.size, seed)


def tensors(output: Any) -> list[Tensor]:
    """Return every tensor in an output of any form."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        return list(output.values())
    return list(output) if isinstance(output, tuple) else [output.logits]


def run(entry: Entry, seed: int = 0) -> list[Tensor]:
    with torch.no_grad():
        return tensors(built(entry.name)(feed(entry, clip_of(entry, seed))))


@ENTRIES
def test_outputs_are_finite_and_differ_between_classes_and_clips(entry: Entry) -> None:
    assert not built(entry.name).training
    for first, second in zip(run(entry, seed=1), run(entry, seed=2), strict=True):
        assert first.shape == second.shape
        assert first.shape[0] == 1
        assert torch.isfinite(first).all()
        assert first.std(dim=1).min() > 1e-3
        assert (first - second).abs().max() > 1e-2


@ENTRIES
def test_clips_of_a_batch_are_independent(entry: Entry) -> None:
    first, second = (feed(entry, clip_of(entry, seed)) for seed in (1, 2))
    both = (
        [torch.cat(pair) for pair in zip(first, second, strict=True)]
        if isinstance(first, list)
        else torch.cat((first, second))
    )
    with torch.no_grad():
        batch = tensors(built(entry.name)(both))
    for in_batch, alone1, alone2 in zip(batch, run(entry, 1), run(entry, 2), strict=True):
        torch.testing.assert_close(in_batch, torch.cat((alone1, alone2)), rtol=1e-4, atol=1e-5)


@ENTRIES
def test_the_same_seed_makes_the_same_network_and_leaves_the_global_state(entry: Entry) -> None:
    before = torch.random.get_rng_state()
    again = entry.make()
    assert torch.equal(before, torch.random.get_rng_state())
    for (name, value), repeated in zip(
        built(entry.name).state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(value, repeated), name


@ENTRIES
def test_gradients_reach_every_frame_that_is_used(entry: Entry) -> None:
    fed = feed(entry, clip_of(entry))
    inputs = [x.requires_grad_() for x in (fed if isinstance(fed, list) else [fed])]
    # The network gets a copy of the list, since it may write into it.
    output = built(entry.name)(list(inputs) if isinstance(fed, list) else inputs[0])
    if "no_grad" in entry.traits:
        assert not any(y.requires_grad for y in tensors(output))
        return
    for x, grad in zip(inputs, torch.autograd.grad(tensors(output)[0].amax(), inputs), strict=True):
        time = 1 if entry.layout == "BTCHW" else 2
        seen = grad.abs().amax([axis for axis in range(grad.ndim) if axis != time]) > 0
        expected = torch.ones(x.shape[time], dtype=torch.bool)
        if "skips_frames" in entry.traits:
            expected[1::2] = False
        assert torch.equal(seen, expected)


@ENTRIES
def test_traits_describe_the_networks(entry: Entry) -> None:
    net = built(entry.name)
    convs = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))]
    assert entry.traits <= TRAITS.keys()
    assert ("grouped" in entry.traits) == any(m.groups > 1 for m in convs)
    assert ("depthwise" in entry.traits) == any(1 < m.groups == m.in_channels for m in convs)
    assert "inplace" in entry.traits or not any(getattr(m, "inplace", False) for m in net.modules())
    assert ("frames_in_batch" in entry.traits) == isinstance(convs[0], nn.Conv2d)
    output = built(entry.name)(feed(entry, clip_of(entry)))
    assert ("tuple" in entry.traits) == isinstance(output, tuple)
    assert ("dict" in entry.traits) == (type(output) is dict)
    assert ("object" in entry.traits) == hasattr(output, "logits")
    assert ("per_time" in entry.traits) == (tensors(output)[0].ndim == 3)


@ENTRIES
def test_only_networks_of_fixed_shape_refuse_longer_or_larger_clips(entry: Entry) -> None:
    expected = [y.shape for y in run(entry)]
    outputs = []
    for frames, size in ((entry.frames + 4, entry.size), (entry.frames, entry.size + 16)):
        try:
            with torch.no_grad():
                outputs.append([y.shape for y in tensors(built(entry.name)(feed(entry, random_clip(frames, size))))])
        except RuntimeError:
            outputs.append([])
    assert ("fixed_shape" in entry.traits) == (outputs != [expected, expected])


def test_every_trait_has_a_network() -> None:
    assert set().union(*(entry.traits for entry in ZOO.values())) == TRAITS.keys()


@pytest.mark.parametrize("name", ["x3d_head", "probs_first", "log_softmax_out"])
def test_probabilities_sum_to_one(name: str) -> None:
    probs = run(ZOO[name])[0]
    probs = probs.exp() if "log_probs" in ZOO[name].traits else probs
    assert probs.min() >= 0
    torch.testing.assert_close(probs.sum(1), torch.ones(1))


def test_sigmoid_probabilities_do_not_sum_to_one() -> None:
    probs = run(ZOO["sigmoid_out"])[0]
    assert ((probs > 0) & (probs < 1)).all()
    assert abs(probs.sum() - 1) > 1e-3


def test_x3d_returns_logits_in_train_mode() -> None:
    net = ZOO["x3d_head"].make()
    net.training = False
    probs = net(feed(ZOO["x3d_head"], clip_of(ZOO["x3d_head"])))
    net.training = True
    logits = net(feed(ZOO["x3d_head"], clip_of(ZOO["x3d_head"])))
    torch.testing.assert_close(logits.softmax(1), probs)


def test_slowfast_writes_features_into_its_input_and_fails_on_it_the_second_time() -> None:
    entry = ZOO["slowfast"]
    x = feed(entry, clip_of(entry))
    assert [tuple(y.shape) for y in x] == [(1, 3, 4, 32, 32), (1, 3, 16, 32, 32)]
    built("slowfast")(x)
    assert [tuple(y.shape) for y in x] == [(1, 24, 4, 4, 4), (1, 6, 16, 4, 4)]
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 24 channels"):
        built("slowfast")(x)


def test_causal_activations_do_not_depend_on_later_frames() -> None:
    entry = ZOO["causal"]
    clip = feed(entry, clip_of(entry))
    changed = clip.clone()
    changed[:, :, 6:] = 0
    with torch.no_grad():
        same = (built("causal").features(clip) - built("causal").features(changed)).abs().amax((0, 1, 3, 4)) == 0
    assert same.tolist() == [True, True, True, False]


def test_full_size_r3d18_has_the_size_of_r3d_18() -> None:
    with torch.device("meta"):
        net = full_size_r3d18(400)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(33.4e6, rel=0.01)
    assert [name for name, _ in net.named_children()] == ["stem", *(f"layer{i}" for i in range(1, 5)), "avgpool", "fc"]
    maps = nn.Sequential(*list(net.children())[:5])(torch.empty(1, 3, 16, 112, 112, device="meta"))
    assert maps.shape == (1, 512, 2, 7, 7)


def test_random_clips_are_seeded_uint8_arrays() -> None:
    clip = random_clip(3, 20, seed=4)
    assert clip.shape == (3, 20, 20, 3)
    assert clip.dtype == np.uint8
    np.testing.assert_array_equal(clip, random_clip(3, 20, seed=4))
    assert (clip != random_clip(3, 20, seed=5)).mean() > 0.9


def test_different_seeds_make_different_networks() -> None:
    first, second = (seeded(partial(nn.Linear, 3, 3), seed) for seed in (0, 1))
    assert not torch.equal(first.weight, second.weight)


# Of each complete network: module that returns the pooled maps, conversion to (batch, channel, ...), classifier.
Maps = Callable[[Tensor], Tensor]


def identity(maps: Tensor) -> Tensor:
    return maps


POOLED: dict[str, tuple[str, Maps, str]] = {
    "plain": ("10", identity, "13"),
    "residual": ("layer4", identity, "fc"),
    "grouped": ("layer4", identity, "fc"),
    "depthwise": ("blocks", identity, "fc"),
    "dense": ("norm", F.relu, "classifier"),
    **dict.fromkeys(
        ("probs_first", "logits_and_features", "features_and_logits", "logits_dict"), ("trunk", identity, "fc")
    ),
    **dict.fromkeys(("log_softmax_out", "sigmoid_out", "functional_pool"), ("trunk", identity, "fc")),
    **dict.fromkeys(("dropped_frames", "no_grad_forward"), ("trunk", identity, "fc")),
    "token_mean": ("norm", lambda maps: maps.transpose(1, 2), "classifier"),
    "channels_last": ("norm", lambda maps: maps.permute(0, 4, 1, 2, 3), "head"),
    "tsm": ("layer2", lambda maps: maps.transpose(0, 1)[None], "fc"),
    "causal": ("bn3", F.relu, "fc"),
    "reused_relu": ("relu", identity, "fc"),
}


def recorded(net: nn.Module, layer: str, x: Tensor | list[Tensor]) -> tuple[Tensor, Any]:
    """Return the last output of a layer and the output of the network."""
    kept: list[Tensor] = []
    handle = net.get_submodule(layer).register_forward_hook(lambda *args: kept.append(args[2].detach().clone()))
    try:
        with torch.no_grad():
            output = net(x)
    finally:
        handle.remove()
    return kept[-1], output


def logits_in(entry: Entry, output: Any) -> Tensor:
    """Return the logits in an output; log-probabilities are returned as they are."""
    every = tensors(output)
    if entry.name in ("probs_first", "features_and_logits"):
        return every[1]
    return torch.logit(every[0]) if "sigmoid" in entry.traits else every[0]


@pytest.mark.parametrize("name", POOLED)
def test_the_mean_of_weighted_maps_plus_the_bias_is_the_logit(name: str) -> None:
    entry = ZOO[name]
    layer, arrange, classifier = POOLED[name]
    maps, output = recorded(built(name), layer, feed(entry, clip_of(entry)))
    head = built(name).get_submodule(classifier)
    tube = torch.einsum("kc,bc...->bk...", head.weight, arrange(maps))
    logits, expected = tube.flatten(2).mean(2) + head.bias, logits_in(entry, output)
    if "log_probs" in entry.traits:
        logits, expected = logits - logits.mean(), expected - expected.mean()
    torch.testing.assert_close(logits.detach(), expected, rtol=1e-4, atol=1e-5)


def test_every_complete_network_is_tested() -> None:
    complete = {entry.name for entry in ZOO.values() if entry.complete}
    assert complete == POOLED.keys() | {"slowfast", "squeeze"}


def test_slowfast_logits_are_the_sum_of_the_means_of_both_pathways() -> None:
    entry = ZOO["slowfast"]
    net, x = built("slowfast"), feed(entry, clip_of(entry))
    with torch.no_grad():
        logits = net(x)  # x now holds the pooled features
        slow, fast = net.proj.weight.split((24, 6), dim=1)
        parts = [torch.einsum("kc,bcthw->bkthw", u, y).mean((2, 3, 4)) for u, y in zip((slow, fast), x, strict=True)]
    torch.testing.assert_close(parts[0] + parts[1] + net.proj.bias, logits, rtol=1e-4, atol=1e-5)


def test_squeeze_pools_one_map_per_class() -> None:
    entry = ZOO["squeeze"]
    maps, logits = recorded(built("squeeze"), "classifier.2", feed(entry, clip_of(entry)))
    assert maps.shape[1] == CLASSES
    torch.testing.assert_close(maps.mean((2, 3, 4)), logits)
    assert logits.min() >= 0


@pytest.mark.parametrize("name", ["inception", "i3d_per_time"])
def test_overlapping_windows_give_a_weighted_sum_instead_of_a_mean(name: str) -> None:
    entry = ZOO[name]
    maps, output = recorded(built(name), "mixed2", feed(entry, clip_of(entry)))
    logits = output.mean(2) if output.ndim == 3 else output
    weight, bias = built(name).logits.weight.flatten(1), built(name).logits.bias
    tube = torch.einsum("kc,bcthw->bkthw", weight, maps).mean((3, 4))
    weights = torch.tensor([1.0, 2.0, 2.0, 1.0]) / 6
    with torch.no_grad():
        torch.testing.assert_close((tube * weights).sum(2) + bias, logits, rtol=1e-4, atol=1e-5)
        assert (tube.mean(2) + bias - logits).abs().max() > 1e-3


def test_two_heads_have_different_classes() -> None:
    output = built("logits_dict")(feed(ZOO["logits_dict"], clip_of(ZOO["logits_dict"])))
    assert {name: y.shape[1] for name, y in output.items()} == {"verb": CLASSES, "noun": NOUNS}


def test_ordered_output_is_read_by_name_attribute_and_index() -> None:
    output = built("cls_token")(feed(ZOO["cls_token"], clip_of(ZOO["cls_token"])))
    assert output.logits is output["logits"] is output[0]
    with pytest.raises(AttributeError, match="hidden_states"):
        _ = output.hidden_states

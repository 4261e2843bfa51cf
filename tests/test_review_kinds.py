"""Networks of the review's kinds: they run, depend on their clips, and those said to be complete are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.zoo import Entry, feed, random_clip
from tests.zoo.review_kinds import COMPLETE_WITH_CONSTANT_NORMS, REVIEW_KINDS

pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # checkpointing without a graph
ENTRIES = pytest.mark.parametrize("entry", REVIEW_KINDS.values(), ids=list(REVIEW_KINDS))


def run(entry: Entry, net: nn.Module, seed: int) -> Tensor:
    with torch.no_grad():
        output: Tensor = net(feed(entry, random_clip(entry.frames, entry.size, seed)))
    return output


@ENTRIES
def test_logits_are_finite_and_differ_between_classes_and_clips(entry: Entry) -> None:
    net = entry.make()
    first, second = run(entry, net, 1), run(entry, net, 2)
    assert torch.isfinite(first).all()
    assert first.shape[:2] == (1, 5)
    assert first.std(dim=1).min() > 1e-3
    assert (first - second).abs().max() > 1e-2
    assert torch.equal(run(entry, entry.make(), 1), first)


@ENTRIES
def test_the_gradient_reaches_every_frame(entry: Entry) -> None:
    video = feed(entry, random_clip(entry.frames, entry.size))
    assert isinstance(video, Tensor)
    video.requires_grad_()
    entry.make()(video).sum().backward()  # reentrant checkpointing refuses autograd.grad
    gradient = video.grad
    assert gradient is not None
    time = 1 if entry.layout == "BTCHW" else 2
    assert (gradient.abs().movedim(time, 0).flatten(1).amax(1) > 0).all()


@ENTRIES
def test_only_kinds_that_are_not_complete_are_complete_with_constant_norms(entry: Entry) -> None:
    assert not (entry.complete and entry.name in COMPLETE_WITH_CONSTANT_NORMS)


# Of complete kinds: the modules whose outputs are pooled.
POOLED: dict[str, tuple[str, ...]] = {
    "fused_vit_mean": ("norm",),
    "group_norm_end": ("norm3",),
    "rms_norm_end": ("norm3",),
    "temperature_head": ("trunk",),
    "offset_head": ("trunk",),
    "two_head": ("trunk",),
    "batch_norm_head": ("trunk",),
    "two_stream": ("colour", "motion"),
    "multi_scale": ("stage1", "stage2"),
    "mean_and_branch": ("trunk", "branch"),
    "doubled_output": ("twice.conv",),
    "overlapping_windows": ("trunk",),
    "two_crops": ("trunk",),
    "mirrored_view": ("trunk",),
    "dense_growth": ("norm",),
    "transposed": ("up2",),
    "transposed_frames": ("up",),
    "reentrant_checkpoint": ("block",),
    "time_mixer": ("last",),
    "mlp_mixer": ("norm",),
    "conv_lstm": ("last",),
}


def test_every_complete_kind_names_what_it_pools() -> None:
    assert {entry.name for entry in REVIEW_KINDS.values() if entry.complete} == POOLED.keys()


def scaled(name: str, factor: float) -> Tensor:
    """Return the float64 logits of a kind if what it pools is multiplied by a factor, and nothing before that changes."""
    entry, kept = REVIEW_KINDS[name], list[Tensor]()
    net, video = entry.make().double(), feed(entry, random_clip(entry.frames, entry.size))
    assert isinstance(video, Tensor)

    def replace(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        kept.append(kept.pop(0) * factor)
        return kept[-1]

    modules = [net.get_submodule(module) for module in POOLED[name]]
    with torch.no_grad():
        handles = [module.register_forward_hook(lambda m, i, output: kept.append(output.clone())) for module in modules]
        net(video.double())
        for handle in handles:
            handle.remove()
        for module in modules:
            module.register_forward_hook(replace)
        logits: Tensor = net(video.double())
    return logits


@pytest.mark.parametrize("name", POOLED)
def test_the_score_of_a_complete_kind_is_affine_in_what_it_pools(name: str) -> None:
    constant, score, doubled = (scaled(name, factor) for factor in (0.0, 1.0, 2.0))
    assert (score - constant).abs().max() > 1e-3
    torch.testing.assert_close(doubled - score, score - constant, rtol=1e-9, atol=1e-9)
    assert (constant[0] - constant[0, 0]).abs().max() > 1e-3  # biases matter


def test_heads_that_are_not_linear_are_not_called_complete() -> None:
    POOLED["cosine_head"] = ("trunk",)
    try:
        constant, score, doubled = (scaled("cosine_head", factor) for factor in (0.0, 1.0, 2.0))
    finally:
        del POOLED["cosine_head"]
    assert ((doubled - score) - (score - constant)).abs().max() > 1e-3

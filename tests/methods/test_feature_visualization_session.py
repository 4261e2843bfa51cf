"""Making clips leaves the user's network, gradients and random state as they were, and takes the passes that it states."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from tests.methods.visualization_networks import CountingNet, TinyNet, clips, tiny_model
from tests.test_contract import _assert_same, _snapshot

KNOBS: dict[str, dict[str, Any]] = {
    "class": {"canvas": ne.Flow()},
    "spectrum": {"canvas": ne.Spectrum()},
    "pixels": {"canvas": ne.Pixels()},
    "channel": {"objective": ne.objectives.Channel("block", 2)},
    "facets": {"facets": 2},
    "paper": {"mode": "paper", "facets": 2},
}


def quick(**knobs: Any) -> ne.FeatureVisualization:
    return ne.FeatureVisualization(**{"steps": 4, "restarts": 2, **knobs})


def used_model(net: nn.Module) -> ne.VideoModel:
    """Return the model of a network in use: with gradients, hooks, a frozen parameter and parts in train mode."""
    model = tiny_model(net)
    net.train()
    net.block.eval()
    net.fc.bias.requires_grad_(False)
    net(torch.linspace(0, 1, 2 * 3 * 4 * 12 * 12).reshape(2, 3, 4, 12, 12)).sum().backward()
    net.fired = 0
    net.stem.register_forward_hook(lambda *_: setattr(net, "fired", net.fired + 1))
    net.block.register_full_backward_hook(lambda *_: setattr(net, "fired", net.fired + 1))
    return model


@pytest.mark.parametrize("name", KNOBS)
def test_every_pass_is_stated_and_there_is_one_for_each_step_and_restart(name: str) -> None:
    net = CountingNet()
    model = tiny_model(net)
    net.log.passes.clear()
    result = quick(**KNOBS[name])(model, clips())
    made = len(result)
    assert sum(net.log.passes) == result.provenance.forwards
    assert result.provenance.backwards == made * 4 * 2
    assert all(len(one.curve) == 4 for one in result)
    previews = sum(len(one.preview_steps) - 1 for one in result)  # steps 0 and later; that of 0 needs no pass
    probe, starts = 4, made
    assert result.provenance.forwards == 6 + probe + made * 4 * 2 + 2 * previews + starts


@pytest.mark.parametrize("name", KNOBS)
def test_nothing_of_the_users_changes(name: str) -> None:
    model = used_model(TinyNet())
    before = _snapshot(model.module)
    quick(**KNOBS[name])(model, clips())
    _assert_same(before, _snapshot(model.module))


def test_nothing_changes_if_the_stream_is_closed_early() -> None:
    model = used_model(TinyNet())
    before = _snapshot(model.module)
    stream = quick(steps=100_000).stream(model, clips())
    for progress in stream:
        _assert_same(before, _snapshot(model.module))  # also in between
        if progress.partial is not None:
            break
    stream.close()
    _assert_same(before, _snapshot(model.module))


@pytest.mark.parametrize("has_lock", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails_at", [3, 14])
def test_nothing_changes_if_a_pass_fails(error: BaseException, fails_at: int, has_lock: bool) -> None:
    net = CountingNet()
    if has_lock:
        net.lock = threading.Lock()
    model = used_model(net)
    before = _snapshot(net)
    net.log.passes.clear()
    net.log.fails_at, net.log.error = fails_at, error  # among the real clips, or among the steps
    with pytest.raises((type(error), ne.ExplainError)):
        quick()(model, clips())
    assert len(net.log.passes) >= fails_at
    _assert_same(before, _snapshot(net))


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_in_every_gradient_mode(mode: Callable[[], Any], name: str) -> None:
    model = tiny_model()
    wanted = quick(**KNOBS[name])(model, clips())
    with mode():
        found = quick(**KNOBS[name])(model, clips())
        assert torch.is_grad_enabled() is False
    assert np.array_equal(found[0].clip.frames, wanted[0].clip.frames)
    assert found[0].is_moved


def test_the_callers_gradient_mode_is_kept_between_steps() -> None:
    model = tiny_model()
    with torch.inference_mode():
        for _ in quick().stream(model, clips()):
            assert torch.is_inference_mode_enabled()


@pytest.mark.parametrize("name", KNOBS)
def test_the_same_seed_gives_the_same_clip(name: str) -> None:
    model = tiny_model()
    wanted = quick(**KNOBS[name])(model, clips())
    torch.rand(3)
    last = None
    for progress in quick(**KNOBS[name]).stream(model, clips()):
        time.sleep(0.02)
        last = progress.partial
    for one, other in zip(last, wanted, strict=True):
        assert np.array_equal(one.clip.frames, other.clip.frames)
        assert np.array_equal(one.curve, other.curve)
        assert one.score == other.score


def test_chunks_of_one_step_give_the_same_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    wanted = quick()(model, clips())
    monkeypatch.setattr("notebook_explain.methods.feature_visualization.optimiser.CHUNK", 0.0)
    found = quick()(model, clips())
    assert found[0].preview_steps == (0, 1, 2, 3, 4)
    assert np.array_equal(found[0].clip.frames, wanted[0].clip.frames)


def test_another_seed_gives_another_clip() -> None:
    model = tiny_model()
    first, second = (quick(canvas=ne.Spectrum(), seed=seed)(model, clips())[0].clip.frames for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_training_meanwhile_changes_nothing() -> None:
    model = tiny_model()
    wanted = quick(steps=12)(model, clips())
    parameters = list(model.module.parameters())
    stream = quick(steps=12).stream(model, clips())
    first = next(stream)
    stop = threading.Event()

    def train() -> None:
        optimiser = torch.optim.SGD(parameters, lr=0.1)
        while not stop.is_set():
            optimiser.zero_grad()
            model.module(torch.ones(2, 3, 4, 12, 12)).square().mean().backward()
            optimiser.step()

    thread = threading.Thread(target=train)
    thread.start()
    try:
        last = [first, *stream][-1]
    finally:
        stop.set()
        thread.join()
    assert np.array_equal(last.partial[0].clip.frames, wanted[0].clip.frames)


def test_a_module_that_cannot_be_copied() -> None:
    wanted, net = seeded(TinyNet), seeded(TinyNet)
    net.lock = threading.Lock()
    model, other = used_model(net), used_model(wanted)
    before = _snapshot(net)
    found = quick()(model, clips(), 1)
    _assert_same(before, _snapshot(net))
    assert np.array_equal(found[0].curve, quick()(other, clips(), 1)[0].curve)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    net = seeded(TinyNet).to(dtype)
    result = quick()(tiny_model(net), clips())
    assert result[0].is_moved
    assert np.isfinite(result[0].score)
    wanted = quick()(tiny_model(seeded(TinyNet)), clips())
    assert result[0].start_score == pytest.approx(wanted[0].start_score, abs=0.02)


class MixesClips(CountingNet):
    """Subtracts the mean over the batch."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if len(y) == 1 else y - y.mean(0)


class OneClip(CountingNet):
    """Takes a batch of one."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y.reshape(1, 3)


@pytest.mark.parametrize("kind", [MixesClips, OneClip, CountingNet])
def test_a_network_that_mixes_the_clips_of_a_batch_gets_single_ones(kind: type[CountingNet]) -> None:
    wanted = quick()(tiny_model(seeded(TinyNet)), clips(), 1)
    net = seeded(kind)
    model = tiny_model(net)
    net.log.passes.clear()
    found = quick()(model, clips(), 1)
    assert found[0].curve == pytest.approx(wanted[0].curve, rel=1e-4)
    assert found[0].score == pytest.approx(wanted[0].score, rel=1e-4)
    batches = sum(count > 1 for count in net.log.passes)
    assert batches == 1 if kind is not CountingNet else batches > 4  # one that finds out


PACE = "notebook_explain.methods.feature_visualization.pace"
CHUNK = "notebook_explain.methods.feature_visualization.optimiser.CHUNK"


@pytest.mark.parametrize(
    ("long", "share", "wanted"), [(0.0, 1e-9, [1, 6]), (1e9, 1e-9, range(1, 7)), (0.0, 1e9, range(1, 7))]
)
def test_long_steps_have_fewer_previews_and_the_same_result(
    long: float, share: float, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = CountingNet()
    model = tiny_model(net)
    expected = quick(steps=6)(model, clips())
    monkeypatch.setattr(CHUNK, 0.0)
    monkeypatch.setattr(f"{PACE}.LONG", long)
    monkeypatch.setattr(f"{PACE}.SHARE", share)
    net.log.passes.clear()
    steps = [step for step in quick(steps=6).stream(model, clips()) if step.stage != "real clips"]
    assert [step.done for step in steps] == list(range(1, 7))  # each step can be cancelled
    assert [step.done for step in steps if step.partial is not None] == list(wanted)
    found = steps[-1].partial
    assert found[0].preview_steps == (0, *wanted)
    assert sum(net.log.passes) == found.provenance.forwards
    assert np.array_equal(found[0].clip.frames, expected[0].clip.frames)
    assert np.array_equal(found[0].curve, expected[0].curve)

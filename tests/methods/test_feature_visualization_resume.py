"""A stream that was stopped and resumed makes, bit for bit, what a stream makes that was never stopped."""

from __future__ import annotations

import gc
import pickle
import weakref
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain.methods.feature_visualization import resume as resuming
from tests.methods.visualization_networks import CountingNet, TinyNet, clips, tiny_model

KNOBS: dict[str, dict[str, Any]] = {
    "class": {"canvas": ne.Flow()},
    "spectrum": {"canvas": ne.Spectrum()},
    "pixels": {"canvas": ne.Pixels(), "objective": ne.objectives.Channel("block", 2)},
    "facets": {"facets": 2},
    "paper": {"mode": "paper", "facets": 2, "steps": 12},  # so that a window stays for several steps
}
OPTIMISER = "notebook_explain.methods.feature_visualization.optimiser.CHUNK"


@pytest.fixture(autouse=True)
def _every_step_is_a_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPTIMISER, 0.0)


def explainer(**knobs: Any) -> ne.FeatureVisualization:
    return ne.FeatureVisualization(**{"steps": 6, "restarts": 2, **knobs})


def stopped(made: ne.FeatureVisualization, model: ne.VideoModel, after: int) -> ne.Visualization:
    """Return the result after so many steps, counted over all made clips; the stream is closed."""
    stream = made.stream(model, clips())
    parts = (step.partial for step in stream if step.partial is not None)
    part: ne.Visualization = next(islice(parts, after - 1, None))
    stream.close()
    return part


def assert_same(found: ne.Visualization, wanted: ne.Visualization) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one.clip.frames, other.clip.frames)
        assert np.array_equal(one.curve, other.curve)
        assert np.array_equal(one.previews, other.previews)
        assert one.preview_steps == other.preview_steps
        assert (one.score, one.restarts, one.is_moved) == (other.score, other.restarts, other.is_moved)
        assert (one.flow is None) == (other.flow is None)
        assert one.flow is None or np.array_equal(one.flow, other.flow)


@pytest.mark.parametrize("name", KNOBS)
@pytest.mark.parametrize("after", [1, 4, 8])
def test_a_stopped_and_resumed_stream_makes_the_same_bits(name: str, after: int) -> None:
    model = tiny_model()
    made = explainer(**KNOBS[name])
    wanted = made(model, clips())
    after = min(after, made.steps * len(wanted) - 1)
    part = stopped(made, model, after)
    assert sum(len(one.curve) for one in part) == after
    torch.rand(3)
    steps = [step for step in made.stream(model, clips(), resume=part) if step.partial is not None]
    assert len(steps) == made.steps * len(wanted) - after
    assert steps[0].done == after % made.steps + 1
    assert_same(steps[-1].partial, wanted)


def test_a_stream_can_be_stopped_and_resumed_many_times() -> None:
    model, made = tiny_model(), explainer()
    wanted, part = made(model, clips()), stopped(made, model, 1)
    for _ in range(5):
        stream = made.stream(model, clips(), resume=part)
        part = next(step.partial for step in stream if step.partial is not None)
        stream.close()
    assert_same(part, wanted)
    assert_same(made(model, clips(), resume=part), wanted)  # nothing is left to do


def test_a_stream_that_fails_in_the_middle_of_a_chunk_is_resumed_from_its_last_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = CountingNet()
    model, made = tiny_model(net), explainer()
    wanted = made(model, clips())
    stream = made.stream(model, clips())
    part = next(step.partial for step in stream if step.partial is not None)
    monkeypatch.setattr(OPTIMISER, 1e9)
    net.log.fails_at = len(net.log.passes) + 3  # after two steps that no result shows
    with pytest.raises((RuntimeError, ne.ExplainError)):
        next(stream)
    net.log.fails_at = 0
    monkeypatch.setattr(OPTIMISER, 0.0)
    assert_same(made(model, clips(), resume=part), wanted)


def test_passes_and_seconds_add_up() -> None:
    net = CountingNet()
    model, made = tiny_model(net), explainer()
    net.log.passes.clear()
    part = stopped(made, model, 3)
    result = made(model, clips(), resume=part)
    assert sum(net.log.passes) == result.provenance.forwards
    assert result.provenance.backwards == 6 * 2
    assert result[0].seconds > part[0].seconds
    assert result.provenance.seconds > part.provenance.seconds


def test_more_steps_go_on_from_a_finished_result() -> None:
    model = tiny_model()
    finished = explainer()(model, clips())
    longer = explainer(steps=9)(model, clips(), resume=finished)
    assert np.array_equal(longer[0].curve[:6], finished[0].curve)
    assert len(longer[0].curve) == 9


def test_the_state_lives_as_long_as_the_last_result_and_holds_no_network() -> None:
    gc.collect()
    before = len(resuming._STATES)
    model = tiny_model()
    network = weakref.ref(model.module)
    steps = [step.partial for step in explainer().stream(model, clips()) if step.partial is not None]
    assert len(resuming._STATES) == before + 1
    del model
    gc.collect()
    assert network() is None
    del steps
    gc.collect()
    assert len(resuming._STATES) == before


def test_what_cannot_be_resumed_is_one_clear_error(tmp_path: Path) -> None:
    model, made = tiny_model(), explainer()
    part = stopped(made, model, 3)
    loaded = ne.load(part.save(tmp_path / "part.npz"))
    earlier, *_rest = [step.partial for step in made.stream(model, clips()) if step.partial is not None]
    for gone in (loaded, pickle.loads(pickle.dumps(part)), part.checked_by(model), earlier):
        with pytest.raises(ValueError, match=r"^resume needs the last visualization that a stream has yielded"):
            made(model, clips(), resume=gone)
    with pytest.raises(TypeError, match=r"^resume must be a Visualization .* got str"):
        made(model, clips(), resume="part.npz")
    with pytest.raises(ValueError, match=r"^resume needs the network"):
        made(tiny_model(TinyNet()), clips(), resume=part)
    with pytest.raises(ValueError, match=r"^resume needs the settings of before: seed was 0 and is 1"):
        explainer(seed=1)(model, clips(), resume=part)
    with pytest.raises(ValueError, match=r"^resume needs the settings of before: canvas was None"):
        explainer(canvas=ne.Flow(still=np.zeros((12, 12, 3), np.uint8)))(model, clips(), resume=part)
    with pytest.raises(ValueError, match=r"^steps must be at least the 3 that were taken before, got 2"):
        explainer(steps=2)(model, clips(), resume=part)
    with pytest.raises(ValueError, match=r"^resume needs the real clips of before: 6 were given then, and 5"):
        made(model, clips()[:5], resume=part)
    with pytest.raises(ValueError, match=r"^resume needs the real clips of before"):
        made(model, clips(seed=1), resume=part)
    with pytest.raises(ValueError, match=r"^resume needs the objectives of before"):
        made(model, clips(), _another(part), resume=part)


def _another(part: ne.Visualization) -> int:
    """Return a class that the visualization was not made for."""
    return next(index for index in range(3) if f"Logit({index})" != part[0].objective)

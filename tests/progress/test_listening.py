"""Listening to the progress of work, without a line."""

from __future__ import annotations

import pytest
import torch

import notebook_explain as ne
from notebook_explain._progress import active, listening, stage, working
from tests.explorer.views import small_clip, small_model


def test_stages_and_layers_are_reported_and_steps_come_before_layers() -> None:
    heard: list[tuple[str, int, int]] = []
    with listening(lambda *what: heard.append(what)), working("work"):
        stage("rows", 1, 4)
        line = active()
        assert line is not None
        line.reach_layer("forward", 2, 5)
        stage("read-out")
        line.reach_layer("backward", 3, 5)
    assert heard == [("rows", 1, 4), ("rows", 1, 4), ("read-out", 0, 0), ("read-out (backward)", 3, 5)]
    assert active() is None


def test_a_callback_that_raises_ends_the_work_and_the_module_stays() -> None:
    class Stop(BaseException):
        pass

    def stop(name: str, done: int, total: int) -> None:
        if name == "gated backward pass" and done == 2:
            raise Stop

    model, clip = small_model(), small_clip()
    state = {name: value.clone() for name, value in model.module.state_dict().items()}
    with pytest.raises(Stop), listening(stop):
        ne.SharpTubes()(model, clip)
    assert all(torch.equal(value, state[name]) for name, value in model.module.state_dict().items())
    assert active() is None

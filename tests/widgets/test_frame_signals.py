"""Frame signals on the timeline: their state, the first one shown, choice by name, and errors."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import traitlets

from notebook_explain.explanations import Tubes
from notebook_explain.widgets.wire import tubes as tubes_wire
from tests.example_values import small_frame_signals, small_tubes


def with_frame_signals(**options: Any) -> Tubes:
    return small_tubes().with_frame_signals(small_frame_signals(**options))


def test_frame_signals_are_sent_and_the_first_is_shown() -> None:
    tubes = with_frame_signals()
    viewer = tubes.view()
    assert viewer.frame_signal == 0
    for sent, frame_signal in zip(viewer.frame_signals, tubes.frame_signals, strict=True):
        assert (sent["name"], sent["kind"], sent["what"]) == (frame_signal.name, frame_signal.kind, frame_signal.what)
        assert sent["rows"] == frame_signal.rows.tolist()
        np.testing.assert_allclose(sent["values"], frame_signal.values, rtol=1e-5)
        assert sent["neutral"] == frame_signal.neutral
    json.dumps(viewer.frame_signals, allow_nan=False)
    viewer.close()
    none = small_tubes().view()
    assert (none.frame_signals, none.frame_signal) == ([], None)
    none.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("layer1.0", 0),
        ("SRTG", 0),
        ("Net", 1),
        ("how surely each frame finds back", 1),
        ("Net: how surely each frame finds back", 1),
        ("layer1.0 (SRTG): each frame is multiplied by", 0),
        (1, 1),
        (None, None),
    ],
)
def test_a_frame_signal_is_chosen_by_its_module_its_class_or_its_description(name: Any, index: int | None) -> None:
    viewer = with_frame_signals().view(frame_signal=name)
    assert viewer.frame_signal == index
    viewer.close()


def test_each_of_two_frame_signals_of_a_module_can_be_chosen() -> None:
    first, second = small_frame_signals()
    tubes = small_tubes().with_frame_signals([first, dataclasses.replace(second, name="layer1.0", kind="SRTG")])
    for name, index in (("layer1.0", 0), ("layer1.0 (SRTG): how surely each frame finds back", 1)):
        viewer = tubes.view(frame_signal=name)
        assert viewer.frame_signal == index
        viewer.close()


def test_an_unknown_frame_signal_is_rejected_with_the_known_ones() -> None:
    known = r"they have layer1\.0 \(SRTG\): each frame is multiplied by, Net: how surely each frame finds back$"
    with pytest.raises(ValueError, match=rf"^frame signal 'layer9' is not in these tubes; {known}"):
        with_frame_signals().view(frame_signal="layer9")
    with pytest.raises(
        ValueError,
        match=r"^frame signal 'SRTG' is not in these tubes; they have none; tubes.with_frame_signals\(\) adds",
    ):
        small_tubes().view(frame_signal="SRTG")


def test_a_frame_signal_out_of_range_is_rejected_and_changes_nothing() -> None:
    viewer = with_frame_signals().view()
    with pytest.raises(traitlets.TraitError, match=r"^frame_signal must lie in 0\.\.1, got 2$"):
        viewer.frame_signal = 2
    assert viewer.frame_signal == 0
    viewer.frame_signal = None
    viewer.close()
    with pytest.raises(
        traitlets.TraitError, match=r"^frame_signal must be None because these tubes have no frame signals; got 0$"
    ):
        small_tubes().view(frame_signal=0)


def test_frame_signals_beyond_the_limit_are_left_out_with_a_caveat() -> None:
    state = tubes_wire.state(small_tubes().with_frame_signals(small_frame_signals() * 300))
    assert len(state["frame_signals"]) == 512
    assert "The timeline offers the first 512 of 600 frame signals." in state["caveats"]
    assert not [text for text in tubes_wire.state(with_frame_signals())["caveats"] if "frame signals" in text]

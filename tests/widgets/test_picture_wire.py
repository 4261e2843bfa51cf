"""The picture of a clip's values on the wire: exact values within a size, windows as state, the scale of flow."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import traitlets
from numpy.typing import NDArray

from notebook_explain import Clip
from notebook_explain.display import compare
from notebook_explain.widgets import PyramidViewer, pyramid_viewer, tube_viewer
from notebook_explain.widgets.html import read_data
from notebook_explain.widgets.wire.common import encode_jpegs
from notebook_explain.widgets.wire.picture import MAX_BYTES, MAX_VALUES, picture_state
from tests.browser.example_tubes import flow_tubes, grey_tubes, scan, tubes
from tests.example_values import small_pyramid


def unpacked(state: dict[str, Any]) -> NDArray[np.float64]:
    """Return the values that a browser gets: (time, height, width)."""
    data = np.frombuffer(zlib.decompress(state["data"]), np.uint8).astype(np.int64)
    low_bytes, high_bytes = np.split(data, 2)
    codes = np.cumsum(low_bytes + 256 * high_bytes) % 65536
    return np.asarray(state["low"] + state["step"] * codes.reshape(-1, *state["size"]))


def test_whole_numbers_arrive_exactly() -> None:
    clip = grey_tubes().clip
    state = picture_state(clip)
    np.testing.assert_array_equal(unpacked(state), scan())
    assert (state["kind"], state["range"], state["step"]) == ("grey", [scan().min(), scan().max()], 1)
    assert (state["low"], state["high"]) == (scan().min(), scan().max())
    constant = picture_state(Clip.from_array(np.full((2, 4, 4), 7), layout="THW"))
    assert (unpacked(constant) == 7).all()


def test_fractions_and_wide_ranges_arrive_with_16_bits() -> None:
    values = np.random.default_rng(0).normal(size=(4, 16, 24)).astype(np.float32)
    for factor in (1, 1e6):
        state = picture_state(Clip.from_array(np.rint(values * factor) if factor > 1 else values, layout="THW"))
        span = state["high"] - state["low"]
        assert state["step"] == pytest.approx(span / 65535)
        assert np.abs(unpacked(state) - values * factor).max() <= 0.51 * state["step"] + (factor > 1)


@pytest.mark.parametrize(("frames", "size"), [(64, 224), (16, 512), (300, 128)])
def test_a_large_volume_stays_small_and_says_what_it_lost(frames: int, size: int) -> None:
    noise = np.random.default_rng(0).integers(0, 40, (frames, size, size), np.int16)
    clip = Clip.from_array(np.resize(scan(16, size), (frames, size, size)) + noise, layout="THW")
    values = clip.values
    assert values is not None
    state = picture_state(clip)
    assert len(state["data"]) < 1.1 * MAX_BYTES
    sent = unpacked(state)
    assert sent.size <= 1.1 * MAX_VALUES
    assert len(sent) == frames
    tall = size // state["size"][0]
    pooled = values[: frames // 4, : tall * state["size"][0], : tall * state["size"][0], 0]
    if size % state["size"][0] == 0:
        pooled = pooled.reshape(frames // 4, state["size"][0], tall, state["size"][0], tall).mean((2, 4))
        assert np.abs(sent[: frames // 4] - pooled).max() <= 0.51 * state["step"] + 1e-3
    caveats = tube_viewer.initial_state(replace(tubes(frames=4), clip=clip.sampled(frames)))["caveats"]
    shrunk = tuple(state["size"]) != (size, size)
    assert shrunk or state["step"] > 1
    assert any(f"{state['size'][0]} x {state['size'][1]} pixels" in text for text in caveats) == shrunk


def test_a_clip_that_does_not_fit_is_windowed_in_python() -> None:
    frames = MAX_VALUES // 32**2 + 10
    clip = Clip.from_array(np.resize(scan(4, 32), (frames, 32, 32)), layout="THW")
    state = picture_state(clip)
    assert set(state) == {"kind", "range"}
    long = replace(tubes(frames=4), clip=clip)
    shown, values = tube_viewer.in_window(long, {"window": (20, 110)})
    assert values["window"] is None
    assert shown.clip.picture is not None
    assert shown.clip.picture.ranges == ((20, 110),)


def test_clips_of_colours_bands_and_heatmaps_send_no_values() -> None:
    bands = Clip.from_array(np.ones((2, 4, 4, 3), np.float32))
    heat = Clip.from_array(np.eye(4, dtype=np.float32).reshape(1, 2, 2, 4), channels="heatmaps")
    assert [picture_state(clip) for clip in (tubes().clip, bands, heat)] == [{}, {}, {}]
    assert picture_state(flow_tubes().clip) == {"kind": "flow", "range": [0, pytest.approx(4 * 2.875 * 2**0.5)]}


def test_a_window_is_a_trait_of_a_grey_clip_and_changes_no_value() -> None:
    grey = grey_tubes()
    assert grey.clip.values is not None
    before = grey.clip.values.copy()
    viewer = grey.view(window=(20, 110))
    assert viewer.window == [20, 110]
    assert viewer.frames == encode_jpegs(grey.clip.frames)
    viewer.window = (-160, 240)
    assert viewer.window == [-160, 240]
    viewer.window = None
    assert viewer.window is None
    for wrong in ((1, 1), (2, 1), (0, np.nan), (0,), 3, "percentiles"):
        with pytest.raises(traitlets.TraitError):
            viewer.window = wrong
    np.testing.assert_array_equal(grey.clip.values, before)
    assert viewer.window is None
    viewer.close()
    low, high = tube_viewer.initial_state(grey, window="percentiles")["window"]
    assert (low, high) == tuple(np.percentile(before, (1, 99)))


def test_a_window_of_colours_is_refused_and_one_of_flow_is_drawn_in_python() -> None:
    with pytest.raises(ValueError, match="holds colours from 0 to 255, which have no other range"):
        tubes().view(window=(0, 10))
    colours = tubes().view()
    with pytest.raises(traitlets.TraitError, match="window must be None, since the clip has no grey values"):
        colours.window = (0, 10)
    colours.close()
    flow = flow_tubes()
    state = tube_viewer.initial_state(flow, window=(0, 4))
    assert state["window"] is None
    assert state["picture"] == {"kind": "flow", "range": [0, 4]}
    assert state["frames"] == encode_jpegs(flow.clip.with_range((0, 4)).frames)
    assert any("from 0 to 4." in text for text in state["caveats"])
    with pytest.raises(ValueError, match="range must be"):
        flow.view(window=(4, 0))


def test_no_caveat_gives_a_range_that_the_reader_changes() -> None:
    texts = tube_viewer.initial_state(grey_tubes())["caveats"]
    assert "The picture shows the values in grey. The network gets the values themselves." in texts
    assert not [text for text in texts if "from " in text]
    assert any("from −1000 to 11" in text for text in grey_tubes().clip.caveats)


def test_both_sides_of_a_comparison_share_the_window() -> None:
    grey = grey_tubes()
    viewer = compare(grey, grey_tubes(), window=(20, 110))
    assert viewer.window == [20, 110]
    assert [clip["picture"] for clip in viewer.clips] == [picture_state(grey.clip)] * 2
    viewer.close()
    flow = compare(flow_tubes(), flow_tubes(), window=(0, 4))
    assert (flow.window, flow.clips[1]["picture"]["range"]) == (None, [0, 4])
    flow.close()


def test_a_pyramid_is_shown_in_a_window() -> None:
    volume = np.linspace(-1000, 1000, 6 * 12 * 12).reshape(6, 12, 12).round()
    clip = Clip.from_array(volume, layout="THW")
    pyramid = small_pyramid()
    rows = (*pyramid.rows[:-1], replace(pyramid.rows[-1], width=1))
    units = (*pyramid.units[:-1], replace(pyramid.units[-1], channel=0))
    pyramid = replace(pyramid, clip=clip, rows=rows, units=units)
    state = pyramid_viewer.initial_state(pyramid, window=(0, 100))
    assert state["frames"] == encode_jpegs(clip.with_range((0, 100)).frames)
    assert state["picture"]["range"] == [0, 100]
    assert "window" not in state
    viewer = PyramidViewer(pyramid, window=(0, 100))
    assert viewer.picture["range"] == [0, 100]
    viewer.close()


def test_pages_hold_the_values(tmp_path: Any) -> None:
    small = tubes().to_html(tmp_path / "colours.html").stat().st_size
    page = grey_tubes().to_html(tmp_path / "grey.html", window=(20, 110))
    assert read_data(page.read_text())["widgets"][0]["state"]["window"] == [20, 110]
    assert page.stat().st_size < small + 1.4 * len(picture_state(grey_tubes().clip)["data"]) + 20_000

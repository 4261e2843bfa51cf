"""State of the visualization viewer: clips, previews and flows decoded again, numbers, size, range checks, pages."""

from __future__ import annotations

import io
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from numpy.typing import NDArray
from PIL import Image

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.display import exports
from notebook_explain.explanations import Visualization
from notebook_explain.widgets import VisualizationViewer, page
from notebook_explain.widgets import visualization_viewer as viewer_module
from notebook_explain.widgets.html import read_data
from notebook_explain.widgets.wire import visualization as wire
from notebook_explain.widgets.wire.clip_sheets import MAX_BYTES, pack_clips
from tests.example_values import small_visualization
from tests.widgets.test_examples import assert_same
from tests.widgets.visualization_examples import (
    EXAMPLES,
    drawn_visualization,
    make,
    movement_of,
    uneven,
    with_facets,
    without_anything,
)

JS = Path(__file__).parents[2] / "js"


@pytest.fixture(scope="module")
def drawn() -> Visualization:
    return with_facets(drawn_visualization())


@pytest.fixture(scope="module")
def drawn_state(drawn: Visualization) -> dict[str, Any]:
    return wire.state(drawn)


def sheet_frames(data: bytes, sheet: dict[str, Any], count: int) -> NDArray[np.int64]:
    """Cut the JPEG of a clip into its frames: a second implementation of the layout."""
    with Image.open(io.BytesIO(data)) as image:
        whole = np.asarray(image.convert("RGB")).astype(int)
    (height, width), (down, across) = sheet["size"], sheet["tile"]
    positions = [divmod(frame, sheet["columns"]) for frame in range(count)]
    return np.stack([whole[y * down : y * down + height, x * across : x * across + width] for y, x in positions])


def is_near(frames: NDArray[Any], wanted: NDArray[np.uint8]) -> bool:
    """Return whether frames are those that were sent, within the error of a JPEG, and no neighbouring ones."""
    error = np.abs(frames - wanted).mean()
    return bool(frames.shape == wanted.shape and error < 5)


def test_the_committed_examples_are_up_to_date() -> None:
    written = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert_same(written, json.loads(json.dumps(make())), "python -m tests.widgets.visualization_examples")


def test_every_clip_travels_once_and_rows_refer_to_it(drawn: Visualization, drawn_state: dict[str, Any]) -> None:
    state = drawn_state
    used = {index for one in drawn for index in (*one.facet.members[:6], one.neighbours[0].clip)}  # type: ignore[union-attr]
    assert len(state["frames"]) == len(state["lengths"]) == 2 * len(drawn) + len(used)

    def sent(clip: int) -> NDArray[np.int64]:
        return sheet_frames(state["frames"][clip], state["sheet"], state["lengths"][clip])

    for one, row in zip(drawn, state["rows"], strict=True):
        assert is_near(sent(row["made"]), one.clip.frames)
        assert is_near(sent(row["start"]), one.start.frames)
        nearest = one.neighbours[0]
        assert is_near(sent(row["nearest"]["clip"]), drawn.clips[nearest.clip].frames)
        assert (row["nearest"]["index"], row["nearest"]["distance"]) == (nearest.clip, nearest.distance)
        assert row["nearest"]["label"] == drawn.labels[nearest.clip]
        for member, index in zip(row["facet"]["members"], one.facet.members, strict=False):  # type: ignore[union-attr]
            assert is_near(sent(member["clip"]), drawn.clips[index].frames)
    assert state["lengths"][state["rows"][0]["start"]] == 1, "a still is one frame"


def test_previews_travel_without_the_last_one_which_is_the_made_clip(
    drawn: Visualization, drawn_state: dict[str, Any]
) -> None:
    previews = iter(drawn_state["previews"])
    for one, row in zip(drawn, drawn_state["rows"], strict=True):
        assert row["steps"] == list(one.preview_steps)
        for preview in one.previews[:-1]:
            frames = sheet_frames(next(previews), drawn_state["preview_sheet"], len(preview))
            assert is_near(frames, preview)
    assert next(previews, None) is None
    state = wire.state(uneven(small_visualization()))
    assert [len(row["steps"]) for row in state["rows"]] == [3, 2]
    assert len(state["previews"]) == 3
    assert wire.state(without_anything(small_visualization()))["previews"] == []


def test_arrows_are_the_movement_to_the_next_frame(drawn: Visualization, drawn_state: dict[str, Any]) -> None:
    one = replace(drawn.syntheses[0], flow=None)
    state = wire.state(replace(drawn, syntheses=(drawn.syntheses[0], one)))
    flow, data = state["rows"][0]["flow"], state["flows"][0]
    codes = np.frombuffer(zlib.decompress(data), np.int8).reshape(*flow["shape"], 2)
    assert flow["shape"] == [15, 12, 12]
    wanted = np.array(movement_of(drawn.syntheses[0]))
    np.testing.assert_allclose(codes / 127 * flow["scale"], wanted, atol=flow["scale"] / 250)
    assert np.abs(codes).max() == 127
    assert (state["rows"][1]["flow"], state["flows"][1]) == (None, b"")


def test_a_dot_that_moves_to_the_right_has_arrows_to_the_right_and_one_that_stands_still_has_none() -> None:
    small = small_visualization()
    flow = np.zeros((6, 12, 12, 2), np.float16)
    flow[..., 0] = -np.arange(6)[:, None, None]
    picture = np.zeros((12, 12), np.uint8)
    picture[4, 2] = 255
    y, x = np.indices((12, 12))
    for frame in range(6):  # each pixel comes from the pixel of the still that the flow names
        columns = np.clip(x + flow[frame, ..., 0].astype(int), 0, 11)
        assert np.argwhere(picture[y, columns]).tolist() == [[4, 2 + frame]]
    first, second = small
    still = replace(second, flow=np.ones_like(flow))
    state = wire.state(replace(small, syntheses=(replace(first, flow=flow), still)))
    codes = [np.frombuffer(zlib.decompress(data), np.int8).reshape(5, 12, 12, 2) for data in state["flows"]]
    assert (codes[0][..., 0] == 127).all()
    assert not codes[0][..., 1].any()
    assert not codes[1].any()
    assert [row["flow"]["scale"] for row in state["rows"]] == [1, 0]


def test_numbers_of_a_row_are_those_of_the_synthesis() -> None:
    small = small_visualization()
    one, row = small.syntheses[0], wire.state(small)["rows"][0]
    for name in ("name", "objective", "score", "start_score", "motion", "seconds", "is_moved", "ratio", "best_real"):
        assert row[name] == getattr(one, name)
    assert (row["real_count"], row["restarts"]) == (4, [3, 2])
    assert row["best"] == [{"name": "kick", "probability": 0.9}, {"name": "punch", "probability": 0.1}]
    assert row["control"] == row["start_best"] == row["verdicts"][0]["shuffled"] == row["best"][::-1]
    assert row["verdicts"][0]["names_target"] is True
    facet = wire.state(small)["rows"][1]["facet"]
    assert (facet["cosine"], facet["spread"], facet["size"]) == (0.97, 0.9, 2)
    assert [member["index"] for member in facet["members"]] == [2, 3]


def test_a_curve_has_few_points_with_both_ends_and_no_infinite_number() -> None:
    small = small_visualization()
    curve = np.linspace(0, 1, 1000, dtype=np.float32)
    curve[:3] = np.nan, np.inf, 7
    found = wire.state(replace(small, syntheses=(replace(small.syntheses[0], curve=curve),)))["rows"][0]["curve"]
    assert len(found["steps"]) == len(found["values"]) == wire.CURVE
    assert (found["steps"][0], found["steps"][-1]) == (0, 999)
    assert found["values"][0] is None
    assert [found["values"][k] for k in (-1, 80)] == [1, pytest.approx(curve[found["steps"][80]], rel=1e-5)]
    short = wire.state(small)["rows"][0]["curve"]
    assert short["steps"] == list(range(10))


@pytest.mark.parametrize("size", [64, 112])
def test_ten_made_clips_with_previews_fit_in_the_output_of_a_cell(size: int) -> None:
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 255, (16, 12, 12, 3), np.uint8)
    big = np.stack([np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in smooth])
    noisy = np.clip(big.astype(int) + rng.integers(-12, 12, big.shape), 0, 255).astype(np.uint8)
    small = small_visualization()
    made = tuple(
        replace(
            small.syntheses[0],
            clip=Clip(np.roll(noisy, k, 2)),
            start=Clip(noisy[:1]),
            flow=rng.normal(size=(16, size, size, 2)).astype(np.float16),
            preview_steps=tuple(range(8)),
            previews=np.stack([np.roll(noisy, k + 3 * step, 2) for step in range(8)]),
            neighbours=(replace(small.syntheses[0].neighbours[0], clip=k),),
        )
        for k in range(10)
    )
    real = tuple(Clip(np.roll(noisy, k, 1)) for k in range(10))
    state = wire.state(replace(small, syntheses=made, clips=real, labels=("kick",) * 10))
    total = sum(len(data) for name in ("frames", "previews", "flows") for data in state[name])
    assert total <= MAX_BYTES
    assert min(state["sheet"]["size"]) >= 64
    assert min(state["preview_sheet"]["size"]) >= 32
    assert len(state["previews"]) == 70


def test_short_clips_lie_in_the_columns_of_the_longest() -> None:
    rng = np.random.default_rng(1)
    clips = [np.repeat(rng.integers(0, 255, (count, 1, 1, 3), np.uint8), 16, 1).repeat(16, 2) for count in (1, 3, 10)]
    sheets, sheet = pack_clips(clips)
    assert sheet["columns"] == 4
    for data, clip in zip(sheets, clips, strict=True):
        assert is_near(sheet_frames(data, sheet, len(clip)), clip)
    with Image.open(io.BytesIO(sheets[0])) as image:
        assert image.size == (16, 16), "a still has no columns beside it"


def test_clips_fit_also_where_every_second_one_is_much_larger() -> None:
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 255, (4, 64, 64, 3), np.uint8)
    clips = [noise if k % 2 else np.zeros_like(noise) for k in range(8)]
    sheets, sheet = pack_clips(clips, 30_000, ((64, 90), (32, 60), (16, 40)))
    assert sum(map(len, sheets)) <= 30_000
    assert sheet["size"] == [32, 32]
    assert pack_clips(clips, 10, ((64, 90), (16, 40)))[1]["size"] == [16, 16], "the last one is sent in any case"


def test_python_and_javascript_declare_the_same_traits() -> None:
    text = (JS / "src" / "visualization" / "traits.js").read_text()
    block = re.search(r"@typedef \{Object\} VisualizationViewerState(.*?)\*/", text, re.S)
    assert block
    kinds = {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}
    names = {name for name in VisualizationViewer.class_trait_names(sync=True) if not name.startswith("_")}
    assert set(kinds) == names - {"layout", "tabbable", "tooltip"}
    expected = {traitlets.Int: "number", traitlets.Bool: "boolean", traitlets.Unicode: "string"}
    for name, kind in kinds.items():
        simple = expected.get(type(VisualizationViewer.class_traits(sync=True)[name]))
        assert kind == simple if simple else any(word in kind for word in ("[]", "Record")), name


# The widget


def test_the_view_opens_with_the_made_clips_playing() -> None:
    viewer = small_visualization().view(title="why")
    assert isinstance(viewer, VisualizationViewer)
    assert (viewer.selected, viewer.frame, viewer.step) == (-1, 0, 2)
    assert (viewer.arrows, viewer.playing, viewer.title) == (False, True, "why")
    viewer.close()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("selected", 2, r"selected must be -1 for none or lie in 0\.\.1, got 2"),
        ("selected", -2, "selected must be -1 for none"),
        ("selected", "kick", "selected must be -1 for none"),
        ("frame", 6, r"frame must lie in 0\.\.5, got 6"),
        ("step", 3, r"step must lie in 0\.\.2, got 3"),
        ("step", 0.5, "step must be a whole number"),
        ("arrows", 2, "arrows must be True or False"),
        ("playing", None, "playing must be True or False"),
    ],
)
def test_values_that_cannot_be_shown_are_refused(name: str, value: Any, message: str) -> None:
    small = small_visualization()
    with pytest.raises(traitlets.TraitError, match=message):
        small.view(**{name: value})
    viewer = small.view()
    before = getattr(viewer, name)
    with pytest.raises(traitlets.TraitError):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    viewer.close()


def test_an_unknown_first_value_is_refused() -> None:
    with pytest.raises(TypeError, match="view has no 'threshold'; it takes selected, frame"):
        small_visualization().view(threshold=0.4)


def test_what_is_selected_can_be_observed_and_linked() -> None:
    viewer, other, seen = small_visualization().view(), small_visualization().view(), []
    viewer.observe(lambda change: seen.append(change.new), "selected")
    traitlets.link((viewer, "frame"), (other, "frame"))
    viewer.set_state({"selected": 1, "frame": 4})  # as the browser sends it
    viewer.set_state({"selected": -1})
    assert (seen, other.frame) == ([1, -1], 4)
    viewer.close()
    other.close()


# Pages


def test_a_page_holds_the_complete_state(drawn: Visualization) -> None:
    bundle, state = exports.viewer_state(drawn, "why", {"step": 3, "arrows": True})
    assert bundle == viewer_module.BUNDLE
    read = read_data(page([(bundle, state)]))["widgets"][0]["state"]
    names = {name for name in VisualizationViewer.class_trait_names(sync=True) if not name.startswith("_")}
    assert set(read) == names - {"layout", "tabbable", "tooltip"}
    assert (read["step"], read["arrows"], read["title"], read["caveats"]) == (3, True, "why", list(drawn.caveats))
    viewer = ne.widgets.VisualizationViewer(drawn, title="why", step=3, arrows=True)
    assert read_data(page([viewer]))["widgets"][0]["state"] == read
    viewer.close()


def test_to_html_and_a_cell_show_the_viewer(tmp_path: Path) -> None:
    small = small_visualization()
    path = small.to_html(tmp_path / "page.html", selected=1, playing=False)
    (found,) = read_data(path.read_text(encoding="utf-8"))["widgets"]
    assert (found["module"], found["state"]["selected"]) == ("visualization_viewer", 1)
    bundle = small._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"].count("<iframe") == 1
    assert data["image/png"]
    viewer = small.view()
    live = viewer._repr_mimebundle_()
    assert (live[0] if isinstance(live, tuple) else live)["text/html"].count("<iframe") == 1
    viewer.close()

"""State of the tube viewer: precision of maps, agreement of traits with JavaScript, range checks, pages, caveats."""

from __future__ import annotations

import base64
import dataclasses
import gc
import gzip
import io
import re
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import pytest
import traitlets
from ipywidgets import Widget
from numpy.typing import NDArray
from PIL import Image

from notebook_explain import CompareViewer, TubeViewer, display
from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry, LayerMap, TargetResult
from notebook_explain.widgets import PyramidViewer, base, compare_viewer, page, pyramid_viewer, tube_viewer
from notebook_explain.widgets.html import read_data
from notebook_explain.widgets.wire import common
from notebook_explain.widgets.wire import tubes as tubes_wire
from tests.example_values import small_tubes
from tests.widgets.random_pyramids import random_pyramid

ROOT = Path(__file__).parents[2]


def unpack(data: bytes, width: int, levels: list[float]) -> NDArray[np.float64]:
    """Decode a packed map, as fractions of its scale: a second implementation of the definition."""
    if width == 2:
        return np.frombuffer(data, "<i2") / 32767
    codes = np.frombuffer(data, "i1").astype(int)
    return np.sign(codes) * np.array(levels)[np.abs(codes)]


@pytest.mark.parametrize("large", [False, True])
def test_maps_are_decoded_within_a_step_and_keep_every_sign(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(tubes_wire, "SMALL_MAP", 0)
    tubes = small_tubes()
    tubes.layers[0].values[0, 0, 0, :2] = 1e-9, -1e-9
    viewer = tubes.view()
    for target in range(2):
        for layer, sent in zip(tubes.layers, viewer.layers, strict=True):
            assert sent["bytes"] == (1 if large else 2)
            end = sent["offset"] + int(np.prod(sent["shape"])) * sent["bytes"]
            buffer = viewer.maps[target][sent["offset"] : end]
            share = unpack(buffer, sent["bytes"], sent["levels"][target]).reshape(sent["shape"])
            true = layer.values[target].astype(np.float64) / sent["scale"][target]
            tiny = 1.001 / 32767  # nearly 0 is sent as the smallest code of two bytes
            step = np.where(np.abs(true) < 0.01, 0.004, 0.01) if large else np.maximum(0.501 / 32767, tiny)
            assert (np.abs(share - true) <= step).all()
            np.testing.assert_array_equal(np.sign(share), np.sign(true))
            if large:  # nothing crosses a stop of the threshold's slider
                stops = np.arange(1, 101) / 100 - 1e-6
                np.testing.assert_array_equal(
                    np.searchsorted(stops, np.abs(share), "right"), np.searchsorted(stops, np.abs(true), "right")
                )
            assert sent["scale"][target] == pytest.approx(np.abs(layer.values[target]).max())
    viewer.close()


def test_only_large_maps_have_one_byte_per_value() -> None:
    assert [tubes_wire.bytes_per_value(np.zeros(shape, np.float32)) for shape in ((8, 32, 32), (8, 33, 32))] == [2, 1]


def test_layers_with_the_same_map_share_their_bytes() -> None:
    tubes = small_tubes()
    twin = dataclasses.replace(tubes.layers[0], name="twin")
    viewer = dataclasses.replace(tubes, layers=(*tubes.layers, twin)).view()
    assert viewer.layers[2]["offset"] == viewer.layers[0]["offset"]
    assert len(viewer.maps[0]) == sum(2 * layer.values[0].size for layer in tubes.layers)
    viewer.close()


def test_a_map_of_zeros_is_sent() -> None:
    tubes = small_tubes(targets=1)
    empty = LayerMap("none", "named", np.zeros_like(tubes.layers[1].values), tubes.layers[1].geometry)
    viewer = dataclasses.replace(tubes, layers=(empty,)).view()
    assert viewer.layers[0]["scale"] == [0.0]
    assert set(viewer.maps[0]) == {0}
    viewer.close()


def test_frames_are_sent_as_jpegs() -> None:
    tubes = small_tubes()
    viewer = tubes.view()
    assert len(viewer.frames) == len(tubes.clip)
    for jpeg in viewer.frames:
        with Image.open(io.BytesIO(jpeg)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (12, 12))
    viewer.close()


def _typedef() -> dict[str, str]:
    text = "\n".join(path.read_text() for path in sorted((ROOT / "js" / "src").rglob("*.js")))
    block = re.search(r"@typedef \{Object\} TubeViewerState(.*?)\*/", text, re.S)
    assert block, "js/src must hold the typedef TubeViewerState"
    return {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}


def test_python_and_javascript_declare_the_same_traits() -> None:
    names = {name for name in TubeViewer.class_trait_names(sync=True) if not name.startswith("_")}
    names -= {"layout", "tabbable", "tooltip"}
    kinds = _typedef()
    assert set(kinds) == names
    traits = TubeViewer.class_traits(sync=True)
    for name, trait in ((name, traits[name]) for name in names):
        expected = {
            traitlets.Int: "number",
            traitlets.Float: "number",
            traitlets.Bool: "boolean",
            traitlets.Unicode: "string",
            traitlets.Enum: "string",
        }.get(type(trait))
        if expected:
            assert kinds[name] == expected + (" | null" if trait.allow_none else ""), name
        else:
            assert "[]" in kinds[name] or "Array" in kinds[name] or "PictureState" in kinds[name], name


def test_the_viewer_opens_on_the_last_layer_at_its_brightest_frame() -> None:
    tubes = small_tubes()
    viewer = tubes.view()
    assert viewer.layer == 1
    assert viewer.frame == int(tubes.volume().clip(min=0).sum(axis=(1, 2)).argmax())
    named = tubes.view(layer="stem", threshold=0.7, target="class 1")
    assert (named.layer, named.threshold, named.threshold_by, named.target) == (0, 0.7, "maximum", 1)
    assert (tubes.view().threshold, tubes.view().threshold_by) == (0.4, "default")
    half = tubes.view(share=0.5)
    assert (half.threshold, half.threshold_by) == (0.5, "evidence")
    with pytest.raises(ValueError, match="give one or the other, not both"):
        tubes.view(share=0.5, threshold=0.5)
    viewer.close()
    named.close()


def test_a_closed_viewer_is_released() -> None:
    viewer = small_tubes().view()
    reference = weakref.ref(viewer)
    viewer.close()
    del viewer
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame", 6, r"frame must lie in 0..5, got 6"),
        ("layer", -1, r"layer must lie in 0..1, got -1"),
        ("target", 2, r"target must lie in 0..1, got 2"),
        ("threshold", 1.2, r"threshold must lie in 0..1, got 1.2"),
        ("threshold", float("nan"), r"threshold must lie in 0..1, got nan"),
        ("opacity", -0.1, r"opacity must lie in 0..1, got -0.1"),
        ("speed", 5, r"speed must lie in 0.25..4, got 5"),
        ("against", 2, r"against must lie in 0..1, got 2"),
        ("mode", "3d", r"'mode' .* expected any of \['tube', 'montage'\], not the str '3d'"),
        ("sign", "for", r"'sign' .* expected any of \['both', 'positive', 'negative'\]"),
        ("scale", "layer", r"'scale' .* expected any of \['clip', 'frame'\]"),
        ("colours", "jet", r"'colours' .* expected any of \['diverging', 'sequential'\]"),
    ],
)
def test_values_out_of_range_are_rejected_and_change_nothing(name: str, value: Any, message: str) -> None:
    viewer = small_tubes().view()
    before = getattr(viewer, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    viewer.close()


def test_a_misspelt_option_of_the_view_is_rejected() -> None:
    with pytest.raises(TypeError, match="view has no 'thresold'; it takes frame, layer, threshold"):
        small_tubes().view(thresold=0.9)


def test_a_difference_cannot_be_subtracted_again() -> None:
    tubes = small_tubes()
    both = dataclasses.replace(tubes.targets[0], name="class 0 − class 1", probability=None)
    tubes = dataclasses.replace(tubes, targets=(tubes.targets[0], both))
    with pytest.raises(
        traitlets.TraitError, match="against must be a single class, got 1: 'class 0 − class 1' is a diff"
    ):
        tubes.view(against="class 0 − class 1")


def test_a_view_opens_with_its_first_values() -> None:
    first_values = {
        "mode": "montage",
        "sign": "negative",
        "scale": "frame",
        "colours": "sequential",
        "speed": 0.5,
        "opacity": 0.9,
    }
    viewer = small_tubes().view(against="class 1", **first_values)
    assert {name: getattr(viewer, name) for name in first_values} == first_values
    assert viewer.against == 1
    viewer.close()


def test_an_unknown_layer_for_the_view_is_rejected() -> None:
    with pytest.raises(ValueError, match="layer 'x' is not in these tubes; they have stem, last"):
        small_tubes().view(layer="x")


def test_a_page_of_widgets_holds_every_trait_per_widget_and_every_bundle_once() -> None:
    viewers = [small_tubes(seed=seed).view() for seed in (0, 1)]
    data = read_data(page(viewers, "two"))
    assert list(data["modules"]) == ["tube_viewer"]
    assert set(data["widgets"][0]["state"]) == set(_typedef())
    for sent, viewer in zip(data["widgets"], viewers, strict=True):
        assert sent["state"]["maps"][0] == viewer.maps[0]
        viewer.close()


def test_a_page_of_plain_states_holds_what_a_page_of_widgets_holds() -> None:
    tubes, pyramid = small_tubes(), random_pyramid(2)
    widgets: list[Any] = [
        TubeViewer(tubes, title="tubes", layer="stem", mode="montage"),
        PyramidViewer(pyramid, row="clip", selected=[3, 1, 3]),
        CompareViewer(tubes, tubes, a_layer="stem", titles=("one", "two")),
    ]
    states = [
        ("tube_viewer", tube_viewer.initial_state(tubes, title="tubes", layer="stem", mode="montage")),
        ("pyramid_viewer", pyramid_viewer.initial_state(pyramid, row="clip", selected=[3, 1, 3])),
        ("compare_viewer", compare_viewer.initial_state(tubes, tubes, a_layer="stem", titles=("one", "two"))),
    ]
    of_widgets, of_states = read_data(page(widgets, "three")), read_data(page(states, "three"))
    unused = {name for name in of_widgets["widgets"][2]["state"] if name[:2] in ("c_", "d_")}
    assert unused
    for name in unused:  # sides that a comparison of two does not have
        del of_widgets["widgets"][2]["state"][name]
    assert of_widgets == of_states
    for widget in widgets:
        widget.close()


@pytest.mark.parametrize("viewer", [TubeViewer, CompareViewer, PyramidViewer])
def test_the_code_that_a_widget_sends_is_its_bundle_compressed(viewer: type[Any]) -> None:
    script, style = base.read_bundle(viewer.bundle)
    data = re.search(r'atob\("([A-Za-z0-9+/=]+)"\)', viewer._esm)
    assert data
    assert gzip.decompress(base64.b64decode(data.group(1))).decode() == script
    assert len(viewer._esm) < 0.65 * len(script)
    assert viewer._css == style


def test_a_page_keeps_the_code_of_a_subclass() -> None:
    class Custom(TubeViewer):
        _esm = "export default {}"

    viewers = [TubeViewer(small_tubes()), Custom(small_tubes())]
    data = read_data(page(viewers))
    assert data["modules"]["Custom"]["esm"] == "export default {}"
    assert [widget["module"] for widget in data["widgets"]] == ["tube_viewer", "Custom"]
    for viewer in viewers:
        viewer.close()


def test_a_page_shows_any_anywidget() -> None:
    class Counter(anywidget.AnyWidget):
        _esm = "export default { render({ el }) { el.textContent = 'counter'; } }"
        count = traitlets.Int(3).tag(sync=True)

    counter = Counter()
    data = read_data(page([counter]))
    assert data["modules"]["Counter"]["esm"] == Counter._esm
    assert data["widgets"] == [{"module": "Counter", "state": {"count": 3}}]
    counter.close()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mode", "3d", "mode must be one of 'tube', 'montage'; got '3d'"),
        ("playing", 1, "playing must be True or False, got 1"),
        ("frame", "first", "frame must be a whole number, got 'first'"),
        ("frame", 1.5, "frame must be a whole number, got 1.5"),
        ("opacity", "0.5", "opacity must lie in 0..1, got '0.5'"),
        ("against", -1, "against must lie in 0..1, got -1"),
    ],
)
def test_invalid_first_values_are_errors_of_the_user(name: str, value: Any, message: str) -> None:
    for show in (tube_viewer.initial_state, TubeViewer):
        with pytest.raises(traitlets.TraitError, match=f"^{re.escape(message)}$") as error:
            show(small_tubes(), **{name: value})
        assert isinstance(error.value, UsageError)


def test_first_values_may_be_numpy_numbers() -> None:
    state = tube_viewer.initial_state(small_tubes(), frame=np.int64(2), threshold=np.float32(0.5))
    assert (state["frame"], state["threshold"]) == (2, 0.5)
    assert (type(state["frame"]), type(state["threshold"])) == (int, float)


def test_text_cannot_end_the_elements_of_a_page() -> None:
    evil = "</script><script>alert(1)</script><!--"
    tubes = small_tubes()
    result = dataclasses.replace(tubes.targets[0], name=evil)
    viewer = dataclasses.replace(tubes, targets=(result, tubes.targets[1])).view()
    text = page([viewer], evil, [evil])
    assert "alert(1)</script>" not in text.replace("\\u003c/script>", "")
    assert "<script>alert" not in text
    assert read_data(text)["widgets"][0]["state"]["targets"][0]["name"] == evil
    assert "default-src 'none'" in text
    viewer.close()


def test_the_output_of_a_cell_has_a_picture() -> None:
    bundle, _ = small_tubes()._repr_mimebundle_()
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert picture.size[0] > picture.size[1] > 50
    assert bundle["text/plain"].startswith("Tubes('class 0'")


def test_writing_a_page_opens_no_widget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = []
    monkeypatch.setattr(Widget, "open", opened.append)
    small_tubes().to_html(tmp_path / "page.html")
    small_tubes()._repr_mimebundle_()
    assert opened == []


@pytest.mark.parametrize("show", [lambda: small_tubes()._repr_mimebundle_(), lambda: small_tubes().view()])
def test_running_a_cell_again_closes_the_widgets_of_its_last_run(monkeypatch: pytest.MonkeyPatch, show: Any) -> None:
    runs: list[tuple[str, int]] = []
    monkeypatch.setattr(display.runs, "running_cell", lambda: runs[-1])
    monkeypatch.setattr(display.runs, "_drawn", {})
    monkeypatch.setattr(display.cells, "LARGEST_CELL", 0)
    drawn = []
    original = display.view

    def recording_view(*args: Any, **state: Any) -> Any:
        drawn.append(original(*args, **state))
        return drawn[-1]

    for module in (display, display.cells):
        monkeypatch.setattr(module, "view", recording_view)
    for run in (("cell", 1), ("cell", 1), ("cell", 2), ("other", 3), ("cell", 4)):
        runs.append(run)
        show()
    assert [widget.comm is not None for widget in drawn] == [False, False, False, True, True]


def test_the_wheel_holds_the_bundles(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / run.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    static = {f"notebook_explain/static/{name}" for name in ("tube_viewer.js", "tube_viewer.css", "host.js")}
    assert static | {"notebook_explain/models/demo/weights.pt"} <= names
    assert not [name for name in names if name.startswith(("tests/", "js/"))]


# Rivals and caveats


def _state(**changes: Any) -> dict[str, Any]:
    tubes = small_tubes()
    targets = tuple(dataclasses.replace(target, **changes) for target in tubes.targets)
    return tubes_wire.state(dataclasses.replace(tubes, targets=targets))


def test_each_target_comes_with_its_rival_and_the_best_classes() -> None:
    first, second = tubes_wire.state(small_tubes())["targets"]
    assert first["rival"] == {"name": "class 1", "probability": 0.3}
    assert second["rival"] == {"name": "class 0", "probability": 0.6}
    assert [guess["name"] for guess in first["best"]] == ["class 0", "class 1"]
    assert _state(probability=None)["targets"][0]["rival"] is None
    assert _state(top5=())["targets"][0]["rival"] is None


def test_a_class_of_a_named_head_is_not_its_own_rival() -> None:
    result = TargetResult("verb: run", 0, "verb", 1.0, 0.6, top5=(("run", 0.6), ("walk", 0.3)))
    assert common.target_state(result)["rival"]["name"] == "walk"


def test_an_unlikely_class_has_a_caveat_with_the_first_choice() -> None:
    found = _state(probability=0.04)["caveats"]
    assert "The model gives 'class 1' only 4.0 %; its first choice is 'class 0' (60 %)." in found
    assert not [text for text in _state(probability=0.5)["caveats"] if "only" in text]


def test_a_coarse_map_has_a_caveat_with_its_stretch() -> None:
    tubes = small_tubes(size=48, time=16)
    coarse = LayerMap("last", "block", np.ones((2, 2, 7, 7), np.float32), Geometry.even((2, 7, 7), tubes.clip.size))
    fine = LayerMap(
        "first", "block", np.ones((2, 16, 24, 24), np.float32), Geometry.even((16, 24, 24), tubes.clip.size)
    )
    flat = LayerMap("wide", "block", np.ones((2, 16, 4, 4), np.float32), Geometry.even((16, 4, 4), tubes.clip.size))
    found = [
        layer["caveats"] for layer in tubes_wire.pack_maps(dataclasses.replace(tubes, layers=(coarse, fine, flat)))[0]
    ]
    assert found == [
        [
            "This map has 2×7×7 cells, enlarged 7 times in space and 8 times in time: detail finer than a cell is not evidence."
            " It fades beyond the outermost cell centres, where it is held constant."
        ],
        [],
        [
            "This map has 16×4×4 cells, enlarged 12 times: detail finer than a cell is not evidence."
            " It fades beyond the outermost cell centres, where it is held constant."
        ],
    ]


def test_an_incomplete_map_has_a_caveat_unless_only_the_bias_is_missing() -> None:
    tubes = small_tubes()  # logits 1.5 and 0.5, bias 0.1
    layers = [
        dataclasses.replace(tubes.layers[0], kind=kind, gap=np.array(gap, np.float32))
        for kind, gap in (("block", (0.6, 0.0)), ("block", (0.1, 0.1)), ("pooling input", (0.6, 0.6)))
    ]
    found = [
        layer["unaccounted"] for layer in tubes_wire.pack_maps(dataclasses.replace(tubes, layers=tuple(layers)))[0]
    ]
    caveat = (
        "This layer's map accounts for 0.9 of the score of 1.5 for 'class 0'; the rest cannot be assigned to positions."
    )
    assert found == [[caveat, ""], ["", ""], ["", ""]]

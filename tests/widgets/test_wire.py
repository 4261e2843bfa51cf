"""What travels to the browser: maps within half a step of an int8, traits as the JS side lists them, pages without holes."""

from __future__ import annotations

import base64
import dataclasses
import gc
import io
import json
import re
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from PIL import Image

from notebook_explain import TubeViewer, display
from notebook_explain.explanations import LayerMap
from notebook_explain.widgets import page
from tests.values import small_tubes

ROOT = Path(__file__).parents[2]


def test_maps_come_back_within_half_a_step() -> None:
    tubes = small_tubes()
    viewer = tubes.view()
    for target in range(2):
        buffer = np.frombuffer(viewer.maps[target], np.int8)
        for layer, sent in zip(tubes.layers, viewer.layers, strict=True):
            n = int(np.prod(sent["shape"]))
            values = buffer[sent["offset"] : sent["offset"] + n].reshape(sent["shape"]) / 127 * sent["scale"][target]
            np.testing.assert_allclose(values, layer.values[target], atol=sent["scale"][target] / 254 * 1.001)
            assert sent["scale"][target] == pytest.approx(np.abs(layer.values[target]).max())
    viewer.close()


def test_layers_with_the_same_map_share_their_bytes() -> None:
    tubes = small_tubes()
    twin = dataclasses.replace(tubes.layers[0], name="twin")
    viewer = dataclasses.replace(tubes, layers=(*tubes.layers, twin)).view()
    assert viewer.layers[2]["offset"] == viewer.layers[0]["offset"]
    assert len(viewer.maps[0]) == sum(layer.values[0].size for layer in tubes.layers)
    viewer.close()


def test_a_map_of_zeros_travels() -> None:
    tubes = small_tubes(targets=1)
    empty = LayerMap("none", "named", np.zeros_like(tubes.layers[1].values), tubes.layers[1].geometry)
    viewer = dataclasses.replace(tubes, layers=(empty,)).view()
    assert viewer.layers[0]["scale"] == [0.0]
    assert set(viewer.maps[0]) == {0}
    viewer.close()


def test_frames_travel_as_jpegs_of_the_clip() -> None:
    tubes = small_tubes()
    viewer = tubes.view()
    assert len(viewer.frames) == len(tubes.clip)
    for jpeg in viewer.frames:
        with Image.open(io.BytesIO(jpeg)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (12, 12))
    viewer.close()


def _typedef() -> dict[str, str]:
    text = "\n".join(path.read_text() for path in sorted((ROOT / "js" / "src").glob("*.js")))
    block = re.search(r"@typedef \{Object\} TubeViewerState(.*?)\*/", text, re.S)
    assert block, "js/src must hold the typedef TubeViewerState"
    return {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}


def test_python_and_javascript_name_the_same_traits() -> None:
    own = {name for name in TubeViewer.class_trait_names(sync=True) if not name.startswith("_")}
    own -= {"layout", "tabbable", "tooltip"}
    kinds = _typedef()
    assert set(kinds) == own
    traits = TubeViewer.class_traits(sync=True)
    for name, trait in ((name, traits[name]) for name in own):
        expected = {
            traitlets.Int: "number",
            traitlets.Float: "number",
            traitlets.Bool: "boolean",
            traitlets.Unicode: "string",
        }.get(type(trait))
        if expected:
            assert kinds[name] == expected, name
        else:
            assert "[]" in kinds[name] or "Array" in kinds[name], name


def test_the_viewer_opens_on_the_last_layer_at_its_brightest_frame() -> None:
    tubes = small_tubes()
    viewer = tubes.view()
    assert viewer.layer == 1
    assert viewer.frame == int(tubes.volume().clip(min=0).sum(axis=(1, 2)).argmax())
    named = tubes.view(layer="stem", threshold=0.7, target="class 1")
    assert (named.layer, named.threshold, named.target) == (0, 0.7, 1)
    viewer.close()
    named.close()


def test_a_closed_viewer_is_gone() -> None:
    viewer = small_tubes().view()
    gone = weakref.ref(viewer)
    viewer.close()
    del viewer
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame", 6, r"frame must lie in 0..5, got 6"),
        ("layer", -1, r"layer must lie in 0..1, got -1"),
        ("target", 2, r"target must lie in 0..1, got 2"),
        ("threshold", 1.2, r"threshold must lie in 0..1, got 1.2"),
    ],
)
def test_values_out_of_range_are_refused_and_nothing_changes(name: str, value: float, message: str) -> None:
    viewer = small_tubes().view()
    before = getattr(viewer, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    viewer.close()


def test_a_misspelt_option_of_the_view_is_told() -> None:
    with pytest.raises(TypeError, match="view has no 'thresold'; it takes frame, layer, threshold"):
        small_tubes().view(thresold=0.9)


def test_an_unknown_layer_for_the_view_is_named() -> None:
    with pytest.raises(ValueError, match="layer 'x' is not in these tubes; they have stem, last"):
        small_tubes().view(layer="x")


def _data(text: str) -> Any:
    match = re.search(r"<script type='application/json' id='ne-data'>(.*?)</script>", text, re.S)
    assert match
    return json.loads(match.group(1))


def test_a_page_holds_every_trait_once_per_widget_and_every_module_once() -> None:
    viewers = [small_tubes(seed=seed).view() for seed in (0, 1)]
    data = _data(page(viewers, "two"))
    assert list(data["modules"]) == ["TubeViewer"]
    assert set(data["widgets"][0]["state"]) == set(_typedef())
    for sent, viewer in zip(data["widgets"], viewers, strict=True):
        assert base64.b64decode(sent["state"]["maps"][0]["$b64"]) == viewer.maps[0]
        viewer.close()


def test_texts_on_a_page_cannot_leave_their_place() -> None:
    evil = "</script><script>alert(1)</script><!--"
    tubes = small_tubes()
    result = dataclasses.replace(tubes.targets[0], name=evil)
    viewer = dataclasses.replace(tubes, targets=(result, tubes.targets[1])).view()
    text = page([viewer], evil, [evil])
    assert "alert(1)</script>" not in text.replace("\\u003c/script>", "")
    assert "<script>alert" not in text
    assert _data(text)["widgets"][0]["state"]["targets"][0]["name"] == evil
    assert "default-src 'none'" in text
    viewer.close()


def test_a_cell_shows_the_widget_and_a_picture() -> None:
    bundle, _ = small_tubes()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert picture.size[0] > picture.size[1] > 50
    assert bundle["text/plain"].startswith("Tubes('class 0'")


def test_running_a_cell_again_closes_what_its_last_run_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter([("cell", 1), ("cell", 1), ("cell", 2), ("other", 3), ("cell", 4)])
    monkeypatch.setattr(display, "_cell", lambda: next(runs))
    monkeypatch.setattr(display, "_drawn", {})
    drawn = []
    original = display.view

    def remembering(*args: Any, **state: Any) -> Any:
        drawn.append(original(*args, **state))
        return drawn[-1]

    monkeypatch.setattr(display, "view", remembering)
    for _ in range(5):
        small_tubes()._repr_mimebundle_()
    open_ = [widget.comm is not None for widget in drawn]
    assert open_ == [False, False, False, True, True]


def test_the_wheel_holds_the_bundles(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / run.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    static = {f"notebook_explain/static/{name}" for name in ("tube_viewer.js", "tube_viewer.css", "host.js")}
    assert static | {"notebook_explain/models/demo/weights.pt"} <= names
    assert not [name for name in names if name.startswith(("tests/", "js/"))]

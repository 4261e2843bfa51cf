"""Exports of explanations: caveats, privacy and atomic writing of all of them; pages, cell outputs and ipyvolume.

Figures, GIFs, videos and saved files have further tests of their own.
"""

from __future__ import annotations

import base64
import builtins
import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from traitlets import TraitError

import notebook_explain as ne
from notebook_explain import display
from notebook_explain.explanations import Kept, Tubes, kept, shared_volumes
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.geometry import stretch
from notebook_explain.figures import strip_png
from notebook_explain.widgets.html import read_data
from tests.example_values import small_tubes
from tests.figures.example_tubes import CAVEATS, COARSE, LONG, drawn, made
from tests.figures.test_tubes import picture_of

__all__ = ["drawn"]

SYNTHETIC = "The clip is a synthetic sample: wave."


def state_of(page: str) -> list[dict[str, Any]]:
    return [widget["state"] for widget in read_data(page)["widgets"]]


def text_of_page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return " ".join([*(" ".join(state["caveats"]) for state in state_of(text)), html.unescape(text)])


def text_of_embedded(tubes: Tubes) -> str:
    inner = re.search(r'srcdoc="(.*?)"', tubes.embed().html, re.DOTALL)
    assert inner is not None
    return " ".join(caveat for state in state_of(html.unescape(inner.group(1))) for caveat in state["caveats"])


def text_of_figure(tubes: Tubes, path: Path) -> str:
    tubes.figure().savefig(path, format="svg")
    return " ".join(re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8")).split())


def text_of_gif(tubes: Tubes, path: Path) -> str:
    from PIL import Image

    with Image.open(tubes.to_gif(path)) as image:
        return str(image.info["comment"].decode())


def text_of_volume(tubes: Tubes, _: Path) -> str:
    pytest.importorskip("ipyvolume")
    figure = tubes.to_ipyvolume()
    shown = figure._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]["model_id"]
    box = _instances[shown]
    assert box.children[0] is figure
    return html.unescape(box.children[1].value)


EXPORTS = {
    "html": lambda tubes, path: text_of_page(tubes.to_html(path)),
    "embed": lambda tubes, path: text_of_embedded(tubes),
    "figure": text_of_figure,
    "gif": text_of_gif,
    "npz": lambda tubes, path: " ".join(caveats(ne.load(tubes.save(path)))),
    "ipyvolume": text_of_volume,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_every_export_states_that_the_clip_is_synthetic_and_keeps_every_caveat(export: Any, tmp_path: Path) -> None:
    text = export(made(), tmp_path / "out.gif" if export is text_of_gif else tmp_path / "out")
    for caveat in (SYNTHETIC, *CAVEATS):
        assert caveat in text


@pytest.mark.parametrize("method", ["to_gif", "to_video", "embed", "_repr_mimebundle_"])
def test_every_picture_shows_the_caveats(method: str, tmp_path: Path, drawn: list[str]) -> None:
    getattr(made(), method)(*([tmp_path / "out"] if method.startswith("to_") else []))
    text = " ".join(drawn)
    for caveat in (SYNTHETIC, COARSE, *CAVEATS):
        assert caveat in text


SECRET = made(source="/home/me/secret/wave.mp4")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "export", [export for name, export in EXPORTS.items() if name != "npz"], ids=[n for n in EXPORTS if n != "npz"]
)
def test_no_export_but_npz_holds_the_folders_of_the_clip(export: Any, tmp_path: Path) -> None:
    assert "secret" not in export(SECRET, tmp_path / "out.gif" if export is text_of_gif else tmp_path / "out")


def test_the_output_of_a_cell_does_not_hold_the_folders_of_the_clip() -> None:
    for bundle in (SECRET.embed()._repr_mimebundle_()[0], SECRET._repr_mimebundle_()[0]):
        assert "wave.mp4" in bundle["text/plain"]
        assert "secret" not in json.dumps(bundle)


# Pages


def test_a_page_of_several_explanations_names_each(tmp_path: Path) -> None:
    one, other = made(), replace(small_tubes(), clip=replace(small_tubes().clip, source="/secret/jump.mp4"))
    path = ne.to_html([one, other], tmp_path / "p.html", title="Two <of> them")
    text = path.read_text(encoding="utf-8")
    states = state_of(text)
    assert [state["title"] for state in states] == [
        "Why 'wave'? (synthetic sample: wave)",
        "Why 'class 0'? (jump.mp4)",
    ]
    assert [state["size"] for state in states] == [[6, 24, 24], [6, 12, 12]]
    assert "<h1>Two &lt;of&gt; them</h1>" in text
    assert list(read_data(text)["modules"]) == ["tube_viewer"], "the page holds the viewer's code once"
    assert "jump.mp4): by hand of none" in html.unescape(text)
    assert "secret" not in text


def test_method_and_function_write_the_same_page(tmp_path: Path) -> None:
    one = made().to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    assert ne.to_html(made(), tmp_path / "b.html").read_text(encoding="utf-8") == one
    assert ne.to_html(iter([made()]), tmp_path / "c.html").read_text(encoding="utf-8") == one
    assert "<h1>Why &#x27;wave&#x27;?</h1>" in one
    assert state_of(one)[0]["title"] == ""


def test_a_page_opens_with_its_first_values(tmp_path: Path) -> None:
    first_values = {"layer": "stem", "target": "class 1", "threshold": 0.75, "mode": "montage", "frame": 2}
    text = small_tubes().to_html(tmp_path / "a.html", **first_values).read_text(encoding="utf-8")
    expected = {**first_values, "layer": 0, "target": 1}
    assert {name: state_of(text)[0][name] for name in first_values} == expected
    assert "<title>Why &#x27;class 1&#x27;?</title>" in text
    assert len(state_of(text)[0]["targets"]) == 2, "the page holds the other class too"
    text = ne.to_html([small_tubes(), small_tubes()], tmp_path / "b.html", "Two", **first_values).read_text(
        encoding="utf-8"
    )
    assert [{name: state[name] for name in first_values} for state in state_of(text)] == [expected] * 2
    assert [state["title"] for state in state_of(text)] == ["Why 'class 1'? (by hand)"] * 2


@pytest.mark.parametrize(
    ("first_values", "kind", "message"),
    [
        ({"layer": "steam"}, ValueError, "layer 'steam' is not in these tubes; they have stem, last"),
        ({"target": "wave"}, ValueError, "target 'wave' is not among those computed"),
        ({"threshold": 2}, TraitError, "threshold must lie in 0..1, got 2"),
        ({"colour": "red"}, TypeError, "view has no 'colour'; it takes "),
    ],
)
def test_a_page_with_an_invalid_first_value_is_not_written(
    tmp_path: Path, first_values: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        small_tubes().to_html(tmp_path / "a.html", **first_values)
    assert list(tmp_path.iterdir()) == []


def test_a_page_without_explanations_is_rejected_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "p.html"
    path.write_text("old page")
    with pytest.raises(ValueError, match="there is nothing to show; give at least one explanation"):
        ne.to_html([], path)
    with pytest.raises(TypeError, match="a page shows explanations, such as tubes; got str, Clip"):
        ne.to_html([made(), "wave", made().clip], path)  # type: ignore[list-item]
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old page"]


@pytest.mark.parametrize("method", ["to_html", "to_gif", "to_video", "save"])
@pytest.mark.parametrize(
    ("path", "message"), [(".", "'.' is a folder"), ("nowhere/x", "no folder 'nowhere' to write 'x")]
)
def test_a_path_that_cannot_be_written_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=re.escape(message)):
        getattr(made(), method)(path)
    assert list(tmp_path.iterdir()) == []


def test_making_a_page_creates_no_widget(tmp_path: Path) -> None:
    before = set(_instances)
    ne.to_html([made(), made()], tmp_path / "p.html")
    made().embed()
    assert set(_instances) == before


# Cell outputs


def test_the_output_of_a_cell_stretches_its_layer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counting_stretch(values: Any, geometry: Any, size: Any) -> Any:
        sizes.append(size)
        return stretch(values, geometry, size)

    monkeypatch.setattr(shared_volumes, "stretch", counting_stretch)
    tubes = small_tubes()
    monkeypatch.setattr(display.cells, "LARGEST_CELL", 0)  # the widget too
    tubes._repr_mimebundle_()
    assert sizes == [tubes.clip.size]
    tubes.embed()
    assert len(sizes) == 2, "the volume is not kept after the output is made"


def test_an_output_counts_each_map_once(monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds = []

    def counting_kept(volume: Any, peak: Any, threshold: float) -> Kept:
        thresholds.append(threshold)
        return kept(volume, peak, threshold)

    monkeypatch.setattr("notebook_explain.explanations.layer_maps.kept", counting_kept)
    tubes = small_tubes()
    tubes.view()._repr_mimebundle_()
    assert thresholds == [tubes.threshold()]
    tubes.kept(0.5), tubes.kept(0.5)
    assert thresholds[1:] == [0.5, 0.5], "nothing is shared outside of an output"
    with shared_volumes.share_volumes():
        assert tubes.kept(0.1) != tubes.kept(0.9)
        assert tubes.kept(0.1, target=0) != tubes.kept(0.1, target=1)
        assert tubes.threshold(share=0.1) > tubes.threshold(share=0.9)


def test_volumes_are_writable_outside_of_outputs() -> None:
    assert small_tubes().volume().flags.writeable
    with shared_volumes.share_volumes():
        assert small_tubes().volume() is not small_tubes().volume()
        tubes = small_tubes()
        assert tubes.volume() is replace(tubes, targets=tubes.targets[:1]).volume()
        assert not tubes.volume().flags.writeable


def test_a_cell_shows_the_page() -> None:
    bundle, _ = made()._repr_mimebundle_()
    assert sorted(bundle) == ["image/png", "text/html", "text/plain"]
    assert "<iframe" in bundle["text/html"]
    assert bundle["image/png"] in bundle["text/html"], "the picture is below the page"
    assert bundle["text/plain"].startswith("Tubes('wave'")


def data_in(bundle: dict[str, str]) -> Any:
    inner = re.search(r'srcdoc="(.*?)"', bundle["text/html"], re.DOTALL)
    assert inner is not None
    return read_data(html.unescape(inner.group(1)))


def test_a_page_too_large_for_a_cell_shows_the_widget_and_is_saved_as_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tubes = made()
    monkeypatch.setattr(display.cells, "LARGEST_CELL", 10_000)
    monkeypatch.setattr(display.runs, "running_cell", lambda: (None, "request of a program"))
    (widget,) = data_in(tubes._repr_mimebundle_()[0])["widgets"]
    assert "state" in widget, "no limit without a front end"
    for cell in (("cell of JupyterLab", 1), (None, None)):
        monkeypatch.setattr(display.runs, "running_cell", lambda cell=cell: cell)
        bundle, _ = tubes._repr_mimebundle_()
        assert sorted(bundle) == ["image/png", "text/html", "text/plain"]
        (widget,) = data_in(bundle)["widgets"]
        assert sorted(widget) == ["link"]
        assert widget["link"]["id"] in [each._page_id for each in _instances.values() if hasattr(each, "_page_id")]
        text = html.unescape(html.unescape(bundle["text/html"]))
        assert "This view is too large to be saved in the notebook." in text
        assert text.count(bundle["image/png"]) == 2, "on the page, and below it for where pages are removed"
        assert bundle["text/plain"].startswith("Tubes('wave'")


def test_a_widget_in_a_cell_is_a_page_of_its_state_that_finds_the_widget() -> None:
    tubes = made()
    viewer = tubes.view(threshold=0.2)
    viewer.frame = 3
    bundle, _ = viewer._repr_mimebundle_()
    assert sorted(bundle) == ["image/png", "text/html", "text/plain"]
    (widget,) = data_in(bundle)["widgets"]
    assert (widget["state"]["frame"], widget["state"]["threshold"]) == (3, 0.2)
    assert widget["link"]["id"] == viewer._page_id
    assert set(widget["link"]["movable"]) | set(widget["link"]["content"]) == set(widget["state"])
    assert tubes.view()._page_id != viewer._page_id


def test_two_explanations_in_a_cell_are_a_page_with_a_picture_of_both() -> None:
    bundle, _ = ne.compare(made(), made(name="kick"), titles=("one", "two"))._repr_mimebundle_()
    (widget,) = data_in(bundle)["widgets"]
    assert widget["state"]["titles"] == ["one", "two"]
    assert [line[:12] for line in bundle["text/plain"].split("\n")] == ["Tubes('wave'", "Tubes('kick'"]
    heights = [len(picture_of(strip_png(tubes))) for tubes in (made(), made(name="kick"))]
    assert len(picture_of(base64.b64decode(bundle["image/png"]))) == sum(heights)


@pytest.mark.parametrize("front_end", ["google.colab", "VSCODE_PID"])
def test_where_pages_cannot_find_widgets_a_cell_holds_the_widget(
    front_end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", sys) if "." in front_end else monkeypatch.setenv(front_end, "1")
    bundle, _ = made().view()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_text_of_a_model_cannot_end_the_element_of_the_page() -> None:
    evil = "\"'></iframe></script><script>alert(1)</script>"
    bundle, _ = made(name=evil, source=f"/x/{evil}", caveats=(evil,)).embed()._repr_mimebundle_()
    text = bundle["text/html"]
    assert text.count("<iframe") == text.count("</iframe>") == 1
    assert "<script" not in text
    assert re.fullmatch(r"<div [^<>]*><img [^<>]*><div [^<>]*><iframe [^<>]*></iframe></div></div>", text)


def test_the_repr_of_an_embedded_page_is_one_line() -> None:
    assert re.fullmatch(r"Embedded\(Tubes\('wave'; .*\), [\d,]+ bytes\)", repr(made().embed()))


# ipyvolume


@pytest.fixture
def volume() -> Any:
    pytest.importorskip("ipyvolume", reason="pip install -e '.[ipyvolume]'")
    return made(5, 20, 30).to_ipyvolume(threshold=0.3)


def test_the_volume_is_the_stretched_map_with_its_extent(volume: Any) -> None:
    tubes = made(5, 20, 30)
    (shown,) = volume.volumes
    expected = tubes.volume()[:, ::-1] / tubes.layer().peak()  # y points up in space, down in an image
    np.testing.assert_allclose(shown.data_original, expected, rtol=1e-5)
    assert shown.extent_original == [[0, 30], [0, 20], [0, 5]]
    assert (shown.data_min, shown.data_max) == (-1, 1)


def test_the_volume_is_transparent_below_the_threshold(volume: Any) -> None:
    rgba = volume.volumes[0].tf.rgba
    share = np.linspace(-1, 1, len(rgba))
    np.testing.assert_array_equal(rgba[:, 3] > 0, np.abs(share) >= 0.3)
    assert rgba[-1, 0] > rgba[-1, 2]  # for: red above blue
    assert rgba[0, 2] > rgba[0, 0]


def test_the_volume_leaves_the_current_figure_and_labels_its_axes(volume: Any) -> None:
    import ipyvolume

    mine = ipyvolume.figure()
    made(caveats=()).to_ipyvolume()
    assert ipyvolume.gcf() is mine
    assert volume.zlabel == "time (synthetic)"
    assert made(source="wave.mp4").to_ipyvolume().zlabel == "time"


def test_a_missing_ipyvolume_is_reported_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def import_without_ipyvolume(name: str, *args: Any, **options: Any) -> Any:
        if name.split(".")[0] == "ipyvolume":
            raise ModuleNotFoundError("No module named 'ipyvolume'")
        return import_module(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", import_without_ipyvolume)
    with pytest.raises(
        ImportError, match=r"needs ipyvolume, .*No module named.*pip install ipyvolume ipython_genutils six"
    ):
        made().to_ipyvolume()


def test_exports_import_their_libraries_only_when_called() -> None:
    code = (
        "import sys; from tests.figures.example_tubes import made; made()\n"
        "assert not {'matplotlib', 'ipywidgets', 'ipyvolume', 'tqdm', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_a_long_label_is_shortened_in_the_title_only(tmp_path: Path) -> None:
    text = made(name=LONG * 3).to_html(tmp_path / "p.html").read_text(encoding="utf-8")
    assert len(html.unescape(text.split("<h1>")[1].split("</h1>")[0])) < 100
    assert state_of(text)[0]["targets"][0]["name"] == LONG * 3

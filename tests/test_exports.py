"""What every way out has in common: it says what it is, it keeps its caveats, it writes a whole file or none.

And the ways that no other file tests: several explanations on one page, the page in a cell, ipyvolume.
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
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import caveats
from tests.example_values import small_tubes
from tests.figures.example_tubes import CAVEATS, COARSE, LONG, drawn, made

__all__ = ["drawn"]

SYNTHETIC = "The clip is a synthetic sample: wave."


def state_of(page: str) -> list[dict[str, Any]]:
    data = re.search(r"id='ne-data'>(.*?)</script>", page, re.DOTALL)
    assert data is not None
    return [widget["state"] for widget in json.loads(data.group(1))["widgets"]]


def words_of_page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return " ".join([*(" ".join(state["caveats"]) for state in state_of(text)), html.unescape(text)])


def words_of_embedded(tubes: Tubes) -> str:
    inner = re.search(r'srcdoc="(.*?)"', tubes.embed().html, re.DOTALL)
    assert inner is not None
    return " ".join(caveat for state in state_of(html.unescape(inner.group(1))) for caveat in state["caveats"])


def words_of_figure(tubes: Tubes, path: Path) -> str:
    tubes.figure().savefig(path, format="svg")
    return " ".join(re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8")).split())


def words_of_gif(tubes: Tubes, path: Path) -> str:
    from PIL import Image

    with Image.open(tubes.to_gif(path)) as image:
        return str(image.info["comment"].decode())


def words_of_volume(tubes: Tubes, _: Path) -> str:
    pytest.importorskip("ipyvolume")
    figure = tubes.to_ipyvolume()
    shown = figure._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]["model_id"]
    box = _instances[shown]
    assert box.children[0] is figure
    return html.unescape(box.children[1].value)


WAYS = {
    "html": lambda tubes, path: words_of_page(tubes.to_html(path)),
    "embed": lambda tubes, path: words_of_embedded(tubes),
    "figure": words_of_figure,
    "gif": words_of_gif,
    "npz": lambda tubes, path: " ".join(caveats(ne.load(tubes.save(path)))),
    "ipyvolume": words_of_volume,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_out_says_that_the_clip_is_synthetic_and_keeps_every_caveat(way: Any, tmp_path: Path) -> None:
    said = way(made(), tmp_path / "out.gif" if way is words_of_gif else tmp_path / "out")
    for words in (SYNTHETIC, *CAVEATS):
        assert words in said


@pytest.mark.parametrize("method", ["to_gif", "to_video", "embed", "_repr_mimebundle_"])
def test_every_picture_says_so_where_it_can_be_seen(method: str, tmp_path: Path, drawn: list[str]) -> None:
    getattr(made(), method)(*([tmp_path / "out"] if method.startswith("to_") else []))
    said = " ".join(drawn)
    for words in (SYNTHETIC, COARSE, *CAVEATS):
        assert words in said


SECRET = made(source="/home/me/secret/wave.mp4")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "way", [way for name, way in WAYS.items() if name != "npz"], ids=[n for n in WAYS if n != "npz"]
)
def test_no_way_out_but_the_file_tells_the_folders_of_the_clip(way: Any, tmp_path: Path) -> None:
    assert "secret" not in way(SECRET, tmp_path / "out.gif" if way is words_of_gif else tmp_path / "out")


def test_what_a_cell_keeps_does_not_tell_the_folders_of_the_clip() -> None:
    for bundle in (SECRET.embed()._repr_mimebundle_()[0], SECRET._repr_mimebundle_()[0]):
        assert "wave.mp4" in bundle["text/plain"]
        assert "secret" not in json.dumps(bundle)


# Several on one page


def test_several_explanations_stand_on_one_page_each_with_its_name(tmp_path: Path) -> None:
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
    assert text.count('"esm":') == 1, "the viewer's code travels once"
    assert "jump.mp4): by hand of none" in html.unescape(text)
    assert "secret" not in text


def test_one_explanation_is_a_page_by_either_door(tmp_path: Path) -> None:
    one = made().to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    assert ne.to_html(made(), tmp_path / "b.html").read_text(encoding="utf-8") == one
    assert ne.to_html(iter([made()]), tmp_path / "c.html").read_text(encoding="utf-8") == one
    assert "<h1>Why &#x27;wave&#x27;?</h1>" in one
    assert state_of(one)[0]["title"] == ""


def test_a_page_opens_at_what_is_stated(tmp_path: Path) -> None:
    stated = {"layer": "stem", "target": "class 1", "threshold": 0.75, "mode": "montage", "frame": 2}
    text = small_tubes().to_html(tmp_path / "a.html", **stated).read_text(encoding="utf-8")
    expected = {**stated, "layer": 0, "target": 1}
    assert {name: state_of(text)[0][name] for name in stated} == expected
    assert "<title>Why &#x27;class 1&#x27;?</title>" in text
    assert len(state_of(text)[0]["targets"]) == 2, "the other class is on the page too"
    text = ne.to_html([small_tubes(), small_tubes()], tmp_path / "b.html", "Two", **stated).read_text(encoding="utf-8")
    assert [{name: state[name] for name in stated} for state in state_of(text)] == [expected] * 2
    assert [state["title"] for state in state_of(text)] == ["Why 'class 1'? (by hand)"] * 2


@pytest.mark.parametrize(
    ("stated", "kind", "words"),
    [
        ({"layer": "steam"}, ValueError, "layer 'steam' is not in these tubes; they have stem, last"),
        ({"target": "wave"}, ValueError, "target 'wave' is not among those computed"),
        ({"threshold": 2}, TraitError, "threshold must lie in 0..1, got 2"),
        ({"colour": "red"}, TypeError, "view has no 'colour'; it takes "),
    ],
)
def test_a_page_that_cannot_open_so_is_not_written(
    tmp_path: Path, stated: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=re.escape(words)):
        small_tubes().to_html(tmp_path / "a.html", **stated)
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_nothing_or_of_something_else_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.html"
    path.write_text("of before")
    with pytest.raises(ValueError, match="there is nothing to show; give at least one explanation"):
        ne.to_html([], path)
    with pytest.raises(TypeError, match="a page shows explanations, such as tubes; got str, Clip"):
        ne.to_html([made(), "wave", made().clip], path)  # type: ignore[list-item]
    assert [file.read_text() for file in tmp_path.iterdir()] == ["of before"]


@pytest.mark.parametrize("method", ["to_html", "to_gif", "to_video", "save"])
@pytest.mark.parametrize(
    ("place", "words"), [(".", "'.' is a folder"), ("nowhere/x", "no folder 'nowhere' to write 'x")]
)
def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, place: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=re.escape(words)):
        getattr(made(), method)(place)
    assert list(tmp_path.iterdir()) == []


def test_a_page_leaves_no_widget_behind(tmp_path: Path) -> None:
    before = set(_instances)
    ne.to_html([made(), made()], tmp_path / "p.html")
    made().embed()
    assert set(_instances) == before


# In a cell


def test_a_cell_shows_the_page_itself() -> None:
    bundle, _ = made()._repr_mimebundle_()
    assert sorted(bundle) == ["image/png", "text/html", "text/plain"]
    assert "<iframe" in bundle["text/html"]
    assert bundle["image/png"] in bundle["text/html"], "the picture lies beneath the page"
    assert bundle["text/plain"].startswith("Tubes('wave'")


def test_what_is_too_large_for_a_cell_is_shown_by_the_widget_where_one_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    tubes = made()
    monkeypatch.setattr(display, "LARGEST_CELL", 10_000)
    monkeypatch.setattr(display, "_cell", lambda: (None, "the request of a program"))
    assert sorted(tubes._repr_mimebundle_()[0]) == ["image/png", "text/html", "text/plain"]
    for cell in (("a cell of JupyterLab", 1), (None, None)):
        monkeypatch.setattr(display, "_cell", lambda cell=cell: cell)
        bundle, _ = tubes._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert "text/html" not in bundle
        assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
        assert bundle["text/plain"].startswith("Tubes('wave'")


def test_words_of_a_model_cannot_leave_the_place_of_the_page() -> None:
    evil = "\"'></iframe></script><script>alert(1)</script>"
    bundle, _ = made(name=evil, source=f"/x/{evil}", caveats=(evil,)).embed()._repr_mimebundle_()
    text = bundle["text/html"]
    assert text.count("<iframe") == text.count("</iframe>") == 1
    assert "<script" not in text
    assert re.fullmatch(r"<div [^<>]*><img [^<>]*><div [^<>]*><iframe [^<>]*></iframe></div></div>", text)


def test_an_embedded_page_is_told_in_a_line() -> None:
    assert re.fullmatch(r"Embedded\(Tubes\('wave'; .*\), [\d,]+ bytes\)", repr(made().embed()))


# ipyvolume


@pytest.fixture
def volume() -> Any:
    pytest.importorskip("ipyvolume", reason="pip install -e '.[ipyvolume]'")
    return made(5, 20, 30).to_ipyvolume(threshold=0.3)


def test_the_volume_is_the_stretched_map_upright_with_its_extent(volume: Any) -> None:
    tubes = made(5, 20, 30)
    (shown,) = volume.volumes
    expected = tubes.volume()[:, ::-1] / tubes.layer().peak()  # y points upwards in space, downwards in a picture
    np.testing.assert_allclose(shown.data_original, expected, rtol=1e-5)
    assert shown.extent_original == [[0, 30], [0, 20], [0, 5]]
    assert (shown.data_min, shown.data_max) == (-1, 1)


def test_the_colours_of_the_volume_begin_at_the_threshold(volume: Any) -> None:
    rgba = volume.volumes[0].tf.rgba
    share = np.linspace(-1, 1, len(rgba))
    np.testing.assert_array_equal(rgba[:, 3] > 0, np.abs(share) >= 0.3)
    assert rgba[-1, 0] > rgba[-1, 2]  # for: red above blue
    assert rgba[0, 2] > rgba[0, 0]


def test_the_volume_has_no_panel_and_leaves_the_current_figure(volume: Any) -> None:
    import ipyvolume

    mine = ipyvolume.figure()
    made(caveats=()).to_ipyvolume()
    assert ipyvolume.gcf() is mine
    assert volume.zlabel == "time (synthetic)"
    assert made(source="wave.mp4").to_ipyvolume().zlabel == "time"


def test_a_missing_ipyvolume_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *given: Any, **options: Any) -> Any:
        if name.split(".")[0] == "ipyvolume":
            raise ModuleNotFoundError("No module named 'ipyvolume'")
        return original(name, *given, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ImportError, match=r"needs ipyvolume, .*No module named.*pip install 'notebook_explain\[ipyvolume\]'"
    ):
        made().to_ipyvolume()


def test_the_ways_out_import_nothing_before_they_are_taken() -> None:
    code = (
        "import sys; from tests.figures.example_tubes import made; made()\n"
        "assert not {'matplotlib', 'ipywidgets', 'ipyvolume', 'tqdm', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    # The clips of the tests import cv2 and matplotlib nowhere either.
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_a_long_label_is_cut_in_the_title_only(tmp_path: Path) -> None:
    text = made(name=LONG * 3).to_html(tmp_path / "p.html").read_text(encoding="utf-8")
    assert len(html.unescape(text.split("<h1>")[1].split("</h1>")[0])) < 100
    assert state_of(text)[0]["targets"][0]["name"] == LONG * 3

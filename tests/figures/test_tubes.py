"""The PNG of a cell and the figure: undistorted frames, complete text and caveats, text as text."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from notebook_explain.explanations import Tubes
from notebook_explain.explanations.text import shortened
from notebook_explain.figures import strip_png
from notebook_explain.figures.captions import font, printable, wrap_text
from tests.figures.example_tubes import CAVEATS, COARSE, SHAPES, every_shape, made

UNKNOWN_LETTERS = "ignore:Glyph:UserWarning"  # matplotlib's own font lacks those of some scripts and warns


def picture_of(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@every_shape
def test_the_png_of_a_cell_keeps_the_aspect_ratio_of_frames(tubes: Tubes) -> None:
    picture = picture_of(strip_png(tubes, threshold=1.0))
    assert picture.shape[1] == 600
    filled = (picture < 250).any(axis=-1)
    _, height, width = tubes.clip.size
    rows = np.flatnonzero(filled[:, 4])
    tall = int(np.flatnonzero(np.diff(rows, append=10_000) > 1)[0]) + 1
    columns = np.flatnonzero(filled[5])
    wide = int(np.flatnonzero(np.diff(columns, append=10_000) > 1)[0]) + 1
    assert tall / wide == pytest.approx(height / width, rel=0.06)
    assert tall <= 202
    assert (picture[-3:] > 250).all(), "the last line of text is cut off"
    assert (picture[:, -2:] > 250).all()


def test_the_png_of_a_cell_states_its_origin_and_every_caveat(drawn: list[str]) -> None:
    strip_png(made())
    content = " ".join(drawn)
    for words in (
        "'wave' 93 %",
        "of the evidence for 'wave'",
        "Saliency tubes, layer blocks.2",
        "0.63 s",
        COARSE,
        *CAVEATS,
    ):
        assert words in content
    assert "The clip is a synthetic sample: wave." in content


@every_shape
def test_no_image_contains_the_folders_of_the_clip(tubes: Tubes, drawn: list[str]) -> None:
    strip_png(tubes)
    figure = tubes.figure()
    content = " ".join([*drawn, *(text.get_text() for text in figure.findobj(Text))])
    assert "secret" not in content


def test_the_png_of_a_cell_shows_the_evidence_at_its_position() -> None:
    tubes = made()
    plain_, shown = (picture_of(strip_png(tubes, frames=1, threshold=part)) for part in (1.0, 0.4))
    changed = (plain_ != shown).any(axis=-1)[4:204, 4:204]
    assert changed[5:30, 5:30].all()
    assert not changed[100:].any()
    assert not changed[:, 100:].any()
    assert (shown[20, 20] - plain_[20, 20])[0] > (shown[20, 20] - plain_[20, 20])[2]


def test_long_words_are_broken_and_long_texts_end_in_an_ellipsis() -> None:
    letters = font(12)
    lines = wrap_text("x" * 300, letters, 100, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(letters.getlength(line) <= 100 for line in lines)
    whole = wrap_text("a few words that need two lines", letters, 120, 9)
    assert len(whole) > 1
    assert " ".join(whole) == "a few words that need two lines"
    assert wrap_text("", letters, 100, 3) == []
    assert wrap_text("wide", letters, 1, 9) == list("wide")


def test_unprintable_characters_are_dropped() -> None:
    assert printable(" a\n\tb\x00\u200b c ") == "a b c"


def test_a_long_label_is_shortened_in_the_middle() -> None:
    assert shortened("wave", 10) == "wave"
    short = shortened("abcdefghij" * 20, 30)
    assert len(short) <= 30
    assert short.startswith("abcdefghij")
    assert short.endswith("hij")
    assert "…" in short


@every_shape
@pytest.mark.filterwarnings(UNKNOWN_LETTERS)
def test_no_text_is_cut_off_and_no_frame_is_distorted(tubes: Tubes) -> None:
    figure = tubes.figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    whole = figure.bbox
    pictures = [axes for axes in figure.get_axes() if axes.images]
    hidden = {text for axes in pictures for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)}
    shown = [text for text in set(figure.findobj(Text)) - hidden if text.get_text() and text.get_visible()]
    assert len(shown) > 8
    for text in shown:
        box = text.get_window_extent()
        assert whole.x0 - 1 <= box.x0 <= box.x1 <= whole.x1 + 1, text.get_text()
        assert whole.y0 - 1 <= box.y0 <= box.y1 <= whole.y1 + 1, text.get_text()
    assert len(pictures) == min(8, len(tubes.clip))
    _, height, width = tubes.clip.size
    for axes in pictures:
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(height / width, rel=0.02)
        assert box.width > 20
    titles = [axes.title.get_window_extent() for axes in pictures]
    assert all(left.x1 <= right.x0 + 1 for left, right in pairwise(titles)), "titles overlap"


@pytest.mark.parametrize("name", ["square", "one frame", "wide"])
def test_the_curve_is_the_mean_of_each_sign_per_frame(name: str) -> None:
    tubes = SHAPES[name]
    (axes,) = (axes for axes in tubes.figure().get_axes() if not axes.images)
    volume = tubes.volume()
    for patch, part in zip(axes.patches, (volume.clip(min=0), volume.clip(max=0)), strict=True):
        values, edges, _ = patch.get_data()
        np.testing.assert_allclose(values, part.mean(axis=(1, 2)), rtol=1e-5)
        np.testing.assert_allclose(edges, np.arange(len(volume) + 1) + 0.5)
        assert patch.get_window_extent().width > 100


def words_of(tubes: Tubes) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in tubes.figure().findobj(Text))


def test_a_figure_states_its_origin_and_every_caveat() -> None:
    content = words_of(made())
    for words in (
        "'wave' 93 %",
        "layer blocks.2",
        "shown from 40 %",
        "The clip is a synthetic sample: wave.",
        COARSE,
        *CAVEATS,
    ):
        assert words in content


def test_a_figure_states_how_much_of_the_score_its_layer_lacks() -> None:
    tubes = made()
    layer = replace(tubes.layers[0], kind="block", gap=np.array([1.5], np.float32))
    assert "accounts for" not in words_of(replace(tubes, layers=(layer, *tubes.layers)))
    words = "This layer's map accounts for 0.5 of the score of 2 for 'wave'; the rest cannot be assigned to positions."
    assert words in words_of(replace(tubes, layers=(*tubes.layers, layer)))


def test_text_in_an_svg_is_text(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(name="wave & <jump> $x$").figure().savefig(tmp_path / "f.svg")
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    texts = [" ".join("".join(part.itertext()).split()) for part in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("'wave & <jump> $x$' 93 %" in text for text in texts)
    assert any("synthetic sample" in text for text in texts)


def test_text_in_a_pdf_is_text_in_whole_fonts(tmp_path: Path) -> None:
    with rc_context({"pdf.compression": 0}):
        made().figure().savefig(tmp_path / "f.pdf")
    data = (tmp_path / "f.pdf").read_bytes()
    assert re.search(rb"/Subtype\s*/(CIDFontType2|TrueType)", data)
    assert b"/Type3" not in data
    shown = re.findall(rb"BT(.*?)ET", data, re.DOTALL)
    texts = [
        b"".join(re.findall(rb"\((.*?)\)", part, re.DOTALL)).replace(b"\0", b"").decode("latin-1") for part in shown
    ]
    assert any("'wave' 93 %" in text for text in texts)
    assert any("The clip is a synthetic sample: wave." in text for text in texts)


def test_a_figure_keeps_the_users_settings_and_displays_itself_in_a_cell() -> None:
    with rc_context({"svg.fonttype": "path"}):
        from matplotlib import rcParams

        figure = made().figure()
        figure.savefig(io.BytesIO(), format="svg")
        assert rcParams["svg.fonttype"] == "path"
    shown = picture_of(figure._repr_png_())
    assert shown.shape[1] > 500
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 100


def test_invalid_arguments_of_a_figure_are_errors() -> None:
    with pytest.raises(ValueError, match=r"frames must be at least 1, got 0"):
        made().figure(frames=0)
    with pytest.raises(ValueError, match=r"threshold must lie in 0\.\.1, got 2"):
        made().figure(threshold=2)
    with pytest.raises(ValueError, match=r"layer 'stem' is not in these tubes; they have blocks.2"):
        made().figure(layer="stem")


def test_the_png_of_a_cell_needs_no_matplotlib_and_a_figure_no_pyplot() -> None:
    code = (
        "import sys; from tests.figures.example_tubes import made; from notebook_explain.figures import strip_png\n"
        "before = set(sys.modules); strip_png(made()); made()\n"
        "assert not [name for name in set(sys.modules) - before if name.startswith('matplotlib')]\n"
        "made().figure()._repr_png_(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

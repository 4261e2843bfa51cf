"""Text in scripts that DejaVu Sans lacks: drawn with a fallback font, or warned about once."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.text import Text
from PIL import Image

from notebook_explain.figures import fonts, strip_png
from notebook_explain.figures.captions import font
from tests.figures.example_tubes import drawn, made

__all__ = ["drawn"]

LABEL = "跳绳"  # in no font that matplotlib brings along
KNOWN = "×−·…°éß Ω ж أ"  # in DejaVu Sans


def built(path: Path, name: str, text: str, latin: bool = True) -> Path:
    """Write a font whose glyphs are bars: wide for the characters of a text, thin for Latin ones."""
    glyphs = {}
    thin = "".join(map(chr, range(33, 127))) + "−·×…" if latin else ""
    for letter in [None, *thin, *text]:
        pen = TTGlyphPen(None)
        right = 850 if letter in set(text) else 60 if letter in set(thin) else 300
        for at, point in enumerate(((50, 0), (50, 800), (50 + right, 800), (50 + right, 0))):
            (pen.lineTo if at else pen.moveTo)(point)
        pen.closePath()
        glyphs[".notdef" if letter is None else f"u{ord(letter):04X}"] = pen.glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in thin + text})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 50)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that registers a font with the characters of a text in matplotlib, for one test."""
    known = [entry for entry in font_manager.fontManager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    fonts._find_font.cache_clear()

    def install(text: str, name: str = "Bars", latin: bool = True) -> Path:
        path = built(tmp_path / f"{name}.ttf", name, text, latin)
        font_manager.fontManager.addfont(path)
        return path

    yield install
    fonts._find_font.cache_clear()


def solid(png: bytes, rows: slice = slice(103, 140)) -> bool:
    """Return whether the text contains a dark square of 7 x 7 pixels."""
    with Image.open(io.BytesIO(png)) as picture:
        ink = np.asarray(picture.convert("L"))[rows] < 90
    return bool(np.lib.stride_tricks.sliding_window_view(ink, (7, 7)).all(axis=(2, 3)).any())


def test_no_fallback_font_for_characters_in_dejavu(installed: Any) -> None:
    installed(LABEL)
    assert fonts.font_for(KNOWN) is None
    assert fonts.font_for("") is None
    assert fonts.font_for(LABEL).name == "Bars"


def test_the_font_with_most_of_the_characters_is_used(installed: Any) -> None:
    installed(LABEL, "Without Latin", latin=False)  # the rest of the sentence would be boxes
    installed("跳", "One")
    both = installed(LABEL, "Both")
    installed("绳", "Other")
    (both.parent / "Other.ttf").write_bytes(b"no font any more")
    assert fonts.font_for(LABEL).fname == str(both)
    assert font(20, text=LABEL).path == str(both)
    assert font(20, text=KNOWN).path.endswith("DejaVuSans.ttf")


def test_a_font_added_later_is_found(installed: Any) -> None:
    assert fonts.font_for(LABEL) is None
    installed(LABEL)
    assert fonts.font_for(LABEL).name == "Bars"


def test_images_use_the_fallback_font(installed: Any, tmp_path: Path) -> None:
    """The test font draws solid squares, unlike any glyph or box of DejaVu."""
    assert [solid(strip_png(made(name=name))) for name in (LABEL, "wave")] == [False, False]
    installed(LABEL)
    assert [solid(strip_png(made(name=name))) for name in (LABEL, "wave")] == [True, False]
    figure = made(name=LABEL).figure()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none of a glyph that is missing either
        figure.savefig(tmp_path / "figure.png")
    assert solid((tmp_path / "figure.png").read_bytes(), slice(0, 40))
    heading = next(text for text in figure.findobj(Text) if LABEL in text.get_text())
    assert heading.get_fontfamily()[-1] == "Bars"
    assert made().figure().findobj(Text)[0].get_fontfamily()[-1] != "Bars"
    figure.savefig(tmp_path / "figure.svg")
    assert "Bars" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_characters_in_no_font_are_warned_about_once(
    installed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed("绳")
    monkeypatch.setattr(fonts, "_warned", [])
    tubes = made(name=LABEL, source="片段.mp4", caveats=("类别",))
    with warnings.catch_warnings(record=True) as content:
        warnings.simplefilter("always")
        tubes.figure().savefig(tmp_path / "a.png")
        tubes.to_gif(tmp_path / "a.gif")
        strip_png(tubes)
    assert len(content) == 1
    assert "No installed font has the characters" in str(content[0].message)
    assert "跳" in str(content[0].message)
    assert "绳" not in str(content[0].message)
    assert content[0].filename == __file__
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 6

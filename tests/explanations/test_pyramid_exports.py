"""Exports of a pyramid: page, cell, figure and sentences; each names its content and carries every caveat."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

import notebook_explain as ne
from notebook_explain import display
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.pyramid import text as pyramid_text
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.figures.overlay import INK_AGAINST
from notebook_explain.figures.pyramid import flows
from notebook_explain.widgets.html import read_data
from tests.example_values import small_pyramid, small_tubes


def made(**of_clip: Any) -> Pyramid:
    pyramid = small_pyramid()
    return dataclasses.replace(pyramid, clip=dataclasses.replace(pyramid.clip, **of_clip))


def texts(figure: Any) -> str:
    with io.BytesIO() as out:
        figure.savefig(out, format="svg")
        return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", out.getvalue().decode()))


# Pages and cells


def test_a_cell_shows_the_page_and_a_picture_beneath_it() -> None:
    bundle, _ = made(source="/home/me/secret/wave.mp4")._repr_mimebundle_()
    assert sorted(bundle) == ["image/png", "text/html", "text/plain"]
    assert bundle["image/png"] in bundle["text/html"]
    assert bundle["text/plain"].startswith("Pyramid('class 0'; 5 rows, 9 units, 11 edges")
    assert not any("secret" in part for part in bundle.values())
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert min(picture.size) > 100


def test_what_is_too_large_for_a_cell_is_shown_by_the_widget_and_saved_as_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(display.cells, "LARGEST_CELL", 10_000)
    bundle, _ = small_pyramid()._repr_mimebundle_()
    assert sorted(bundle) == ["image/png", "text/html", "text/plain"]
    assert "This view is too large to be saved in the notebook." in html.unescape(bundle["text/html"])


def test_tubes_and_a_pyramid_stand_on_one_page(tmp_path: Path) -> None:
    text = ne.to_html([small_tubes(), small_pyramid()], tmp_path / "both.html").read_text()
    assert "2 explanations" in text
    assert [widget["module"] for widget in read_data(text)["widgets"]] == ["tube_viewer", "pyramid_viewer"]


def test_a_page_opens_as_it_was_asked_to(tmp_path: Path) -> None:
    text = small_pyramid().to_html(tmp_path / "p.html", title="a <title>", threshold=0.25).read_text()
    assert read_data(text)["widgets"][0]["state"]["threshold"] == 0.25
    assert "<title>a &lt;title&gt;" in text
    with pytest.raises(TypeError, match="view has no 'layer'"):
        small_pyramid().to_html(tmp_path / "p.html", layer=1)


def test_the_viewer_takes_its_first_state() -> None:
    viewer = small_pyramid().view(threshold=0.3, row="late")
    assert (viewer.threshold, viewer.row) == (0.3, 1)
    viewer.close()


def test_a_saved_pyramid_is_shown_without_torch(tmp_path: Path) -> None:
    path = small_pyramid().save(tmp_path / "p.npz")
    code = (
        f"import sys, notebook_explain as ne\np = ne.load({str(path)!r})\np.view()\np.figure()\np._repr_mimebundle_()\n"
        f"p.to_html({str(tmp_path / 'p.html')!r})\nprint('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_the_command_line_says_what_to_do_with_one(tmp_path: Path) -> None:
    path = small_pyramid().save(tmp_path / "p.npz")
    command = [sys.executable, "-m", "notebook_explain", "open", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert (
        "contains a pyramid, but this command reads tubes and visualizations only; in Python, notebook_explain.load(...).to_html"
        in run.stderr
    )


# Words


def test_in_words_counts_kernels_and_gives_the_strongest_path() -> None:
    said = small_pyramid().in_words()
    assert said == (
        "'class 0' 60 %, ahead of 'class 1' 30 %. 5 of 12 kernels in 2 layers carry evidence for 'class 0'. "
        "Strongest path: kernel 7 of late, kernel 0 of early, green of the clip."
    )
    assert small_pyramid().in_words(threshold=0.3).split("path: ")[1].startswith("kernel 2 of late"), "7 is pruned"
    assert small_pyramid().in_words(threshold=1).startswith("'class 0' 60 %, ahead of 'class 1' 30 %. 2 of 12 kernels")


def test_in_words_of_a_unit() -> None:
    pyramid = small_pyramid()
    assert pyramid.in_words(6) == (
        "kernel 0 of early carries 25 % of the positive evidence for 'class 0'. It mostly feeds channel 1 of sum in late "
        "(unchanged) and 2 other units. Higher output favours the class. Largest inputs: green of the clip (80 %). "
        "Receptive field: 3 frames, 3×3 pixels."
    )
    assert "Lower output favours the class." in pyramid.in_words(2)
    assert pyramid.in_words(0).startswith("'class 0', the explained class. Largest inputs: kernel 7 of late (34 %), ")
    with pytest.raises(ValueError, match="unit 9 is not in this pyramid; it has 0 to 8"):
        pyramid.in_words(9)


def test_in_words_of_a_row() -> None:
    pyramid = small_pyramid()
    words = [pyramid.in_words(row=index) for index in range(len(pyramid.rows))]
    late = (
        "late: 3 of 8 kernels shown (5 not in this pyramid). "
        "Shown units carry 80 % of the evidence that reaches this layer, the others 20 %."
    )
    assert words[0] == "fc: 1 of 4 classes explained. Receptive field: the whole clip."
    assert words[1] == f"{late} Receptive field: 5 frames, 9×9 pixels."
    assert words[4].startswith(
        "clip: 1 of 3 colours shown (2 not in this pyramid). The shown unit carries 90 % of the evidence"
    )
    assert pyramid.in_words(row="late", threshold=0.9) == (
        "late: 1 of 8 kernels shown (2 pruned, 5 not in this pyramid). The shown unit carries 50 % of the evidence that "
        "reaches this layer, pruned units 30 %, the others 20 %. Receptive field: 5 frames, 9×9 pixels."
    )
    unknown = dataclasses.replace(pyramid.rows[1], receptive_field=None)
    assert pyramid_text.row_sentences(pyramid, unknown, pyramid.prune(0)) == late
    with pytest.raises(ValueError, match="row 'later' is not in this pyramid"):
        pyramid.in_words(row="later")


def test_caveats_include_that_of_sums() -> None:
    said = caveats(made(source="synthetic sample: wave", is_synthetic=True))
    assert said[0] == "The clip is a synthetic sample: wave."
    assert "whatever the next layer does with it" in said[-1]
    pyramid = small_pyramid()
    by_gradient = dataclasses.replace(pyramid.provenance, knobs={"contribution": "gradient_x_activation"})
    by_gradient_pyramid = dataclasses.replace(pyramid, provenance=by_gradient)
    assert "whatever the next layer" not in " ".join(caveats(by_gradient_pyramid))
    assert "Largest inputs by share of the sum itself: " in pyramid.in_words(4)
    assert "Largest inputs: " in by_gradient_pyramid.in_words(4)


# The figure


def test_the_figure_names_its_rows_its_units_and_its_caveats() -> None:
    said = texts(made(source="synthetic sample: wave", is_synthetic=True).figure())
    for words in ("late", "early", "sum in late", "7:  10 %", "sees 5 frames", "9×9 pixels", "+ 5 others", "class 0"):
        assert words in said, words
    assert "The clip is a synthetic sample: wave." in said
    assert "green:  20 %" in said
    assert "2:  \N{MINUS SIGN}20 %" in said  # less of its output helps


def test_the_figure_marks_what_works_against_the_class() -> None:
    pyramid = small_pyramid()
    units = (*pyramid.units[:3], dataclasses.replace(pyramid.units[3], score=0.0), *pyramid.units[4:])
    edges = tuple(
        dataclasses.replace(edge, share=-edge.share, contribution=-0.7) if edge.child == 3 else edge
        for edge in pyramid.edges
    )
    pyramid = dataclasses.replace(pyramid, units=units, edges=edges)
    assert "7:  against" in texts(pyramid.figure())
    assert "7:  against" not in texts(pyramid.figure(against=False))

    def dashed_links(figure: Any) -> list[Any]:
        return [patch for patch in figure.axes[0].patches if patch.get_linestyle() not in ("solid", "-")]

    assert [patch.get_edgecolor()[:3] for patch in dashed_links(pyramid.figure())] == [to_rgb(INK_AGAINST)]
    assert dashed_links(pyramid.figure(against=False)) == []


def test_rows_and_units_of_the_figure_are_chosen() -> None:
    said = texts(small_pyramid().figure(rows=["early", 0], units=1))
    assert "sum in late" not in said.split("Strongest path")[0]
    assert "0:  25 %" in said
    assert "2:  5.0 %" not in said
    assert "+ 3 others" in said
    assert "late" not in texts(small_pyramid().figure(rows=1)).split("evidence for")[0]
    assert "7:  10 %" not in texts(small_pyramid().figure(threshold=0.5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": 0}, "rows must be a number, 1 or more, or a list of row names and indices, got 0"),
        ({"rows": "late"}, "rows must be a number, 1 or more, or a list of row names and indices, got 'late'"),
        ({"rows": []}, "rows is an empty list"),
        ({"rows": ["later"]}, "row 'later' is not in this pyramid; it has fc, late"),
        ({"units": 0}, "units must be at least 1, got 0"),
        ({"threshold": 2}, r"threshold must lie in 0\.\.1"),
    ],
)
def test_wrong_options_of_the_figure_are_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small_pyramid().figure(**options)


def test_names_of_the_user_are_no_mathematics_in_the_figure() -> None:
    pyramid = small_pyramid()
    rows = (pyramid.rows[0], dataclasses.replace(pyramid.rows[1], name="late_$x^2$\n<b>"), *pyramid.rows[2:])
    target = dataclasses.replace(pyramid.target, name="a $1 prize")
    said = texts(dataclasses.replace(pyramid, rows=rows, target=target).figure())
    assert "late_$x^2$" in said
    assert "prize" in said


def brute(pyramid: Pyramid, shown: list[int]) -> dict[tuple[int, int], float]:
    """Every way from a shown unit down to the next shown one, one by one."""
    found: dict[tuple[int, int], float] = {}

    def down(parent: int, at: int, value: float, first: bool) -> None:
        for edge in pyramid.edges:
            if edge.parent != at:
                continue
            more = value * edge.share * (-1 if first and edge.contribution < 0 else 1)
            if edge.child in shown:
                found[edge.child, parent] = found.get((edge.child, parent), 0.0) + more
            else:
                down(parent, edge.child, more, False)

    for parent in shown:
        down(parent, parent, pyramid.units[parent].score, True)
    return found


@pytest.mark.parametrize("shown", [list(range(9)), [0, 1, 6, 8], [0, 4, 7, 8], [0, 8], [2, 3, 6]])
def test_links_of_the_figure_carry_what_flows_through_units_that_are_not_shown(shown: list[int]) -> None:
    pyramid = small_pyramid()
    got, expected = flows(pyramid, shown), brute(pyramid, shown)
    assert got.keys() == expected.keys()
    for pair, value in expected.items():
        assert got[pair] == pytest.approx(value)


def test_a_wide_clip_and_one_frame_can_be_drawn() -> None:
    pyramid = small_pyramid(time=6)
    frames = np.repeat(pyramid.clip.frames, 3, axis=2)[:1]
    clip = dataclasses.replace(pyramid.clip, frames=frames, times=None)
    assert texts(dataclasses.replace(pyramid, clip=clip).figure())

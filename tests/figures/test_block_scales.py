"""Numbers on the figure of a block report: bars from a line, numbers that do not contradict each other, colours kept."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from PIL import Image

from notebook_explain.explanations import Course, Numbers
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.figures.blocks.page import BELOW_ABOVE, MAPS, Scale
from notebook_explain.figures.png import MOST_BYTES, png_of
from tests.figures.example_tubes import LONG, made
from tests.figures.test_block_report import (
    CLASSES,
    EVIDENCE,
    MULTIPLIED,
    courses,
    drawn_bars,
    drawn_boxes,
    guesses,
    report,
    texts,
    time_axes,
    words,
)


def rows_of(*values: Any, neutral: float | None = 1.0) -> tuple[Course, ...]:
    return tuple(
        Course(f"layer.{k}", "SRTG", MULTIPLIED, each, np.arange(len(each), dtype=float), neutral)
        for k, each in enumerate(values)
    )


def test_what_no_eye_tells_apart_is_said_to_be_one_value_and_equal_numbers_read_alike() -> None:
    flat = rows_of([0.937083, 0.937459], [0.87567, 0.87718], [0.875342, 0.875895], [0.874699, 0.874939])
    said = words(report(courses=flat))
    assert "0.937 throughout" in said
    assert said.count("0.876 throughout") == 1
    assert said.count("0.875 throughout") == 2, "the last is the end of the scale and reads as that does"
    assert " 1.13 0.875 1 " in said, "the ends of the colours and their middle"
    assert "0.8747" not in said
    ends = rows_of([0.8744, 0.8756], [1.0, 1.0], [1.05, 1.05], [0.9, 1.1])
    assert "0.874 throughout" in words(report(courses=ends)), "not 0.875, which its mean is"
    line = words(report(courses=flat[:1]))
    assert "0.937 throughout" in line
    assert line.count("0.937") == 1


def test_numbers_have_three_digits_and_more_only_where_those_tell_nothing_apart() -> None:
    wide, narrow = Scale.of(np.array([0.0335, 0.5672]), None), Scale.of(np.array([0.9998, 1.0001]), 1.0)
    assert [wide.write(at) for at in (0.0335, 0.5672, 0.5, 1e-5)] == ["0.034", "0.567", "0.5", "0"]
    assert Scale.of(np.array([-1234.5, 0.25]), 0.0).write(-1234.5) == "−1235"
    assert Scale.of(np.array([-1e-6, 3e-5]), 0.0).write(3e-5) == "3e−05"
    assert [narrow.write(0.9998), narrow.write(1.0001)] == ["0.99980", "1.00010"]
    assert wide.reach(np.array([0.3, 0.3053])) == "0.305 throughout", "less than a hundredth of the scale"
    assert wide.reach(np.array([0.3, 0.3056])) == "0.3 to 0.306"
    assert Scale.of(np.array([1e6, 1e6 + 1]), None).write(1e6 + 1) == "1e+06"
    assert Scale.of(np.array([-3.0, -3.0]), None).reach(np.array([-3.0])) == "−3.000 throughout"


def test_both_ends_of_the_colours_can_be_told_apart() -> None:
    low, high = BELOW_ABOVE([0.0, 1.0])[:, :3]
    assert min(low.max(), high.max()) > 0.4, "neither is almost black"
    assert low[2] > low[1] + 0.2
    assert high[1] > high[2] + 0.2


def test_the_small_print_says_what_applies() -> None:
    steps, colours = "Each block has its own steps in time", "Orange: for"
    sides = "Purple: less than neutral, green: more."
    for shown, wanted in (
        (report(courses=courses(2)), (True, True, False)),
        (report(courses=courses(5)), (True, True, False)),
        (report(courses=courses(5, neutral=None)), (True, False, False)),
        (report(courses=tuple(replace(EVIDENCE, name=f"s{k}") for k in range(5))), (True, False, True)),
        (report(numbers=guesses(CLASSES, 1)), (False, True, False)),
        (report(numbers=(replace(guesses(CLASSES, 1)[0], neutral=None),)), (False, False, False)),
    ):
        said = words(shown)
        assert tuple(part in said for part in (steps, sides, colours)) == wanted
    assert "0 = no evidence" in words(report(courses=(EVIDENCE,)))


@pytest.mark.parametrize("blocks", [1, 5])
def test_frames_that_a_network_left_out_stay_blank(blocks: int) -> None:
    rows = np.array([4.0, 5, 6, 7, 8, 9, 12, 13])
    shown = report(courses=tuple(replace(one, rows=rows) for one in courses(blocks, 8)))
    (axes,) = time_axes(shown.figure())
    ends = [(left, right) for left, right, _ in drawn_boxes(axes)[:8]]
    assert ends == [(row + 0.5, row + 1.5) for row in rows]
    mesh = next(one for one in axes.collections if isinstance(one, QuadMesh))
    drawn = ~np.ma.getmaskarray(mesh.get_array())[0]
    assert np.flatnonzero(~drawn).tolist() == [11], "between the sixth and the seventh"
    if blocks == 1:
        x, y = axes.lines[1].get_data()
        assert np.flatnonzero(np.isnan(x)).tolist() == np.flatnonzero(np.isnan(y)).tolist() == [12]
    else:
        hatched = [one for one in axes.collections if one.get_hatch()]
        assert len(hatched) == 5
        assert all(one.get_zorder() < mesh.get_zorder() for one in hatched), "behind the values"
    assert "frames that no step stands for" in words(shown)
    assert "frames that no step stands for" not in words(report(courses=courses(blocks, 8)))


@pytest.mark.parametrize(("steps", "frames"), [(1, 16), (2, 16), (7, 16), (8, 300), (300, 300)])
def test_even_steps_cover_the_whole_clip(steps: int, frames: int) -> None:
    (axes,) = time_axes(report(frames, courses=courses(1, steps, frames)).figure())
    edges = np.linspace(0.5, frames + 0.5, steps + 1)
    np.testing.assert_allclose([box[:2] for box in drawn_boxes(axes)], np.stack([edges[:-1], edges[1:]], axis=1))
    assert not np.isnan(axes.lines[1].get_xdata()).any()


@pytest.mark.parametrize("blocks", [1, 4])
def test_almost_nothing_looks_like_almost_nothing(blocks: int) -> None:
    small = rows_of(*[[0.995, 1.006]] * (blocks - 1), [0.995, 1.003])
    figure = report(courses=small).figure()
    (axes,) = time_axes(figure)
    for _, _, colour in drawn_boxes(axes):
        assert min(colour[:3]) > 0.9, "nearly white"
    said = words(report(courses=small))
    assert "0.995" in said
    assert ("1 = neutral" in said) if blocks == 1 else (" 1.1 0.9 1 " in said)
    if blocks == 1:
        ground, line = (one.get_ydata() for one in axes.lines)
        assert 0 < np.abs(line - ground[0]).max() < 0.1 * axes.get_ylim()[0]
    (axes,) = time_axes(report(courses=tuple(replace(one, neutral=0.0) for one in small)).figure())
    assert min(min(colour[:3]) for _, _, colour in drawn_boxes(axes)) < 0.5, "0 has no tenth"


def test_strips_that_are_all_alike_are_one() -> None:
    said = words(report(courses=rows_of(*[[0.0, 0.0]] * 16, neutral=0.0)))
    assert "16 blocks 0 throughout" in said
    assert said.count("throughout") == 1
    assert "layer." not in said
    assert words(report(courses=rows_of(*[[0.0, 0.0]] * 3, neutral=0.0))).count("throughout") == 3
    assert words(report(courses=rows_of(*[[0.0, 0.0]] * 4, [0.0, 1.0], neutral=0.0))).count("throughout") == 4


def test_times_are_rounded_as_the_viewer_rounds_them() -> None:
    clip = replace(made(16).clip, times=np.arange(16) / 8)
    said = words(replace(report(), clip=clip))
    assert "1.13 s" in said
    assert "0.63 s" in said
    assert "1.12 s" not in said


def test_no_mark_stands_beneath_a_frame() -> None:
    figure = report(16, courses=courses(1)).figure()
    assert not [axes for axes in figure.axes if axes.get_xlim() == (0, 16)]


def bars_of(numbers: Numbers, **named: Any) -> tuple[Any, list[Any], float]:
    """The panel of these numbers alone, its bars and where its line stands."""
    figure = report(numbers=(numbers,), **named).figure()
    (axes,) = [axes for axes in figure.axes if axes.lines and not axes.images]
    return axes, drawn_bars(axes), axes.lines[0].get_xdata()[0]


@pytest.mark.parametrize("value", [-0.804, 0.804])
def test_a_bar_goes_to_its_side_of_a_line_and_the_sides_are_named(value: float) -> None:
    one = Numbers("", "", ADDED, ("SRTG, 4 blocks",), [value], 0.0, quantity="ablation")
    axes, (bar,), line = bars_of(one, name="kick")
    low, high = axes.get_xlim()
    assert line == 0
    assert low < -0.5
    assert high > 0.5, "there is room on both sides"
    assert np.sign(bar.get_width()) == np.sign(value)
    assert bar.get_x() == 0
    said = words(report(numbers=(one,), name="kick"))
    assert "← against 'kick' for 'kick' →" in said
    assert ("−0.804" if value < 0 else " 0.804") in said
    long = words(report(numbers=(replace(one, labels=("a", "b"), values=[1, value]),), name=LONG))
    assert "← against for →" in long, "where the name does not fit"


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_line_is_never_the_border_of_the_panel(sign: int) -> None:
    axes, bars, line = bars_of(Numbers("a", "N", "value", ("x", "y"), [sign * 1.0, sign * 2.0], 0.0))
    low, high = axes.get_xlim()
    assert low < line < high
    assert all(np.sign(bar.get_width()) == sign for bar in bars)
    assert "against" not in words(report(numbers=(Numbers("a", "N", "value", ("x",), [1.0], 0.0),)))


def test_bars_with_bounds_reach_over_them() -> None:
    gate = Numbers("b", "SRTG", "how far the gate is open", ("gate",), [0.125], 0.0, (0.0, 1.0))
    axes, (bar,), line = bars_of(gate)
    assert axes.get_xlim() == (0, 1)
    assert (line, bar.get_width()) == (0, 0.125)
    gates = tuple(replace(gate, name=f"b.{k}") for k in range(4))
    said = [text.get_text() for text in texts(report(numbers=gates).figure())]
    assert said.count("0") == said.count("1") == 1, "the ends are written, once for all blocks"
    assert said.count("how far the gate is open") == 1
    other = replace(gate, bounds=(-1.0, 1.0))
    said = [text.get_text() for text in texts(report(numbers=(gate, other)).figure())]
    assert said.count("how far the gate is open") == 2, "what has other bounds has another axis"
    far = replace(gate, values=[2.5], neutral=0.0, bounds=(2.0, 3.0))
    axes, (bar,), line = bars_of(far)
    assert (line, bar.get_width()) == (2, 0.5), "a line beyond the bounds stands at their end"


def test_a_large_picture_keeps_the_colours_of_its_scales() -> None:
    rng = np.random.default_rng(0)
    page = np.full((400, 600, 3), 255, np.uint8)
    page[:250] = rng.normal((190, 170, 150), 15, (250, 600, 3)).clip(0, 255)  # a room, of which there is much
    ramp = (255 * BELOW_ABOVE(np.linspace(0, 1, 100))[:, :3]).astype(np.uint8)
    page[300:309, 100:200] = ramp
    page[250:300] = (251, 250, 248)  # the letters' rims, say
    data = png_of(Image.fromarray(page), MAPS)
    with Image.open(io.BytesIO(data)) as small:
        assert small.mode == "P"
        back = np.asarray(small.convert("RGB"))
    assert len(np.unique(back[304, 100:200], axis=0)) >= 12, "no patches"
    assert np.abs(back[304, 100:200].astype(int) - ramp).max() < 24
    assert (back[350] == 255).all()
    page[:250] = 128
    data = png_of(Image.fromarray(page), MAPS)
    assert len(data) < MOST_BYTES
    with Image.open(io.BytesIO(data)) as whole:
        np.testing.assert_array_equal(np.asarray(whole), page)

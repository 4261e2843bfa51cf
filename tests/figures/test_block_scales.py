"""Numbers in the figure of a block report: bars start at the neutral value, numbers are consistent, colours are kept."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from PIL import Image

from notebook_explain.explanations import FrameSignal, LabelledValues
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.figures.blocks.scale import BELOW_ABOVE, MAPS, Scale
from notebook_explain.figures.png import MAX_BYTES, encode_png
from tests.figures.example_tubes import LONG, made
from tests.figures.test_block_report import (
    CLASSES,
    EVIDENCE,
    MULTIPLIED,
    drawn_bars,
    drawn_boxes,
    figure_text,
    frame_signals,
    guesses,
    report,
    texts,
    time_axes,
)


def rows_of(*values: Any, neutral: float | None = 1.0) -> tuple[FrameSignal, ...]:
    return tuple(
        FrameSignal(f"layer.{k}", "SRTG", MULTIPLIED, each, np.arange(len(each), dtype=float), neutral)
        for k, each in enumerate(values)
    )


def test_indistinguishable_values_are_one_number_and_equal_numbers_read_alike() -> None:
    flat = rows_of([0.937083, 0.937459], [0.87567, 0.87718], [0.875342, 0.875895], [0.874699, 0.874939])
    content = figure_text(report(frame_signals=flat))
    assert "0.937 throughout" in content
    assert content.count("0.876 throughout") == 1
    assert content.count("0.875 throughout") == 2, "the last is the end of the scale and reads as that does"
    assert " 0.875 1 1.13 " in content, "the ends of the colours and their middle"
    assert "0.8747" not in content
    ends = rows_of([0.8744, 0.8756], [1.0, 1.0], [1.05, 1.05], [0.9, 1.1])
    assert "0.874 throughout" in figure_text(report(frame_signals=ends)), "not 0.875, which its mean is"
    line = figure_text(report(frame_signals=flat[:1]))
    assert "0.937 throughout" in line
    assert line.count("0.937") == 1


def test_numbers_have_three_digits_unless_more_are_needed() -> None:
    wide, narrow = Scale.build(np.array([0.0335, 0.5672]), None), Scale.build(np.array([0.9998, 1.0001]), 1.0)
    assert [wide.format(at) for at in (0.0335, 0.5672, 0.5, 1e-5)] == ["0.034", "0.567", "0.5", "0"]
    assert Scale.build(np.array([-1234.5, 0.25]), 0.0).format(-1234.5) == "−1235"
    assert Scale.build(np.array([-1e-6, 3e-5]), 0.0).format(3e-5) == "3e−05"
    assert [narrow.format(0.9998), narrow.format(1.0001)] == ["0.99980", "1.00010"]
    assert wide.format_range(np.array([0.3, 0.3053])) == "0.305 throughout", "less than a hundredth of the scale"
    assert wide.format_range(np.array([0.3, 0.3056])) == "0.3 to 0.306"
    assert Scale.build(np.array([1e6, 1e6 + 1]), None).format(1e6 + 1) == "1e+06"
    assert Scale.build(np.array([-3.0, -3.0]), None).format_range(np.array([-3.0])) == "−3.000 throughout"


def test_both_ends_of_the_colour_map_are_distinguishable() -> None:
    low, high = BELOW_ABOVE([0.0, 1.0])[:, :3]
    assert min(low.max(), high.max()) > 0.4, "neither is almost black"
    assert low[2] > low[1] + 0.2
    assert high[1] > high[2] + 0.2


def test_the_small_print_contains_only_what_applies() -> None:
    steps, colours = "Blocks have time steps of their own", "Orange: for"
    sides = "Purple: below neutral, green: above."
    for shown, wanted in (
        (report(frame_signals=frame_signals(2)), (True, True, False)),
        (report(frame_signals=frame_signals(5)), (True, True, False)),
        (report(frame_signals=frame_signals(5, neutral=None)), (True, False, False)),
        (report(frame_signals=tuple(replace(EVIDENCE, name=f"s{k}") for k in range(5))), (True, False, True)),
        (report(labelled_values=guesses(CLASSES, 1)), (False, True, False)),
        (report(labelled_values=(replace(guesses(CLASSES, 1)[0], neutral=None),)), (False, False, False)),
    ):
        content = figure_text(shown)
        assert tuple(part in content for part in (steps, sides, colours)) == wanted
    assert "0 = no evidence" in figure_text(report(frame_signals=(EVIDENCE,)))


@pytest.mark.parametrize("blocks", [1, 5])
def test_frames_that_the_network_skipped_stay_blank(blocks: int) -> None:
    rows = np.array([4.0, 5, 6, 7, 8, 9, 12, 13])
    shown = report(frame_signals=tuple(replace(one, rows=rows) for one in frame_signals(blocks, 8)))
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
    assert "frames that no step represents" in figure_text(shown)
    assert "frames that no step represents" not in figure_text(report(frame_signals=frame_signals(blocks, 8)))


@pytest.mark.parametrize(("steps", "frames"), [(1, 16), (2, 16), (7, 16), (8, 300), (300, 300)])
def test_even_steps_cover_the_whole_clip(steps: int, frames: int) -> None:
    (axes,) = time_axes(report(frames, frame_signals=frame_signals(1, steps, frames)).figure())
    edges = np.linspace(0.5, frames + 0.5, steps + 1)
    np.testing.assert_allclose([box[:2] for box in drawn_boxes(axes)], np.stack([edges[:-1], edges[1:]], axis=1))
    assert not np.isnan(axes.lines[1].get_xdata()).any()


@pytest.mark.parametrize("blocks", [1, 4])
def test_tiny_deviations_look_tiny(blocks: int) -> None:
    small = rows_of(*[[0.995, 1.006]] * (blocks - 1), [0.995, 1.003])
    figure = report(frame_signals=small).figure()
    (axes,) = time_axes(figure)
    for _, _, colour in drawn_boxes(axes):
        assert min(colour[:3]) > 0.9, "nearly white"
    content = figure_text(report(frame_signals=small))
    assert "0.995" in content
    assert ("1 = neutral" in content) if blocks == 1 else (" 0.9 1 1.1 " in content)
    if blocks == 1:
        ground, line = (one.get_ydata() for one in axes.lines)
        assert 0 < np.abs(line - ground[0]).max() < 0.1 * np.ptp(axes.get_ylim())
    (axes,) = time_axes(report(frame_signals=tuple(replace(one, neutral=0.0) for one in small)).figure())
    assert min(min(colour[:3]) for _, _, colour in drawn_boxes(axes)) < 0.5, "0 has no tenth"


def test_identical_strips_are_merged_into_one() -> None:
    content = figure_text(report(frame_signals=rows_of(*[[0.0, 0.0]] * 16, neutral=0.0)))
    assert "16 blocks 0 throughout" in content
    assert content.count("throughout") == 1
    assert "layer." not in content
    assert figure_text(report(frame_signals=rows_of(*[[0.0, 0.0]] * 3, neutral=0.0))).count("throughout") == 3
    assert (
        figure_text(report(frame_signals=rows_of(*[[0.0, 0.0]] * 4, [0.0, 1.0], neutral=0.0))).count("throughout") == 4
    )


def test_times_are_rounded_as_in_the_viewer() -> None:
    clip = replace(made(16).clip, times=np.arange(16) / 8)
    content = figure_text(replace(report(), clip=clip))
    assert "1.13 s" in content
    assert "0.63 s" in content
    assert "1.12 s" not in content


def test_frames_have_no_tick_marks() -> None:
    figure = report(16, frame_signals=frame_signals(1)).figure()
    assert not [axes for axes in figure.axes if axes.get_xlim() == (0, 16)]


def bars_of(labelled: LabelledValues, **named: Any) -> tuple[Any, list[Any], float]:
    """Return axes, bars and position of the neutral line of a report with these numbers only."""
    figure = report(labelled_values=(labelled,), **named).figure()
    (axes,) = [axes for axes in figure.axes if axes.lines and not axes.images]
    return axes, drawn_bars(axes), axes.lines[0].get_xdata()[0]


@pytest.mark.parametrize("value", [-0.804, 0.804])
def test_bars_extend_to_the_side_of_their_sign_and_sides_are_named(value: float) -> None:
    one = LabelledValues("", "", ADDED, ("SRTG, 4 blocks",), [value], 0.0, quantity="ablation")
    axes, (bar,), line = bars_of(one, name="kick")
    low, high = axes.get_xlim()
    assert line == 0
    assert low < -0.5
    assert high > 0.5, "there is room on both sides"
    assert np.sign(bar.get_width()) == np.sign(value)
    assert bar.get_x() == 0
    content = figure_text(report(labelled_values=(one,), name="kick"))
    assert "← against 'kick' for 'kick' →" in content
    assert ("−0.804" if value < 0 else " 0.804") in content
    long = figure_text(report(labelled_values=(replace(one, labels=("a", "b"), values=[1, value]),), name=LONG))
    assert "← against for →" in long, "where the name does not fit"


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_neutral_line_is_never_at_the_border(sign: int) -> None:
    axes, bars, line = bars_of(LabelledValues("a", "N", "value", ("x", "y"), [sign * 1.0, sign * 2.0], 0.0))
    low, high = axes.get_xlim()
    assert low < line < high
    assert all(np.sign(bar.get_width()) == sign for bar in bars)
    assert "against" not in figure_text(
        report(labelled_values=(LabelledValues("a", "N", "value", ("x",), [1.0], 0.0),))
    )


def test_the_axis_of_bounded_values_spans_the_bounds() -> None:
    gate = LabelledValues("b", "SRTG", "how far the gate is open", ("gate",), [0.125], 0.0, (0.0, 1.0))
    axes, (bar,), line = bars_of(gate)
    assert axes.get_xlim() == (0, 1)
    assert (line, bar.get_width()) == (0, 0.125)
    gates = tuple(replace(gate, name=f"b.{k}") for k in range(4))
    content = [text.get_text() for text in texts(report(labelled_values=gates).figure())]
    assert content.count("0") == content.count("1") == 1, "the ends are written, once for all blocks"
    assert content.count("how far the gate is open") == 1
    other = replace(gate, bounds=(-1.0, 1.0))
    content = [text.get_text() for text in texts(report(labelled_values=(gate, other)).figure())]
    assert content.count("how far the gate is open") == 2, "what has other bounds has another axis"
    far = replace(gate, values=[2.5], neutral=0.0, bounds=(2.0, 3.0))
    axes, (bar,), line = bars_of(far)
    assert (line, bar.get_width()) == (2, 0.5), "a line beyond the bounds stands at their end"


def test_a_large_png_keeps_the_colours_of_its_scales() -> None:
    rng = np.random.default_rng(0)
    page = np.full((400, 600, 3), 255, np.uint8)
    page[:250] = rng.normal((190, 170, 150), 15, (250, 600, 3)).clip(0, 255)  # a room, of which there is much
    ramp = (255 * BELOW_ABOVE(np.linspace(0, 1, 100))[:, :3]).astype(np.uint8)
    page[300:309, 100:200] = ramp
    page[250:300] = (251, 250, 248)  # the letters' rims, say
    data = encode_png(Image.fromarray(page), MAPS)
    with Image.open(io.BytesIO(data)) as small:
        assert small.mode == "P"
        back = np.asarray(small.convert("RGB"))
    assert len(np.unique(back[304, 100:200], axis=0)) >= 12, "no patches"
    assert np.abs(back[304, 100:200].astype(int) - ramp).max() < 24
    assert (back[350] == 255).all()
    page[:250] = 128
    data = encode_png(Image.fromarray(page), MAPS)
    assert len(data) < MAX_BYTES
    with Image.open(io.BytesIO(data)) as page:
        np.testing.assert_array_equal(np.asarray(page), page)

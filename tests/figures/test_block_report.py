"""The figure of a block report: no text is cut off or overlaps, omissions are stated, names are literal text."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.explanations import BlockReport, ClassChannelTable, FrameSignal, LabelledValues
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.explanations.text import fixed
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR
from tests.example_values import small_report
from tests.figures.example_tubes import CAVEATS, LONG, made

UNKNOWN_LETTERS = "ignore:Glyph:UserWarning"  # matplotlib's own font lacks those of some scripts and warns
CLASSES = ("wave", "clap", "jump", "run", "walk", "sit", "bow", "kick", "point", "nod")
MULTIPLIED = "each frame is multiplied by"
HARD = "你好 $x_1^2$ _a_ \\frac{1}{2} <b>&amp;</b>\n\t🎉\x00 " + LONG


def report(frames: int = 16, *, name: str = "wave", **given: Any) -> BlockReport:
    """Return a report with some frame signals, labelled values or tables, on the clip of the example tubes."""
    tubes = made(frames, name=name)
    parts = {"frame_signals": (), "labelled_values": (), "tables": (), **given}
    return BlockReport(tubes.clip, tubes.targets[0], **parts, provenance=tubes.provenance)


def frame_signals(
    blocks: int, steps: int = 4, frames: int = 16, neutral: float | None = 1.0
) -> tuple[FrameSignal, ...]:
    """Return signals of which each deviates twice as much as the one before, up to one half."""
    rows = (np.arange(steps) + 0.5) * frames / steps - 0.5
    wave = np.where(np.arange(steps) % 2, -0.5, 0.5)
    return tuple(
        FrameSignal(f"layer.{k}", "SRTG", MULTIPLIED, 1 + wave * 2.0 ** (k + 1 - blocks), rows, neutral)
        for k in range(blocks)
    )


def guesses(classes: tuple[str, ...], blocks: int) -> tuple[LabelledValues, ...]:
    values = np.random.default_rng(0).permutation(len(classes)) / 10 - 0.25
    return tuple(
        LabelledValues(f"layer{k}", "Guess", "early guess", classes, values * (k + 1), 0.0) for k in range(blocks)
    )


def tables(classes: tuple[str, ...], blocks: int, channels: int = 12) -> tuple[ClassChannelTable, ...]:
    rng = np.random.default_rng(1)
    return tuple(
        ClassChannelTable(
            f"layer{k}", "Guess", "what each kernel says", classes, rng.normal(size=(len(classes), channels))
        )
        for k in range(blocks)
    )


KINETICS = (*(f"class number {k}" for k in range(399)), "wave")
PLANES = ("plane yx (space)", "plane tx (time and the horizontal)", "plane ty (time and the vertical)")
EVIDENCE = FrameSignal("stage1", "MTConv", "evidence of the short stream", [0.5, -1.0], [3.5, 11.5], 0.0, "evidence")
REPORTS = {
    "small": small_report(),
    "one frame signal": report(frame_signals=frame_signals(1)),
    "three frame signals": report(frame_signals=(*frame_signals(3, 16), *frame_signals(3, 16, neutral=None))),
    "sixty frame signals": report(frame_signals=(*frame_signals(60), *frame_signals(60, 8, neutral=None))),
    "a long clip": report(300, frame_signals=frame_signals(2, 300, 300)),
    "one frame": report(1, frame_signals=frame_signals(1, 1, 1)),
    "classes": report(labelled_values=guesses(CLASSES, 4), tables=tables(CLASSES, 4)),
    "many classes": report(labelled_values=guesses(KINETICS, 2), tables=tables(KINETICS, 10, 700)),
    "planes": report(
        labelled_values=tuple(
            LabelledValues(f"b.{k}", "FAST", "evidence", PLANES, [1, k, -k], 0.0, quantity="evidence")
            for k in range(40)
        )
    ),
    "nothing": report(),
    "hard words": report(
        name=HARD,
        frame_signals=tuple(
            replace(one, name=f"{HARD}.{at}", kind=HARD, what=HARD) for at, one in enumerate(frame_signals(5))
        ),
        labelled_values=tuple(replace(one, name=HARD, what=HARD) for one in guesses((HARD, HARD + "2"), 2)),
        tables=tuple(replace(one, name=HARD, kind=HARD) for one in tables((HARD, HARD + "2"), 2)),
    ),
    "huge and tiny": report(
        frame_signals=(
            FrameSignal("a", "N", "huge", np.array([-3e38, 3e38], np.float32), [0.0, 9.0], 3e38),
            FrameSignal("b", "N", "tiny", [1e-40, 2e-40], [-50.0, 90.0]),
        ),
        labelled_values=(LabelledValues("a", "N", "huge", ("x", "y"), np.array([3.4e38, -3.4e38], np.float32), -3e38),),
        tables=(ClassChannelTable("a", "N", "huge", ("x",), np.full((1, 2), -3.4e38, np.float32)),),
    ),
}
every_report = pytest.mark.parametrize("shown", REPORTS.values(), ids=REPORTS)


def texts(figure: Any) -> list[Text]:
    """Return all text that is visible in a figure, line by line from the top, each line from the left."""
    figure.draw_without_rendering()
    switched_off = [axes for axes in figure.findobj(Axes) if not axes.axison]
    hidden = {text for axes in switched_off for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)}
    visible = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    boxes = {text: text.get_window_extent() for text in visible if text not in hidden}
    lines: list[list[Text]] = []
    for text in sorted(boxes, key=lambda text: -boxes[text].y1):
        middle = (boxes[text].y0 + boxes[text].y1) / 2
        if not lines or boxes[lines[-1][0]].y0 > middle:
            lines.append([])
        lines[-1].append(text)
    return [text for line in lines for text in sorted(line, key=lambda text: boxes[text].x0)]


def figure_text(shown: BlockReport) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in texts(shown.figure()))


def drawn_boxes(axes: Any) -> list[tuple[float, float, Any]]:
    """Return left end, right end and colour of every value of the frame signals."""
    found = []
    for mesh in (one for one in axes.collections if isinstance(one, QuadMesh)):
        left, right = mesh.get_coordinates()[0, ::2, 0], mesh.get_coordinates()[0, 1::2, 0]
        found += zip(left, right, mesh.to_rgba(mesh.get_array()[0, ::2]), strict=True)
    return found


def drawn_bars(axes: Any) -> list[Any]:
    """Return the bars of labelled values."""
    return [bar for bar in axes.patches if bar.get_height() == pytest.approx(0.7)]


def time_axes(figure: Any) -> list[Any]:
    """Return the axes of frame signals."""
    return [axes for axes in figure.axes if axes.axison and axes.get_xlim()[0] == 0.5]


@every_report
@pytest.mark.filterwarnings(UNKNOWN_LETTERS)
def test_no_text_is_cut_off_or_overlaps_another(shown: BlockReport) -> None:
    figure = shown.figure()
    read = texts(figure)
    assert len(read) > 8 or len(shown.clip) == 1
    boxes = [text.get_window_extent() for text in read]
    page = figure.bbox
    for text, box in zip(read, boxes, strict=True):
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, text.get_text()
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, text.get_text()
    for (one, a), (two, b) in itertools.combinations(zip(read, boxes, strict=True), 2):
        across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(across, down) < 2, f"{one.get_text()!r} stands on {two.get_text()!r}"


@every_report
@pytest.mark.filterwarnings(UNKNOWN_LETTERS)
def test_saved_figure_states_its_origin_and_every_caveat(shown: BlockReport, tmp_path: Path) -> None:
    shown.figure().savefig(tmp_path / "f.svg")
    content = figure_text(
        replace(shown, provenance=replace(made().provenance, versions={"torch": "2.13"}), clip=made().clip)
    )
    for part in (
        "93 %" if shown.target.probability == 0.93 else "60 %",
        "Score (logit)",
        "Saliency tubes of Net",
        "torch 2.13",
    ):
        assert part in content
    for part in ("The clip is a synthetic sample: wave.", *CAVEATS):
        assert part in content


def test_frames_are_aligned_with_their_part_of_the_clip() -> None:
    figure = report(16, frame_signals=frame_signals(1)).figure(frames=4)
    figure.draw_without_rendering()
    (axis,) = time_axes(figure)
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 4
    for k, axes in enumerate(pictures):
        box = axes.get_position(original=False)
        left, right = axis.transData.inverted().transform(figure.transFigure.transform([[box.x0, 0], [box.x1, 0]]))[
            :, 0
        ]
        assert 4 * k + 0.5 <= left < right <= 4 * (k + 1) + 0.5
        assert (left + right) / 2 == pytest.approx(4 * k + 2.5)
    content = [text.get_text() for text in texts(figure)]
    assert [text.split("\n")[0] for text in content if text.startswith("frame ") and "of" not in text] == [
        f"frame {k}" for k in (3, 7, 11, 15)
    ]


@pytest.mark.parametrize("blocks", [1, 5])
def test_values_extend_half_way_to_their_neighbours(blocks: int) -> None:
    rows = np.array([0.0, 1.0, 5.0, 11.0])
    shown = tuple(replace(one, rows=rows) for one in frame_signals(blocks))
    (axes,) = time_axes(report(frame_signals=shown).figure())
    ends = np.array([(left, right) for left, right, _ in drawn_boxes(axes)])[:4]
    np.testing.assert_allclose(ends, [(0.5, 1.5), (1.5, 4), (4, 9), (9, 14)])


def test_few_blocks_are_lines_with_values_and_many_are_strips_with_a_scale() -> None:
    few, many = report(frame_signals=frame_signals(2)), report(frame_signals=frame_signals(4))
    for number in ("1.5", "0.5", "1.25", "0.75"):
        assert [text.get_text() for text in texts(few.figure())].count(number) == 2, number
    first, second = time_axes(few.figure())
    assert first.get_ylim() == second.get_ylim()
    x, tops = first.lines[1].get_data()  # the first marks the neutral value
    np.testing.assert_allclose(x, [0.5, 4.5, 4.5, 8.5, 8.5, 12.5, 12.5, 16.5])
    tops = tops[::2]
    assert tops[0] - tops[1] == pytest.approx(tops[2] - tops[3])
    assert tops[0] > tops[1]
    assert [text.get_text() for text in texts(few.figure())].count("1 = neutral") == 2
    content = figure_text(many)
    assert " 0.5 1 1.5 " in content, "the ends of the colours and their middle"
    assert "0.5 to 1.5" in content, "the range of a block"
    assert "0.94 to 1.06" in content
    assert not re.search(r"0\.75 (?!to)", content), "no single values"


def test_colours_diverge_at_the_neutral_value_and_evidence_has_its_own() -> None:
    (axes,) = time_axes(report(frame_signals=frame_signals(4)).figure())
    first, second = (colour for _, _, colour in drawn_boxes(axes)[12:14])
    assert first[1] > max(first[0], first[2]), "green above"
    assert min(second[0], second[2]) > second[1], "violet below"
    same = (FrameSignal("a", "SRTG", MULTIPLIED, [1.0, 2.0], [0.0, 1.0], 1.0), *frame_signals(4))
    (axes,) = time_axes(report(frame_signals=same).figure())
    neutral = drawn_boxes(axes)[0][2][:3]
    assert min(neutral) > 0.95
    (axes,) = time_axes(report(frame_signals=(EVIDENCE,)).figure())
    half, against = (np.array(colour[:3]) for _, _, colour in drawn_boxes(axes)[:2])
    np.testing.assert_allclose(against, to_rgb(INK_AGAINST), atol=0.01)
    assert np.abs(half - to_rgb(INK_FOR)).max() > 0.1
    assert half[0] > half[2]


def test_left_out_blocks_are_counted_and_deviate_less() -> None:
    shown = report(frame_signals=frame_signals(60))
    content = figure_text(shown)
    assert "SRTG, 60 blocks" in content
    drawn = [f"layer.{k}" for k in range(60) if re.search(rf"layer\.{k}\b", content)]
    assert drawn == [f"layer.{k}" for k in range(36, 60)]
    rest = np.concatenate([one.values for one in shown.frame_signals[:36]])
    assert np.ptp(rest) < 0.01, "of a scale from 0.5 to 1.5"
    assert "… and 36 more blocks that deviate less: 1 throughout" in content
    content = figure_text(REPORTS["planes"])
    assert "… and 16 more blocks that deviate less: −15 to 15" in content
    assert "b.16" in content
    assert "b.15" not in content
    assert "… and 2 earlier blocks" in figure_text(report(tables=tables(CLASSES, 10)))
    assert "… and 1 earlier block" in figure_text(report(labelled_values=guesses(CLASSES, 9)))


def test_numbers_are_written_and_match_the_lengths_of_bars() -> None:
    figure = report(labelled_values=guesses(CLASSES, 4)).figure()
    content = [text.get_text() for text in texts(figure)]
    for name in CLASSES:
        assert content.count(name) == 1, "once for all four blocks"
    for one in guesses(CLASSES, 4):
        assert all(fixed(value) in content for value in one.values)
    panels = [axes for axes in figure.axes if drawn_bars(axes)]
    for axes, one in zip(panels, guesses(CLASSES, 4), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in drawn_bars(axes)], one.values, rtol=1e-6)
        assert axes.get_xlim() == panels[0].get_xlim()
    (target_label,) = [text for text in texts(figure) if text.get_text() == "wave"]
    assert target_label.get_fontweight() == "bold"


def test_many_classes_are_reduced_to_the_largest_and_the_explained_one() -> None:
    (numbers,) = guesses(KINETICS, 1)
    content = figure_text(report(labelled_values=(numbers,)))
    largest = [KINETICS[at] for at in np.argsort(-numbers.values)[:10]]
    assert "the 10 largest of 400, and the explained class" in content
    for name in largest:
        assert re.search(rf"\b{name}\b", content), name
    assert "wave" in [text.get_text() for text in texts(report(labelled_values=(numbers,)).figure())]
    assert len(re.findall(r"class number \d+", content)) == 10
    strongest = LabelledValues(
        "", "", ADDED, tuple(f"part {k}" for k in range(30)), np.r_[-90.0, np.arange(29.0)], 0.0, quantity="ablation"
    )
    content = figure_text(report(labelled_values=(strongest,)))
    assert "the 10 strongest of 30" in content
    assert "part 0 " in content.split("strongest of 30")[0].split("(with minus without)")[1], "against it, and strongly"


def test_channels_are_sorted_by_the_explained_class() -> None:
    (table,) = tables(CLASSES, 1)
    figure = report(name="jump", tables=(table,)).figure()
    assert "12 channels, sorted by value for 'jump', largest first" in figure_text(report(name="jump", tables=(table,)))
    picture = np.asarray(figure.axes[-1].images[0].get_array())[::16]
    assert picture.shape[0] == len(CLASSES)
    columns = picture[:, :: picture.shape[1] // 12].astype(int)
    signs = np.sign(columns[..., 1] * 2 - columns[..., 0] - columns[..., 2])  # green above nothing, violet below
    target_label = np.sort(table.values[2])[::-1]
    others = table.values[[0, 1, *range(3, 10)]][:, np.argsort(-table.values[2])]
    clear = np.abs(np.r_[target_label[None], others]) > 0.2 * np.abs(table.values).max()
    np.testing.assert_array_equal(signs[clear], np.sign(np.r_[target_label[None], others])[clear])
    content = figure_text(report(tables=tables(KINETICS, 1)))
    assert "the explained class, and the 6 of 400 classes with the largest mean in the last table" in content


def test_an_empty_report_says_so() -> None:
    assert "No block of this network reports anything for this clip." in figure_text(report())
    assert "No block" not in figure_text(report(frame_signals=frame_signals(1)))
    assert "time steps of their own" not in figure_text(report(labelled_values=guesses(CLASSES, 1)))


def test_the_size_of_the_figure_is_limited_for_any_file() -> None:
    kinds = tuple(replace(frame_signals(1)[0], name=f"b{k}", what=f"value {k}") for k in range(5000))
    long = FrameSignal("", "N", "long", np.arange(200_000), np.linspace(0, 15, 200_000), 0.0)
    numbers = tuple(replace(guesses(CLASSES, 1)[0], what=f"guess {k}") for k in range(40))
    every = tuple(replace(tables(CLASSES, 1)[0], what=f"table {k}") for k in range(40))
    shown = report(frame_signals=(long, *kinds), labelled_values=numbers, tables=every)
    start = time.process_time()  # other processes may share the machine
    figure = shown.figure()
    assert time.process_time() - start < 10
    assert max(figure.get_size_inches()) < 100
    content = figure_text(shown)
    assert "… and 4,989 more kinds of values from other blocks" in content
    assert content.count("… and 28 more kinds of values from other blocks") == 2
    assert "200000" in content.replace(",", "") or "199999" in content or "2e+05" in content


@pytest.mark.filterwarnings(UNKNOWN_LETTERS)
def test_names_are_literal_text(tmp_path: Path) -> None:
    REPORTS["hard words"].figure().savefig(tmp_path / "f.svg")
    content = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "f.svg").read_text()))
    assert r"$x_1^2$ _a_ \frac{1}{2} &lt;b&gt;&amp;amp;&lt;/b&gt;" in content
    assert "$dollars$ and &lt;brackets&gt;" in content


@pytest.mark.parametrize("frames", [0, -1, True, 2.5, "all"])
def test_an_invalid_number_of_frames_is_an_error(frames: Any) -> None:
    with pytest.raises(ValueError, match=f"frames must be .*, got {frames!r}"):
        report().figure(frames=frames)


# Cells, pages, the command line


def in_a_secret_folder() -> BlockReport:
    shown = small_report()
    return replace(shown, clip=replace(shown.clip, source="/home/me/secret/wave.mp4"))


def test_a_cell_shows_the_figure_as_png() -> None:
    bundle = in_a_secret_folder()._repr_mimebundle_()
    assert sorted(bundle) == ["image/png", "text/plain"]
    assert bundle["text/plain"].startswith("BlockReport('class 0'; SRTG, Net, ")
    assert "wave.mp4" in bundle["text/plain"]
    assert "secret" not in json.dumps(bundle)
    assert "secret" not in figure_text(in_a_secret_folder())
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        figure = small_report().figure()
        np.testing.assert_allclose(picture.size, 100 * figure.get_size_inches(), atol=1)
        assert len(picture.convert("RGB").getcolors(2**16)) > 50


def test_to_html_suggests_alternatives_for_a_report(tmp_path: Path) -> None:
    for given in (small_report(), [made(), small_report()]):
        with pytest.raises(
            TypeError, match=r"got BlockReport; draw it with .figure\(\), or put .* with report.on\(tubes\)"
        ):
            ne.to_html(given, tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []


def test_a_saved_report_is_drawn_without_torch_and_the_command_line_suggests_it(tmp_path: Path) -> None:
    path = small_report().save(tmp_path / "r.npz")
    code = (
        f"import sys, notebook_explain as ne\nr = ne.load({str(path)!r})\nr.figure()\nr._repr_mimebundle_()\n"
        "print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
    command = [sys.executable, "-m", "notebook_explain", "open", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert (
        "contains a block report, but this command reads tubes and visualizations only; in Python, "
        "notebook_explain.load(...).figure()" in (run.stderr)
    )


def test_signals_can_only_be_put_on_tubes_of_the_same_clip() -> None:
    shown = report(frame_signals=frame_signals(2))
    tubes = shown.on(made(16))
    assert tubes.frame_signals == shown.frame_signals
    other = Clip(made(16).clip.frames[::-1].copy(), source="other")
    with pytest.raises(ValueError, match=r"these frame signals are of clip 'other', not .*; make both"):
        replace(shown, clip=other).on(tubes)

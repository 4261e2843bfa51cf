"""A visualization as a figure, as the picture of a cell, and as animations; questions and texts of its outputs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from notebook_explain import display
from notebook_explain.clip import Clip
from notebook_explain.display import cells
from notebook_explain.display.exports import question
from notebook_explain.explanations import Visualization
from notebook_explain.explanations.provenance import clips_named, provenance_lines
from notebook_explain.figures.video.visualization import _render
from notebook_explain.figures.visualization import visualization_png
from tests.example_values import small_visualization
from tests.figures.example_tubes import LONG, drawn
from tests.figures.test_video_export import gif_of, video_of

__all__ = ["drawn"]
SECRET = "/home/me/secret"


def texts(figure: Any) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def many(count: int) -> Visualization:
    """Return several made clips with names of their own."""
    made = small_visualization()
    return replace(made, syntheses=tuple(replace(made[0], name=f"class {k}") for k in range(count)))


def in_folders() -> Visualization:
    """Return a visualization whose clips were read from a folder."""
    made = small_visualization()
    clips = tuple(replace(clip, source=f"{SECRET}/{clip.source}") for clip in made.clips)
    start = replace(made[0].start, source=f"{SECRET}/photo.jpg")
    return replace(made, clips=clips, syntheses=(replace(made[0], start=start), made[1]))


def images_of(figure: Any) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def test_a_made_clip_has_its_start_its_frames_and_those_of_the_nearest_real_clip() -> None:
    made = small_visualization()
    found = images_of(made.figure(frames=3))
    assert len(found) == 2 * (1 + 3 + 3)
    for one, shown in zip(made, (found[:7], found[7:]), strict=True):
        real = made.clips[one.neighbours[0].clip]
        expected = [one.start.frames[0], *one.clip.frames[[0, 2, 5]], *real.frames[[0, 2, 5]]]
        for image, frame in zip(shown, expected, strict=True):
            np.testing.assert_array_equal(image, frame)


def test_frames_of_a_longer_real_clip_are_those_of_the_same_moments() -> None:
    made = small_visualization()
    long = Clip(np.random.default_rng(0).integers(0, 255, (11, 12, 12, 3), np.uint8))
    made = replace(made, syntheses=made.syntheses[:1], clips=(made.clips[0], long, *made.clips[2:]))
    for image, frame in zip(images_of(made.figure(frames=3))[4:], (0, 4, 10), strict=True):
        np.testing.assert_array_equal(image, long.frames[frame])


def test_the_figure_states_scores_verdicts_and_caveats() -> None:
    content = " ".join(texts(small_visualization().figure()).split())
    for words in (
        "kick",
        "score 3: 1.5 × the best of 4 real clips",
        "start alone: −1",
        "called 'kick' (90 %)",
        "start called 'punch' (10 %)",
        "Other, 10 parameters: 'kick' (90 %) shuffled 'punch' (10 %)",
        "facet 1 of 2",
        "No other network was asked.",
        "nearest to its own facet (cosine 0.97,",
        "nearest real clip, distance 1.5: 'kick'",
        "What the network looks for (Net, 10 parameters): 2 made clips beside 4 real clips",
        "A caveat.",
        "FeatureVisualization of Net, 10 parameters",
    ):
        assert words in content


@pytest.mark.parametrize("count", [1, 10])
def test_nothing_overlaps_or_leaves_the_page(count: int) -> None:
    made = small_visualization()
    one = replace(made[0], name=LONG, best=((LONG, 0.5),), verdicts=made[0].verdicts * 3, facet=made[1].facet)
    made = replace(made, syntheses=(one,) * count, labels=(LONG * 3,) * 4)
    figure = made.figure()
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text()]
    boxes += [image.get_window_extent() for image in figure.axes[0].images]
    width, height = figure.bbox.size
    for k, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        for other in boxes[:k]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert across <= 1 or down <= 2, (box, other)
    assert LONG[:30] in texts(figure)


def test_clips_of_other_proportions_keep_them() -> None:
    for height, width in ((12, 30), (30, 12)):
        rng = np.random.default_rng(0)
        clip = Clip(rng.integers(0, 255, (6, height, width, 3), np.uint8))
        made = small_visualization()
        one = replace(made[0], clip=clip, start=replace(clip, frames=clip.frames[:1]))
        figure = replace(made, syntheses=(one,), clips=(clip,) * 4).figure(frames=2)
        figure.canvas.draw()
        for image in figure.axes[0].images:
            box = image.get_window_extent()
            assert box.width / box.height == pytest.approx(width / height, rel=0.01)


def test_without_real_clips_only_made_ones_are_drawn() -> None:
    made = small_visualization()
    one = replace(made[0], neighbours=(), real_scores=np.zeros(0, np.float32), best=(), start_best=())
    figure = replace(made, syntheses=(one,), clips=(), labels=()).figure(frames=3)
    assert len(images_of(figure)) == 4
    assert "no real clips were given" in texts(figure)
    assert "called" not in texts(figure)
    assert "nearest" not in texts(figure)


def test_a_figure_needs_a_frame_and_has_no_window() -> None:
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        small_visualization().figure(frames=0)
    with pytest.raises(TypeError, match="window applies to explanations of one clip, and Visualization has several"):
        display.figure(small_visualization(), window=(0, 10))


def test_a_file_and_the_picture_of_a_cell(tmp_path: Path) -> None:
    path = small_visualization().to_png(tmp_path / "made.png", dpi=60, frames=2)
    with Image.open(path) as image:
        assert image.width == 660
    small, large = visualization_png(many(2)), visualization_png(many(30))
    heights = []
    for data in (small, large):
        with Image.open(io.BytesIO(data)) as image:
            assert image.mode == "P"
            heights.append(image.height)
    assert heights[1] < 3 * heights[0]
    assert cells._picture(many(2)) == small


def test_the_picture_of_a_cell_says_how_many_made_clips_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from notebook_explain.figures import visualization as module

    seen: list[Visualization] = []
    draw = module.visualization_figure
    monkeypatch.setattr(module, "visualization_figure", lambda shown, frames: (seen.append(shown), draw(shown, 1))[1])
    visualization_png(many(4))
    visualization_png(many(6))
    assert [len(shown) for shown in seen] == [4, 4]
    assert seen[0].caveats == ("A caveat.",)
    assert seen[1].caveats == ("2 more made clips not shown here.", "A caveat.")


def rendered(made: Visualization, which: int, side: int) -> list[np.ndarray]:
    return list(_render(made[which], made, side, False))


@pytest.mark.parametrize(("side", "factor"), [(16, 1), (24, 1), (47, 1), (48, 2), (256, 10)])
def test_frames_are_enlarged_by_whole_factors(side: int, factor: int) -> None:
    made = small_visualization(size=24)
    for k, image in enumerate(rendered(made, 0, side)):
        size, gap = 24 * factor, max(4, 24 * factor // 32)
        left = max(0, (image.shape[1] - 2 * size - gap) // 2)
        pictures = image[-size:, left : left + size], image[-size:, left + size + gap : left + 2 * size + gap]
        for picture, frame in zip(pictures, (made[0].start.frames[0], made[0].clip.frames[k]), strict=True):
            np.testing.assert_array_equal(picture, np.kron(frame, np.ones((factor, factor, 1), np.uint8)))


def test_a_start_of_several_frames_plays_beside_the_made_clip() -> None:
    made = small_visualization()
    images = rendered(made, 1, 16)
    assert len(images) == 6
    for k, image in enumerate(images):
        left = (image.shape[1] - 28) // 2
        np.testing.assert_array_equal(image[-12:, left : left + 12], made[1].start.frames[k])
        np.testing.assert_array_equal(image[-12:, left + 16 : left + 28], made[1].clip.frames[k])


def test_a_gif_loops_at_the_speed_of_the_clip(tmp_path: Path) -> None:
    path = small_visualization().to_gif(tmp_path / "kick", "kick", side=100)
    assert path == tmp_path / "kick.gif"
    pictures, durations, info = gif_of(path)
    assert len(pictures) == 6
    assert info["loop"] == 0
    assert sum(durations) == pytest.approx(6 / 8 * 1000, abs=10)


def test_an_animation_names_the_clip_its_numbers_and_every_caveat(drawn: list[str], tmp_path: Path) -> None:
    made = in_folders()
    path = made.to_gif(tmp_path / "made.gif", 0, side=256)
    content = " ".join(drawn)
    for words in (
        "kick",
        "start",
        "made clip",
        "Score 3: 1.5 × the best of 4 real clips",
        "'kick' (90 %)",
        "Other, 10 parameters calls it",
        "start: photo.jpg",
        "A caveat.",
    ):
        assert words in content
    comment = gif_of(path)[2]["comment"].decode()
    assert "kick" in comment
    assert "A caveat." in comment
    assert "secret" not in content + comment
    drawn.clear()
    made.to_gif(tmp_path / "bare.gif", 0, caption=False)
    assert set(drawn) == {"kick", "start", "made clip"}


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_a_video_has_every_frame_at_its_speed(tmp_path: Path, ending: str) -> None:
    made = small_visualization(size=24)
    pictures, rate = video_of(made.to_video(tmp_path / f"made{ending}", 1, side=48, fps=5))
    assert len(pictures) == 6
    assert rate == pytest.approx(5)


def test_animations_refuse_what_they_cannot_draw(tmp_path: Path) -> None:
    made = small_visualization()
    for options, words in (
        ({"side": 8}, "side must lie in 16..4096 pixels"),
        ({"fps": 99}, "fps must be 0.1 to 50 frames"),
        ({"which": "clap"}, "made clip 'clap' is not among 0: 'kick'"),
    ):
        with pytest.raises(ValueError, match=words):
            made.to_gif(tmp_path / "made.gif", **options)
    with pytest.raises(ValueError, match=r"name the file 'made.webm' or 'made.mp4'"):
        made.to_video(tmp_path / "made.avi")
    assert not list(tmp_path.iterdir())


def test_questions_name_the_one_made_clip() -> None:
    made = small_visualization()
    assert question(made, {}) == "What does the network look for?"
    assert question(replace(made, syntheses=made.syntheses[:1]), {}) == "What does the network look for in 'kick'?"


def test_outputs_name_no_folders() -> None:
    made = in_folders()
    assert clips_named(made) == "2 made clips, 4 real clips"
    assert clips_named(replace(made, clips=(), labels=())) == "2 made clips"
    outputs = [
        *provenance_lines(made),
        cells._repr_without_folders(made),
        made.in_words(),
        made.report(),
        texts(made.figure()),
    ]
    assert "secret" not in " ".join(outputs)
    assert provenance_lines(made)[0] == "FeatureVisualization of Net, 10 parameters"
    assert cells._repr_without_folders(made) == "Visualization('kick', 'facet 1 of 2'; 4 real clips)"

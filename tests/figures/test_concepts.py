"""Figure of concepts: rows, dimmed exemplars, bars with intervals, the bar without a model, and its texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from notebook_explain.figures.concepts import best_frame, concepts_png, dimmed
from tests.example_values import small_concepts
from tests.widgets.concept_examples import example_curves, many_concepts, unmeasured


def texts(figure: object) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))  # type: ignore[attr-defined]


def test_a_row_has_its_exemplars_and_a_chart_for_each_fill() -> None:
    concepts = many_concepts()
    figure = concepts.figure(count=3, exemplars=2)
    images = [axes for axes in figure.axes if axes.images]
    charts = [axes for axes in figure.axes if axes.patches]
    assert (len(images), len(charts)) == (6, 6)
    mask = concepts.mask(0, concepts[0].exemplars[0])
    frame = best_frame(mask)
    expected = dimmed(concepts.clips[concepts[0].exemplars[0]].frames[frame], mask[frame])
    np.testing.assert_array_equal(images[0].images[0].get_array(), expected)
    assert "What if it were not there?" in texts(figure)
    assert "The first 3 of 14 concepts." in texts(figure)
    assert "Stability over seeds 0.70: 1 if another seed finds the same concepts" in texts(figure)


def test_bars_are_the_effects_and_hollow_within_chance() -> None:
    concepts = many_concepts()
    charts = [axes for axes in concepts.figure(count=14).axes if axes.patches]
    for k, axes in enumerate(charts):
        concept, fill = concepts[k // 2], concepts.fills[k % 2]
        effect = concept.effect_of(fill)
        assert effect is not None
        bar, no_model = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        assert bar.get_width() == pytest.approx(effect.value)
        assert no_model.get_width() == pytest.approx(concepts.no_model_effects(fill)[concept.index])
        assert (bar.get_facecolor()[:3] == (1, 1, 1)) == (effect.q > 0.05)
        low, high = axes.lines[0].get_xdata()
        assert (low, high) == (effect.low, effect.high)
        assert axes.get_xlim() == charts[0].get_xlim(), "all charts share an axis"


def test_outside_the_concept_a_frame_is_dimmed_and_inside_it_is_as_it_was() -> None:
    frame = np.full((4, 4, 3), 200, np.uint8)
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = True
    found = dimmed(frame, mask)
    assert (found[1, 2] == 200).all()
    assert found[~mask].max() < 120


def test_the_best_frame_is_the_middle_of_those_that_are_covered_most() -> None:
    mask = np.zeros((6, 2, 2), bool)
    mask[1:4, 0, 0] = True
    assert best_frame(mask) == 2
    mask[5] = True
    assert best_frame(mask) == 5


def test_names_are_plain_text_and_unmeasured_concepts_have_no_charts() -> None:
    concepts = unmeasured(small_concepts()).with_name(0, "$\\alpha_1$ <b>leg</b>")
    figure = concepts.figure()
    assert not [axes for axes in figure.axes if axes.patches]
    assert "$\\alpha_1$ <b>leg</b>" in texts(figure)
    figure.canvas.draw()


def test_curves_are_means_with_their_intervals() -> None:
    curves = example_curves()
    panels = [axes for axes in curves.figure().axes if len(axes.lines) > 1]
    for direction, axes in zip(("add", "remove"), panels, strict=True):
        for order, line in zip(("top", "random", "least"), axes.lines, strict=False):
            np.testing.assert_allclose(line.get_xdata(), curves.steps)
            np.testing.assert_allclose(line.get_ydata(), [one.mean for one in curves.intervals(direction, order)])
    bundle = curves._repr_mimebundle_()
    assert bundle["image/png"]
    assert "add    top" in bundle["text/plain"]


def test_a_file_and_the_picture_of_a_cell(tmp_path: Path) -> None:
    path = small_concepts().to_png(tmp_path / "concepts.png", dpi=60, count=2)
    with Image.open(path) as image:
        assert image.width == 600
    assert concepts_png(small_concepts())[:4] == b"\x89PNG"


@pytest.mark.parametrize("options", [{"count": 0}, {"exemplars": 0}])
def test_no_concepts_or_clips_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        small_concepts().figure(**options)

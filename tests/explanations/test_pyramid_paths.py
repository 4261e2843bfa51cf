"""Pruning by score, the strongest path, contributions of units and links, and long names in the figure."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from notebook_explain.explanations.pyramid import text as pyramid_text
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from tests.example_values import small_pyramid
from tests.widgets.random_pyramids import random_pyramid


def by_gradient(pyramid: Pyramid) -> Pyramid:
    """Return the same pyramid, with contributions to the class score."""
    provenance = dataclasses.replace(pyramid.provenance, knobs={"contribution": "gradient"})
    return dataclasses.replace(pyramid, provenance=provenance)


# Pruning by score


def test_pruning_by_score_keeps_strong_units_whose_parents_are_pruned() -> None:
    pyramid = small_pyramid()
    # Kernel 0 of early (unit 6) is the strongest of its row; without kernel 5 of late and the sum, its parents are gone.
    scores = {1: 0.5, 2: 0.1, 3: 0.1, 4: 0.02, 5: 0.02}
    units = tuple(dataclasses.replace(unit, score=scores.get(k, unit.score)) for k, unit in enumerate(pyramid.units))
    edges = tuple(edge for edge in pyramid.edges if (edge.child, edge.parent) not in ((4, 1), (5, 1)))
    weak = dataclasses.replace(pyramid, units=units, edges=edges)
    assert set(weak.prune(0.4)) == {0, 1}
    assert set(weak.prune(0.4, by="score")) == {0, 1, 4, 5, 6, 8}
    assert "Its parent was pruned." in weak.in_words(4, 0.4)
    assert "All its parents were pruned." in weak.in_words(6, 0.4)
    assert "pruned" not in weak.in_words(4) + weak.in_words(6) + weak.in_words(1, 0.4)
    assert weak.in_words(row="early", threshold=0.4).startswith("early: 0 of 4 kernels shown (2 pruned, ")
    assert weak.in_words(row="early", threshold=0.4, by="score").startswith("early: 1 of 4 kernels shown (1 pruned, ")
    assert np.abs(weak.tube("early", 0.4)).max() == 0
    assert np.abs(weak.tube("early", 0.4, by="score")).max() > 0
    texts = [len(weak.figure(threshold=0.4, by=by).axes[0].images) for by in ("path", "score")]
    assert texts[0] < texts[1]


def test_pruning_by_path_keeps_a_part_of_what_pruning_by_score_keeps() -> None:
    pyramid = random_pyramid(3, rows=8)
    for threshold in np.linspace(0, 1, 11):
        by_score = set(pyramid.prune(threshold, by="score"))
        assert set(pyramid.prune(threshold)) <= by_score
        for row in pyramid.rows[1:]:
            largest = max(pyramid.units[unit].score for unit in row.units)
            strong = {unit for unit in row.units if pyramid.units[unit].score >= threshold * largest}
            assert by_score & set(row.units) == strong
    with pytest.raises(ValueError, match="by must be one of 'path', 'score'; got 'rank'"):
        pyramid.prune(0.5, by="rank")


# The strongest path, and contributions


def test_the_strongest_path_follows_the_largest_share_down_to_the_clip() -> None:
    pyramid = by_gradient(small_pyramid())
    path = pyramid.strongest_path()
    assert path.units == (0, 3, 6, 8)
    assert path.rows == (0, 1, 3, 4)
    assert path.names == ("'class 0'", "kernel 7 of late", "kernel 0 of early", "green of the clip")
    edges = {(edge.child, edge.parent): edge for edge in pyramid.edges}
    steps = [edges[child, parent] for parent, child in zip(path.units, path.units[1:], strict=False)]
    assert path.contributions == tuple(edge.contribution for edge in steps)
    assert path.shares == tuple(edge.share for edge in steps)
    assert path.reaches_clip
    assert path.in_words() == (
        "Strongest path from 'class 0' down to the clip: kernel 7 of late (+0.7 logits, 34 %), "
        "kernel 0 of early (+0.7 logits, 61 %), green of the clip (+0.7 logits, 80 %). "
        "A share is that of all positive contributions to the unit before."
    )
    assert pyramid.strongest_path(0.3).units[1] == 2, "7 is pruned"


def test_the_strongest_path_prefers_a_child_that_leads_on_to_the_clip() -> None:
    pyramid = small_pyramid()
    dead_end = dataclasses.replace(pyramid, edges=tuple(edge for edge in pyramid.edges if edge.parent != 3))
    assert dead_end.strongest_path().units[1] == 2
    assert dead_end.strongest_path().reaches_clip
    cut = dataclasses.replace(pyramid, edges=tuple(edge for edge in pyramid.edges if edge.child != 8))
    path = cut.strongest_path()
    assert not path.reaches_clip
    assert path.units == (0, 3, 6)
    assert "down to kernel 0 of early: " in path.in_words()
    alone = dataclasses.replace(pyramid, edges=())
    assert alone.strongest_path().in_words() == "No unit that is shown adds to 'class 0'."


def test_the_contribution_of_a_unit_is_the_sum_over_its_parents() -> None:
    pyramid = by_gradient(small_pyramid())
    assert pyramid.contribution(6) == pytest.approx(3 * 0.7)
    assert pyramid.contribution(4) == pytest.approx(0)
    assert pyramid.contribution(0) is None
    assert small_pyramid().contribution(6) is None, "contributions to means cannot be added"
    assert "for 'class 0' (+2.1 logits). " in pyramid.in_words(6)
    assert "(about 0 logits)" in pyramid.in_words(4)
    unknown = tuple(dataclasses.replace(edge, kind="unknown", contribution=0.0) for edge in pyramid.edges)
    assert dataclasses.replace(pyramid, edges=unknown).contribution(6) is None
    value = dataclasses.replace(pyramid.target, kind="regression", unit="ml", probability=None)
    assert "(+2.1 ml). " in dataclasses.replace(pyramid, target=value).in_words(6)


def test_a_link_in_words() -> None:
    pyramid = by_gradient(small_pyramid())
    edges = {(edge.child, edge.parent): edge for edge in pyramid.edges}
    said = [pyramid_text.link_sentence(pyramid, edges[pair]) for pair in ((3, 0), (4, 2), (6, 5))]
    assert said == [
        "kernel 7 of late to 'class 0': +0.7 logits, 34 % of the positive contributions there.",
        "channel 1 of sum in late to kernel 2 of late: \u22120.7 logits, 44 % of the positive contributions there.",
        "kernel 0 of early to channel 3 of sum in late (unchanged): +0.7 logits, 63 % of the positive contributions there.",
    ]
    local = pyramid_text.link_sentence(small_pyramid(), edges[3, 0])
    assert ": +0.7 to its mean, 34 % of" in local


def test_a_long_name_in_the_figure_breaks_after_a_dot() -> None:
    rows = small_pyramid().rows
    named = dataclasses.replace(rows[1], name="features.denseblock3.denselayer24.conv1")
    figure = dataclasses.replace(small_pyramid(), rows=(rows[0], named, *rows[2:])).figure()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert any(text.startswith("features.denseblock3.\ndenselayer24.conv1\n8 kernels") for text in texts)

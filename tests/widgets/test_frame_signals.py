"""Courses on the timeline: their state, the first one shown, choice by name, and errors."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import traitlets

from notebook_explain.explanations import Tubes
from notebook_explain.widgets.wire import tubes as tubes_wire
from tests.example_values import small_courses, small_tubes


def with_courses(**options: Any) -> Tubes:
    return small_tubes().with_courses(small_courses(**options))


def test_courses_are_sent_and_the_first_is_shown() -> None:
    tubes = with_courses()
    viewer = tubes.view()
    assert viewer.course == 0
    for sent, course in zip(viewer.courses, tubes.courses, strict=True):
        assert (sent["name"], sent["kind"], sent["what"]) == (course.name, course.kind, course.what)
        assert sent["rows"] == course.rows.tolist()
        np.testing.assert_allclose(sent["values"], course.values, rtol=1e-5)
        assert sent["neutral"] == course.neutral
    json.dumps(viewer.courses, allow_nan=False)
    viewer.close()
    none = small_tubes().view()
    assert (none.courses, none.course) == ([], None)
    none.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("layer1.0", 0),
        ("SRTG", 0),
        ("Net", 1),
        ("how surely each frame finds back", 1),
        ("Net: how surely each frame finds back", 1),
        ("layer1.0 (SRTG): each frame is multiplied by", 0),
        (1, 1),
        (None, None),
    ],
)
def test_a_course_is_chosen_by_its_module_its_class_or_its_description(name: Any, index: int | None) -> None:
    viewer = with_courses().view(course=name)
    assert viewer.course == index
    viewer.close()


def test_each_of_two_courses_of_a_module_can_be_chosen() -> None:
    first, second = small_courses()
    tubes = small_tubes().with_courses([first, dataclasses.replace(second, name="layer1.0", kind="SRTG")])
    for name, index in (("layer1.0", 0), ("layer1.0 (SRTG): how surely each frame finds back", 1)):
        viewer = tubes.view(course=name)
        assert viewer.course == index
        viewer.close()


def test_an_unknown_course_is_rejected_with_the_known_ones() -> None:
    known = r"they have layer1\.0 \(SRTG\): each frame is multiplied by, Net: how surely each frame finds back$"
    with pytest.raises(ValueError, match=rf"^course 'layer9' is not in these tubes; {known}"):
        with_courses().view(course="layer9")
    with pytest.raises(
        ValueError, match=r"^course 'SRTG' is not in these tubes; they have none; tubes.with_courses\(\) adds"
    ):
        small_tubes().view(course="SRTG")


def test_a_course_out_of_range_is_rejected_and_changes_nothing() -> None:
    viewer = with_courses().view()
    with pytest.raises(traitlets.TraitError, match=r"^course must lie in 0\.\.1, got 2$"):
        viewer.course = 2
    assert viewer.course == 0
    viewer.course = None
    viewer.close()
    with pytest.raises(traitlets.TraitError, match=r"^course must be None because these tubes have no courses; got 0$"):
        small_tubes().view(course=0)


def test_courses_beyond_the_limit_are_left_out_with_a_caveat() -> None:
    state = tubes_wire.state(small_tubes().with_courses(small_courses() * 300))
    assert len(state["courses"]) == 512
    assert "The timeline offers the first 512 of 600 courses." in state["caveats"]
    assert not [text for text in tubes_wire.state(with_courses())["caveats"] if "courses" in text]

"""Public names of earlier versions: every one works as the new name does, and warns with the new name."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import notebook_explain as ne
from notebook_explain import explanations, layers
from notebook_explain.explanations import BlockReport, Tubes
from notebook_explain.widgets import CompareViewer, TubeViewer
from tests.example_values import small_frame_signals, small_report, small_tubes

SIGNALS = small_frame_signals()


def tubes() -> Tubes:
    return small_tubes().with_frame_signals(SIGNALS)


def deprecated(old: str, new: str) -> Any:
    """Expect the warning that names an old and a new name, for the line that uses the old one."""
    return pytest.warns(DeprecationWarning, match=rf"{old}.* is deprecated; use .*{new}")


@pytest.fixture
def viewer() -> Iterator[TubeViewer]:
    shown = tubes().view()
    yield shown
    shown.close()


@pytest.fixture
def comparison() -> Iterator[CompareViewer]:
    shown = ne.compare(tubes(), tubes())
    yield shown
    shown.close()


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("explanations", "Course", "FrameSignal"),
        ("explanations", "Numbers", "LabelledValues"),
        ("explanations", "ClassTable", "ClassChannelTable"),
        ("explanations.blocks.frame_signal", "Course", "FrameSignal"),
        ("explanations.blocks.report", "Course", "FrameSignal"),
        ("explanations.blocks.report", "Numbers", "LabelledValues"),
        ("explanations.blocks.report", "ClassTable", "ClassChannelTable"),
        ("layers", "PerFrame", "FrameSignal"),
        ("layers", "Named", "LabelledValues"),
        ("layers", "ByClass", "ClassChannelTable"),
        ("layers.signal_types", "PerFrame", "FrameSignal"),
        ("layers.signal_types", "Named", "LabelledValues"),
        ("layers.signal_types", "ByClass", "ClassChannelTable"),
    ],
)
def test_an_old_class_name_is_the_new_class(module: str, old: str, new: str) -> None:
    loaded = importlib.import_module(f"notebook_explain.{module}")
    assert old not in getattr(loaded, "__all__", ())
    with deprecated(rf"{module}\.{old}", rf"{module}\.{new}") as caught:
        found = getattr(loaded, old)
    assert found is getattr(loaded, new)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_points_at_the_import_of_an_old_name() -> None:
    with deprecated("explanations.Course", "FrameSignal") as caught:
        from notebook_explain.explanations import Course
    assert Course is explanations.FrameSignal
    assert {warning.filename for warning in caught} == {__file__}


def test_the_new_classes_of_layers_are_not_those_of_explanations() -> None:
    for name in ("FrameSignal", "LabelledValues", "ClassChannelTable"):
        assert getattr(layers, name) is not getattr(explanations, name)


def test_a_name_that_never_existed_is_still_an_error() -> None:
    for module in (explanations, layers):
        with pytest.raises(AttributeError, match=rf"module '{module.__name__}' has no attribute 'Curse'"):
            module.Curse  # noqa: B018


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        (tubes(), "courses", "frame_signals"),
        (small_report(), "courses", "frame_signals"),
        (small_report(), "numbers", "labelled_values"),
    ],
)
def test_an_old_attribute_is_the_new_one(value: Any, old: str, new: str) -> None:
    owner = type(value).__name__
    with deprecated(f"{owner}.{old}", f"{owner}.{new}") as caught:
        found = getattr(value, old)
    assert found is getattr(value, new)
    assert [warning.filename for warning in caught] == [__file__]


def test_with_courses_is_with_frame_signals() -> None:
    with deprecated("Tubes.with_courses", "Tubes.with_frame_signals"):
        assert small_tubes().with_courses(courses=SIGNALS, clip=small_tubes().clip).frame_signals == SIGNALS


def test_constructors_take_old_names_of_fields() -> None:
    made, report = small_tubes(), small_report()
    with deprecated("the argument 'courses' of Tubes", "'frame_signals'") as caught:
        new = Tubes(made.clip, made.targets, made.layers, made.provenance, courses=SIGNALS)  # type: ignore[call-arg]
    assert new.frame_signals is SIGNALS
    assert [warning.filename for warning in caught] == [__file__]
    values: dict[str, Any] = {"courses": SIGNALS, "numbers": report.labelled_values, "tables": ()}
    both = r"BlockReport\(\) is deprecated; use '(frame_signals|labelled_values)'"
    with pytest.warns(DeprecationWarning, match=both) as caught:
        other = BlockReport(report.clip, report.target, **values, provenance=report.provenance)
    assert (other.frame_signals, other.labelled_values) == (SIGNALS, report.labelled_values)
    assert len(caught) == 2


def test_replace_takes_old_names_of_fields() -> None:
    with deprecated("the argument 'courses' of Tubes", "'frame_signals'"):
        assert dataclasses.replace(tubes(), courses=()).frame_signals == ()
    with deprecated("the argument 'numbers' of BlockReport", "'labelled_values'"):
        assert dataclasses.replace(small_report(), numbers=()).labelled_values == ()


def test_positional_arguments_and_new_names_give_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    report = small_report()
    signals, values = report.frame_signals, report.labelled_values
    new = BlockReport(report.clip, report.target, signals, values, report.tables, report.provenance)
    assert new.frame_signals is signals
    shown = tubes().view(frame_signal=1)
    shown.close()
    assert not [warning for warning in recwarn if issubclass(warning.category, DeprecationWarning)]


def test_view_takes_course() -> None:
    with deprecated("the argument 'course' of view", "'frame_signal'") as caught:
        shown = tubes().view(course="Net")
    assert shown.frame_signal == 1
    assert [warning.filename for warning in caught] == [__file__]
    shown.close()
    with deprecated("the argument 'course' of view", "'frame_signal'"):
        shown = TubeViewer(tubes(), course=None)
    assert shown.frame_signal is None
    shown.close()


@pytest.mark.parametrize(
    ("given", "chosen"), [({"course": 1}, (1, 1)), ({"a_course": None}, (None, 0)), ({"b_course": "Net"}, (0, 1))]
)
def test_compare_takes_course_for_both_sides_or_one(given: dict[str, Any], chosen: tuple[int | None, ...]) -> None:
    (old,) = given
    with deprecated(f"the argument '{old}' of compare", f"'{old.replace('course', 'frame_signal')}'"):
        shown = ne.compare(tubes(), tubes(), **given)
    assert (shown.a_frame_signal, shown.b_frame_signal) == chosen
    shown.close()


def test_pages_take_course(tmp_path: Any) -> None:
    with deprecated("the argument 'course' of view", "'frame_signal'"):
        old = tubes().to_html(tmp_path / "old.html", course=1)
    assert old.read_bytes() == tubes().to_html(tmp_path / "new.html", frame_signal=1).read_bytes()


def test_a_viewer_has_its_old_traits_as_properties(viewer: TubeViewer) -> None:
    with deprecated("TubeViewer.course", "TubeViewer.frame_signal"):
        assert viewer.course == 0
    with deprecated("TubeViewer.course", "TubeViewer.frame_signal"):
        viewer.course = 1
    assert viewer.frame_signal == 1
    with deprecated("TubeViewer.courses", "TubeViewer.frame_signals"):
        assert viewer.courses == viewer.frame_signals
    assert not {"course", "courses"} & {*viewer.trait_names(), *viewer.get_state()}


def test_a_comparison_has_its_old_traits_as_properties(comparison: CompareViewer) -> None:
    for old, new in (("a_course", "a_frame_signal"), ("b_course", "b_frame_signal")):
        with deprecated(f"CompareViewer.{old}", f"CompareViewer.{new}"):
            setattr(comparison, old, 1)
        with deprecated(f"CompareViewer.{old}", f"CompareViewer.{new}"):
            assert getattr(comparison, old) == getattr(comparison, new) == 1
    for old, new in (("a_courses", "a_frame_signals"), ("b_courses", "b_frame_signals")):
        with deprecated(f"CompareViewer.{old}", f"CompareViewer.{new}"):
            assert getattr(comparison, old) == getattr(comparison, new)


@pytest.mark.parametrize("names", ["course", ["frame", "course"]])
def test_old_trait_names_can_be_observed(viewer: TubeViewer, names: Any) -> None:
    seen: list[Any] = []
    handler: Callable[[Any], None] = lambda change: seen.append((change["name"], change["new"]))  # noqa: E731
    with deprecated("TubeViewer.course", "TubeViewer.frame_signal") as caught:
        viewer.observe(handler, names)
    assert caught[0].filename == __file__
    viewer.frame_signal = 1
    with deprecated("TubeViewer.course", "TubeViewer.frame_signal"):
        viewer.unobserve(handler, names)
    viewer.frame_signal = None
    assert seen == [("frame_signal", 1)]


def test_files_keep_the_keys_of_earlier_versions(tmp_path: Any) -> None:
    import json

    import numpy as np

    with np.load(tubes().save(tmp_path / "tubes")) as file:
        assert {"course_values", "course_rows"} <= set(file.files)
        assert len(json.loads(file["header"].tobytes())["courses"]) == 2
    with np.load(small_report().save(tmp_path / "report")) as file:
        assert {"course_values", "course_rows", "numbers"} <= set(file.files)
        assert {"courses", "numbers", "tables"} <= set(json.loads(file["header"].tobytes()))

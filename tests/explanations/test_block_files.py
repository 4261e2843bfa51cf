"""Saved block reports, and tubes with courses: everything comes back; what somebody made of the file is refused in words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import BlockReport, ClassTable, Course, Numbers
from notebook_explain.explanations.io import fields, save_load
from tests.example_values import small_courses, small_report, small_tubes
from tests.explanations.equality import assert_same
from tests.explanations.test_hostile_files import entries as parts_of
from tests.explanations.test_hostile_files import npy, packed, refused, with_header

ROWS = np.arange(6.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return small_report().save(tmp_path_factory.mktemp("saved") / "report.npz").read_bytes()


@pytest.mark.parametrize("left_out", ["", "courses", "numbers", "tables", "courses numbers tables"])
def test_everything_comes_back(left_out: str, tmp_path: Path) -> None:
    numbers = small_report().numbers[::-1]  # so that the table's classes are not those that come first
    before = dataclasses.replace(small_report(), **{"numbers": numbers, **dict.fromkeys(left_out.split(), ())})
    after = ne.load(before.save(tmp_path / "report"))
    assert_same(after, before)
    assert after.in_words() == before.in_words()


def test_blocks_that_speak_of_the_same_classes_write_them_once(tmp_path: Path) -> None:
    classes = tuple(f"a long name of class {k}" for k in range(400))
    numbers = tuple(Numbers(f"layer{k}", "Guess", "guess", classes, np.zeros(400)) for k in range(30))
    path = dataclasses.replace(small_report(), numbers=numbers).save(tmp_path / "many")
    with np.load(path) as file:
        assert file["header"].tobytes().count(b"a long name of class 77") == 1
        assert len(file.files) < 10
    assert_same(ne.load(path).numbers, numbers)


def test_tubes_keep_their_courses(tmp_path: Path) -> None:
    before = small_tubes().with_courses(small_courses())
    assert_same(ne.load(before.save(tmp_path / "tubes")), before)


def test_tubes_without_courses_are_written_as_before_there_were_any(tmp_path: Path) -> None:
    path = small_tubes().save(tmp_path / "tubes")
    with np.load(path) as file:
        assert b"courses" not in file["header"].tobytes()
        assert not [name for name in file.files if "course" in name]
    assert ne.load(path).courses == ()


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = small_report()
    report.courses[0].values[0] = np.nan  # frozen are the fields, not the arrays in them
    with pytest.raises(ValueError, match="cannot be saved: it holds courses that are not finite"):
        report.save(tmp_path / "r")
    with pytest.raises(ValueError, match="cannot be saved: it holds courses that are not finite"):
        small_tubes().with_courses(report.courses).save(tmp_path / "r")
    report = small_report()
    report.tables[0].values[0, 0] = np.inf
    with pytest.raises(ValueError, match="cannot be saved: the table of 'layer2' holds values that are not finite"):
        report.save(tmp_path / "r")
    report = small_report()
    report.numbers[0].values[0] = np.inf
    with pytest.raises(ValueError, match="cannot be saved: it holds numbers that are not finite"):
        report.save(tmp_path / "r")
    far = Course("", "Net", "sure", [1.0, 2.0], [0.0, 1e10])
    with pytest.raises(ValueError, match="cannot be saved: it holds courses of moments where no clip is"):
        dataclasses.replace(small_report(), courses=(far,)).save(tmp_path / "r")
    monkeypatch.setattr(save_load, "MAX_TEXT", 1000)
    with pytest.raises(ValueError, match=r"cannot be saved, its names come to [\d,]+ bytes of text"):
        small_report().save(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def numbers_of(*values: float, kind: str = "<f4") -> bytes:
    return npy(f"({len(values)},)", kind, np.array(values, kind).tobytes())


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("course_values", numbers_of(*[1] * 8), "courses are not told to the end, or not in finite numbers"),
        ("course_values", numbers_of(*[1] * 8, np.nan), "courses are not told to the end, or not in finite numbers"),
        ("course_values", numbers_of(*[1] * 9, kind="<f8"), "courses are not told to the end"),
        ("course_values", npy("(9, 1)", data=bytes(36)), "courses are not told to the end"),
        ("course_rows", numbers_of(*[1] * 9, kind="<f8"), "moments where no clip is, or not in their order"),
        ("course_rows", numbers_of(0, 1, 2, 3, 4, 5, 0, 1, 1e10, kind="<f8"), "moments where no clip is"),
        ("course_rows", numbers_of(*range(9)), "moments of its courses are not told to the end"),
        ("numbers", numbers_of(1, 2, 3, 4), "its numbers are not told to the end"),
        ("numbers", numbers_of(1, 2, 3, 4, np.inf), "its numbers are not told to the end, or not in finite numbers"),
        ("table_0", npy("(2, 5)", data=bytes(40)), r"table 0 is not a finite float32 array \(3 classes, channel\)"),
        ("table_0", npy("(3, 0)"), "table 0 is not a finite float32 array"),
        ("table_0", numbers_of(1, 2, 3), "table 0 is not a finite float32 array"),
        ("table_0", npy("(3, 1)", data=np.full(3, np.nan, "<f4").tobytes()), "table 0 is not a finite"),
    ],
)
def test_arrays_that_lie_are_refused_in_words(
    whole: bytes, tmp_path: Path, name: str, array: bytes, words: str
) -> None:
    assert f"{name}.npy" in parts_of(whole)
    assert re.search(words, refused(tmp_path, packed(parts_of(whole) | {f"{name}.npy": array})))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text["courses"][0].update(steps=0), "courses are not told to the end"),
        (
            lambda text: [one.update(steps=n) for one, n in zip(text["courses"], (9, 0), strict=True)],
            "are not told to the end",
        ),
        (
            lambda text: [one.update(steps=n) for one, n in zip(text["courses"], (12, -3), strict=True)],
            "are not told to the end",
        ),
        (lambda text: text["courses"][0].update(steps=2**52), "courses are not told to the end"),
        (lambda text: text["courses"][0].update(steps=2.0), "where a whole number should be"),
        (lambda text: text["courses"][0].update(neutral="1"), "where a finite number should be"),
        (lambda text: text["courses"][0].update(what=None), "where a text should be"),
        (lambda text: text["courses"].pop(), "courses are not told to the end"),
        (lambda text: text.update(courses={}), "its courses are no list"),
        (lambda text: text.update(courses=[{}] * (fields.MAX_TOLD + 1)), "or more than any network has"),
        (lambda text: text.update(labels=[["a"], ["b", 3]]), "where a text should be"),
        (lambda text: text["numbers"][0].update(labels=2), "names the list 2 of labels, of 2"),
        (lambda text: text["tables"][0].update(labels=-1), "names the list -1 of labels"),
        (lambda text: text["labels"][0].pop(), "its numbers are not told to the end"),
        (lambda text: text["labels"].__setitem__(1, []), "its numbers are not told to the end"),
        (lambda text: text["target"].update(name=3), "where a text should be"),
    ],
)
def test_texts_that_lie_are_refused_in_words(
    whole: bytes, tmp_path: Path, edit: Callable[[Any], Any], words: str
) -> None:
    assert words in refused(tmp_path, with_header(whole, lambda text: (edit(text), text)[1]))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Course("", "Net", "sure", [1.0], [0.0], np.nan), "neutral must be a finite number, or None; got nan"),
        (lambda: Course("", "Net", "sure", [1.0, 2.0], [0.0, 0.0]), "values must be finite and rows strictly increase"),
        (lambda: Course("", "Net", "sure", [1.0], [0.0, 1.0]), r"must be as many, at least one; got \(1,\) and \(2,\)"),
        (lambda: Numbers("", "Net", "sure", ("a",), [1.0], np.inf), "neutral must be a finite number"),
        (lambda: Numbers("", "Net", "sure", ("a",), [1.0, 2.0]), "one for each of 1 labels"),
        (
            lambda: Numbers("", "Net", "sure", ("a",), [1.0], None, (0, np.inf)),
            "two finite numbers, the lower one first",
        ),
        (
            lambda: Numbers("", "Net", "sure", ("a",), [1.0], None, (1, 1)),
            r"the lower one first, or None; got \(1, 1\)",
        ),
        (lambda: Numbers("", "Net", "sure", ("a",), [1.0], None, (0, np.nan)), "two finite numbers"),
        (lambda: Numbers("", "Net", "sure", ("a",), [1.01], None, (0, 1)), "within their bounds, 0 to 1; got"),
        (lambda: ClassTable("", "Net", "sure", ("a",), [1.0]), r"\(1 classes, channel\); got shape \(1,\)"),
    ],
)
def test_values_that_make_no_sense_are_refused(made: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made()


def test_the_sentence_says_what_the_score_would_be_without_each_part_alone() -> None:
    report, (_, added) = small_report(), small_report().numbers
    assert report.in_words() == (
        "'class 0' 60 %, ahead of 'class 1' 30 %; score (logit) 1.50; with one part taken out at a time, it would be "
        "0.75 without plane yx (space); 1.75 without plane tx (time and the horizontal)"
    )
    one = dataclasses.replace(added, labels=("SRTG, 4 blocks",), values=[-2.0])
    said = dataclasses.replace(report, numbers=(one,)).in_words()
    assert (
        said == "'class 0' 60 %, ahead of 'class 1' 30 %; score (logit) 1.50; without SRTG, 4 blocks, it would be 3.50"
    )
    little = dataclasses.replace(one, values=[0.0034])
    said = dataclasses.replace(report, numbers=(little,)).in_words()
    assert "score (logit) 1.5000; without SRTG, 4 blocks, it would be 1.4966" in said, "two numbers that differ"
    many = dataclasses.replace(added, labels=tuple("abcdefgh"), values=[0, 5, 1, -6, 2, 0, 7, 4])
    said = dataclasses.replace(report, numbers=(many,)).in_words()
    assert said.endswith(
        "−3.50 without b; 7.50 without d; −5.50 without g; −2.50 without h; 4 other parts would change it less"
    )
    five = dataclasses.replace(many, labels=tuple("abcde"), values=many.values[:5])
    assert dataclasses.replace(report, numbers=(five,)).in_words().endswith("; 1 other part would change it less")
    assert (
        dataclasses.replace(report, numbers=()).in_words()
        == "'class 0' 60 %, ahead of 'class 1' 30 %; score (logit) 1.50"
    )
    target = dataclasses.replace(report.target, name="a − b", probability=None, against=1)
    assert dataclasses.replace(report, target=target, numbers=()).in_words() == "'a − b'; difference of logits 1.50"


def test_one_is_not_said_to_be_several() -> None:
    report = small_report()
    assert "; 2 courses, 2 sets of numbers, 1 table; " in repr(report)
    one = dataclasses.replace(report, courses=report.courses[:1], numbers=report.numbers[:1], tables=())
    assert "; 1 course, 1 set of numbers, 0 tables; " in repr(one)


def bounded() -> BlockReport:
    gate = Numbers("layer1", "SRTG", "how far the gate is open", ("gate",), [0.125], 0.0, (0, 1))
    return dataclasses.replace(small_report(), numbers=(gate,))


def test_bounds_come_back_and_files_of_before_have_none(tmp_path: Path) -> None:
    path = bounded().save(tmp_path / "r")
    assert ne.load(path).numbers[0].bounds == (0.0, 1.0)
    old = with_header(path.read_bytes(), lambda text: (text["numbers"][0].pop("bounds"), text)[1])
    path.write_bytes(packed(old) if isinstance(old, dict) else old)
    assert ne.load(path).numbers[0].bounds is None


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ("01", "'01' stands where two bounds should be"),
        ([0], "stands where two bounds should be"),
        ([0, 1, 2], "stands where two bounds should be"),
        ({"0": 1, "1": 2}, "stands where two bounds should be"),
        ([0, "1"], "where a finite number should be"),
        ([0, True], "where a finite number should be"),
        ([1, 0], "bounds must be two finite numbers, the lower one first"),
        ([0, 1e300], "bounds must be two finite numbers"),
        ([0.5, 1], "values must lie within their bounds, 0.5 to 1"),
    ],
)
def test_bounds_that_lie_are_refused_in_words(tmp_path: Path, bounds: Any, words: str) -> None:
    whole = bounded().save(tmp_path / "whole.npz").read_bytes()
    edited = with_header(whole, lambda text: (text["numbers"][0].update(bounds=bounds), text)[1])
    assert words in refused(tmp_path, edited)

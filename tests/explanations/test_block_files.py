"""Saved block reports, and tubes with frame signals: they load as they were saved; damaged files are refused with a reason."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import BlockReport, ClassChannelTable, FrameSignal, LabelledValues, Quantity
from notebook_explain.explanations.io import fields, save_load
from tests.example_values import small_frame_signals, small_report, small_tubes
from tests.explanations.equality import assert_same
from tests.explanations.test_hostile_files import entries as parts_of
from tests.explanations.test_hostile_files import npy, packed, refused, with_header

ROWS = np.arange(6.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return small_report().save(tmp_path_factory.mktemp("saved") / "report.npz").read_bytes()


@pytest.mark.parametrize(
    "left_out", ["", "frame_signals", "labelled_values", "tables", "frame_signals labelled_values tables"]
)
def test_a_report_loads_as_it_was_saved(left_out: str, tmp_path: Path) -> None:
    labelled_values = small_report().labelled_values[::-1]  # so that the table's classes are not those that come first
    before = dataclasses.replace(
        small_report(), **{"labelled_values": labelled_values, **dict.fromkeys(left_out.split(), ())}
    )
    after = ne.load(before.save(tmp_path / "report"))
    assert_same(after, before)
    assert after.in_words() == before.in_words()


def test_a_list_of_classes_is_written_once(tmp_path: Path) -> None:
    classes = tuple(f"a long name of class {k}" for k in range(400))
    labelled_values = tuple(LabelledValues(f"layer{k}", "Guess", "guess", classes, np.zeros(400)) for k in range(30))
    path = dataclasses.replace(small_report(), labelled_values=labelled_values).save(tmp_path / "many")
    with np.load(path) as file:
        assert file["header"].tobytes().count(b"a long name of class 77") == 1
        assert len(file.files) < 10
    assert_same(ne.load(path).labelled_values, labelled_values)


def test_tubes_load_with_their_frame_signals(tmp_path: Path) -> None:
    before = small_tubes().with_frame_signals(small_frame_signals())
    assert_same(ne.load(before.save(tmp_path / "tubes")), before)


def test_tubes_without_frame_signals_have_no_key_or_array_for_them(tmp_path: Path) -> None:
    path = small_tubes().save(tmp_path / "tubes")
    with np.load(path) as file:
        assert b"courses" not in file["header"].tobytes()
        assert not [name for name in file.files if "course" in name]
    assert ne.load(path).frame_signals == ()


def test_values_that_could_not_be_loaded_are_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = small_report()
    report.frame_signals[0].values[0] = np.nan  # frozen are the fields, not the arrays in them
    with pytest.raises(ValueError, match="cannot be saved: it holds frame signals that are not finite"):
        report.save(tmp_path / "r")
    with pytest.raises(ValueError, match="cannot be saved: it holds frame signals that are not finite"):
        small_tubes().with_frame_signals(report.frame_signals).save(tmp_path / "r")
    report = small_report()
    report.tables[0].values[0, 0] = np.inf
    with pytest.raises(ValueError, match="cannot be saved: the table of 'layer2' holds values that are not finite"):
        report.save(tmp_path / "r")
    report = small_report()
    report.labelled_values[0].values[0] = np.inf
    with pytest.raises(ValueError, match="cannot be saved: it holds labelled values that are not finite"):
        report.save(tmp_path / "r")
    far = FrameSignal("", "Net", "sure", [1.0, 2.0], [0.0, 1e10])
    with pytest.raises(ValueError, match="cannot be saved: it holds frame signals with rows outside any clip"):
        dataclasses.replace(small_report(), frame_signals=(far,)).save(tmp_path / "r")
    monkeypatch.setattr(save_load, "MAX_TEXT", 1000)
    with pytest.raises(ValueError, match=r"cannot be saved: its names take [\d,]+ bytes, above the limit of 1,000"):
        small_report().save(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def numbers_of(*values: float, kind: str = "<f4") -> bytes:
    return npy(f"({len(values)},)", kind, np.array(values, kind).tobytes())


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("course_values", numbers_of(*[1] * 8), "values of its frame signals are incomplete or not finite"),
        ("course_values", numbers_of(*[1] * 8, np.nan), "values of its frame signals are incomplete or not finite"),
        ("course_values", numbers_of(*[1] * 9, kind="<f8"), "values of its frame signals are incomplete or not finite"),
        ("course_values", npy("(9, 1)", data=bytes(36)), "values of its frame signals are incomplete or not finite"),
        (
            "course_rows",
            numbers_of(*[1] * 9, kind="<f8"),
            "rows of a frame signal lie outside any clip or do not increase",
        ),
        (
            "course_rows",
            numbers_of(0, 1, 2, 3, 4, 5, 0, 1, 1e10, kind="<f8"),
            "rows of a frame signal lie outside any clip",
        ),
        ("course_rows", numbers_of(*range(9)), "values of its frame signals' rows are incomplete or not finite"),
        ("numbers", numbers_of(1, 2, 3, 4), "values of its labels are incomplete or not finite"),
        ("numbers", numbers_of(1, 2, 3, 4, np.inf), "values of its labels are incomplete or not finite"),
        ("table_0", npy("(2, 5)", data=bytes(40)), r"table 0 is not a finite float32 array \(3 classes, channel\)"),
        ("table_0", npy("(3, 0)"), "table 0 is not a finite float32 array"),
        ("table_0", numbers_of(1, 2, 3), "table 0 is not a finite float32 array"),
        ("table_0", npy("(3, 1)", data=np.full(3, np.nan, "<f4").tobytes()), "table 0 is not a finite"),
    ],
)
def test_invalid_arrays_are_refused(whole: bytes, tmp_path: Path, name: str, array: bytes, words: str) -> None:
    assert f"{name}.npy" in parts_of(whole)
    assert re.search(words, refused(tmp_path, packed(parts_of(whole) | {f"{name}.npy": array})))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text["courses"][0].update(steps=0), "values of its frame signals are incomplete or not finite"),
        (
            lambda text: [one.update(steps=n) for one, n in zip(text["courses"], (9, 0), strict=True)],
            "values of its frame signals are incomplete",
        ),
        (
            lambda text: [one.update(steps=n) for one, n in zip(text["courses"], (12, -3), strict=True)],
            "values of its frame signals are incomplete",
        ),
        (
            lambda text: text["courses"][0].update(steps=2**52),
            "values of its frame signals are incomplete or not finite",
        ),
        (lambda text: text["courses"][0].update(steps=2.0), "expected an integer, got '2.0'"),
        (lambda text: text["courses"][0].update(neutral="1"), "expected a finite number, got"),
        (lambda text: text["courses"][0].update(what=None), "expected a string, got"),
        (lambda text: text["courses"].pop(), "values of its frame signals are incomplete or not finite"),
        (lambda text: text.update(courses={}), "its frame signals are not a list of at most 65,536 entries"),
        (
            lambda text: text.update(courses=[{}] * (fields.MAX_SIGNALS + 1)),
            "its frame signals are not a list of at most 65,536 entries",
        ),
        (lambda text: text.update(labels=[["a"], ["b", 3]]), "expected a string, got"),
        (lambda text: text["numbers"][0].update(labels=2), "refers to list 2 of labels, but has 2"),
        (lambda text: text["tables"][0].update(labels=-1), "refers to list -1 of labels"),
        (lambda text: text["labels"][0].pop(), "values of its labels are incomplete or not finite"),
        (lambda text: text["labels"].__setitem__(1, []), "values of its labels are incomplete or not finite"),
        (lambda text: text["target"].update(name=3), "expected a string, got"),
    ],
)
def test_invalid_headers_are_refused(whole: bytes, tmp_path: Path, edit: Callable[[Any], Any], words: str) -> None:
    assert words in refused(tmp_path, with_header(whole, lambda text: (edit(text), text)[1]))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: FrameSignal("", "Net", "sure", [1.0], [0.0], np.nan),
            "neutral must be a finite number or None, got nan",
        ),
        (
            lambda: FrameSignal("", "Net", "sure", [1.0, 2.0], [0.0, 0.0]),
            "values must be finite and rows strictly increasing",
        ),
        (
            lambda: FrameSignal("", "Net", "sure", [1.0], [0.0, 1.0]),
            r"must have the same length, at least 1; got \(1,\) and \(2,\)",
        ),
        (lambda: LabelledValues("", "Net", "sure", ("a",), [1.0], np.inf), "neutral must be a finite number"),
        (lambda: LabelledValues("", "Net", "sure", ("a",), [1.0, 2.0]), "one for each of the 1 labels"),
        (
            lambda: LabelledValues("", "Net", "sure", ("a",), [1.0], None, (0, np.inf)),
            "two finite numbers, the lower one first",
        ),
        (
            lambda: LabelledValues("", "Net", "sure", ("a",), [1.0], None, (1, 1)),
            r"the lower one first, or None; got \(1, 1\)",
        ),
        (lambda: LabelledValues("", "Net", "sure", ("a",), [1.0], None, (0, np.nan)), "two finite numbers"),
        (lambda: LabelledValues("", "Net", "sure", ("a",), [1.01], None, (0, 1)), "within their bounds, 0 to 1; got"),
        (lambda: ClassChannelTable("", "Net", "sure", ("a",), [1.0]), r"\(1 classes, channel\); got shape \(1,\)"),
    ],
)
def test_invalid_values_are_refused(made: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made()


def test_in_words_gives_the_score_without_each_part() -> None:
    report, (_, added) = small_report(), small_report().labelled_values
    assert report.in_words() == (
        "'class 0' 60 %, ahead of 'class 1' 30 %. Score (logit): 1.50. With one part removed at a time, it is "
        "0.75 without plane yx (space); 1.75 without plane tx (time and the horizontal)."
    )
    one = dataclasses.replace(added, labels=("SRTG, 4 blocks",), values=[-2.0])
    said = dataclasses.replace(report, labelled_values=(one,)).in_words()
    assert said == "'class 0' 60 %, ahead of 'class 1' 30 %. Score (logit): 1.50. It is 3.50 without SRTG, 4 blocks."
    little = dataclasses.replace(one, values=[0.0034])
    said = dataclasses.replace(report, labelled_values=(little,)).in_words()
    assert "Score (logit): 1.5000. It is 1.4966 without SRTG, 4 blocks." in said, "two numbers that differ"
    many = dataclasses.replace(added, labels=tuple("abcdefgh"), values=[0, 5, 1, -6, 2, 0, 7, 4])
    said = dataclasses.replace(report, labelled_values=(many,)).in_words()
    assert said.endswith(
        "−3.50 without b; 7.50 without d; −5.50 without g; −2.50 without h; 4 other parts have smaller effects."
    )
    five = dataclasses.replace(many, labels=tuple("abcde"), values=many.values[:5])
    assert (
        dataclasses.replace(report, labelled_values=(five,)).in_words().endswith("; 1 other part has a smaller effect.")
    )
    assert (
        dataclasses.replace(report, labelled_values=()).in_words()
        == "'class 0' 60 %, ahead of 'class 1' 30 %. Score (logit): 1.50."
    )
    target = dataclasses.replace(report.target, name="a − b", probability=None, against=1, against_name="b")
    assert (
        dataclasses.replace(report, target=target, labelled_values=()).in_words()
        == "'a' rather than 'b'. Difference of logits: 1.50."
    )


def test_repr_uses_singular_and_plural() -> None:
    report = small_report()
    assert "; 2 frame signals, 2 sets of labelled values, 1 table; " in repr(report)
    one = dataclasses.replace(
        report, frame_signals=report.frame_signals[:1], labelled_values=report.labelled_values[:1], tables=()
    )
    assert "; 1 frame signal, 1 set of labelled values, 0 tables; " in repr(one)


def bounded() -> BlockReport:
    gate = LabelledValues("layer1", "SRTG", "how far the gate is open", ("gate",), [0.125], 0.0, (0, 1))
    return dataclasses.replace(small_report(), labelled_values=(gate,))


def test_bounds_are_saved_and_older_files_have_none(tmp_path: Path) -> None:
    path = bounded().save(tmp_path / "r")
    assert ne.load(path).labelled_values[0].bounds == (0.0, 1.0)
    old = with_header(path.read_bytes(), lambda text: (text["numbers"][0].pop("bounds"), text)[1])
    path.write_bytes(packed(old) if isinstance(old, dict) else old)
    assert ne.load(path).labelled_values[0].bounds is None


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ("01", "expected two bounds, got '01'"),
        ([0], "expected two bounds, got"),
        ([0, 1, 2], "expected two bounds, got"),
        ({"0": 1, "1": 2}, "expected two bounds, got"),
        ([0, "1"], "expected a finite number, got"),
        ([0, True], "expected a finite number, got"),
        ([1, 0], "bounds must be two finite numbers, the lower one first"),
        ([0, 1e300], "bounds must be two finite numbers"),
        ([0.5, 1], "values must lie within their bounds, 0.5 to 1"),
    ],
)
def test_invalid_bounds_are_refused(tmp_path: Path, bounds: Any, words: str) -> None:
    whole = bounded().save(tmp_path / "whole.npz").read_bytes()
    edited = with_header(whole, lambda text: (text["numbers"][0].update(bounds=bounds), text)[1])
    assert words in refused(tmp_path, edited)


def test_quantities_are_saved(tmp_path: Path) -> None:
    report = small_report()
    evidence = dataclasses.replace(report.frame_signals[0], quantity="evidence")
    report = dataclasses.replace(report, frame_signals=(evidence, *report.frame_signals[1:]))
    loaded = ne.load(report.save(tmp_path / "r"))
    assert [signal.quantity for signal in loaded.frame_signals] == [Quantity.EVIDENCE, Quantity.OTHER]
    assert [labelled_values.quantity for labelled_values in loaded.labelled_values] == [
        Quantity.OTHER,
        Quantity.ABLATION,
    ]


@pytest.mark.parametrize(
    ("what", "neutral", "quantity"),
    [
        ("what it adds to the score: the score with it, less the score without", 0.0, Quantity.ABLATION),
        ("what each stream adds to the score", 0.0, Quantity.EVIDENCE),
        ("evidence for 'wave' in the slow stream", 0.0, Quantity.EVIDENCE),
        ("evidence for 'wave' in the slow stream", None, Quantity.OTHER),
        ("how far the gate is open", 0.0, Quantity.OTHER),
    ],
)
def test_quantities_of_older_files_are_derived(
    tmp_path: Path, what: str, neutral: float | None, quantity: Quantity
) -> None:
    def as_before(text: Any) -> Any:
        for signal in (*text["courses"], *text["numbers"]):
            del signal["quantity"]
            signal.update(what=what, neutral=neutral)
        return text

    path = small_report().save(tmp_path / "r")
    path.write_bytes(with_header(path.read_bytes(), as_before))
    loaded = ne.load(path)
    assert {signal.quantity for signal in (*loaded.frame_signals, *loaded.labelled_values)} == {quantity}


def test_unknown_quantities_are_refused(whole: bytes, tmp_path: Path) -> None:
    edited = with_header(whole, lambda text: (text["numbers"][0].update(quantity="mood"), text)[1])
    assert "the quantity 'mood' is unknown" in refused(tmp_path, edited)
    with pytest.raises(ValueError, match="quantity must be one of 'evidence', 'ablation', 'other'; got 'mood'"):
        FrameSignal("", "Net", "sure", [1.0], [0.0], quantity="mood")  # type: ignore[arg-type]

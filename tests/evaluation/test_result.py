"""Tables, intervals, sentences, figures, pages and files of an evaluation."""

from __future__ import annotations

import html
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

import notebook_explain as ne
from notebook_explain import display
from notebook_explain.explanations import Better, Evaluation, EvaluationRow, MetricInfo, Provenance
from notebook_explain.explanations.evaluation.intervals import clustered_interval
from notebook_explain.explanations.evaluation.text import evaluation_notes
from tests.example_values import small_evaluation
from tests.explanations.equality import assert_same


def of_values(values: Any, *, classes: Any = None, better: Better = Better.HIGHER) -> Evaluation:
    """Return an evaluation of one metric: values[method][clip]."""
    names = list(values)
    rows = [
        EvaluationRow(clip, "t", name, "M", float(value), "c" if classes is None else classes[clip])
        for name in names
        for clip, value in enumerate(values[name])
        if value is not None
    ]
    clips = tuple(f"clip {k}" for k in range(max(len(column) for column in values.values())))
    return Evaluation(tuple(rows), clips, tuple(names), (MetricInfo("M", better),), Provenance("Evaluation"))


def test_intervals_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).gamma(2, size=40)
    found = clustered_interval(values, np.arange(40), resamples=20_000)
    low, high = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.mean, found.count, found.clips) == (pytest.approx(values.mean()), 40, 40)
    assert (found.low, found.high) == (pytest.approx(low, rel=0.01), pytest.approx(high, rel=0.01))
    assert found.excludes_zero


def test_values_of_one_clip_are_drawn_together() -> None:
    values = np.random.default_rng(0).normal(size=30)
    alone = clustered_interval(values, np.arange(30))
    repeated = clustered_interval(np.repeat(values, 5), np.repeat(np.arange(30), 5))
    assert (repeated.low, repeated.high) == (pytest.approx(alone.low), pytest.approx(alone.high))
    assert (repeated.count, repeated.clips) == (150, 30)
    naive = clustered_interval(np.repeat(values, 5), np.arange(150))
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)  # type: ignore[operator]
    one = clustered_interval([1.0, 2.0], [3, 3])
    assert (one.mean, one.low, one.high, one.excludes_zero) == (1.5, None, None, False)
    assert str(one) == "1.500 (no interval: one clip)"
    with pytest.raises(ValueError, match="values must be finite"):
        clustered_interval([1.0, np.nan], [0, 1])


@given(st.integers(0, 10_000))
def test_intervals_of_unequal_clips_hold_their_mean_and_depend_on_the_seed_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, clips = rng.normal(size=60), rng.integers(0, 12, 60)
    found = clustered_interval(values, clips, resamples=400, seed=seed)
    assert found.low < found.mean < found.high  # type: ignore[operator]
    assert found == clustered_interval(values, clips, resamples=400, seed=seed)
    wide = clustered_interval(values, clips, resamples=400, seed=seed, level=0.99)
    assert wide.low <= found.low <= found.high <= wide.high  # type: ignore[operator]


def test_a_table_has_the_mean_of_each_method_and_class() -> None:
    evaluation = of_values({"a": [0, 1, 2, 3], "b": [5, None, 7, 9]}, classes="xyxy")
    table = evaluation.table(by_class=True)
    found = {(row.method, row.class_name): (row.interval.mean, row.interval.count) for row in table.rows}
    assert found == {
        ("a", ""): (1.5, 4),
        ("a", "x"): (1, 2),
        ("a", "y"): (2, 2),
        ("b", ""): (7, 3),
        ("b", "x"): (6, 2),
        ("b", "y"): (9, 1),
    }
    assert [row.method for row in evaluation.table().rows] == ["a", "b"]
    assert "M (higher is better)\n  a    1.500 (0.500 to 2.500)         n = 4, 4 clips\n" in repr(table)
    assert repr(table).endswith("\n    y  9.000 (no interval: one clip)  n = 1, 1 clip")


def test_a_comparison_is_paired() -> None:
    shared = np.random.default_rng(0).normal(scale=5, size=30)
    noise = np.random.default_rng(1).normal(scale=0.1, size=30)
    evaluation = of_values({"a": shared + 0.2 + noise, "b": [*shared, 100.0]})
    found = evaluation.compare("a", "b", "M")
    assert found.difference.mean == pytest.approx(0.2 + noise.mean())
    assert found.difference.clips == 30
    assert found.difference.excludes_zero
    assert found.difference.high - found.difference.low < 0.1  # type: ignore[operator]
    back = evaluation.compare("b", "a", "M").difference
    assert back.mean == pytest.approx(-found.difference.mean)
    assert str(found).startswith("M: a minus b is +0.193 (")
    with pytest.raises(ValueError, match="first must be one of 'a', 'b'; got 'c'"):
        evaluation.compare("c", "b", "M")
    with pytest.raises(ValueError, match="metric must be one of 'M'"):
        evaluation.compare("a", "b", "N")
    with pytest.raises(ValueError, match="no clip with values of both"):
        of_values({"a": [1, None], "b": [None, 1]}).compare("a", "b", "M")


def test_sentences_name_the_best_method_and_whether_it_is_clearly_ahead() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=(2, 20)) * 0.1
    ahead = of_values({"a": low, "b": high + 1})
    assert ahead.in_words().startswith("M (higher is better): b 1.0")
    assert ahead.in_words().endswith("is clear.")
    assert of_values({"a": low, "b": high + 1}, better=Better.LOWER).in_words().startswith("M (lower is better): a ")
    assert of_values({"a": low, "b": low + rng.normal(size=20)}).in_words().endswith("is not clear.")
    assert (
        of_values({"a": low, "b": high}, better=Better.NEITHER).in_words().startswith("M (neither end is better): a ")
    )
    few = of_values({"a": low[:5], "b": high[:5] + 1}).in_words()
    assert "clear" not in few
    assert few.endswith("Intervals from 5 clips are too narrow; use 10 or more.")
    assert of_values({"a": [1]}).in_words() == "M (higher is better): a 1.000 (no interval: one clip), 1 clip."
    assert replace(ahead, rows=()).in_words() == "Nothing has been measured."


def test_notes_speak_of_intervals_only_where_there_are_some() -> None:
    several = of_values({"a": [1, 2, 3]})
    assert evaluation_notes(several)[0].startswith("Means with 95 % bootstrap intervals over 3 clips")
    assert evaluation_notes(of_values({"a": [1]}))[0] == "Means of one clip; intervals need several."
    assert not any("interval" in note for note in evaluation_notes(replace(several, rows=())))


def test_a_frame_has_a_row_for_each_value(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = small_evaluation()
    frame = evaluation.to_frame()
    assert list(frame.columns) == ["clip", "clip_name", "target", "class_name", "method", "metric", "value"]
    assert len(frame) == len(evaluation.rows)
    means = frame.groupby(["metric", "method"])["value"].mean()
    for row in evaluation.table().rows:
        assert means[row.metric, row.method] == pytest.approx(row.interval.mean)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ne.ExplainError, match="pip install pandas"):
        evaluation.to_frame()


def test_an_evaluation_loads_as_it_was_saved(tmp_path: Path) -> None:
    for evaluation in (small_evaluation(), replace(small_evaluation(), rows=())):
        loaded = ne.load(evaluation.save(tmp_path / "e"))
        assert_same(loaded, evaluation)
        assert loaded == evaluation
    broken = replace(small_evaluation(), rows=(replace(small_evaluation().rows[0], value=np.inf),))
    with pytest.raises(ValueError, match="cannot be saved: it holds values that are not finite"):
        broken.save(tmp_path / "e")


def test_methods_and_metrics_can_be_selected() -> None:
    part = small_evaluation().select(methods=["method 2", "method 0"], metrics=["Sparsity"])
    assert part.methods == ("method 2", "method 0")
    assert {row.metric for row in part.rows} == {"Sparsity"}
    assert len(part.rows) == 24
    with pytest.raises(ValueError, match="method must be one of"):
        small_evaluation().select(methods=["other"])


def test_a_figure_has_a_panel_for_each_metric_with_every_mean(tmp_path: Path) -> None:
    evaluation = small_evaluation()
    figure = evaluation.figure()
    panels = [axes for axes in figure.axes if axes.axison]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["Insertion ↑ higher is better", "Deletion(fill='freeze') ↓ lower is better", "Sparsity"]
    for axes, metric in zip(panels, evaluation.metrics, strict=True):
        points = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
        means = [row.interval.mean for row in evaluation.table().of(metric.name)]
        assert [float(x[0]) for x in points] == pytest.approx(means)
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list(evaluation.methods)
    text = " ".join(text.get_text() for text in figure.subfigs[1].texts)
    assert "A caveat." in text
    assert "over 12 clips" in text
    path = evaluation.to_png(tmp_path / "e", metrics=["Sparsity"])
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no values to draw"):
        replace(evaluation, rows=()).figure()


def test_a_page_holds_every_number_and_loads_nothing(tmp_path: Path) -> None:
    evaluation = small_evaluation()
    bad = "<b>&'method\""
    rows = tuple(replace(row, method=bad) if row.method == "method 0" else row for row in evaluation.rows)
    evaluation = replace(evaluation, rows=rows, methods=(bad, *evaluation.methods[1:]))
    page = evaluation.to_html(tmp_path / "e.html", title="<i>").read_text(encoding="utf-8")
    assert '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'' in page
    for forbidden in ("<script", "src=", "href=", "url(", "<b>", "<i>", "@import"):
        assert forbidden not in page, forbidden
    assert html.escape(bad) in page
    for row in evaluation.table(by_class=True).rows:
        assert f"<td>{row.interval.mean:.3f}</td>".replace("-", "\u2212") in page
    assert page.count("<svg") == len(evaluation.table().rows)
    assert "A caveat." in page


def test_a_cell_shows_the_figure_and_the_table() -> None:
    evaluation = small_evaluation()
    bundle = evaluation._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    assert repr(evaluation) == "Evaluation(3 methods, 3 metrics, 12 clips, 108 values)"
    assert repr(evaluation.table()) in bundle["text/plain"]
    assert display.evaluation_bundle(replace(evaluation, rows=())).keys() == {"text/plain"}

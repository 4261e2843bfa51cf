"""Static pages of evaluations, and the output of a cell for them."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path

from notebook_explain._atomic import replacing
from notebook_explain._progress import working
from notebook_explain.explanations import Evaluation, EvaluationTable, MetricInfo, TableRow
from notebook_explain.explanations.evaluation.text import evaluation_notes, verdict_on
from notebook_explain.explanations.number_format import counted, fixed

CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
TITLE = "How far the explanations can be trusted"
_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#b3400a, #ff9d6b); --line: light-dark(#d8dade, #3b3f46); }
body { margin: 0; padding: 16px; font: 14px/1.45 system-ui, sans-serif;
  background: light-dark(#fff, #16181c); color: light-dark(#1c1e21, #e6e8eb); }
main { max-width: 900px; margin: 0 auto; }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 8px; }
h2 { font-size: 16px; font-weight: 600; margin: 28px 0 2px; overflow-wrap: anywhere; }
p { margin: 0 0 8px; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid var(--line); vertical-align: middle;
  font-variant-numeric: tabular-nums; font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; }
thead th { font-weight: 600; }
td { white-space: nowrap; }
td.chart { width: 38%; padding-right: 0; }
th.chart { text-align: left; }
tr.class th { padding-left: 16px; }
svg { display: block; width: 100%; height: 14px; }
svg .range { stroke: var(--ink); stroke-width: 3; }
svg .mean { fill: var(--ink); }
svg .zero { stroke: currentColor; stroke-width: 1; opacity: .4; }
details { margin-top: 8px; }
summary { cursor: pointer; }
footer { font-size: 12px; margin-top: 24px; }
@media (max-width: 560px) { td.chart, th.chart { display: none; } th, td { padding: 4px; } }
@media print { body { padding: 0; background: #fff; color: #000; } :root { color-scheme: light; } }
"""
_PAD = 2.0  # per cent of a chart's width, at its sides
_DIRECTIONS = {"higher": "Higher is better.", "lower": "Lower is better.", "neither": "Neither end is better."}


def evaluation_page(evaluation: Evaluation, path: str | os.PathLike[str], title: str | None = None) -> Path:
    """Write the page of an evaluation; an existing file is replaced as a whole."""
    path = Path(path)
    with working(f"writing {path.name}"), replacing(path) as temporary:
        temporary.write_text(page_text(evaluation, title or TITLE), encoding="utf-8")
    return path


def evaluation_bundle(evaluation: Evaluation) -> dict[str, str]:
    """Return the output of a cell: the figure, and the table as text."""
    if not evaluation.rows:
        return {"text/plain": repr(evaluation)}
    from notebook_explain.figures.evaluation import evaluation_png

    text = f"{evaluation!r}\n{evaluation.table()!r}"
    return {"image/png": base64.b64encode(evaluation_png(evaluation)).decode(), "text/plain": text}


def page_text(evaluation: Evaluation, title: str) -> str:
    """Return the text of a page: a section for each metric, with a table of the methods and one of the classes."""
    table = evaluation.table(by_class=True)
    sections = "".join(_section(evaluation, table, metric) for metric in evaluation.metrics if table.of(metric.name))
    notes = "".join(f"<p>{_text(note)}</p>" for note in evaluation_notes(evaluation))
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{_text(title)}</h1>\n{sections or '<p>Nothing has been measured.</p>'}"
        f"<footer>{notes}</footer></main></body></html>\n"
    )


def _section(evaluation: Evaluation, table: EvaluationTable, metric: MetricInfo) -> str:
    rows = table.of(metric.name)
    means, classes = [row for row in rows if not row.class_name], [row for row in rows if row.class_name]
    scale = _scale(means)
    body = "".join(_row(row, row.method, _chart(row, scale)) for row in means)
    verdict = f"<p>Best: {_text(verdict_on(evaluation, table, metric))}</p>" if metric.has_order else ""
    return (
        f"<section><h2>{_text(metric.name)}</h2><p>{_text(metric.summary)} {_DIRECTIONS[metric.better.value]}</p>{verdict}"
        f"{_table(f'{metric.name} of each method', body, has_chart=True)}{_class_details(classes, metric)}</section>\n"
    )


def _class_details(rows: Sequence[TableRow], metric: MetricInfo) -> str:
    """Return a folded table with a row for each method and class."""
    names = list(dict.fromkeys(row.class_name for row in rows))
    if len(names) < 2:
        return ""
    groups = []
    for method in dict.fromkeys(row.method for row in rows):
        heading = f"<tr><th scope='rowgroup' colspan='4'>{_text(method)}</th></tr>"
        own = (_row(row, row.class_name, None, "class") for row in rows if row.method == method)
        groups.append(heading + "".join(own))
    body = "</tbody><tbody>".join(groups)
    inner = _table(f"{metric.name} of each method and class", body, has_chart=False)
    return f"<details><summary>{counted(len(names), 'class', 'classes')}</summary>{inner}</details>"


def _table(caption: str, body: str, *, has_chart: bool) -> str:
    chart = "<th scope='col' class='chart'>mean and interval</th>" if has_chart else ""
    return (
        f"<table aria-label='{_text(caption)}'><thead><tr><th scope='col'>method</th><th scope='col'>mean</th>"
        f"<th scope='col'>95 % interval</th><th scope='col'>n</th>{chart}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(row: TableRow, name: str, chart: str | None, kind: str = "") -> str:
    interval = row.interval
    ends = (
        "–"
        if interval.low is None or interval.high is None
        else f"{fixed(interval.low, 3)} to {fixed(interval.high, 3)}"
    )
    cell = "" if chart is None else f"<td class='chart'>{chart}</td>"
    return (
        f"<tr class='{kind}'><th scope='row'>{_text(name)}</th><td>{fixed(interval.mean, 3)}</td>"
        f"<td>{ends}</td><td>{interval.count}</td>{cell}</tr>"
    )


def _scale(rows: Sequence[TableRow]) -> tuple[float, float]:
    """Return the ends of the axis that all rows share; it includes 0 if that is near."""
    ends = [end for row in rows for end in (row.interval.mean, row.interval.low, row.interval.high) if end is not None]
    low, high = min(ends), max(ends)
    low, high = (min(low, 0.0), max(high, 0.0)) if min(abs(low), abs(high)) <= high - low else (low, high)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _chart(row: TableRow, scale: tuple[float, float]) -> str:
    """Return a mean and its interval as a small drawing; the numbers stand beside it, so it is hidden from screen readers."""
    low, high = scale

    def x(value: float) -> str:
        return f"{_PAD + (value - low) / (high - low) * (100 - 2 * _PAD):.2f}%"

    interval = row.interval
    parts = [f"<line class='zero' x1='{x(0.0)}' x2='{x(0.0)}' y1='0' y2='14'/>"] if low <= 0 <= high else []
    if interval.low is not None and interval.high is not None:
        parts.append(f"<line class='range' x1='{x(interval.low)}' x2='{x(interval.high)}' y1='7' y2='7'/>")
    parts.append(f"<circle class='mean' cx='{x(interval.mean)}' cy='7' r='4'/>")
    return f"<svg aria-hidden='true'>{''.join(parts)}</svg>"


def _text(value: str) -> str:
    return html.escape(value, quote=True)

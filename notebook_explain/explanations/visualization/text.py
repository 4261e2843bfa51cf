"""A visualization in sentences, and as a table in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain.explanations.number_format import counted, percent, short

if TYPE_CHECKING:
    from notebook_explain.explanations.visualization.synthesis import Best, Synthesis
    from notebook_explain.explanations.visualization.visualization import Visualization


def best_text(best: Best) -> str:
    """Return the best class and its probability: "'kick' (93 %)"; "nothing" if there is none."""
    return f"{best[0][0]!r} ({percent(best[0][1])})" if best else "nothing"


def compared(one: Synthesis) -> str:
    """Return how the score compares with real clips: "1.7 × the best of 20 real clips"."""
    real = counted(len(one.real_scores), "real clip")
    if one.best_real is None:
        return "no real clips were given"
    if one.ratio is None:
        return f"the best of {real} has {short(one.best_real, 3)}"
    return f"{short(one.ratio, 2)} × the best of {real}"


def visualization_in_words(visualization: Visualization) -> str:
    """Return sentences on every made clip."""
    return " ".join(_sentences(one, visualization) for one in visualization)


def _sentences(one: Synthesis, visualization: Visualization) -> str:
    parts = [
        f"Made for {one.name!r}: score {short(one.score, 3)}, {compared(one)}; its start has {short(one.start_score, 3)}."
    ]
    if not one.is_moved:
        parts.append("No gradient reached the canvas, so the clip is its start.")
    if one.best:
        parts.append(f"The network calls it {best_text(one.best)}, and the start alone {best_text(one.start_best)}.")
    if one.verdicts:
        parts += [
            f"Another network ({verdict.model}) calls it {best_text(verdict.best)}, and with its frames shuffled "
            f"{best_text(verdict.shuffled)}."
            for verdict in one.verdicts
        ]
    else:
        parts.append("No other network was asked.")
    if one.neighbours:
        nearest = one.neighbours[0]
        parts.append(
            f"The nearest real clip is called {visualization.labels[nearest.clip]!r}, at {short(nearest.distance, 2)} × the "
            "typical distance between real clips."
        )
    return " ".join(parts)


def report_of(visualization: Visualization) -> str:
    """Return a table: a row for each made clip."""
    header = [
        "made for",
        "score",
        "best real",
        "start",
        "called",
        "others say",
        "nearest",
        "distance",
        "motion",
        "seconds",
    ]
    rows = [header, *(_row(one, visualization) for one in visualization)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *visualization.caveats])


def _row(one: Synthesis, visualization: Visualization) -> list[str]:
    nearest = one.neighbours[0] if one.neighbours else None
    return [
        one.name,
        short(one.score, 3),
        "" if one.best_real is None else short(one.best_real, 3),
        short(one.start_score, 3),
        best_text(one.best),
        "; ".join(best_text(verdict.best) for verdict in one.verdicts) or "not asked",
        "" if nearest is None else visualization.labels[nearest.clip],
        "" if nearest is None else short(nearest.distance, 2),
        "" if one.motion is None else short(one.motion, 2),
        short(one.seconds, 2),
    ]

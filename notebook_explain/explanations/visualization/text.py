"""A visualization in sentences, and as a table in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain.explanations.number_format import counted, percent, short

if TYPE_CHECKING:
    from notebook_explain.explanations.visualization.synthesis import Best, Facet, Synthesis
    from notebook_explain.explanations.visualization.visualization import Visualization

NOBODY_ASKED = "No other network was asked."
NOT_MOVED = "No gradient reached the canvas, so the clip is its start."
_FACET_LEGEND = "spread: distance to the mean of the facet; 1 is the mean distance of its clips."
_LEGEND = (
    "distance: to the nearest real clip; 1 is the typical distance of a real clip to its nearest. motion: 1 is that of a "
    "typical real clip."
)


def best_text(best: Best) -> str:
    """Return the best class and its probability: "'kick' (93 %)"; "nothing" if there is none."""
    return f"{best[0][0]!r} ({percent(best[0][1])})" if best else "nothing"


def compared(one: Synthesis) -> str:
    """Return how the score compares with real clips: "1.7 × the best of 20 real clips"."""
    if one.best_real is None:
        return "no real clips were given"
    real = counted(len(one.real_scores), "real clip")
    if one.ratio is None:
        return f"the best of {real} has {short(one.best_real, 3)}"
    return f"{short(one.ratio, 2)} × the best of {real}"


def nearest_text(one: Synthesis, visualization: Visualization) -> str:
    """Return "nearest real clip, distance 3.9: 'kick'"; empty without real clips."""
    if not one.neighbours:
        return ""
    nearest = one.neighbours[0]
    label = visualization.labels[nearest.clip]
    return f"nearest real clip, distance {short(nearest.distance, 2)}" + (f": {label!r}" if label else "")


def facet_text(facet: Facet) -> str:
    """Return how a made clip fits its facet: "nearest to its own facet (cosine 0.97, 0.9 × as far as its 2 clips)"."""
    where = "nearest to its own facet" if facet.is_nearest_own else "nearer to another facet than to its own"
    members = counted(len(facet.members), "clip")
    return (
        f"{where} (cosine {short(facet.cosine, 2)}, {short(facet.spread, 2)} × as far from its mean as its {members})"
    )


def visualization_in_words(visualization: Visualization) -> str:
    """Return every comparison of a made clip as sentences, or a sentence for each of several made clips."""
    if len(visualization) == 1:
        return " ".join(_sentences(visualization[0], visualization))
    real = counted(len(visualization.clips), "real clip")
    made = counted(len(visualization), "made clip")
    first = f"{made}, compared with {real}." if visualization.clips else f"{made}; no real clips were given."
    last = [] if any(one.verdicts for one in visualization) else [NOBODY_ASKED]
    return " ".join([first, *map(_sentence, visualization), *last])


def _sentence(one: Synthesis) -> str:
    """Return the score of a made clip, and what the networks call it."""
    comparison = f", {compared(one)}" if len(one.real_scores) else ""
    parts = [f"{one.name!r}: score {short(one.score, 3)}{comparison}"]
    if one.best:
        others = "".join(f", by another network {best_text(verdict.best)}" for verdict in one.verdicts)
        parts.append(f"called {best_text(one.best)}{others}")
    return "; ".join(parts) + ("." if one.is_moved else f". {NOT_MOVED}")


def _sentences(one: Synthesis, visualization: Visualization) -> list[str]:
    """Return everything that readers should know about a made clip."""
    found = [
        f"Made for {one.name!r}: score {short(one.score, 3)}, {compared(one)}; the start alone scores "
        f"{short(one.start_score, 3)}."
    ]
    if not one.is_moved:
        found.append(NOT_MOVED)
    if one.best:
        found.append(f"The network calls it {best_text(one.best)}, and the start alone {best_text(one.start_best)}.")
    if one.control:
        found.append(f"Under a random flow of the same size, the network calls the start {best_text(one.control)}.")
    found += [
        f"Another network ({verdict.model}) calls it {best_text(verdict.best)}, and with its frames shuffled "
        f"{best_text(verdict.shuffled)}."
        for verdict in one.verdicts
    ] or [NOBODY_ASKED]
    if one.facet is not None:
        found.append(f"It is {facet_text(one.facet)}.")
    if one.neighbours:
        nearest = one.neighbours[0]
        label = visualization.labels[nearest.clip]
        called = f", called {label!r}," if label else ""
        found.append(
            f"The nearest real clip{called} is {short(nearest.distance, 2)} × as far away as a real clip typically is from "
            "its nearest."
        )
    if one.motion is not None:
        found.append(f"It moves {short(one.motion, 2)} × as much as a typical real clip.")
    return found


def report_of(visualization: Visualization) -> str:
    """Return a table with a row for each made clip, and what its columns mean."""
    rows = [_row(one, visualization) for one in visualization]
    columns = [name for name in (rows[0] if rows else {}) if any(row[name] for row in rows)]
    table = [columns, *([row[name] for name in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    lines = ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table]
    real = counted(len(visualization.clips), "real clip")
    made = counted(len(visualization), "made clip")
    asked = dict.fromkeys(verdict.model for one in visualization for verdict in one.verdicts)
    top = f"{made}, {real}, features of layer {visualization.layer}, {visualization.model_name}"
    facets = [_FACET_LEGEND] if any(one.facet is not None for one in visualization) else []
    notes = [
        _LEGEND,
        *facets,
        f"Other networks: {'; '.join(asked)}." if asked else NOBODY_ASKED,
        *visualization.caveats,
    ]
    return "\n".join([top, "", *lines, "", *notes])


def _row(one: Synthesis, visualization: Visualization) -> dict[str, str]:
    """Return the cells of a made clip by column; columns without any cell are left out of the table."""
    nearest, facet = (one.neighbours[0] if one.neighbours else None), one.facet
    has_verdicts = bool(one.verdicts)
    return {
        "made for": one.name,
        "score": short(one.score, 3),
        "best real": "" if one.best_real is None else short(one.best_real, 3),
        "start": short(one.start_score, 3),
        "called": best_text(one.best) if one.best else "",
        "start called": best_text(one.start_best) if one.start_best else "",
        "random flow": best_text(one.control) if one.control else "",
        "others say": "; ".join(best_text(verdict.best) for verdict in one.verdicts) if has_verdicts else "",
        "shuffled": "; ".join(best_text(verdict.shuffled) for verdict in one.verdicts) if has_verdicts else "",
        "nearest": "" if nearest is None else visualization.labels[nearest.clip],
        "distance": "" if nearest is None else short(nearest.distance, 2),
        "clips of facet": "" if facet is None else str(len(facet.members)),
        "own nearest": "" if facet is None else ("yes" if facet.is_nearest_own else "no"),
        "cosine": "" if facet is None else short(facet.cosine, 2),
        "spread": "" if facet is None else short(facet.spread, 2),
        "motion": "" if one.motion is None else short(one.motion, 2),
        "steps": str(len(one.curve)),
        "seconds": short(one.seconds, 2),
    }

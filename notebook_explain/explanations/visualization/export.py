"""Export the numbers of a visualization as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notebook_explain.explanations.visualization.synthesis import Synthesis
    from notebook_explain.explanations.visualization.visualization import Visualization

FORMAT, VERSION = "notebook_explain.visualization", 1


def visualization_json(visualization: Visualization) -> str:
    """Return every number as JSON, without frames; paths are stripped to file names."""
    pairs = zip(visualization.clips, visualization.labels, strict=True)
    body: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "layer": visualization.layer,
        "clips": [{"name": clip.name, "label": label} for clip, label in pairs],
        "syntheses": [_synthesis(one) for one in visualization],
        "provenance": json.loads(visualization.provenance.to_json()),
    }
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)


def _synthesis(one: Synthesis) -> dict[str, Any]:
    numbers = ("name", "objective", "score", "start_score", "best_real", "ratio", "best", "start_best", "motion")
    others = ("restarts", "seconds", "control", "is_moved", "preview_steps")
    return {
        **{name: getattr(one, name) for name in (*numbers, *others)},
        "start": {"name": one.start.name, "frames": len(one.start)},
        "real_scores": one.real_scores.tolist(),
        "curve": one.curve.tolist(),
        "neighbours": [asdict(neighbour) for neighbour in one.neighbours],
        "facet": None if one.facet is None else asdict(one.facet),
        "verdicts": [asdict(verdict) for verdict in one.verdicts],
    }

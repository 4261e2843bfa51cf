"""State of a concept viewer on the wire: the exemplars' clips, each once, a grid of concepts for each, and the numbers.

A clip is one JPEG with all of its frames side by side, and a grid of bytes compressed by zlib: 0 for no concept, else the
index of the concept plus 1, level by level at the grid's own resolution.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.concepts.concept import TCAV, Concept
from notebook_explain.explanations.concepts.concepts import Concepts
from notebook_explain.explanations.concepts.curves import DIRECTIONS, ORDERS, ConceptCurves
from notebook_explain.explanations.concepts.text import QUESTIONS
from notebook_explain.widgets.wire.clip_sheets import pack_clips
from notebook_explain.widgets.wire.common import geometry_state

EXEMPLARS = 4  # clips shown of each concept


def state(concepts: Concepts, title: str = "", curves: ConceptCurves | None = None) -> dict[str, Any]:
    """Return the traits that describe concepts, as plain values."""
    shown = list(dict.fromkeys(clip for concept in concepts for clip in concept.exemplars[:EXEMPLARS])) or [0]
    frames, sheet = pack_clips([concepts.clips[clip].frames for clip in shown])
    bars = {fill: concepts.no_model_effects(fill) for fill in concepts.fills}
    result = concepts.results[0]
    return {
        "title": title,
        "size": list(concepts.clips[0].size),
        "times": _times(concepts),
        "sheet": sheet,
        "frames": frames,
        "clips": [_clip_state(concepts, clip) for clip in shown],
        "grid": {"shape": list(concepts.grids.shape[1:]), "geometry": geometry_state(concepts.geometry)},
        "masks": [pack_grid(concepts.grids[clip]) for clip in shown],
        "fills": [{"name": fill, "question": QUESTIONS[fill]} for fill in concepts.fills],
        "rows": [_concept_state(concepts, concept, shown, bars) for concept in concepts],
        # Not named `target`: in other viewers that is the index of a target.
        "explained": {
            "name": result.class_name,
            "against": result.against_name,
            "clips": len(concepts.clips),
            "layer": concepts.layer,
            "units": concepts.units,
            "stability": concepts.stability,
        },
        "caveats": list(concepts.caveats),
        "curves": curves_state(curves),
    }


def curves_state(curves: ConceptCurves | None) -> dict[str, Any]:
    """Return curves as plain values: the mean at each step, and the ends of its interval (None with one clip)."""
    if curves is None:
        return {}
    lines = []
    for direction in DIRECTIONS:
        for order in ORDERS:
            found = curves.intervals(direction, order)
            ends = {name: [getattr(one, name) for one in found] for name in ("mean", "low", "high")}
            lines.append({"direction": direction, "order": order, **ends})
    return {
        "target": curves.target,
        "by": curves.by,
        "fill": curves.fill,
        "steps": list(curves.steps),
        "clips": len(curves.baseline),
        "draws": curves.draws,
        "baseline": float(curves.baseline.mean()),
        "lines": lines,
    }


def pack_grid(grid: NDArray[np.int16]) -> bytes:
    """Compress the grid of a clip, (level, time, height, width) with -1 for no concept."""
    return zlib.compress((grid + 1).astype(np.uint8).tobytes(), 9)


def _times(concepts: Concepts) -> list[float]:
    """Return the seconds of each frame since the first one, of the first clip that has them."""
    times = next((clip.times for clip in concepts.clips if clip.times is not None), None)
    return [] if times is None else [round(float(time - times[0]), 4) for time in times]


def _clip_state(concepts: Concepts, clip: int) -> dict[str, Any]:
    result = concepts.results[clip]
    return {"index": clip, "name": concepts.clips[clip].name, "logit": result.logit, "probability": result.probability}


def _concept_state(
    concepts: Concepts, concept: Concept, shown: list[int], bars: dict[str, tuple[float, ...]]
) -> dict[str, Any]:
    """Return the numbers of a concept; those of its exemplars are lists, and exemplars are indices of the clips sent."""
    exemplars = list(concept.exemplars[:EXEMPLARS])
    return {
        "effects": [
            {**_numbers(asdict(effect), "fill"), "bar": bars[effect.fill][concept.index]} for effect in concept.effects
        ],
        "evidence": concept.evidence,
        "volume": concept.volume,
        "present": sum(share > 0 for share in concept.presence),
        "tcav": None if concept.tcav is None else _tcav_state(concept.tcav),
        "exemplars": [shown.index(clip) for clip in exemplars],
        "shares": [concept.presence[clip] for clip in exemplars],
        "drops": [[float(drops[clip, concept.index]) for clip in exemplars] for drops in concepts.drops],
        "evidences": [float(concepts.evidence[clip, concept.index]) for clip in exemplars],
    }


def _tcav_state(tcav: TCAV) -> dict[str, Any]:
    return {**asdict(tcav), "reason": None if tcav.reason is None else tcav.reason.value}


def _numbers(values: dict[str, Any], without: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != without}

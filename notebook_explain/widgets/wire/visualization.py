"""State of a visualization viewer on the wire: made clips, their starts, real clips and previews as JPEGs, and the numbers.

Every clip is sent once (see `clip_sheets`); rows refer to it by index. Previews may be smaller than the other clips, because
they are many; the last one is the made clip itself. The arrows of a clip are how far its pixels move from one frame to the
next, as signed bytes on a coarse grid, compressed by zlib: (frame - 1, row, column, [right, down]).
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.visualization.synthesis import Best, Synthesis
from notebook_explain.explanations.visualization.visualization import Visualization
from notebook_explain.widgets.wire.clip_sheets import MAX_BYTES, PRECISIONS, pack_clips

MEMBERS = 6  # real clips shown of each facet
NAMED = 3  # classes sent of what a network says
ARROWS = 12  # along each side of a frame, at most
CURVE = 160  # points of a curve, at most
CLIP_BYTES = 760_000  # of the made clips, their starts and the real ones; previews take what is left
PREVIEW_PRECISIONS = (*PRECISIONS, (56, 55), (48, 50), (40, 45), (32, 40))
CODES = 127  # a signed byte


def state(visualization: Visualization, title: str = "") -> dict[str, Any]:
    """Return the traits that describe a visualization, as plain values."""
    clips = _Clips()
    rows = [_row(one, clips, visualization) for one in visualization]
    grids = [_movement(one) for one in visualization]
    flows = [b"" if grid is None else pack_movement(grid) for grid in grids]
    frames, sheet = pack_clips(clips.frames, CLIP_BYTES)
    previews, preview_sheet = _pack_previews(visualization, MAX_BYTES - sum(map(len, [*frames, *flows])))
    for row, grid in zip(rows, grids, strict=True):
        row["flow"] = None if grid is None else {"shape": list(grid.shape[:3]), "scale": _scale(grid)}
    return {
        "title": title,
        "size": list(visualization[0].clip.size),
        "times": _times(visualization[0].clip),
        "sheet": sheet,
        "frames": frames,
        "lengths": [len(one) for one in clips.frames],
        "preview_sheet": preview_sheet,
        "previews": previews,
        "flows": flows,
        "rows": rows,
        "layer": visualization.layer,
        "caveats": list(visualization.caveats),
    }


def steps_of(one: Synthesis) -> list[int]:
    """Return the steps that a viewer can show, rising; after the last one, the clip is complete."""
    return list(one.preview_steps) or [len(one.curve)]


def pack_movement(grid: NDArray[np.float32]) -> bytes:
    """Compress a grid of movements, as signed bytes in units of its largest component."""
    return zlib.compress(np.rint(grid / (_scale(grid) or 1) * CODES).astype(np.int8).tobytes(), 9)


class _Clips:
    """Clips to send, each once."""

    def __init__(self) -> None:
        self.frames: list[NDArray[np.uint8]] = []
        self._indices: dict[int, int] = {}

    def index(self, clip: Clip) -> int:
        """Return the index at which a clip is sent."""
        if id(clip) not in self._indices:
            self._indices[id(clip)] = len(self.frames)
            self.frames.append(clip.frames)
        return self._indices[id(clip)]


def _row(one: Synthesis, clips: _Clips, visualization: Visualization) -> dict[str, Any]:
    """Return the numbers of a made clip, and the indices of the clips beside it."""

    def real(index: int) -> dict[str, Any]:
        clip = visualization.clips[index]
        return {"clip": clips.index(clip), "name": clip.name, "label": visualization.labels[index], "index": index}

    nearest = one.neighbours[0] if one.neighbours else None
    facet = one.facet
    shared = ("name", "objective", "score", "start_score", "best_real", "ratio", "motion", "seconds", "is_moved")
    return {
        **{name: getattr(one, name) for name in shared},
        "made": clips.index(one.clip),
        "start": clips.index(one.start),
        "nearest": None if nearest is None else {**real(nearest.clip), "distance": nearest.distance},
        "steps": steps_of(one),
        "curve": _curve(one.curve),
        "real_count": len(one.real_scores),
        "best": _best(one.best),
        "start_best": _best(one.start_best),
        "control": _best(one.control),
        "verdicts": [
            {
                "model": verdict.model,
                "best": _best(verdict.best),
                "shuffled": _best(verdict.shuffled),
                "names_target": verdict.names_target,
            }
            for verdict in one.verdicts
        ],
        "restarts": list(one.restarts),
        "facet": None
        if facet is None
        else {
            **{name: value for name, value in asdict(facet).items() if name != "members"},
            "members": [real(index) for index in facet.members[:MEMBERS]],
            "size": len(facet.members),
        },
    }


def _best(best: Best) -> list[dict[str, Any]]:
    return [{"name": name, "probability": probability} for name, probability in best[:NAMED]]


def _curve(curve: NDArray[np.float32]) -> dict[str, list[Any]]:
    """Return some steps, from 0, and the objective at each (None where it is not finite)."""
    steps = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), CURVE)).round().astype(int))
    values = [float(f"{value:.6g}") if np.isfinite(value) else None for value in curve[steps]]
    return {"steps": steps.tolist(), "values": values}


def _movement(one: Synthesis) -> NDArray[np.float32] | None:
    """Return how far the pixels of each cell of a coarse grid move from one frame to the next, on average, in pixels.

    A flow says where a pixel comes from, so what moves to the right has a flow that falls.
    """
    if one.flow is None or len(one.flow) < 2:
        return None
    movement = np.nan_to_num(-np.diff(one.flow.astype(np.float32), axis=0))
    for axis in (1, 2):
        cells = min(movement.shape[axis], ARROWS)
        parts = np.array_split(movement, cells, axis)
        movement = np.stack([part.mean(axis) for part in parts], axis)
    return movement


def _scale(grid: NDArray[np.float32]) -> float:
    return float(np.abs(grid).max(initial=0))


def _pack_previews(visualization: Visualization, max_bytes: int) -> tuple[list[bytes], dict[str, Any]]:
    """Return a JPEG of each preview but the last of each made clip, one made clip after the other."""
    previews = [preview for one in visualization for preview in one.previews[: len(steps_of(one)) - 1]]
    return pack_clips(previews, max_bytes, PREVIEW_PRECISIONS) if previews else ([], {})


def _times(clip: Clip) -> list[float]:
    """Return the seconds of each frame since the first one."""
    return [] if clip.times is None else [round(float(time - clip.times[0]), 4) for time in clip.times]

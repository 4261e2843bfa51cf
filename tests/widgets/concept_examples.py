"""Write examples for the tests in JavaScript: masks of concepts, the frames in which they cover most, and their order.

``python -m tests.widgets.concept_examples`` writes js/test/concepts/examples.json again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain.clip import Clip
from notebook_explain.explanations import Concept, ConceptCurves, Concepts, Effect, Geometry
from notebook_explain.figures.concepts import best_frame
from notebook_explain.widgets import concept_viewer
from notebook_explain.widgets.wire import concepts as concepts_wire
from tests.example_values import small_concepts
from tests.widgets.pyramid_examples import with_base64

EXAMPLES = Path(__file__).parents[2] / "js" / "test" / "concepts" / "examples.json"


def many_concepts(concepts: int = 14, clips: int = 9, time: int = 8, size: int = 48, levels: int = 2) -> Concepts:
    """Return concepts of clips of colours, each a block that moves; some effects are within chance or negative."""
    rng = np.random.default_rng(3)
    base = small_concepts(clips=clips, concepts=3)
    grid = (4, 7, 5)
    grids = np.full((clips, levels, *grid), -1, np.int16)
    for clip in range(clips):
        for concept in range(concepts):
            if (clip + concept) % 5 == 4:
                continue  # it does not occur
            level, y, x = concept % levels, int(rng.integers(0, 6)), int(rng.integers(0, 4))
            for row in range(1, grid[0]):
                grids[clip, level, row, y : y + 2, (x + row) % 4 : (x + row) % 4 + 2] = concept
    presence = np.stack([(grids == k).any(1).mean((1, 2, 3)) for k in range(concepts)])
    drops = rng.normal(0.2, 0.3, (2, clips, concepts)).astype(np.float32) * (presence.T > 0)
    values = np.linspace(0.24, -0.06, concepts)
    evidence = rng.normal(0.1, 0.5, (clips, concepts)).astype(np.float32)
    found = []
    for k in range(concepts):
        effects = tuple(
            Effect(fill, value, value - 0.03, value + 0.02, q / 3, q, 0.2 + 0.1 * (k * 7 % 5))
            for fill, value, q in (
                ("blur", float(values[k]), min(0.004 * 2.1**k, 1.0)),
                ("freeze", float(values[(k * 5) % concepts]) / 2, min(0.02 * (1 + k * 5 % concepts), 1.0)),
            )
        )
        order = [int(clip) for clip in np.argsort(-drops[0, :, k]) if presence[k, clip] > 0]
        volume, mean = float(presence[k].mean()), float(evidence[:, k].mean())
        tcav = base[k % 3].tcav
        found.append(
            Concept(k, f"concept {k + 1}", effects, mean, volume, tuple(presence[k].tolist()), tuple(order), tcav)
        )
    return replace(
        base,
        concepts=tuple(found),
        clips=tuple(_coloured_clip(clip, time, size) for clip in range(clips)),
        grids=grids,
        geometry=Geometry(np.array([0.0, 2.0, 4.0, 6.5]), (2.5, 4.0), (7.0, 9.5)),
        centres=rng.normal(size=(concepts, 4)).astype(np.float32),
        drops=drops,
        evidence=evidence,
    )


def unmeasured(concepts: Concepts) -> Concepts:
    """Return concepts without effects, as in mode "paper"."""
    plain = tuple(replace(concept, effects=()) for concept in concepts)
    return replace(concepts, concepts=plain, drops=concepts.drops[:0])


def within_chance(concepts: Concepts) -> Concepts:
    """Return concepts of which none has an effect beyond chance."""
    weak = [tuple(replace(effect, p=0.4, q=0.8) for effect in concept.effects) for concept in concepts]
    return replace(
        concepts, concepts=tuple(replace(c, effects=effects) for c, effects in zip(concepts, weak, strict=True))
    )


def example_curves(target: str = "class 0", clips: int = 8) -> ConceptCurves:
    """Return curves in which the largest effects first are far above the others, with noise over clips."""
    rng = np.random.default_rng(5)
    steps = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    rise = {"top": 1.6 * steps, "random": 0.8 * steps, "least": 0.3 * steps}
    rows = np.stack([[value, 0.9 - value] for value in rise.values()], axis=1)  # direction, order, step
    noise = rng.normal(0, 0.06, (2, 3, clips, len(steps)))
    likely = np.clip(rows[:, :, None] + noise, 0, 1).astype(np.float32)
    baseline = np.full(clips, 0.9, np.float32)
    return ConceptCurves(target, "change", "blur", tuple(steps.tolist()), likely, likely, baseline, 20)


def _coloured_clip(clip: int, time: int, size: int) -> Clip:
    """Return a clip of a gradient with a bright square that moves to the right."""
    ramp = np.linspace(40, 180, size)
    frames = np.zeros((time, size, size + 12, 3))
    frames[..., clip % 3] = ramp[:, None]
    frames[..., (clip + 1) % 3] = np.linspace(60, 140, size + 12)
    for frame in range(time):
        left = 4 + 3 * frame
        frames[frame, size // 3 : size // 3 + 12, left : left + 12] = (240, 220, 90)
    return Clip(frames.astype(np.uint8), times=np.arange(time) / 8, source=f"clip {clip}")


def example(concepts: Concepts, curves: ConceptCurves | None = None) -> dict[str, Any]:
    """Return the state as the browser gets it, and Python's masks and orders; frames are stand-ins of one byte."""
    state = concept_viewer.initial_state(concepts, curves=curves)
    shown = [clip["index"] for clip in state["clips"]]
    picked = [
        (k, clip) for k in range(0, len(concepts), 3) for clip in concepts[k].exemplars[: concepts_wire.EXEMPLARS]
    ]
    return {
        "state": with_base64({**state, "frames": [b"\xff"] * len(shown)}),
        "masks": [
            {
                "concept": k,
                "clip": shown.index(clip),
                "best": best_frame(concepts.mask(k, clip)),
                "frames": ["".join(map(str, frame.ravel().astype(int))) for frame in concepts.mask(k, clip)[::3]],
            }
            for k, clip in picked
        ],
    }


def make() -> list[dict[str, Any]]:
    """Return all examples: positions, two levels of an uneven grid with many concepts, and no effects."""
    small = small_concepts(clips=4)
    return [example(small, example_curves()), example(many_concepts(size=20)), example(unmeasured(small))]


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(make(), separators=(",", ":")) + "\n", encoding="utf-8")
    print(EXAMPLES)

"""Write examples for the tests in JavaScript: states, and how far the pixels of each cell move.

``python -m tests.widgets.visualization_examples`` writes js/test/visualization/examples.json again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations import Facet, Neighbour, Synthesis, Verdict, Visualization
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.samples import ACTIONS, single
from notebook_explain.widgets import visualization_viewer
from tests.example_values import small_visualization
from tests.widgets.pyramid_examples import with_base64

EXAMPLES = Path(__file__).parents[2] / "js" / "test" / "visualization" / "examples.json"
STEPS = (0, 5, 10, 20, 40, 60, 90, 120)


def drawn_visualization(made: int = 3, real: int = 6, size: int = 64) -> Visualization:
    """Return made clips that are samples: each starts from its first frame, and has the optical flow between its frames."""
    labels = tuple(ACTIONS[k % len(ACTIONS)] for k in range(real))
    clips = tuple(_clip(label, 40 + k, size) for k, label in enumerate(labels))
    others = [_drawn(action, k, clips, size) for k, action in enumerate(ACTIONS[1 : made + 1])]
    caveats = (
        "Made clips show what raises the score, not what real clips look like.",
        "The clips were made for one network; ask another one with checked_by(model).",
    )
    provenance = Provenance(
        "FeatureVisualization", {"steps": STEPS[-1]}, "ActionNet, 72,000 parameters", caveats=caveats
    )
    return Visualization(tuple(others), clips, labels, "blocks.3", provenance)


def with_facets(visualization: Visualization) -> Visualization:
    """Return a visualization whose made clips are facets; the last one is nearer to another facet."""
    count = len(visualization)
    found = [
        replace(
            one,
            name=f"facet {k + 1} of {count}",
            objective=f"Facet('blocks.3', {k}, of={count})",
            facet=Facet(k, count, tuple(range(k, len(visualization.clips))), 0.97 - 0.3 * k, 0.84 + k, k + 1 < count),
        )
        for k, one in enumerate(visualization)
    ]
    return replace(visualization, syntheses=tuple(found))


def without_anything(visualization: Visualization) -> Visualization:
    """Return a visualization without real clips, flow, verdicts, controls and movement, with one preview each."""
    bare = [
        replace(
            one,
            flow=None,
            preview_steps=one.preview_steps[-1:],
            previews=one.previews[-1:],
            real_scores=np.zeros(0, np.float32),
            neighbours=(),
            motion=None,
            facet=None,
            verdicts=(),
            control=(),
            is_moved=False,
        )
        for one in visualization
    ]
    return replace(visualization, syntheses=tuple(bare), clips=(), labels=())


def uneven(visualization: Visualization) -> Visualization:
    """Return made clips that are named and scored otherwise, the second one with fewer previews."""
    first, second = visualization
    changed = (
        replace(first, score=1.0, motion=None, verdicts=(), control=()),
        replace(
            second,
            facet=Facet(1, 2, (3, 2), 0.5, 2.5, False),
            preview_steps=second.preview_steps[1:],
            previews=second.previews[1:],
            real_scores=-np.ones(4, np.float32),
            verdicts=(*first.verdicts, replace(first.verdicts[0], names_target=False)),
        ),
    )
    return replace(visualization, syntheses=changed)


def _clip(action: str, seed: int, size: int) -> Clip:
    return Clip(single(action, seed=seed, size=size).frames, np.arange(16) / 8, f"{action} {seed}.mp4")


def _drawn(action: str, seed: int, clips: tuple[Clip, ...], size: int) -> Synthesis:
    made = _clip(action, seed, size)
    still = Clip(made.frames[:1], None, "photo.jpg")
    shares = np.array(STEPS)[:, None, None, None, None] / STEPS[-1]
    previews = (shares * made.frames + (1 - shares) * still.frames).astype(np.uint8)
    real = np.linspace(-4, 6, len(clips), dtype=np.float32)
    curve = (10.4 * (1 - np.exp(-np.arange(STEPS[-1]) / 25)) - 1.2 + np.sin(np.arange(STEPS[-1])) / 4).astype(
        np.float32
    )
    best = ((action, 0.93), ("punch", 0.04), ("clap", 0.01))
    is_right = seed % 2 == 0
    verdicts = (Verdict("BranchNet, 61,000 parameters", best if is_right else best[1:], best[1:], is_right),)
    return Synthesis(
        name=action,
        objective=f"Logit({action!r})",
        clip=made,
        start=still,
        flow=_flow(made.frames),
        curve=curve,
        preview_steps=STEPS,
        previews=previews,
        score=10.2 - 5 * seed,
        start_score=-1.2,
        real_scores=real,
        best=best,
        start_best=(("punch", 0.61), (action, 0.2)),
        neighbours=(Neighbour((seed + 1) % len(clips), 3.6 + seed), Neighbour(0, 7.0)),
        motion=0.8,
        restarts=(10.2, 8.7, 9.4),
        seconds=5.42,
        verdicts=verdicts if seed < 2 else (),
        control=(("jumping jack", 0.44),),
    )


def _flow(frames: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Return where pixels come from in the first frame: against the sum of the optical flow between frames."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    moves = [
        cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 9, 5, 5, 1.1, 0)  # type: ignore[call-overload]
        for a, b in pairwise(grey)
    ]
    return -np.cumsum([np.zeros_like(moves[0]), *moves], axis=0).astype(np.float16)


def movement_of(one: Synthesis, cells: int = 12) -> Any:
    """Return the mean movement of each cell of a grid, to the next frame, in pixels: computed cell by cell."""
    if one.flow is None:
        return None
    flow = one.flow.astype(np.float64)
    time, height, width = one.clip.size
    down, across = min(cells, height), min(cells, width)
    rows = np.array_split(np.arange(height), down)
    columns = np.array_split(np.arange(width), across)
    return [
        [[(flow[t] - flow[t + 1])[np.ix_(y, x)].mean((0, 1)).tolist() for x in columns] for y in rows]
        for t in range(time - 1)
    ]


def example(visualization: Visualization) -> dict[str, Any]:
    """Return the state as the browser gets it, and the movements; frames are stand-ins of one byte."""
    state = visualization_viewer.initial_state(visualization)
    plain = {name: [b"\xff"] * len(state[name]) for name in ("frames", "previews")}
    moves = [movement_of(one) for one in visualization]
    return {
        "state": with_base64({**state, **plain}),
        "movement": [None if one is None else np.round(one, 5).tolist() for one in moves],
    }


def make() -> list[dict[str, Any]]:
    """Return all examples: a flow and a facet, clips that differ in what is known, and nothing but clips."""
    small = small_visualization()
    return [example(small), example(uneven(small)), example(without_anything(small))]


if __name__ == "__main__":
    EXAMPLES.parent.mkdir(exist_ok=True)
    EXAMPLES.write_text(json.dumps(make(), separators=(",", ":")) + "\n", encoding="utf-8")
    print(EXAMPLES)

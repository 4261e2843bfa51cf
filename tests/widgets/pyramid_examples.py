"""What both languages are held to of a pyramid: what a threshold keeps, what its rows' tubes are, what units are called.

``python -m tests.widgets.pyramid_examples`` writes them anew to js/test/pyramid/examples.json, which JavaScript's tests
read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.text import name_of
from notebook_explain.widgets.html import _encode
from notebook_explain.widgets.wire import pyramid as pyramid_wire
from tests.widgets.random_pyramids import random_pyramid

EXAMPLES = Path(__file__).parents[2] / "js" / "test" / "pyramid" / "examples.json"
THRESHOLDS = tuple(round(float(at), 4) for at in np.linspace(0, 1, 20))
SIZE = (8, 24, 30)


def example(pyramid: Pyramid) -> dict[str, Any]:
    """A pyramid's state as the browser gets it, and Python's answers."""
    return {
        "state": _encode({**pyramid_wire.state(pyramid), "frames": [b"\xff"] * len(pyramid.clip)}),
        "kept": [list(pyramid.prune(threshold)) for threshold in THRESHOLDS],
        "names": [name_of(pyramid, at) for at in range(len(pyramid.units))],
        "tubes": {
            str(at): np.round(pyramid.tube(at, 0.3)[::3, ::7, ::7], 5).tolist()
            for at, row in enumerate(pyramid.rows)
            if row.maps is not None
        },
    }


def make() -> dict[str, Any]:
    return {
        "thresholds": THRESHOLDS,
        "pyramids": [example(random_pyramid(seed, rows=3 + seed, size=SIZE)) for seed in range(4)],
    }


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(make()) + "\n", encoding="utf-8")
    print(f"{EXAMPLES.name} {EXAMPLES.stat().st_size / 1e3:.0f} kB")

"""Write examples for the tests in JavaScript: what a threshold keeps of pyramids, their rows' tubes, and all sentences.

``python -m tests.widgets.pyramid_examples`` writes js/test/pyramid/examples.json again.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain.clip import Clip
from notebook_explain.explanations.pyramid.path import strongest_edges
from notebook_explain.explanations.pyramid.pyramid import INPUT, Pyramid
from notebook_explain.explanations.pyramid.text import link_sentence, unit_name
from notebook_explain.widgets.wire import pyramid as pyramid_wire
from tests.widgets.random_pyramids import random_pyramid

EXAMPLES = Path(__file__).parents[2] / "js" / "test" / "pyramid" / "examples.json"
THRESHOLDS = tuple(round(float(threshold), 4) for threshold in np.linspace(0, 1, 20))
SIZE = (8, 24, 30)


def example(pyramid: Pyramid) -> dict[str, Any]:
    """Return a pyramid's state as the browser gets it, and Python's numbers and sentences."""
    return {
        "state": encoded_state(pyramid),
        "kept": [list(pyramid.prune(threshold)) for threshold in THRESHOLDS],
        "kept_by_score": [list(pyramid.prune(threshold, by="score")) for threshold in THRESHOLDS],
        "links": {f"{edge.child} {edge.parent}": link_sentence(pyramid, edge) for edge in pyramid.edges[::5]},
        "names": [unit_name(pyramid, unit) for unit in range(len(pyramid.units))],
        "words": [_words(pyramid, threshold) for threshold in (0.0, 0.3, 1.0)],
        "tubes": {
            str(index): np.round(pyramid.tube(index, 0.3)[::3, ::7, ::7], 5).tolist()
            for index, row in enumerate(pyramid.rows)
            if row.maps is not None
        },
    }


def encoded_state(pyramid: Pyramid) -> Any:
    """Return a pyramid's state as the browser gets it; its frames are stand-ins of one byte."""
    return with_base64({**pyramid_wire.state(pyramid), "frames": [b"\xff"] * len(pyramid.clip)})


def with_base64(value: Any) -> Any:
    """Return a value with all bytes as {"$b64": base64}, for JSON; js/test/helpers.js decodes it."""
    if isinstance(value, bytes):
        return {"$b64": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [with_base64(entry) for entry in value]
    if isinstance(value, dict):
        return {key: with_base64(entry) for key, entry in value.items()}
    return value


def _words(pyramid: Pyramid, threshold: float) -> dict[str, Any]:
    kept = pyramid.prune(threshold)
    return {
        "threshold": threshold,
        "pyramid": pyramid.in_words(threshold=threshold),
        "rows": [pyramid.in_words(threshold=threshold, row=index) for index in range(len(pyramid.rows))],
        "units": {str(unit): pyramid.in_words(unit, threshold) for unit in pyramid.prune(threshold, by="score")},
        "path": [[edge.child, edge.parent] for edge in strongest_edges(pyramid, kept)],
    }


def difference_of_classes(pyramid: Pyramid) -> Pyramid:
    """Return the same pyramid, as if its target were a difference of two classes."""
    target = replace(
        pyramid.target,
        name="wave − clap",
        probability=None,
        index=pyramid.units[0].channel,
        against=99,
        against_name="clap",
    )
    return replace(pyramid, target=target)


def of_a_value(pyramid: Pyramid) -> Pyramid:
    """Return the same pyramid, as if it explained the value of a regression."""
    target = replace(pyramid.target, name="ESV", probability=None, top5=(), kind="regression", unit="ml", logit=55.6)
    return replace(pyramid, target=target)


def of_two_names(pyramid: Pyramid) -> Pyramid:
    """Return the same pyramid, as if it explained the first of a binary head's two names."""
    target = replace(pyramid.target, name="fake", kind="binary", top5=(("fake", 0.7), ("real", 0.3)))
    return replace(pyramid, target=target)


def of_values(pyramid: Pyramid) -> Pyramid:
    """Return the same pyramid, as if the network took five channels of values."""
    values = np.random.default_rng(0).normal(size=(*pyramid.clip.size, 5))
    rows = tuple(replace(row, width=5) if row.kind == INPUT else row for row in pyramid.rows)
    assert any(row.kind == INPUT for row in rows)
    return replace(pyramid, clip=Clip.from_array(values), rows=rows)


def make() -> dict[str, Any]:
    """Return all examples as plain values."""
    pyramids = [random_pyramid(seed, rows=3 + seed, size=SIZE) for seed in range(4)]
    by_gradient = replace(pyramids[2].provenance, knobs={"contribution": "gradient"})
    pyramids[2] = replace(pyramids[2], provenance=by_gradient)
    pyramids.append(difference_of_classes(random_pyramid(4, rows=3, size=SIZE)))
    pyramids.append(replace(of_a_value(random_pyramid(5, rows=3, size=SIZE)), provenance=by_gradient))
    unnamed = of_a_value(random_pyramid(6, rows=3, size=SIZE))
    pyramids.append(replace(unnamed, target=replace(unnamed.target, name="value", unit="")))
    pyramids.append(of_two_names(random_pyramid(6, rows=3, size=SIZE)))
    pyramids.append(of_values(random_pyramid(5, rows=3, size=SIZE)))
    return {"thresholds": THRESHOLDS, "pyramids": [example(pyramid) for pyramid in pyramids]}


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(make()) + "\n", encoding="utf-8")
    print(f"{EXAMPLES.name} {EXAMPLES.stat().st_size / 1e3:.0f} kB")

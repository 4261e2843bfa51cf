"""Explanations made by hand, for tests that need no network."""

from __future__ import annotations

import numpy as np

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap, Provenance, TargetResult, Tubes


def small_tubes(*, targets: int = 2, time: int = 6, size: int = 12, seed: int = 0) -> Tubes:
    """Two layers, random signed maps, a coloured clip."""
    rng = np.random.default_rng(seed)
    clip = Clip(rng.integers(0, 256, (time, size, size, 3), np.uint8), times=np.arange(time) / 10, source="by hand")
    fine = rng.normal(size=(targets, time, 4, 4)).astype(np.float32)
    coarse = rng.normal(size=(targets, 2, 3, 3)).astype(np.float32)
    layers = (
        LayerMap(
            "stem", "stem", fine, Geometry.even((time, 4, 4), clip.size), gap=np.arange(targets, dtype=np.float32)
        ),
        LayerMap("last", "pooling input", coarse, Geometry(np.array([0.0, 3.0]), (1.0, 0.5), (4.0, 4.5))),
    )
    results = tuple(
        TargetResult(f"class {k}", k, "", 1.5 - k, 0.6 / (k + 1), bias=0.1, top5=(("class 0", 0.6), ("class 1", 0.3)))
        for k in range(targets)
    )
    provenance = Provenance("by hand", {"pooled": False}, "none", {"size": size}, {"numpy": np.__version__}, 0.1, 1, 1)
    return Tubes(clip, results, layers, provenance)

"""The speed of a flow as tubes, for the space-time viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.layer_map import DETAIL, LayerMap
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.tubes import Tubes

if TYPE_CHECKING:
    from notebook_explain.explanations.visualization.synthesis import Synthesis


def speed_tubes(one: Synthesis) -> Tubes:
    """Return the distance that every pixel moves from one frame to the next, in pixels; that of the first frame repeats."""
    if one.flow is None:
        raise UsageError(f"{one.name!r} was made without a flow; only a Flow canvas has a speed")
    flow = one.flow.astype(np.float32)
    change = np.diff(flow, axis=0) if len(flow) > 1 else np.zeros_like(flow)
    speed = np.linalg.norm(change, axis=-1)
    speed = np.concatenate([speed[:1], speed]) if len(flow) > 1 else speed
    result = TargetResult(one.name, 0, "", one.score, None)
    layer = LayerMap("speed", DETAIL, speed[None], Geometry.even(one.clip.size, one.clip.size))
    return Tubes(one.clip, (result,), (layer,), Provenance("FeatureVisualization, speed of the flow"))

"""Parts of the wire format that all viewers share: the clip, a geometry, a target."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, TargetResult
from notebook_explain.explanations.targets import CLASSES
from notebook_explain.explanations.text import rival_of, value_of
from notebook_explain.widgets.wire.picture import picture_caveats, picture_state

MAX_SIDE = 512  # pixels; viewers draw a frame at a few hundred
# Small frames are drawn enlarged, where chroma subsampling shows as fringes; at full quality they cost little.
SMALL_SIDE, SMALL_QUALITY, QUALITY = 160, 90, 75


def clip_state(clip: Clip) -> dict[str, Any]:
    """Return the traits that describe a clip: its size, the seconds of its frames, its frames as JPEGs, its picture."""
    times = [] if clip.times is None else [round(float(time), 4) for time in clip.times]
    frames = encode_jpegs(clip.frames)
    return {"size": list(clip.size), "times": times, "frames": frames, "picture": picture_state(clip)}


def clip_caveats(clip: Clip, picture: dict[str, Any], texts: Sequence[str]) -> list[str]:
    """Return caveats for a viewer; where readers choose the window of a grey clip, none of them gives another one."""
    if "data" not in picture or clip.picture is None or clip.values is None:
        return list(texts)
    fixed = clip.picture.describe(clip.values.shape[3])
    return [*picture_caveats(clip, picture), *(text for text in texts if not text.startswith(fixed))]


def encode_jpegs(frames: NDArray[np.uint8]) -> list[bytes]:
    """Encode each frame of an array (time, height, width, 3) as a JPEG."""
    is_small = max(frames.shape[1:3]) <= SMALL_SIDE
    options = {"quality": SMALL_QUALITY, "subsampling": 0} if is_small else {"quality": QUALITY}
    encoded = []
    for frame in frames:
        picture = Image.fromarray(frame)
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
        with io.BytesIO() as out:
            picture.save(out, "JPEG", **options)
            encoded.append(out.getvalue())
    return encoded


def geometry_state(geometry: Geometry) -> dict[str, Any]:
    """Return the position of a map's cells in the clip as plain lists."""
    return {
        "rows": [round(float(row), 4) for row in geometry.rows],
        "origin": list(geometry.origin),
        "step": list(geometry.step),
    }


def target_state(result: TargetResult) -> dict[str, Any]:
    """Return the name, score and probability of a target, its best rival and the network's best classes.

    ``kind``, ``value`` (of a regression, with its unit) and ``region`` are left out where they have their default.
    """
    rival = rival_of(result)
    others = {"kind": result.kind, "value": value_of(result), "region": result.region}
    defaults = {"kind": CLASSES, "value": None, "region": ""}
    return {
        "name": result.name,
        "against": result.against_name,
        "logit": result.logit,
        "probability": result.probability,
        "rival": None if rival is None else _class_state(*rival),
        "best": [_class_state(name, probability) for name, probability in result.top5],
        **{name: value for name, value in others.items() if value != defaults[name]},
    }


def _class_state(name: str, probability: float) -> dict[str, Any]:
    return {"name": name, "probability": probability}

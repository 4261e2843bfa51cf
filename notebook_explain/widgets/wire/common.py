"""Parts of the wire format that several views share: JPEG frames, geometry, clip, targets."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.explanations import TargetResult
from notebook_explain.explanations.text import rival_of

# Small frames are drawn enlarged, where the coarse colours of an ordinary JPEG show as fringes; they cost little as fine ones.
SMALL_SIDE, SMALL_QUALITY, QUALITY = 160, 90, 75


MAX_SIDE = 512  # a frame is drawn at a few hundred pixels; larger ones would only travel longer


def jpegs(frames: NDArray[np.uint8]) -> list[bytes]:
    """One JPEG per frame of (time, height, width, 3)."""
    small = max(frames.shape[1:3]) <= SMALL_SIDE
    how = {"quality": SMALL_QUALITY, "subsampling": 0} if small else {"quality": QUALITY}
    encoded = []
    for frame in frames:
        picture = Image.fromarray(frame)
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
        with io.BytesIO() as out:
            picture.save(out, "JPEG", **how)
            encoded.append(out.getvalue())
    return encoded


def targets(results: tuple[TargetResult, ...]) -> list[dict[str, Any]]:
    """Name, score and probability of each target, and what else the network considered."""
    described = []
    for result in results:
        rival = rival_of(result)
        described.append(
            {
                "name": result.name,
                "against": result.against_name,
                "logit": result.logit,
                "probability": result.probability,
                "rival": None if rival is None else _guess(*rival),
                "best": [_guess(*guess) for guess in result.top5],
            }
        )
    return described


def _guess(name: str, probability: float) -> dict[str, Any]:
    return {"name": name, "probability": probability}

"""First and last step of every explainer: prepare the clip for its model, and record the provenance."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Provenance
from notebook_explain.models import VideoModel


def prepare_clip(model: VideoModel, clip: Any) -> tuple[Clip, Clip]:
    """Return the clip as given, and as the network receives it.

    Raises
    ------
    TypeError
        `model` is not a VideoModel, or `clip` is not a clip.
    """
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    p = model.preprocessing
    clip = Clip.of(clip, frames=p.frames, size=p.size, crop=p.crop)
    return clip, model.fit(clip)


def provenance(
    method: str,
    explainer: Any,
    model: VideoModel,
    start: float,
    backwards: int,
    caveats: Iterable[str],
    forwards: int = 1,
) -> Provenance:
    """Return the provenance of a result.

    Parameters
    ----------
    method : str
    explainer : frozen dataclass
        Its fields are the knobs.
    model : VideoModel
    start : float
        ``time.perf_counter()`` at the start.
    backwards : int
        Number of backward passes.
    caveats : iterable of str
        Duplicates are removed.
    forwards : int
        Number of forward passes.
    """
    module = model.module
    return Provenance(
        method=method,
        knobs=asdict(explainer),
        model=f"{type(module).__name__}, {sum(p.numel() for p in module.parameters()):,} parameters",
        preprocessing=asdict(model.preprocessing),
        versions=_versions(),
        seconds=time.perf_counter() - start,
        forwards=forwards,
        backwards=backwards,
        caveats=tuple(dict.fromkeys(caveats)),
    )


def _versions() -> dict[str, str]:
    import notebook_explain

    return {
        "notebook_explain": notebook_explain.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }

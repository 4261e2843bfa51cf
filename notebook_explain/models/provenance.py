"""Provenance of what was computed with a model."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from notebook_explain.explanations import Provenance

if TYPE_CHECKING:
    from notebook_explain.models.video_model import VideoModel


def provenance_of(
    model: VideoModel,
    method: str,
    knobs: Mapping[str, Any],
    start: float,
    caveats: Iterable[str],
    *,
    forwards: int = 1,
    backwards: int = 0,
) -> Provenance:
    """Return the provenance of a result.

    Parameters
    ----------
    model : VideoModel
    method : str
    knobs : dict
        Settings of the method.
    start : float
        ``time.perf_counter()`` at the start.
    caveats : iterable of str
        Duplicates are removed.
    forwards, backwards : int
        Number of passes.
    """
    module = model.module
    return Provenance(
        method=method,
        knobs=dict(knobs),
        model=f"{type(module).__name__}, {sum(p.numel() for p in module.parameters()):,} parameters",
        preprocessing={**asdict(model.preprocessing), "sources": dict(model.sources)},
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

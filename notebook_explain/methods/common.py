"""First and last step of every explainer: prepare the clip for its model, and record the provenance."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.clip.arrays import to_numpy
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
    if _is_array(clip):
        clip = _clip_of_array(clip, p.channels)
    clip = Clip.of(clip, frames=p.frames, size=p.size, crop=p.crop)
    return clip, model.fit(clip)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or (isinstance(value, (list, tuple)) and len(value) > 0)


def _clip_of_array(value: Any, channels: int) -> Any:
    """Return a clip of values, if that is what an array can only mean for this network; else the array itself.

    8-bit numbers with one or three channels are grey or colours.
    """
    array = to_numpy(value)
    layout = None if channels == 3 or array.dtype.kind not in "biuf" else _layout_of(array.shape, channels)
    if layout is None:
        return value
    if array.dtype != np.uint8:
        return Clip.from_array(array, layout=layout)
    if channels == 1:
        return Clip.of(array, layout=layout)
    raise UsageError(
        f"8-bit numbers in {channels} channels may be meant as 0..255 or as 0..1; for 0..255, as they are, pass "
        "Clip.from_array(values), for 0..1 Clip.from_array(values / 255)"
    )


def _layout_of(shape: tuple[int, ...], channels: int) -> str | None:
    """Return the layout of an array whose only axis with the network's number of channels is where a layout has it.

    The channels come last where several axes have this length.
    """
    batch = "B" if len(shape) == 5 and shape[0] == 1 else ""
    layouts = [batch + letters for letters in ("THWC", "CTHW", "TCHW")]
    fitting = [one for one in layouts if len(one) == len(shape) and shape[one.index("C")] == channels]
    if len(shape) == 3 and channels == 1:
        return "THW"
    return fitting[0] if len(fitting) == 1 or f"{batch}THWC" in fitting else None


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

"""First and last step of every explainer: prepare the clip for its model, and record the provenance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Provenance
from notebook_explain.models import VideoModel
from notebook_explain.models.provenance import provenance_of


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
    return model.prepare(clip)


def check_layers(given: Any, explainer: str) -> tuple[str, ...] | None:
    """Return names of layers as a tuple; None as it is.

    Parameters
    ----------
    given : list or tuple of str, or None
    explainer : str
        Name of the class, for the error.

    Raises
    ------
    TypeError
        Not a list of names.
    """
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, (list, tuple)):
        raise UsageTypeError(
            f"layers must be a list of layer names, got {given!r}; "
            f"the model is passed in the call: {explainer}()(model, clip)"
        )
    if not all(isinstance(name, str) for name in given):
        raise UsageTypeError(f"layers must be names (str), got {given!r}; model.layers lists them")
    return tuple(given)


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
    return provenance_of(model, method, asdict(explainer), start, caveats, forwards=forwards, backwards=backwards)

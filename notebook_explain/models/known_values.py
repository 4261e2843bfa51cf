"""What is known about a network's preprocessing and labels before it runs, and from where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain.models.carried import Carried, carried_by
from notebook_explain.models.input_search import FoundInput, first_that_runs
from notebook_explain.models.processors import read_processor
from notebook_explain.models.video_model import VideoModel

ARGUMENT = "argument"  # source of a value that the user passed
_SHAPE = ("size", "frames", "layout", "crop")


def known_values(given: Mapping[str, Any], processor: Any, like: VideoModel | None, network: nn.Module) -> Carried:
    """Return what is known about the preprocessing and the labels, and from where: arguments first, then the others."""
    stated = {name: value for name, value in given.items() if value is not None}
    found = Carried(stated, dict.fromkeys(stated, ARGUMENT))
    if processor is not None:
        if isinstance(processor, VideoModel):
            raise UsageTypeError("processor is a VideoModel; pass it as like= to take its preprocessing")
        found = found.over(read_processor(processor))
    if like is not None:
        found = found.over(like.carried())
    found = found.over(carried_by(network))
    fits = {1, found.values.get("channels", 3)}
    return found.only(
        lambda name, source: source == ARGUMENT or name not in ("mean", "std") or len(found.values[name]) in fits
    )


def first_that_runs_with(
    network: nn.Module, found: Carried, keep_hooks: bool
) -> tuple[FoundInput, dict[str, Any], Carried]:
    """Return the first input that runs, what was specified of it, and where that is from.

    Values that nobody passed are given up if nothing runs with them: first the layout, which a wrapper may change.
    """
    attempts = [found, *(_without_carried(found, names) for names in (("layout",), _SHAPE))]
    error: ExplainError | None = None
    for attempt in (entry for i, entry in enumerate(attempts) if i == 0 or entry.values != attempts[i - 1].values):
        specified = {"crop": "center", **attempt.only(lambda name, _: name != "labels").values}
        try:
            return first_that_runs(network, specified, keep_hooks), specified, attempt
        except ExplainError as raised:
            error = error or raised
    assert error is not None
    raise error


def _without_carried(found: Carried, names: Collection[str]) -> Carried:
    """Return values without those of some names that were not passed as arguments."""
    return found.only(lambda name, source: name not in names or source == ARGUMENT)

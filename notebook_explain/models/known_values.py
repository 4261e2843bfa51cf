"""Collect the preprocessing and labels of a network that are known before it runs, and their sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
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
    return found.over(carried_by(network))


def specified_values(found: Carried) -> dict[str, Any]:
    """Return the preprocessing that is known."""
    return {"crop": "center", **found.only(lambda name, _: name != "labels").values}


def fitting_channels(found: Carried, channels: int) -> Carried:
    """Return values whose mean and std have one number, or one for each channel.

    Several numbers that are equal are one. Others that nobody passed, such as those of colours for a network of one channel,
    are given up.
    """
    values = dict(found.values)
    for name in ("mean", "std"):
        if name in values and found.sources[name] != ARGUMENT and len(values[name]) != channels:
            values[name] = tuple(dict.fromkeys(values[name]))
    found = replace(found, values=values)
    unfit = {name for name in ("mean", "std") if name in values and len(values[name]) not in (1, channels)}
    return _without_carried(found, ("mean", "std") if unfit else ())


def first_that_runs_with(network: nn.Module, found: Carried, keep_hooks: bool) -> tuple[FoundInput, Carried]:
    """Return the first input that runs, and what is known of it.

    Values that nobody passed are given up if nothing runs with them: first the layout, which a wrapper may change.
    """
    attempts = [found, *(_without_carried(found, names) for names in (("layout",), _SHAPE))]
    error: ExplainError | None = None
    for attempt in (entry for i, entry in enumerate(attempts) if i == 0 or entry.values != attempts[i - 1].values):
        try:
            return first_that_runs(network, specified_values(attempt), keep_hooks), attempt
        except ExplainError as raised:
            error = error or raised
    assert error is not None
    raise error


def _without_carried(found: Carried, names: Collection[str]) -> Carried:
    """Return values without those of some names that were not passed as arguments."""
    return found.only(lambda name, source: name not in names or source == ARGUMENT)

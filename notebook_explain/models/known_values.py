"""Collect the preprocessing and labels of a network that are known before it runs, and their sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain.models.carried import Carried, carried_by
from notebook_explain.models.input_channels import normalised, takes_other_channels, with_channels
from notebook_explain.models.input_layouts import has_channels
from notebook_explain.models.input_search import FoundInput, first_that_runs
from notebook_explain.models.preprocessing import check_units
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


def _specified_values(found: Carried) -> dict[str, Any]:
    """Return the preprocessing that is known."""
    return {"crop": "center", **found.only(lambda name, _: name != "labels").values}


def _fitting_channels(found: Carried, channels: int) -> Carried:
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


def find_input(network: nn.Module, known: Carried, keep_hooks: bool) -> tuple[FoundInput, Carried, bool]:
    """Find the input that a network accepts, with its normalisation.

    Returns
    -------
    found, known, has_one_number
        The input, what is known of it, and whether the network takes no other number of channels.
    """
    found, known = _first_that_runs_with(network, known, keep_hooks)
    known = _fitting_channels(known, found.preprocessing.channels)
    specified = _specified_values(known)
    preprocessing = normalised(found.preprocessing, specified)
    if preprocessing.channels == 3 and "channels" not in specified:  # stated, they may be values in another unit
        check_units(preprocessing.mean, preprocessing.std)
    has_one_number = not takes_other_channels(network, preprocessing, specified, keep_hooks)
    return replace(found, preprocessing=preprocessing), known, has_one_number


def _first_that_runs_with(network: nn.Module, found: Carried, keep_hooks: bool) -> tuple[FoundInput, Carried]:
    """Return the first input that runs, and what is known of it; a layout without an axis for channels has one.

    Values that nobody passed are given up if nothing runs with them: first the layout, which a wrapper may change.
    """
    attempts = [found, *(_without_carried(found, names) for names in (("layout",), _SHAPE))]
    error: ExplainError | None = None
    for attempt in (entry for i, entry in enumerate(attempts) if i == 0 or entry.values != attempts[i - 1].values):
        try:
            running = first_that_runs(network, _specified_values(attempt), keep_hooks)
        except ExplainError as raised:
            error = error or raised
        else:
            p = running.preprocessing
            if "channels" not in attempt.values and not has_channels(p.layout):
                running = replace(running, preprocessing=with_channels(p, 1))
            return running, attempt
    assert error is not None
    raise error


def _without_carried(found: Carried, names: Collection[str]) -> Carried:
    """Return values without those of some names that were not passed as arguments."""
    return found.only(lambda name, source: name not in names or source == ARGUMENT)

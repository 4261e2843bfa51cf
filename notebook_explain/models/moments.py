"""When does each step of a module's input and output lie? Asked of the network by one pass of coordinates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain.models.catalogue import tensors
from notebook_explain.models.coordinates import Coordinates
from notebook_explain.models.shadow import likeness, on_shadow
from notebook_explain.models.video_model import VideoModel, stand_in
from notebook_explain.models.volumes import is_volume, measure

Moments = dict[tuple[str, str], NDArray[np.float64]]


def moments_of(model: VideoModel, names: Iterable[str]) -> Moments:
    """Clip frames, fractional, that the steps in time of some modules' inputs and outputs stand for.

    Parameters
    ----------
    model : VideoModel
    names : iterable of str
        Dotted names of modules; "" is the network itself.

    Returns
    -------
    dict of (name, "input" or "output") to float64 array (time,)
        "#2" after the name for a module's second call. What has no places, or axes that are not understood, is not
        there; nor is anything of a network that positions cannot be followed through.
    """
    wanted = set(names)
    if model.survey is None or not wanted:
        return {}

    def run(shadow: nn.Module) -> Moments:
        found: Moments = {}
        handles = [
            part.register_forward_hook(_hook(name, model.preprocessing.shape, found))
            for name, part in shadow.named_modules()
            if name in wanted
        ]
        try:
            with torch.no_grad():
                shadow(stand_in(model.preprocessing, likeness(shadow).device))
        finally:
            for handle in handles:
                handle.remove()
        return found

    return on_shadow(model.module, run)[0]


def _hook(name: str, size: tuple[int, int, int], found: Moments) -> Callable[..., None]:
    calls: dict[str, int] = defaultdict(int)

    def see(_: nn.Module, given: Any, output: Any) -> None:
        calls[name] += 1
        key = name if calls[name] == 1 else f"{name}#{calls[name]}"
        for side, value in (("input", given), ("output", output)):
            placed = (x for _, x in tensors(value) if isinstance(x, Coordinates) and is_volume(x))
            first = next(placed, None)
            measured = None if first is None else measure(first, size)
            if measured is not None:
                found[key, side] = measured[1].rows

    return see

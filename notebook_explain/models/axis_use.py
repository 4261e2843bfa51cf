"""Use of the axes of a network's input, as a pass of positions shows it.

The pass carries the frame, row and column of every value (``positions``). A multiple of the channel is added to the
frame, so that both can be read from one number. The calls of functions with weights and of poolings are recorded: along
which axes of a tensor the channels, frames, rows and columns of the clip change, over which axes the weights sum, and
how far windows reach.
This shows whether the first weights combine the channels of one frame, or frames as if they were channels, and which
axes the network treats alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from notebook_explain.models.axis_calls import Call, CallRecorder, Window, changing_axes
from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.positions.extents import TIME, extent
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter


@dataclass(frozen=True)
class AxisUse:
    """Use that a network makes of the axes of a clip in one layout.

    Attributes
    ----------
    calls : tuple of Call
        In order of execution.
    output : tuple of int
        Shape of the first tensor that the network returns; empty if it has no positions.
    rows : int
        Length of its first axis if frames change along it, else 1.
    span : float or None
        Distance between the first and the last frame that the first weights read; None if they read no positions.
    """

    calls: tuple[Call, ...]
    output: tuple[int, ...]
    rows: int
    span: float | None = None

    @property
    def first(self) -> tuple[Call, ...]:
        """Calls of functions with weights that read the clip itself."""
        return tuple(call for call in self.calls if call.has_weights and call.is_first)

    def windows(self) -> Counter[tuple[Window, Window, Window]]:
        """Return how often each windows in time, height and width occurs."""
        found = (tuple(call.windows.get(letter) for letter in "THW") for call in self.calls if call.windows)
        return Counter(window for window in found if any(window))  # type: ignore[misc]  # three entries


def observe_axes(shadow: nn.Module, preprocessing: Preprocessing) -> AxisUse:
    """Run positions through a shadow module and return what it does with the axes of its input.

    Raises
    ------
    Exception
        Anything that the network raises on an input of this shape, or a rule of positions.
    """
    reference = reference_parameter(shadow)
    period = 4.0 * preprocessing.frames
    recorder = CallRecorder(period)
    with torch.no_grad(), LocalRandomness(), recorder:
        output = shadow(_positions_with_channels(preprocessing, reference, period))
    calls = tuple(recorder.calls)
    ends = [tensor for _, tensor in tensors(output) if isinstance(tensor, PositionTensor)]
    span = max(recorder.frames) - min(recorder.frames) if recorder.frames else None
    if not ends:
        return AxisUse(calls, (), 1, span)
    return AxisUse(calls, tuple(ends[0].shape), _rows(ends[0], preprocessing.frames, period), span)


def _rows(output: PositionTensor, frames: int, period: float) -> int:
    """Return the length of an output's first axis if frames are distributed to it, else 1."""
    if len(output.shape) < 2:
        return 1
    if extent(output, TIME) is None:  # computed from values without positions, such as class tokens
        return frames if output.shape[0] == frames else 1
    return output.shape[0] if "T" in changing_axes(output, 0, period) else 1


def odd_axis(use: AxisUse) -> str | None:
    """Return the axis whose windows differ from those of the two others, which are alike; None if there is none.

    In video networks this is time: kernels and strides in height and width are the same, or occur equally often.
    """
    windows = use.windows()
    alike = [_swapped(windows, *pair) == windows for pair in ((1, 2), (0, 2), (0, 1))]
    if sum(alike) != 1:
        return None
    odd = alike.index(True)
    moves = [any(window[axis] for window in windows) for axis in range(3)]
    return "THW"[odd] if all(moved for axis, moved in enumerate(moves) if axis != odd) else None


def _swapped(windows: Counter[Any], first: int, second: int) -> Counter[Any]:
    swapped: Counter[Any] = Counter()
    for window, count in windows.items():
        order = list(window)
        order[first], order[second] = order[second], order[first]
        swapped[tuple(order)] += count
    return swapped


def _positions_with_channels(preprocessing: Preprocessing, reference: torch.Tensor, period: float) -> Any:
    """Return the positions of a clip, with ``period`` times the index of the channel added to each frame."""
    p = preprocessing
    clip = PositionTensor.for_clip(*p.shape, reference.device, reference.dtype, channels=p.channels)
    channels = torch.arange(clip.shape[1], device=reference.device, dtype=torch.float32).view(1, -1, 1, 1, 1)
    times = clip.fields[1][..., :1, :1] + period * channels  # expanded as before, since passes are then fast
    fields = (clip.fields[0], times.expand(clip.shape), *clip.fields[2:])
    marked = PositionTensor.from_fields(fields)
    marked.precision = reference.dtype
    return preprocessing.arrange(marked)

"""Layouts of a network's input: the order of the axes of a batch of one clip, or a list of pathways.

A layout is a string of axes, each once: B (batch), T (time), C (channels), H (height), W (width), and N (views, clips or
segments of a video, of which there is one). Axes that are merged into one stand in parentheses, the outer one first:

* "BCTHW", "BTCHW", "BTHWC", "BCHWT", "TBCHW" (time first), "BNCTHW" and "BNTCHW" have an axis for each;
* "(BT)CHW" has the frames in the batch axis, as networks for pictures take them;
* "B(TC)HW" has the channels of all frames in one axis, frame by frame; "B(CT)HW" all frames of one channel after another;
* "BTHW" has no axis for channels: the network takes one channel. A clip in colour is converted to grey.

For several pathways, the layout is their strides in time: ``(4, 1)`` gives SlowFast's slow pathway every fourth frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from notebook_explain._errors import UsageError
from notebook_explain.models.positions.tensor import PositionTensor

InputLayout = str | tuple[int, ...]
Inputs = Any  # a tensor, or a list of tensors for networks with several pathways

# Usual layouts, the most frequent ones first.
COMMON_LAYOUTS: tuple[InputLayout, ...] = ("BCTHW", "BTCHW", (4, 1), (8, 1), "(BT)CHW", "BTHWC")
RARE_LAYOUTS: tuple[InputLayout, ...] = ("BNCTHW", "B(TC)HW", "TBCHW", "BTHW", "B(CT)HW", "BNTCHW", "BCHWT", "BHWT")
_LETTERS = frozenset("BTCHWN")
_REQUIRED = frozenset("BTHW")
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def check_layout(layout: Any) -> None:
    """Raise UsageError unless this is a layout."""
    if isinstance(layout, tuple):
        is_layout = bool(layout) and all(isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in layout)
    else:
        is_layout = isinstance(layout, str) and _axes(layout) is not None
    if not is_layout:
        hint = '; frames in the batch axis are "(BT)CHW"' if layout == "TCHW" else ""
        raise UsageError(
            "layout must be one of BCTHW, BTCHW, BTHWC or another order of the axes B, T, C, H, W, each once, such as "
            "TBCHW; N is an axis of views (BNCTHW), parentheses merge axes ((BT)CHW, B(TC)HW), and C is left out for one "
            f"channel without an axis (BTHW); or the pathways' strides in time such as (4, 1); got {layout!r}{hint}"
        )


def axes_of(layout: str) -> tuple[str, ...]:
    """Return the axes of a layout: "(BT)CHW" has the axes "BT", "C", "H" and "W"."""
    axes = _axes(layout)
    if axes is None:
        check_layout(layout)
    assert axes is not None
    return axes


def has_channels(layout: InputLayout) -> bool:
    """Return whether a layout has channels; without them, the network takes one channel and has no axis for it."""
    return isinstance(layout, tuple) or "C" in layout


def channel_axis(layout: InputLayout) -> int | None:
    """Return the axis of the channels; None if they have no axis of their own."""
    if isinstance(layout, tuple):
        return 1
    axes = axes_of(layout)
    return axes.index("C") if "C" in axes else None


def arrange(video: torch.Tensor, layout: InputLayout) -> Inputs:
    """Convert (1, channel, time, height, width) to a layout.

    Parameters
    ----------
    video : tensor
        Values or positions (``positions``).
    layout : str or tuple of int

    Returns
    -------
    tensor or list of tensors
        A new list for pathways, since networks write into theirs.

    Raises
    ------
    UsageError
        The layout has no channels, and the video has neither one nor three.
    """
    if isinstance(layout, tuple):
        return [
            video if stride == 1 else video.index_select(2, _slow_frames(video.shape[2], stride).to(video.device))
            for stride in layout
        ]
    axes = axes_of(layout)
    letters = "".join(axes)
    order = "BCTHW"
    if not has_channels(layout):
        video, order = _one_channel(video), "BTHW"
    if "N" in letters:
        video, order = video[None], f"N{order}"
    video = video.permute([order.index(letter) for letter in letters])
    for axis, merged in enumerate(axes):
        if len(merged) > 1:
            video = video.flatten(axis, axis + len(merged) - 1)
    return video


def channels_first(part: torch.Tensor, layout: InputLayout, sizes: Mapping[str, int]) -> torch.Tensor:
    """Return a view of an input with the channels on axis 1; one channel if the layout has none.

    Parameters
    ----------
    part : tensor
        In the layout; one pathway of several.
    layout : str or tuple of int
    sizes : dict of letter to int
        Lengths of the axes C, T, H and W.
    """
    if isinstance(layout, tuple):
        return part
    axes = axes_of(layout)
    lengths = {"B": 1, "N": 1, **sizes}
    for index in reversed(range(len(axes))):
        if len(axes[index]) > 1:
            part = part.unflatten(index, [lengths[letter] for letter in axes[index]])
    letters = "".join(axes)
    return part.movedim(letters.index("C"), 1) if has_channels(layout) else part.unsqueeze(1)


def _axes(layout: str) -> tuple[str, ...] | None:
    """Return the axes of a layout; None if it is not one."""
    axes: list[str] = []
    merged: str | None = None
    for letter in layout:
        if letter == "(" and merged is None:
            merged = ""
        elif letter == ")" and merged is not None and len(merged) > 1:
            axes.append(merged)
            merged = None
        elif letter not in _LETTERS:
            return None
        elif merged is not None:
            merged += letter
        else:
            axes.append(letter)
    letters = "".join(axes)
    is_layout = merged is None and len(set(letters)) == len(letters) and set(letters) >= _REQUIRED
    return tuple(axes) if is_layout else None


def _one_channel(video: torch.Tensor) -> torch.Tensor:
    """Return (1, time, height, width): the only channel, or the luminance of three; positions are those of one channel."""
    channels = video.shape[1]
    if channels == 3 and not isinstance(video, PositionTensor):
        weights = torch.tensor(_LUMINANCE, device=video.device, dtype=video.dtype)
        return (video * weights.view(1, 3, 1, 1, 1)).sum(1)
    if channels not in (1, 3):
        raise UsageError(
            f"a layout without C takes one channel, or the grey of three; this input has {channels} channels",
            arguments=("layout",),
            call="adapt()",
        )
    return video.select(1, 0)


def _slow_frames(frames: int, stride: int) -> torch.Tensor:
    """Return the frame indices that SlowFast takes: evenly from the first frame to the last, rounded down."""
    return torch.linspace(0, frames - 1, max(frames // stride, 1)).long()

"""Layouts of a network's input: the order of the axes of a batch of one clip, or a list of pathways."""

from __future__ import annotations

from typing import Any

import torch

from notebook_explain._errors import UsageError

LAYOUTS = ("BCTHW", "BTCHW", "BTHWC", "(BT)CHW")
Inputs = Any  # a tensor, or a list of tensors for networks with several pathways


def check_layout(layout: Any) -> None:
    """Raise ValueError unless this is a layout."""
    strides = isinstance(layout, tuple) and layout and all(isinstance(s, int) and s >= 1 for s in layout)
    if not strides and layout not in LAYOUTS:
        raise UsageError(
            f"layout must be one of {', '.join(LAYOUTS)}, or the pathways' strides in time such as (4, 1); got {layout!r}"
        )


def arrange(video: torch.Tensor, layout: str | tuple[int, ...]) -> Inputs:
    """Convert (1, channel, time, height, width) to a layout; a new list for pathways, since networks write into theirs."""
    if isinstance(layout, tuple):
        return [
            video if stride == 1 else video.index_select(2, _slow_frames(video.shape[2], stride).to(video.device))
            for stride in layout
        ]
    if layout == "BTCHW":
        return video.transpose(1, 2)
    if layout == "BTHWC":
        return video.permute(0, 2, 3, 4, 1)
    if layout == "(BT)CHW":
        return video.transpose(1, 2).flatten(0, 1)
    return video


def _slow_frames(frames: int, stride: int) -> torch.Tensor:
    """Return the frame indices that SlowFast takes: evenly from the first frame to the last, rounded down."""
    return torch.linspace(0, frames - 1, max(frames // stride, 1)).long()

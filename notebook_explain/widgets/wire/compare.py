"""Clips of a comparison on the wire: each distinct frame once, and the frame that each side shows at each step.

Sides that show different clips share a timeline. A step of it is a frame number if all clips have the same length and rate.
Otherwise it is a time, at which each side shows its nearest frame; every frame of every side has a step of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip

CLIP, FRAME, TIME, ELAPSED = ALIGNMENTS = ("clip", "frame", "time", "elapsed")
SAME_TIME = 1e-3  # seconds by which equal times may differ

Times = NDArray[np.float64]


def clips_state(clips: Mapping[str, Clip], states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the traits that describe the clips of a comparison, as plain values.

    Parameters
    ----------
    clips : mapping
        The clip of each side, by the name of the side.
    states : sequence of mapping
        ``size``, ``times``, ``frames`` and ``picture`` of each clip, as `clip_state` returns them.

    Returns
    -------
    dict
        ``frames``: the distinct JPEGs, first those of the first clip. ``clips``: for each side ``size``, ``times``, ``picture``,
        ``frames`` (index of each frame in the distinct ones), ``shown`` (the frame shown at each step) and ``steps`` (the
        step of each frame). ``size``: number of steps, height and width of the first clip. ``times``: seconds of each
        step, if known. ``alignment``: one of `ALIGNMENTS`.

    Raises
    ------
    ValueError
        The clips have different lengths, and the times of one are unknown.
    """
    alignment = alignment_of(clips)
    if alignment == CLIP:  # also where only some of them know their times
        known = next((state for state in states if state["times"]), states[0])
        states = [{**state, "times": known["times"]} for state in states]
    if alignment in (TIME, ELAPSED):
        moments, shown, steps = _steps_of([_since_start(clip, alignment) for clip in clips.values()])
    else:
        count = len(next(iter(clips.values())))
        moments = next((state["times"] for state in states if state["times"]), [])
        shown = steps = [list(range(count))] * len(states)
    frames = list(states[0]["frames"])
    index = {frame: k for k, frame in reversed(list(enumerate(frames)))}
    described = []
    for k, state in enumerate(states):
        for frame in state["frames"]:
            if index.setdefault(frame, len(frames)) == len(frames):
                frames.append(frame)
        indices = list(range(len(state["frames"]))) if k == 0 else [index[frame] for frame in state["frames"]]
        kept = {name: state[name] for name in ("size", "times", "picture")}
        described.append({**kept, "frames": indices, "shown": shown[k], "steps": steps[k]})
    size = [len(shown[0]), *states[0]["size"][1:]]
    return {"size": size, "times": moments, "frames": frames, "clips": described, "alignment": alignment}


def alignment_of(clips: Mapping[str, Clip]) -> str:
    """Return how the frames of the sides correspond.

    Returns
    -------
    str
        "clip": all show the same clip. "frame": by frame number. "time": by time in the source that they share.
        "elapsed": by time since the first frame of each clip.

    Raises
    ------
    ValueError
        The clips have different lengths, and the times of one are unknown.
    """
    first, *others = clips.values()
    if not any(difference(first, other) for other in others):
        return CLIP
    unknown = [name for name, clip in clips.items() if not _has_times(clip)]
    if all(len(clip) == len(first) for clip in others):
        starts = [_since_start(clip, ELAPSED) for clip in clips.values() if not unknown]
        if all(np.allclose(other, starts[0], atol=SAME_TIME) for other in starts):
            return FRAME
    elif unknown:
        lengths = ", ".join(f"{name}: {len(clip)}" for name, clip in clips.items())
        raise UsageError(
            f"clips of different lengths ({lengths} frames) are linked by time, but the times of {' and '.join(unknown)} "
            f"are unknown or not in order; give them, as in Clip.from_array(frames, fps=25)"
        )
    return TIME if all(clip.source == first.source for clip in others) else ELAPSED


def difference(first: Clip, second: Clip) -> tuple[str, str] | None:
    """Return in what two clips differ, and what to do about it, as parts of a sentence; None if they are the same clip."""
    if first.size != second.size:
        sizes = " and ".join("x".join(map(str, clip.size)) for clip in (first, second))
        return f"their networks saw clips of {sizes} (time x height x width)", "adapt both to one size"
    advice = "explain the same clip twice"
    if not np.array_equal(first.frames, second.frames):
        count = int((first.frames != second.frames).any(axis=(1, 2, 3)).sum())
        return f"{count} of the {len(first)} frames differ ({first.name} and {second.name})", advice
    if not first.has_same_content(second):
        return "their values differ, though the pictures are the same", advice
    if (
        first.times is not None
        and second.times is not None
        and not np.allclose(first.times, second.times, atol=SAME_TIME)
    ):
        return "their frames have different times", advice
    return None


def _has_times(clip: Clip) -> bool:
    """Return whether the times of a clip are known and in order."""
    return clip.times is not None and bool((np.diff(clip.times) >= 0).all())


def _since_start(clip: Clip, alignment: str) -> Times:
    """Return the seconds of each frame, from the start of the source or of the clip."""
    assert clip.times is not None
    return clip.times - (clip.times[0] if alignment == ELAPSED else 0.0)


def _steps_of(times: Sequence[Times]) -> tuple[list[float], list[list[int]], list[list[int]]]:
    """Return the time of each step, the frame that each side shows at each step, and the step of each frame of each side.

    Frames of a side at one time (a source shorter than the clip) are moved apart by a quarter of the shortest interval, and
    times closer than half of that make one step. So each frame is the nearest one to its step.
    """
    gaps = np.concatenate([np.diff(each) for each in times])
    apart = float(gaps[gaps > 0].min(initial=1.0)) / 4
    spread = []
    for each in times:
        ramp = apart * np.arange(len(each))
        spread.append(np.maximum.accumulate(each - ramp) + ramp)
    moments: list[float] = []
    for moment in np.sort(np.concatenate(spread)):
        if not moments or moment - moments[-1] > 0.49 * apart:
            moments.append(float(moment))
    steps = np.array(moments)
    distances = [np.abs(steps[:, None] - each) for each in spread]
    return (
        [round(moment, 4) for moment in moments],
        [distance.argmin(axis=1).tolist() for distance in distances],
        [distance.argmin(axis=0).tolist() for distance in distances],
    )

"""Go on with a visualization whose stream was stopped, as if it had not been.

The state of the optimisation is kept beside each partial result while this process holds it, and in no file. The real clips are
read again, so that no result keeps a network in memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Visualization
from notebook_explain.methods.feature_visualization.optimiser import OptimiserState
from notebook_explain.models import VideoModel
from notebook_explain.models.origins import origin_of

if TYPE_CHECKING:
    from notebook_explain.methods.feature_visualization.explainer import FeatureVisualization


@dataclass(frozen=True, eq=False)
class RunState:
    """State of a run after a partial result.

    Attributes
    ----------
    optimiser : OptimiserState
        Of the last clip that is being made.
    previews : tuple of (step, uint8 array (restart, time, height, width, 3))
        Of that clip.
    objectives : tuple of str
        All objectives of the run, as the code that makes them.
    forwards, backwards : int
        Passes so far.
    seconds : float
        Time so far.
    """

    optimiser: OptimiserState
    previews: tuple[tuple[int, NDArray[np.uint8]], ...]
    objectives: tuple[str, ...]
    forwards: int
    backwards: int
    seconds: float

    @property
    def step(self) -> int:
        """Number of steps of the last clip."""
        return len(self.optimiser.curve)


_STATES: weakref.WeakKeyDictionary[Visualization, RunState] = weakref.WeakKeyDictionary()


def keep_state(result: Visualization, state: RunState, instead_of: Visualization | None) -> None:
    """Keep the state beside a partial result, and no longer beside the one before it."""
    _STATES[result] = state
    if instead_of is not None:
        _STATES.pop(instead_of, None)


def state_of(result: Any, explainer: FeatureVisualization, model: VideoModel) -> RunState:
    """Return the state to go on from.

    Raises
    ------
    TypeError
        Not a visualization.
    ValueError
        A visualization without a state, of another network, with other settings, or that has taken more steps already.
    """
    if not isinstance(result, Visualization):
        raise UsageTypeError(
            f"resume must be a Visualization that a stream has yielded (progress.partial), got {type(result).__name__}"
        )
    state, origin = _STATES.get(result), origin_of(result)
    if state is None or origin is None:
        raise UsageError(
            "resume needs the last visualization that a stream has yielded in this process; one that came earlier, was loaded or "
            "changed has no state to go on from. Make it again: the same seed gives the same clip"
        )
    known = origin.model
    if known is None or known.module is not model.module:
        raise UsageError("resume needs the network that the visualization was made with; this is another one")
    for name in (field.name for field in fields(explainer) if field.name != "steps"):
        before, now = getattr(origin.explainer, name), getattr(explainer, name)
        if not _is_same(before, now):
            raise UsageError(f"resume needs the settings of before: {name} was {before!r} and is {now!r}")
    if explainer.steps < state.step:
        raise UsageError(f"steps must be at least the {state.step} that were taken before, got {explainer.steps}")
    return state


def check_clips(result: Visualization, clips: Sequence[Clip]) -> None:
    """Raise ValueError unless the real clips are those of the result."""
    known = result.clips
    if len(known) != len(clips) or not all(
        np.array_equal(one.frames, other.frames) for one, other in zip(known, clips, strict=True)
    ):
        raise UsageError(
            f"resume needs the real clips of before: {len(known)} were given then, and {len(clips)} or others now"
        )


def _is_same(before: Any, now: Any) -> bool:
    try:
        return before is now or bool(before == now)
    except ValueError:  # of arrays, such as a still
        return False

"""Baselines: maps that know nothing of the model, or only its coarse map, beside which every method should be seen.

A map of movement alone finds much of what acts in a clip, so a method shows something of the model only where it does
better. The baselines report the model's score, and can be viewed and compared like any explanation.

* `RandomMap`: independent random numbers.
* `CentreMap`: a Gaussian around the middle of the picture, in all frames.
* `MotionMap`: how far each pixel differs from what the clip shows without movement.
* `MotionTubes`: that times the positive part of the last layer's exact map.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_int, check_range
from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap, Target, TargetResult, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.geometry import stretch
from notebook_explain.explanations.layer_map import DETAIL
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.methods.last_layer import exact_map, last_layers, maps_at_selected_frames
from notebook_explain.methods.layer_maps import ExplainedPass, explain_pass
from notebook_explain.methods.sharp_tubes.readout import BLUR, blurred, pixel_scale
from notebook_explain.methods.sharp_tubes.reference import difference_from_reference
from notebook_explain.models import Recording, VideoModel
from notebook_explain.models.constant_norms import CONSTANT
from notebook_explain.models.origins import remember

_NO_MODEL = Caveat(
    "This map is a baseline and does not depend on the model: what it marks says nothing about why the model decides.",
    CaveatCode.BASELINE,
)
_MOVEMENT = Caveat(
    "This map is a baseline: within the coarse cells of the last layer's evidence it marks what moves, whatever the model "
    "makes of it.",
    CaveatCode.BASELINE,
)


@dataclass(frozen=True)
class RandomMap:
    """Baseline: independent random numbers between 0 and 1 at every voxel, other ones for each target.

    Attributes
    ----------
    seed : int
        Two clips of one size get the same numbers.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_int("seed", self.seed, least=0))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Return the map, with the model's score; arguments and errors are those of `SaliencyTubes`."""
        return _without_model(self, "random map", model, clip, target)

    def _values(self, clip: Clip, targets: int) -> NDArray[np.float32]:
        return np.random.default_rng(self.seed).random((targets, *clip.size), np.float32)


@dataclass(frozen=True)
class CentreMap:
    """Baseline: a Gaussian around the middle of the picture, the same in all frames.

    Attributes
    ----------
    sigma : float
        Standard deviation, as a fraction of the height and of the width.
    """

    sigma: float = 0.25

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", check_range("sigma", self.sigma, 0.01, 10))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Return the map, with the model's score; arguments and errors are those of `SaliencyTubes`."""
        return _without_model(self, "centre map", model, clip, target)

    def _values(self, clip: Clip, targets: int) -> NDArray[np.float32]:
        y, x = ((np.arange(length) - (length - 1) / 2) / (self.sigma * length) for length in clip.size[1:])
        picture = np.exp(-(y[:, None] ** 2 + x**2) / 2).astype(np.float32)
        return np.broadcast_to(picture, (targets, *clip.size)).copy()


@dataclass(frozen=True)
class MotionMap:
    """Baseline: how far each pixel differs from what the clip shows without movement.

    Attributes
    ----------
    stabilised : bool
        Undo the camera's movement first. False compares with the plain median over time.
    """

    stabilised: bool = True

    def __post_init__(self) -> None:
        _check_stabilised(self.stabilised)

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Return the map, with the model's score; arguments and errors are those of `SaliencyTubes`."""
        return _without_model(self, "motion map", model, clip, target)

    def _values(self, clip: Clip, targets: int) -> NDArray[np.float32]:
        return np.repeat(motion(clip, self.stabilised)[None], targets, axis=0)


@dataclass(frozen=True)
class MotionTubes:
    """Baseline: what moves, times the positive part of the exact map of the last layer.

    Attributes
    ----------
    stabilised : bool
        As for `MotionMap`.
    """

    stabilised: bool = True

    def __post_init__(self) -> None:
        _check_stabilised(self.stabilised)

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Return the exact coarse maps, then the product; arguments and errors are those of `SaliencyTubes`."""
        with working("motion tubes"):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> Tubes:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        layers, recorder = last_layers(model), SignalRecorder(model)

        def compute(recording: Recording) -> ExplainedPass:
            return explain_pass(model, recording, target)

        result, pass_caveats = model.run(seen, layers, compute, recorder.hooks, norms=CONSTANT)
        stage("movement")
        maps = maps_at_selected_frames(recorder, layers, result)
        exact = exact_map(maps, result)
        tubes = np.maximum(stretch(exact.values, exact.geometry, seen.size), 0)
        product = LayerMap(
            "motion tubes", DETAIL, tubes * motion(seen, self.stabilised), Geometry.even(seen.size, seen.size)
        )
        frame_signals = recorder.frame_signals()
        caveats = [*recorder.caveats_of(clip, pass_caveats), *result.caveats, _MOVEMENT]
        made = provenance("Motion tubes (baseline)", self, model, start, len(result.targets), caveats, result.forwards)
        found = Tubes(seen, result.targets, (*maps, product), made, frame_signals)
        remember(found, model, self, result.resolved)
        return found


def motion(clip: Clip, stabilised: bool = True) -> NDArray[np.float32]:
    """Return how far each pixel differs from what the clip shows without movement, blurred within each frame.

    Parameters
    ----------
    clip : Clip
    stabilised : bool
        Undo the camera's movement first.

    Returns
    -------
    float32 array (time, height, width)
        0 or more: distance of colours in 0..1.
    """
    difference = torch.from_numpy(difference_from_reference(clip.frames, stabilised=stabilised))
    values: NDArray[np.float32] = blurred(difference[None], BLUR * pixel_scale(clip.frames))[0].numpy()
    return values


def _without_model(
    explainer: RandomMap | CentreMap | MotionMap, name: str, model: VideoModel, clip: Any, target: Any
) -> Tubes:
    """Return a map that does not depend on the model, with the model's score from one forward pass."""
    with working(name):
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)

        def compute(recording: Recording) -> tuple[tuple[Target, ...], tuple[TargetResult, ...]]:
            resolved = model.resolve(recording.heads, target)
            return resolved, model.results(recording, resolved)

        (resolved, targets), pass_caveats = model.run(seen, (), compute)
        values = explainer._values(seen, len(targets))
        layer = LayerMap(name, DETAIL, values, Geometry.even(seen.size, seen.size))
        caveats = [*model.caveats, *model.clip_caveats(clip), *pass_caveats, _NO_MODEL]
        made = provenance(f"{name.capitalize()} (baseline)", explainer, model, start, 0, caveats)
        tubes = Tubes(seen, targets, (layer,), made)
        remember(tubes, model, explainer, resolved)
        return tubes


def _check_stabilised(value: Any) -> None:
    if not isinstance(value, bool):
        raise UsageTypeError(f"stabilised must be True or False, got {value!r}")

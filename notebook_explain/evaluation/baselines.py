"""Baselines: maps that need no model, a weaker one, or an untrained one, beside which every method should be seen."""

from __future__ import annotations

from notebook_explain.evaluation.names import Explainer
from notebook_explain.evaluation.random_weights import WithRandomWeights
from notebook_explain.methods import CentreMap, GuidedGradCAM, MotionMap, MotionTubes, RandomMap, SharpTubes


def default_baselines() -> tuple[Explainer, ...]:
    """Return the explainers that `evaluate` adds to every table with ``baselines=True``.

    Noise, the centre of the picture, movement, movement in the exact coarse tube, a network with random weights, guided
    Grad-CAM, and guided Grad-CAM with the read-out of sharp tubes, without and with sign.
    """
    return (
        RandomMap(),
        CentreMap(),
        MotionMap(),
        MotionTubes(),
        WithRandomWeights(SharpTubes()),
        GuidedGradCAM(),
        GuidedGradCAM(read_out=True),
        GuidedGradCAM(read_out=True, signed=True),
    )

"""Bundled demo network: small, offline, trained on the synthetic people of `notebook_explain.samples`."""

from __future__ import annotations

from notebook_explain.models.adapter import adapt
from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD, DemoNet
from notebook_explain.models.demo.weights import WEIGHTS, load
from notebook_explain.models.video_model import VideoModel

__all__ = ["FRAMES", "LABELS", "MEAN", "SIZE", "STD", "DemoNet", "demo_model", "demo_net"]


def demo_net() -> DemoNet:
    """Build the trained network in eval mode, on the CPU, in float32; the global random state is not used.

    Raises
    ------
    FileNotFoundError
        The package was installed without its weights.
    """
    return load(DemoNet, WEIGHTS)


def demo_model() -> VideoModel:
    """Return the bundled network, adapted; it takes any clip, but distinguishes only ten actions of cartoon people.

    Its input is 16 frames of 64 x 64 pixels. docs/explanation/model-card.md describes its training, abilities and limits.
    """
    return adapt(demo_net(), size=SIZE, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=LABELS)

"""The bundled demo network: small, trained on the synthetic people of `notebook_explain.samples`, works offline."""

from __future__ import annotations

from notebook_explain.models.adapter import adapt
from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD, DemoNet
from notebook_explain.models.demo.weights import WEIGHTS, load
from notebook_explain.models.video_model import VideoModel

__all__ = ["FRAMES", "LABELS", "MEAN", "SIZE", "STD", "DemoNet", "demo_model", "demo_net"]


def demo_net() -> DemoNet:
    """Build the trained network in eval mode, on the CPU, in float32; the global random state is left alone.

    Raises
    ------
    FileNotFoundError
        The package was installed without its weights.
    """
    return load(DemoNet, WEIGHTS)


def demo_model() -> VideoModel:
    """The bundled network, adapted: ready for any clip, though it knows ten actions of cartoon people only.

    It takes 16 frames of 64 x 64 pixels. What it was trained on, what it can do and what not: docs/explanation/model-card.md.
    """
    return adapt(demo_net(), size=SIZE, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=LABELS)

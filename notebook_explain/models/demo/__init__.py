"""The bundled demo network: small, trained on the made-up clips of `notebook_explain.samples`, works offline."""

from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD, DemoNet, demo_net

__all__ = ["FRAMES", "LABELS", "MEAN", "SIZE", "STD", "DemoNet", "demo_net"]

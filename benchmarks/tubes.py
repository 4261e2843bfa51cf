"""Time of tubes on an r3d_18-sized network (33.4 M parameters, random weights, 16x112x112), relative to plain passes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

import notebook_explain as ne
from benchmarks.timing import line, ratio, seconds
from tests import zoo

STATED = {"size": 112, "frames": 16, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
GOAL = 1.15


def main(repeats: int = 7) -> None:
    print(f"tubes on an r3d_18-sized net, 16x112x112, {torch.get_num_threads()} threads (median of {repeats} pairs)")
    net = zoo.seeded(zoo.full_size_r3d18)
    video = torch.rand(1, 3, 16, 112, 112)
    model = ne.adapt(net, **STATED)
    clip = ne.Clip(zoo.random_clip(16, 112))

    def forward_backward(to_input: bool) -> Callable[[], Any]:
        def run() -> None:
            x = video.clone().requires_grad_(to_input)
            score = net(x)[0, 0]
            torch.autograd.grad(score, [x] if to_input else list(net.parameters()))

        return run

    def forward() -> None:
        with torch.no_grad():
            net(video)

    def compare(name: str, work: Callable[[], Any], reference: Callable[[], Any], goal: str = "") -> None:
        median, low, high, base = ratio(work, reference, repeats)
        line(name, f"{median:.2f} x  ({low:.2f} to {high:.2f})  of {base:.2f} s", goal)

    tubes = ne.SaliencyTubes()
    all_layers = f"all {len(model.layers)} layers"

    def explain() -> None:
        tubes(model, clip, 0)

    compare(f"{all_layers} / forward+backward (parameters)", explain, forward_backward(False), f"goal {GOAL}")
    compare(f"{all_layers} / forward+backward (input)", explain, forward_backward(True), f"goal {GOAL}")
    compare(f"{all_layers} / forward", explain, forward)
    compare("three targets / one", lambda: tubes(model, clip, [0, 1, 2]), explain)
    compare("adapt / forward", lambda: ne.adapt(net, **STATED), forward)
    explained = tubes(model, clip, 0)
    explained._repr_mimebundle_()
    from notebook_explain.figures import strip_png

    times = sorted(seconds(lambda: strip_png(explained)) for _ in range(9))
    line("static picture of a cell (no widget support)", f"{1000 * times[4]:.0f} ms", "goal 50 ms")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

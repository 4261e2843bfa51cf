"""Time of tubes on an r3d_18-sized network (33.4 M parameters, random weights, 16x112x112), relative to plain passes."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import notebook_explain as ne
from benchmarks.timing import line, ratio, seconds
from notebook_explain._progress import Line
from notebook_explain.models.layer_progress import layer_hooks
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
    count = sum(next(module.children(), None) is None for module in net.modules())
    cost, base = _seconds_of_reports(count), min(seconds(forward) for _ in range(repeats))
    line(
        f"progress of {count} layers, both passes / forward",
        f"{cost / base:.2%}  = {1000 * cost:.1f} ms of {base:.2f} s",
        "goal 1%",
    )
    explained = tubes(model, clip, 0)
    explained._repr_mimebundle_()
    from notebook_explain.figures import strip_png

    times = sorted(seconds(lambda: strip_png(explained)) for _ in range(9))
    line("static picture of a cell (no widget support)", f"{1000 * times[4]:.0f} ms", "goal 50 ms")


class _Unseen:
    """Display that shows nothing."""

    def show(self, text: str, fraction: float | None) -> None:
        """Draw nothing."""

    def hide(self) -> None:
        """Hide nothing."""

    def close(self) -> None:
        """Remove nothing."""


def _seconds_of_reports(count: int, repeats: int = 51) -> float:
    """Return what the hooks of progress add to a forward and a backward pass through so many small layers."""
    net, x = nn.Sequential(*(nn.Conv3d(1, 1, 1) for _ in range(count))), torch.rand(1, 1, 1, 1, 1, requires_grad=True)
    reports = Line("", _Unseen(), delay=3600)

    def passes() -> None:
        torch.autograd.grad(net(x).sum(), x)

    def with_reports() -> None:
        with layer_hooks(net, reports):
            passes()

    with_reports()
    try:
        return statistics.median(seconds(with_reports) - seconds(passes) for _ in range(repeats))
    finally:
        reports.close()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

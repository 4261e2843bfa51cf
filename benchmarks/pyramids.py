"""Cost of a feature pyramid on an r3d_18-sized network at 16x112x112: one trace per model, then one pyramid per clip.

Three layers back by the published rule are timed too, as the released code computes them (``released_expansion``) and
here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import notebook_explain as ne
from benchmarks.timing import line, ratio, seconds
from notebook_explain.methods.feature_pyramid import published_backstep, published_first
from notebook_explain.methods.feature_pyramid.contributions import CONTRIBUTIONS
from notebook_explain.methods.feature_pyramid.layer_records import LayerRecorder
from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import channel_graph, trace_channels
from notebook_explain.widgets.wire import pyramid as pyramid_wire
from tests import zoo
from tests.widgets.random_pyramids import deep_pyramid

STATED = {"size": 112, "frames": 16, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
THETA, TIMED = 0.6, 300  # threshold of the published rule; number of expansions to time
GOAL = 50


def main(repeats: int = 5) -> None:
    print(f"feature pyramids on an r3d_18-sized net, 16x112x112, {torch.get_num_threads()} threads")
    net = zoo.seeded(zoo.full_size_r3d18)
    video = torch.rand(1, 3, 16, 112, 112)
    model = ne.adapt(net, **STATED)
    clip = ne.Clip(zoo.random_clip(16, 112))

    def forward() -> None:
        with torch.no_grad():
            net(video)

    def forward_and_backward() -> None:
        x = video.clone().requires_grad_()
        torch.autograd.grad(net(x)[0, 0], x)

    def show(name: str, work: Callable[[], Any], goal: str = "") -> None:
        middle, low, high, base = ratio(work, forward, repeats)
        line(name, f"{middle:.2f} x  ({low:.2f} to {high:.2f})  = {middle * base:.2f} s", goal)

    show("trace of all channels, once / forward", lambda: trace_channels(model))
    line("channels with known sources", f"{channel_graph(model).known_fraction:.1%}")
    backward, *_ = ratio(forward_and_backward, forward, repeats)
    for kind in CONTRIBUTIONS:
        explainer = ne.FeaturePyramid(contribution=kind)
        goal = f"goal {3 + backward:.1f} (forward+backward {backward:.1f}, plus 3)"
        show(f"full depth, {kind} / forward", lambda explainer=explainer: explainer(model, clip, 0), goal)
    found = ne.FeaturePyramid()(model, clip, 0)
    line("rows, units, edges", f"{len(found.rows)}, {len(found.units):,}, {len(found.edges):,}")
    line("on the wire, with the clip", f"{_bytes(pyramid_wire.state(found)) / 1e6:.2f} MB")
    deep = deep_pyramid()
    size = f"{len(deep.rows)} rows, {len(deep.units):,} units, {len(deep.edges):,} edges, random"
    line(
        "on the wire, for a pyramid of the size of DenseNet-121's",
        f"{_bytes(pyramid_wire.state(deep)) / 1e6:.2f} MB",
        f"goal 2 MB; {size}",
    )
    _three_layers(model, clip)


def _bytes(value: Any) -> int:
    """Return the approximate size of a widget state: buffers as they are, everything else as JSON."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(len(str(key)) + 3 + _bytes(entry) for key, entry in value.items())
    return sum(map(_bytes, value)) if isinstance(value, (list, tuple)) else len(str(value)) + 1


def _three_layers(model: VideoModel, clip: ne.Clip) -> None:
    """Time the steps back, without the forward pass: the released code, the same rule here, and our contributions."""
    weights, means = _weights_and_means(model, clip)
    first = published_first(weights[0].flatten(1).numpy(), 0, THETA)
    steps = [first]
    for weight, mean in zip(weights[1:], means, strict=True):  # the released code expands a kernel once per path to it
        children = published_backstep(weight.numpy(), mean.numpy().reshape(-1, 1, 1, 1), sorted(set(steps[-1])), THETA)
        steps.append([child for kernel in steps[-1] for child in children[kernel]])
    expansions = 1 + len(steps[0]) + len(steps[1])
    sample = (steps[0] + steps[1])[:: max(1, expansions // TIMED)]
    total = seconds(lambda: [released_expansion(weights[1], means[0], kernel, THETA) for kernel in sample])
    released = total / len(sample) * expansions
    line("three layers back, released code", f"{released:.2f} s for {expansions:,} expansions", f"{len(sample)} timed")
    for name, knobs in (
        ("preactivation", {"contribution": "preactivation"}),
        ("the published rule", {"mode": "paper", "theta": THETA, "most": 10_000}),
    ):
        ours = min(_seconds_after_pass(ne.FeaturePyramid(depth=3, **knobs), model, clip) for _ in range(3))
        line(f"released code / ours, {name}", f"{released / ours:.0f} x of {ours:.3f} s", f"goal {GOAL}")


def _seconds_after_pass(explainer: ne.FeaturePyramid, model: VideoModel, clip: ne.Clip) -> float:
    """Return the seconds from the end of the forward pass to the pyramid."""
    steps = list(explainer.stream(model, clip, 0))
    return steps[-1].seconds - next(step.seconds for step in steps if step.stage == "pass")


def _weights_and_means(model: VideoModel, clip: ne.Clip) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights of the classifier and the two convolutions before it, and the channel means these two read."""
    graph = channel_graph(model)
    recorder = LayerRecorder(graph)
    model.run(model.fit(clip), (), lambda _: None, recorder.hooks)
    records = recorder.finish()
    last = [("kernel", index) for index in range(len(graph.layers))][:-4:-1]
    return [records.calls[key].weight for key in last], [records.channel_means[key][0].float() for key in last[1:]]


def released_expansion(weight: Tensor, means: Tensor, kernel: int, theta: float) -> list[int]:
    """Expand one kernel as the released code does: recompute its tap means, then loop over tensor scalars.

    The released code also recomputes the means of the activation each time, which is not counted here.
    """
    taps = weight[kernel].mean((1, 2, 3))
    scores = [k * a for k, a in zip(taps, means, strict=False)]
    total = sum(scores)
    shares = [score / total for score in scores]
    low, high = min(shares), max(shares)
    scaled = [(share - low) / (high - low) for share in shares]
    return [index for index, share in enumerate(scaled) if share >= theta]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

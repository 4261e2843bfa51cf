"""What a feature pyramid costs on an r3d_18-sized network at 16x112x112: routing once per model, then one per clip."""

from __future__ import annotations

import json
import warnings

import torch

import notebook_explain as ne
from benchmarks.timing import line, ratio
from notebook_explain.models.connectivity import connections, route
from tests import zoo

STATED = {"size": 112, "frames": 16, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}


def main(repeats: int = 5) -> None:
    print(f"feature pyramids on an r3d_18-sized net, 16x112x112, {torch.get_num_threads()} threads")
    net = zoo.seeded(zoo.full_size_r3d18)
    video = torch.rand(1, 3, 16, 112, 112)
    model = ne.adapt(net, **STATED)
    clip = ne.Clip(zoo.random_clip(16, 112))

    def forward() -> None:
        with torch.no_grad():
            net(video)

    def both() -> None:
        x = video.clone().requires_grad_()
        torch.autograd.grad(net(x)[0, 0], x)

    middle, low, high, base = ratio(lambda: route(model), forward, repeats)
    line("routing of all channels, once / forward", f"{middle:.2f} x  ({low:.2f} to {high:.2f})  of {base:.2f} s")
    wired = connections(model)
    line("channels whose origin is known", f"{wired.routed:.1%}")
    backward, *_ = ratio(both, forward, repeats)
    for how in ("exact", "fast", "gradient"):
        explainer = ne.FeaturePyramid(contribution=how)
        middle, low, high, _ = ratio(lambda explainer=explainer: explainer(model, clip, 0), forward, repeats)
        goal = f"goal {3 + backward:.1f} (forward+backward {backward:.1f}, and 3)"
        line(f"full depth, {how} / forward", f"{middle:.2f} x  ({low:.2f} to {high:.2f})", goal)
    found = ne.FeaturePyramid()(model, clip, 0)
    size = len(json.dumps(found.to_json()))
    line("rows, units, edges", f"{len(found.rows)}, {len(found.units):,}, {len(found.edges):,}")
    line("as JSON", f"{size / 1e6:.2f} MB")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

"""The explorer without a browser: what many requests leave behind, and times from request to answer.

``python -m benchmarks.explorer`` prints

* what 1,000 random requests to a small network leave behind (some are cancelled, some fail);
* the time from a request while brushing to the probabilities, as a ratio to one forward pass, for the bundled network and one
  of the size of r3d_18;
* the time from a cancel until the explorer is idle, beside the time of one step.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch

import notebook_explain as ne
from notebook_explain import edits, samples
from notebook_explain.explorer import Explorer
from tests import zoo
from tests.explorer.soak import soak
from tests.explorer.views import FakeView

REQUESTS, GESTURES, CANCELS = 1000, 15, 8
SEED = 9_950_000


def print_soak(requests: int = REQUESTS) -> None:
    """Print what random requests leave behind."""
    remains = soak(requests, seed=1)
    ends = ", ".join(f"{count} {how}" for how, count in sorted(remains.ends.items()))
    print(f"{requests:,} random requests: {ends}")
    print(f"  without an end {remains.without_end}, with several {remains.with_several}")
    print(f"  unexpected error: {remains.error or 'none'}")
    same = {True: "bitwise as before", False: "CHANGED"}
    print(f"  module {same[remains.is_module_same]}, torch's random numbers {same[remains.is_random_state_same]}")
    print(f"  threads {remains.threads}, memory {remains.growth:+.1f} MB after the first fifth")


def networks() -> dict[str, tuple[ne.VideoModel, ne.Clip]]:
    """Return the networks that are timed, with a clip for each."""
    large = ne.adapt(zoo.full_size_r3d18(400).eval(), size=112, frames=16, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    pixels = np.random.default_rng(SEED).integers(0, 255, (16, 112, 112, 3), np.uint8)
    clip = ne.Clip.of(samples.contrast("kick", "wave one hand", seed=SEED))
    return {"bundled network": (ne.demo_model(), clip), "r3d_18-sized network": (large, ne.Clip(pixels))}


def print_gestures(name: str, model: ne.VideoModel, clip: ne.Clip, gestures: int = GESTURES) -> None:
    """Print times from a request while brushing to its probabilities, and from a settled one to its end."""
    explorer = Explorer(model, clip, method="saliency_tubes")
    explorer.wait()
    view = FakeView(explorer)
    video = model.preprocessing.tensor(explorer.clip, torch.device("cpu"), torch.float32)
    inputs = model.preprocessing.arrange(video)
    pairs, settled = [], []
    for index in range(gestures):
        edit = edits.Occlude(box=(index, 5, index + 20, 40), frames=(4, 9))
        start = time.perf_counter()
        with torch.no_grad():
            model.module(inputs)
        forward = time.perf_counter() - start
        start = time.perf_counter()
        view.end(view.request([edit], settled=False))
        pairs.append((time.perf_counter() - start, forward))
        start = time.perf_counter()
        view.end(view.request([edit]))
        settled.append(time.perf_counter() - start)
    explorer.close()
    brush, forward = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name}: forward {1000 * forward:.0f} ms")
    print(f"  request while brushing to probabilities {1000 * brush:.0f} ms, {ratio:.2f} x one forward pass")
    print(f"  settled request to its end, with saliency tubes, {1000 * statistics.median(settled):.0f} ms")


def print_cancels(name: str, model: ne.VideoModel, clip: ne.Clip, cancels: int = CANCELS) -> None:
    """Print the time from a cancel to idle, beside the time of one step of RISE: a batch of 8 masks."""
    explorer = Explorer(model, clip)
    explorer.wait()
    view = FakeView(explorer)
    waits = []
    for index in range(cancels):
        number = view.request(method="rise", knobs={"rise": {"masks": 5000, "seed": index}})
        while not view.parts(number, "tubes"):  # it is in the middle
            time.sleep(0.002)
        time.sleep(0.01 * index)
        start = time.perf_counter()
        view.send("cancel", id=number)
        view.end(number)
        explorer.wait()
        waits.append(time.perf_counter() - start)
    explorer.close()
    batches = 6
    start = time.perf_counter()
    ne.RISE(masks=8 * batches)(model, clip)
    step = (time.perf_counter() - start) / batches
    print(
        f"{name}: cancel to idle {1000 * statistics.median(waits):.0f} ms (worst {1000 * max(waits):.0f}); "
        f"one batch of 8 masks takes {1000 * step:.0f} ms"
    )


def main(arguments: Any = None) -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    requests = parser.parse_args(arguments).requests
    print_soak(requests)
    for name, (model, clip) in networks().items():
        print_gestures(name, model, clip)
        if name == "bundled network":
            print_cancels(name, model, clip)


if __name__ == "__main__":
    main()

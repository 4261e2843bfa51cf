"""Time of insertion and deletion of six methods on the bundled network, relative to bare batched forwards.

``python -m benchmarks.evaluation [clips]``; CPU seconds of this process are compared, so that others on the machine matter
less. The evaluation includes the explanations themselves.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

import notebook_explain as ne
from benchmarks.timing import line
from notebook_explain import evaluation, samples
from notebook_explain.models.demo import demo_net

STEPS, BATCH = 32, 8
GOAL, MINUTES, CLIPS = 1.3, 10, 100
FIRST_SEED = 40_000


def methods() -> dict[str, Any]:
    """Return six explainers, two of them on networks with random weights."""
    tubes, pooled = ne.SaliencyTubes(), ne.SaliencyTubes(pooled=True)
    return {
        "tubes": tubes,
        "pooled": pooled,
        "early": ne.SaliencyTubes(layers=("blocks.0",)),
        "early pooled": ne.SaliencyTubes(layers=("blocks.0",), pooled=True),
        "random": evaluation.WithRandomWeights(tubes),
        "random pooled": evaluation.WithRandomWeights(pooled),
    }


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of one call, summed over threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def report(name: str, ratios: list[float], goal: str = "") -> None:
    """Print the median ratio and its range."""
    line(f"{name} (CPU time)", f"{statistics.median(ratios):.2f} x  ({min(ratios):.2f} to {max(ratios):.2f})", goal)


def main(clips: int = 4, repeats: int = 3) -> None:
    model, net, explainers = ne.demo_model(), demo_net(), methods()
    shown = [samples.single(samples.ACTIONS[k % 10], seed=FIRST_SEED + k) for k in range(clips)]
    metrics = [evaluation.Insertion(steps=STEPS), evaluation.Deletion(steps=STEPS)]
    forwards = clips * (len(explainers) * 2 * (STEPS - 1) + 2)
    videos = torch.rand(BATCH, 3, 16, 64, 64)

    def measure() -> None:
        ne.evaluate(model, explainers, shown, metrics, baselines=False)

    def explain() -> None:
        for sample in shown:
            for explainer in explainers.values():
                explainer(model, ne.Clip.of(sample), sample.label)

    def bare() -> None:
        with torch.no_grad():
            for _ in range(forwards // BATCH):
                net(videos)

    print(f"{len(explainers)} methods x insertion and deletion at {STEPS} steps, {clips} clips, {forwards} forwards, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    measure(), bare()
    times = [(cpu_seconds(measure), cpu_seconds(bare), cpu_seconds(explain)) for _ in range(repeats)]
    report("evaluation / bare forwards in batches of 8", [a / b for a, b, _ in times], f"goal {GOAL}")
    report("the explanations alone / bare forwards", [c / b for _, b, c in times])
    minutes = statistics.median(a for a, _, _ in times) / clips * CLIPS / 60
    line(f"{CLIPS} clips, CPU time", f"{minutes:.1f} minutes", f"goal {MINUTES} minutes on two cores")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))

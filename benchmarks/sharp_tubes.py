"""Sharp tubes beside other methods, on clips whose acting limbs are known: ``python -m benchmarks.sharp_tubes``.

Clips have seeds that no training, tuning or other study uses: from 9,400,000 up. A clip counts if the network names its
actions: both among the first two classes (contrast, moving pair), both among the first three (compose), or the action first
(camera, single). Prints, for each network and world, the mean of every metric for every method, and paired differences of the
sharp map from the others with 95 % bootstrap intervals, clustered by clip.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.evaluation import (
    AveragePrecision,
    BlockCorrelation,
    Deletion,
    Energy,
    Insertion,
    OwnMinusOther,
    Pointing,
    PrecisionAtMask,
    WithRandomWeights,
    evaluate,
)
from notebook_explain.explanations import Evaluation, LayerMap, Tubes
from notebook_explain.models.demo import demo_net
from notebook_explain.samples import ACTIONS, ARM_ACTIONS, LEG_ACTIONS, Sample
from tests.branch_net import branch_net

FIRST_SEED = 9_400_000
LOCALISATION = [AveragePrecision(), PrecisionAtMask(), Pointing(), Energy(), OwnMinusOther()]
FAITHFULNESS = [Insertion(fill="freeze"), Deletion(fill="freeze"), BlockCorrelation(fill="freeze")]
FAITHFUL = (
    "random",
    "coarse tube",
    "motion x tube",
    "guided Grad-CAM",
    "gGC, read-out, sign",
    "detail (Y)",
    "sharp (S)",
)
NETS: dict[str, Callable[[], nn.Module]] = {"residual": demo_net, "branches": branch_net}


@dataclass(frozen=True)
class World:
    """A kind of clips: how one is made from a seed, among how many classes its actions must be, and how many are wanted."""

    make: Callable[[int], Sample]
    first: int
    count: int
    seed: int


class AllActions:
    """An explainer that explains all actions of a sample in one call, and keeps them until the next clip.

    Targets share the forward pass, so that this takes two thirds of the time of one call for each action.
    """

    def __init__(self, explainer: Callable[..., Tubes], clips: Sequence[Sample]) -> None:
        self.explainer = explainer
        self.labels = {sample.frames.tobytes(): list(sample.labels) for sample in clips}
        self.key = b""
        self.known: dict[int, Tubes] = {}

    def __call__(self, model: ne.VideoModel, clip: ne.Clip, target: ne.Target) -> Tubes:
        """Return the explanation of one target."""
        key = clip.frames.tobytes()
        if key != self.key:
            tubes = self.explainer(model, clip, self.labels[key])
            self.key = key
            self.known = {result.index: _only(tubes, index) for index, result in enumerate(tubes.targets)}
        return self.known[int(target.label)]


def _only(tubes: Tubes, index: int) -> Tubes:
    """Return the map of the default layer for one target."""
    one = tubes.layer()
    return replace(
        tubes,
        targets=(tubes.targets[index],),
        layers=(LayerMap(one.name, one.kind, one.values[index : index + 1], one.geometry),),
    )


def _pair(seed: int) -> tuple[str, str]:
    a, b = np.random.default_rng((seed, 1)).choice(len(ACTIONS), 2, replace=False)
    return ACTIONS[a], ACTIONS[b]


def _limbs(seed: int) -> tuple[str, str]:
    rng = np.random.default_rng((seed, 2))
    return str(rng.choice(ARM_ACTIONS)), str(rng.choice(LEG_ACTIONS))


WORLDS = {
    "contrast": World(lambda seed: samples.contrast(*_pair(seed), seed=seed), 2, 180, FIRST_SEED),
    "compose": World(lambda seed: samples.compose(*_limbs(seed), seed=seed), 3, 130, FIRST_SEED + 10_000),
    "camera": World(lambda seed: samples.camera(_pair(seed)[0], seed=seed), 1, 120, FIRST_SEED + 20_000),
    "moving pair": World(lambda seed: samples.moving_pair(*_pair(seed), seed=seed), 2, 90, FIRST_SEED + 30_000),
    "single": World(lambda seed: samples.single(_pair(seed)[0], seed=seed), 1, 40, FIRST_SEED + 40_000),
}


def methods() -> dict[str, Any]:
    """Return the explainers by the names that the tables use."""
    last = ("blocks.0",)  # the last layer is always among them
    return {
        "random": ne.RandomMap(),
        "centre": ne.CentreMap(),
        "motion": ne.MotionMap(),
        "coarse tube": ne.SaliencyTubes(),
        "motion x tube": ne.MotionTubes(stabilised=False),
        "stabilised motion x tube": ne.MotionTubes(),
        "guided Grad-CAM": ne.GuidedGradCAM(),
        "gGC, read-out": ne.GuidedGradCAM(read_out=True),
        "gGC, read-out, sign": ne.GuidedGradCAM(read_out=True, signed=True),
        "detail (Y)": ne.SharpTubes(conserve=False, layers=last),
        "sharp (S)": ne.SharpTubes(layers=last),
        "sharp, ReLUs not guided": ne.SharpTubes(layers=last, guided=False),
        "sharp, random weights": WithRandomWeights(ne.SharpTubes(layers=last)),
    }


def named(model: ne.VideoModel, world: World, count: int) -> Iterator[Sample]:
    """Yield clips whose actions are among the network's first classes."""
    found, seed = 0, world.seed
    while found < count:
        sample = world.make(seed)
        seed += 1
        clip = model.prepare(sample)[1]
        video = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
        with torch.inference_mode():
            order = model.module(video)[0].argsort(descending=True)[: world.first].tolist()
        if all(ACTIONS.index(label) in order for label in sample.labels):
            found += 1
            yield sample


def print_table(result: Evaluation) -> None:
    """Print the mean of every metric for every method."""
    table = result.table(resamples=500)
    names = [metric.name for metric in result.metrics]
    print(f"  {'':26}" + "".join(f"{name[:16]:>18}" for name in names))
    for method in result.methods:
        cells = []
        for name in names:
            rows = [row for row in table.of(name) if row.method == method and row.class_name == ""]
            cells.append(f"{rows[0].interval.mean:>18.3f}" if rows else f"{'-':>18}")
        print(f"  {method:26}" + "".join(cells), flush=True)


def print_differences(result: Evaluation, metrics: Sequence[str], others: Sequence[str], first: str) -> None:
    """Print paired differences of a method from others."""
    for metric in metrics:
        for other in others:
            if other != first:
                print(f"  {metric:18} {first} minus {other:26} {result.compare(first, other, metric).difference}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharp_tubes", description=main.__doc__)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--clips", type=float, default=1.0, help="fraction of the clips of each world")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for net in options.nets:
        model = ne.demo_model().with_module(NETS[net]())
        for name in options.worlds:
            world, start = WORLDS[name], time.perf_counter()
            clips = list(named(model, world, max(2, round(options.clips * world.count))))
            metrics = FAITHFULNESS if name == "single" else LOCALISATION
            explainers = {method: AllActions(explainer, clips) for method, explainer in methods().items()}
            if name == "single":  # each of these runs takes more than a hundred forward passes a clip and method
                explainers = {method: explainers[method] for method in FAITHFUL}
            result = evaluate(model, explainers, clips, metrics, baselines=False)
            print(
                f"\n{net}, {name}: {len(clips)} clips, seeds from {world.seed:,}, {time.perf_counter() - start:.0f} s"
            )
            print_table(result)
            chosen = [metric.name for metric in result.metrics] if name == "single" else ["AveragePrecision"]
            if name not in ("single", "camera"):
                chosen.append("OwnMinusOther")
            if name == "camera":
                chosen.append("Energy")
            print_differences(result, chosen, list(explainers), "sharp (S)")


if __name__ == "__main__":
    main()

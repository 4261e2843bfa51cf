"""Verdicts of ``tubes.check()``, for networks with random weights and for trained ones: ``python -m benchmarks.checks [maps]``.

A map of random weights, or a map that owes nothing to the network, must rarely be called faithful. Every row counts the
verdicts of as many maps; of random weights, each map is of another network. Each map is checked with every fill. Clips have
one person (single), or two of whom one performs the class that is explained (contrast). Seeds are those of no training or
other study.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import notebook_explain as ne
from benchmarks.timing import line
from notebook_explain import samples
from notebook_explain.evaluation import with_random_weights
from notebook_explain.evaluation.fills import FILLS
from notebook_explain.explanations import Geometry, LayerMap, Tubes
from notebook_explain.explanations.check import Verdict
from notebook_explain.models.demo import demo_net
from tests.branch_net import branch_net

FIRST_SEED = 9_600_000
GOAL = "goal: faithful at most 5 of 100"
WORLDS = ("single", "contrast")
LAST = ("blocks.0",)  # the last layer is always among them


class RandomBlocks:
    """An explainer whose maps are normal random numbers on an even grid, other ones for each call.

    A map that stays the same with random weights, such as that of ``ne.RandomMap()``, fails the sanity check already; here
    only the drops of the score can tell that a map owes nothing to the network.
    """

    def __init__(self, seed: int = 0, grid: tuple[int, int, int] = (4, 4, 4)) -> None:
        self.rng, self.grid = np.random.default_rng(seed), grid

    def __call__(self, model: ne.VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Return the map, with the model's score."""
        tubes = ne.RandomMap()(model, clip, target)
        values = self.rng.standard_normal((len(tubes.targets), *self.grid)).astype(np.float32)
        geometry = Geometry.even(self.grid, tubes.clip.size)
        return replace(tubes, layers=(LayerMap("random blocks", tubes.layers[0].kind, values, geometry),))


def clip_of(world: str, index: int) -> Any:
    """Return the clip of a map with this index, and its target; ``None`` is the top class."""
    action = samples.ACTIONS[index % len(samples.ACTIONS)]
    if world == "single":
        return samples.single(action, seed=FIRST_SEED + index), None
    other = samples.ACTIONS[(index + 3) % len(samples.ACTIONS)]
    return samples.contrast(action, other, seed=FIRST_SEED + index), action


def verdicts(
    count: int, world: str, model_of: Callable[[int], ne.VideoModel], explainer: Any, fills: Sequence[str]
) -> dict[str, Counter[Verdict]]:
    """Return how many maps got each verdict, by fill.

    Parameters
    ----------
    count : int
        Number of maps; one clip each.
    world : "single" or "contrast"
    model_of : function
        Returns the model of the map with this index.
    explainer : explainer
    fills : sequence of str
    """
    found: dict[str, Counter[Verdict]] = {fill: Counter() for fill in fills}
    for index in range(count):
        clip, target = clip_of(world, index)
        model = model_of(index)
        tubes = explainer(model, clip, target)
        for fill in fills:
            found[fill][tubes.check(model, explainer, fill=fill, seed=index).checks[0].verdict] += 1
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks", description=main.__doc__)
    parser.add_argument("maps", nargs="?", type=int, default=100, help="maps of each row")
    parser.add_argument("--fills", nargs="+", choices=FILLS, default=["blur", "freeze"])
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name, net in (("residual", demo_net()), ("branches", branch_net())):
        model = ne.demo_model().with_module(net)
        randoms: Callable[[int], ne.VideoModel] = lambda seed, model=model: with_random_weights(model, seed=seed)  # noqa: E731
        trained: Callable[[int], ne.VideoModel] = lambda _, model=model: model  # noqa: E731
        for title, model_of, explainer, goal in (
            ("trained, sharp map", trained, ne.SharpTubes(layers=LAST), ""),
            ("random weights, sharp map", randoms, ne.SharpTubes(layers=LAST), GOAL),
            ("trained, random blocks", trained, RandomBlocks(), GOAL),
            ("trained, coarse tube", trained, ne.SaliencyTubes(), ""),
            ("random weights, coarse tube", randoms, ne.SaliencyTubes(), GOAL),
        ):
            for world in options.worlds:
                start = time.perf_counter()
                found = verdicts(options.maps, world, model_of, explainer, options.fills)
                print(f"{name}, {world}: {title} ({time.perf_counter() - start:.0f} s)", flush=True)
                for fill, counts in found.items():
                    listed = ", ".join(f"{verdict.value} {counts[verdict]}" for verdict in Verdict if counts[verdict])
                    line(fill, listed, goal)


if __name__ == "__main__":
    main()

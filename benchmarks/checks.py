"""Verdicts of ``tubes.check()``, for networks with random weights and for trained ones: ``python -m benchmarks.checks [maps]``.

A map of random weights, or a map that owes nothing to the network, must rarely be called faithful. Every row counts the
verdicts of as many maps; of random weights, each map is of another network. Seeds are those of no training or other study.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

import notebook_explain as ne
from benchmarks.timing import line
from notebook_explain import samples
from notebook_explain.evaluation import with_random_weights
from notebook_explain.explanations.check import Verdict
from notebook_explain.models.demo import demo_net
from tests.branch_net import branch_net

FIRST_SEED = 9_600_000
GOAL = "goal: faithful at most 5 of 100"
LAST = ("blocks.0",)  # the last layer is always among them


def verdicts(count: int, model_of: Callable[[int], ne.VideoModel], explainer: Any) -> Counter[Verdict]:
    """Return how many maps got each verdict.

    Parameters
    ----------
    count : int
        Number of maps; one clip each.
    model_of : function
        Returns the model of the map with this index.
    explainer : explainer
    """
    found: Counter[Verdict] = Counter()
    for index in range(count):
        clip = samples.single(samples.ACTIONS[index % len(samples.ACTIONS)], seed=FIRST_SEED + index)
        model = model_of(index)
        tubes = explainer(model, clip, None).check(model, explainer, seed=index)
        found[tubes.checks[0].verdict] += 1
    return found


def main(maps: int = 100) -> None:
    """Print the counts."""
    torch.set_num_threads(1)
    for name, net in (("residual", demo_net()), ("branches", branch_net())):
        model = ne.demo_model().with_module(net)
        randoms: Callable[[int], ne.VideoModel] = lambda seed, model=model: with_random_weights(model, seed=seed)  # noqa: E731
        for title, model_of, explainer, goal in (
            ("random weights, sharp map", randoms, ne.SharpTubes(layers=LAST), GOAL),
            ("random weights, coarse tube", randoms, ne.SaliencyTubes(), GOAL),
            ("trained, random map", lambda _, model=model: model, ne.RandomMap(), GOAL),
            ("trained, sharp map", lambda _, model=model: model, ne.SharpTubes(layers=LAST), ""),
            ("trained, coarse tube", lambda _, model=model: model, ne.SaliencyTubes(), ""),
        ):
            start = time.perf_counter()
            found = verdicts(maps, model_of, explainer)
            counts = ", ".join(f"{verdict.value} {found[verdict]}" for verdict in Verdict if found[verdict])
            line(f"{name}: {title} ({time.perf_counter() - start:.0f} s)", counts, goal)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))

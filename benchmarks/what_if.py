"""Edits of clips: time of many edits in one call, and whether the answers are true: ``python -m benchmarks.what_if``.

*Time*: 64 edits of one clip in one call of ``what_if``, against 64 forward passes of the bare network, one clip each.

*Truth*: two people perform two actions, and the masks of the limbs that act are known. Hiding the limbs of the one who performs
a class must lower its score more than hiding the limbs of the other. One class of each clip is tested; seeds are those of no
training or other study.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

import notebook_explain as ne
from benchmarks.timing import PairedTimes, line, paired_times
from notebook_explain import edits, samples
from notebook_explain.explanations.evaluation.intervals import Interval, clustered_interval
from notebook_explain.models import VideoModel
from notebook_explain.models.demo import demo_model
from tests import zoo

FIRST_SEED, CLIPS = 9_900_000, 200
FILLS = ("blur", "mean", "noise")
EDITS, REPEATS = 64, 5
FASTEST, TRUE = 0.8, 0.9  # goals


def many_edits(model: VideoModel, clip: ne.Clip, repeats: int = REPEATS) -> PairedTimes:
    """Return the times of `EDITS` edits in one call, and of as many passes of the network."""
    lists = [[edits.Brighten(0.7 + index / EDITS)] for index in range(EDITS)]
    p, net = model.preprocessing, model.module
    seen = model.fit(clip)
    video = p.arrange(p.tensor(seen, torch.device("cpu"), torch.float32))

    def passes() -> None:
        with torch.no_grad():
            for _ in range(EDITS):
                net(video)

    ne.what_if(model, clip, lists[:8])  # finds out that the network takes batches
    return paired_times(lambda: ne.what_if(model, clip, lists), passes, repeats)


def true_falls(model: VideoModel, count: int, fill: str, first_seed: int = FIRST_SEED) -> list[tuple[float, float]]:
    """Return, for each clip, how far the score of one person's class falls without their limbs, and without the other's."""
    found = []
    actions = samples.ACTIONS
    for index in range(count):
        own, other = actions[index % len(actions)], actions[(index + 1 + index // len(actions) % 9) % len(actions)]
        names = (own, other) if index % 2 == 0 else (other, own)
        sample = samples.contrast(*names, seed=first_seed + index)
        which = sample.labels.index(own)
        masks = [sample.masks[which], sample.masks[1 - which]]
        lists = [[edits.Occlude(mask=mask, fill=fill)] for mask in masks]
        results = ne.what_if(model, ne.Clip.of(sample), lists, own)
        found.append((results[0].drop, results[1].drop))
    return found


def share_of_true(falls: Sequence[tuple[float, float]]) -> Interval:
    """Return the share of clips in which the own limbs matter more, with its 95 % interval."""
    return clustered_interval([float(own > other) for own, other in falls], np.arange(len(falls)))


def print_time(name: str, model: VideoModel, clip: ne.Clip, repeats: int) -> None:
    """Print the time of many edits for one network."""
    found = many_edits(model, clip, repeats)
    line(f"{EDITS} edits in one call over {EDITS} forwards, {name}", str(found), f"goal: at most {FASTEST}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--large", action="store_true", help="time an r3d_18-sized network too, which takes minutes")
    options = parser.parse_args(arguments)
    model = demo_model()
    print_time("bundled network", model, ne.Clip.of(samples.single("kick", seed=FIRST_SEED)), options.repeats)
    if options.large:
        net: nn.Module = zoo.seeded(zoo.full_size_r3d18)
        large = ne.adapt(net, size=112, frames=16, mean=0.45, std=0.225, layout="BCTHW")
        print_time("r3d_18-sized", large, ne.Clip(zoo.random_clip(16, 112)), min(options.repeats, 2))
    for fill in FILLS:
        share = share_of_true(true_falls(model, options.clips, fill))
        name = f"own limbs matter more than the other's ({fill}, {share.count} clips)"
        line(name, str(share), f"goal: at least {TRUE}")


if __name__ == "__main__":
    main()

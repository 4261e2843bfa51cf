"""Evaluate a demo network: ``python -m scripts.demo_model.evaluate [--weights FILE --net NAME]``.

The clips have seeds that no training run uses.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from notebook_explain.models.demo.net import LABELS
from notebook_explain.models.demo.weights import load
from scripts.demo_model import NETS, WEIGHTS
from scripts.demo_model.data import EVALUATION_SEEDS, answers, clips, normalised

BATCH = 50
ROWS = {
    "single": "one person, correct",
    "camera": "the same, moving camera",
    "contrast": "two people, both top 2",
    "moving_pair": "the same, moving camera",
}


@dataclass(frozen=True)
class Share:
    """Share of hits with the Wilson 95 % interval, which is also valid near 0 and 1."""

    hits: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound, 0 to 1."""
        interval = binomtest(self.hits, self.count).proportion_ci(method="wilson")
        return interval.low, interval.high

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits} of {self.count}, {self.hits / self.count:.1%} (95 % interval {low:.1%} to {high:.1%})"


def correct(net: nn.Module, world: str, count: int, first: int | None = None) -> Tensor:
    """Return which clips of a world are classified correctly: bool (count,).

    A clip of two people is correct if their actions are the top two classes, in either order. `first` is the seed of the
    first clip, by default that of `EVALUATION_SEEDS`.
    """
    first = EVALUATION_SEEDS[world] if first is None else first
    found = []
    with torch.inference_mode():
        for start in range(first, first + count, BATCH):
            samples = clips(world, start, min(BATCH, first + count - start))
            top = net(normalised(samples)).topk(len(samples[0].labels), dim=1).indices
            found.append((answers(samples).gather(1, top) > 0).all(dim=1))
    return torch.cat(found)


def report(net: nn.Module, name: str, count: int = 1000) -> None:
    """Print the accuracy of a network on `count` held-out clips of each world, and by action."""
    print(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters")
    for world, row in ROWS.items():
        hits = correct(net, world, count)
        print(f"  {row:25} {Share(int(hits.sum()), count)}", flush=True)
        if world in ("single", "camera"):
            by_action = {label: hits[index :: len(LABELS)].float().mean().item() for index, label in enumerate(LABELS)}
            print(
                "    by action               " + ", ".join(f"{label} {value:.0%}" for label, value in by_action.items())
            )


def main(arguments: list[str] | None = None) -> None:
    """Print the accuracy of a trained network."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_model.evaluate", description=main.__doc__)
    parser.add_argument("--net", choices=NETS, default="residual", help="default: %(default)s, the bundled network")
    parser.add_argument(
        "--weights", type=Path, help="file written by train.py (default: those of the package, or of the tests)"
    )
    parser.add_argument("--clips", type=int, default=1000, help="clips of each kind (default: %(default)s)")
    options = parser.parse_args(arguments)
    path = options.weights or WEIGHTS[options.net]
    report(load(NETS[options.net], path), f"{options.net} ({path.name})", options.clips)
    print(f"  file                      {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

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
from scripts.demo_model.data import HELD_OUT_PAIRS, answers, normalised, pairs, singles

BATCH = 50


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


def correct_singles(net: nn.Module, count: int, first: int = 0) -> Tensor:
    """Return which clips of one person, from seed `first` on, are classified correctly: bool (count,)."""
    correct = []
    with torch.inference_mode():
        for start in range(first, first + count, BATCH):
            samples = singles(start, min(BATCH, first + count - start))
            correct.append(net(normalised(samples)).argmax(dim=1) == answers(samples).argmax(dim=1))
    return torch.cat(correct)


def both_in_top_two(net: nn.Module, count: int, first: int = HELD_OUT_PAIRS) -> Tensor:
    """Return in which clips of two people both actions are the top two classes: bool (count,)."""
    both = []
    with torch.inference_mode():
        for start in range(first, first + count, BATCH):
            samples = pairs(start, min(BATCH, first + count - start))
            top = net(normalised(samples)).topk(2, dim=1).indices
            both.append((answers(samples).gather(1, top) > 0).all(dim=1))
    return torch.cat(both)


def report(net: nn.Module, name: str, clips: int = 1000) -> None:
    """Print the accuracy of a network on `clips` held-out clips of one person and as many of two people."""
    correct, both = correct_singles(net, clips), both_in_top_two(net, clips)
    print(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters")
    print(f"  one person, correct       {Share(int(correct.sum()), clips)}")
    print(f"  two people, both top 2    {Share(int(both.sum()), clips)}")
    accuracies = {label: correct[index :: len(LABELS)].float().mean().item() for index, label in enumerate(LABELS)}
    print("  by action                 " + ", ".join(f"{label} {value:.0%}" for label, value in accuracies.items()))


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

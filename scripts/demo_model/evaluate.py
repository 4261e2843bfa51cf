"""What the demo networks can do, measured: ``python -m scripts.demo_model.evaluate [--weights FILE --net NAME]``.

The clips are of seeds that no training run draws.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from notebook_explain.models.demo.net import LABELS
from notebook_explain.models.demo.weights import WEIGHTS, load
from scripts.demo_model import NETS
from scripts.demo_model.data import HELD_OUT_PAIRS, answers, normalised, pairs, singles

BATCH = 50


@dataclass(frozen=True)
class Share:
    """A proportion with Wilson's 95 % interval, which holds near 0 and 1 too."""

    hits: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end, 0 to 1."""
        interval = binomtest(self.hits, self.count).proportion_ci(method="wilson")
        return interval.low, interval.high

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits} of {self.count}, {self.hits / self.count:.1%} (95 % interval {low:.1%} to {high:.1%})"


def right_singles(net: nn.Module, count: int, first: int = 0) -> Tensor:
    """Which single clips, of the seeds from `first` on, the network names rightly: bool (count,)."""
    right = []
    with torch.inference_mode():
        for start in range(first, first + count, BATCH):
            samples = singles(start, min(BATCH, first + count - start))
            right.append(net(normalised(samples)).argmax(dim=1) == answers(samples).argmax(dim=1))
    return torch.cat(right)


def both_on_top(net: nn.Module, count: int, first: int = HELD_OUT_PAIRS) -> Tensor:
    """In which clips of two people both actions are the network's top two: bool (count,)."""
    both = []
    with torch.inference_mode():
        for start in range(first, first + count, BATCH):
            samples = pairs(start, min(BATCH, first + count - start))
            top = net(normalised(samples)).topk(2, dim=1).indices
            both.append((answers(samples).gather(1, top) > 0).all(dim=1))
    return torch.cat(both)


def report(net: nn.Module, name: str, clips: int = 1000) -> None:
    """Print the bars of a network over `clips` held-out clips of one and as many of two people."""
    right, both = right_singles(net, clips), both_on_top(net, clips)
    print(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters")
    print(f"  one person, right         {Share(int(right.sum()), clips)}")
    print(f"  two people, both on top   {Share(int(both.sum()), clips)}")
    shares = {label: right[place :: len(LABELS)].float().mean().item() for place, label in enumerate(LABELS)}
    print("  by action                 " + ", ".join(f"{label} {share:.0%}" for label, share in shares.items()))


def main(arguments: list[str] | None = None) -> None:
    """Print what a trained network can do."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_model.evaluate", description=main.__doc__)
    parser.add_argument("--net", choices=NETS, default="residual", help="default: %(default)s, the bundled one")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="what train.py wrote (default: the bundled ones)")
    parser.add_argument("--clips", type=int, default=1000, help="of each kind (default: %(default)s)")
    options = parser.parse_args(arguments)
    report(load(NETS[options.net], options.weights), f"{options.net} ({options.weights.name})", options.clips)
    print(f"  file                      {options.weights.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

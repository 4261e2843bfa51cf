"""Effect of each building block on the accuracy of a small network: ``python -m benchmarks.block_study``.

A network with and without one block is trained on the same clips in the same order for the same number of epochs, and
tested on clips that it has not seen. Network, epochs and seeds were fixed in advance; nothing is tuned for any block.
"samples" are synthetic people in ten actions, with other people in the test; "people" are four actions of nine real
people, each left out once. The table shows the difference of accuracy to the network without the block: its mean over five
paired seeds and Student's 95 % interval, which covers the randomness of training but not that of the clips.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from benchmarks import weizmann
from benchmarks.small_net import BATCH, fresh, leave_one_out, normalised, shifted, train_small
from notebook_explain import layers
from notebook_explain.models.demo.net import LABELS
from scripts.demo_model.data import singles

SEEDS, STUDENT = 5, 2.776  # t for 95 % and four degrees of freedom
EPOCHS = {"samples": 12, "people": 15}
TRAINING, TESTING, COUNT = 800_000, 810_000, (300, 300)  # first seeds of the samples; their numbers
STAGES = ("stage1", "stage2", "stage3")


class StudyNet(nn.Module):
    """Network that the blocks are put into: stem, two max poolings, three convolutions, average pooling, classifier.

    Grids for 16 x 64 x 64 in (channel, time, height, width): 16 x 8 x 32 x 32, pooled to 16 x 8 x 16 x 16; stage 1
    24 x 8 x 16 x 16, pooled to 24 x 4 x 8 x 8; stages 2 and 3 48 x 4 x 8 x 8.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _stage(3, 16, (3, 5, 5), (2, 2, 2))
        self.pool1, self.stage1 = nn.MaxPool3d((1, 2, 2)), _stage(16, 24)
        self.pool2, self.stage2 = nn.MaxPool3d(2), _stage(24, 48)
        self.stage3 = _stage(48, 48)
        self.head = nn.Linear(48, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logits (batch, class) of clips (batch, 3, time, height, width)."""
        x = self.stem(clips - clips.mean(dim=2, keepdim=True))
        x = self.stage1(self.pool1(x))
        logits: Tensor = self.head(self.stage3(self.stage2(self.pool2(x))).mean((2, 3, 4)))
        return logits


class StudyMTNet(StudyNet):
    """Small network with multi-temporal convolutions as stages; the classifier reads both streams."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.stage1 = layers.MTConv(16, 24, 3, share=0.75)  # type: ignore[assignment]
        self.stage2 = layers.MTConv(24, 48, 3, (2, 2, 2), share=0.75)  # type: ignore[assignment]
        self.stage3 = layers.MTConv(48, 48, 3, share=0.75)  # type: ignore[assignment]

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logits (batch, class)."""
        x = self.pool1(self.stem(clips - clips.mean(dim=2, keepdim=True)))
        streams = layers.split_streams(x, 0.75)
        for stage in (self.stage1, self.stage2, self.stage3):
            short, long = stage(streams)
            streams = torch.relu(short), torch.relu(long)
        logits: Tensor = self.head(torch.cat([stream.mean((2, 3, 4)) for stream in streams], 1))
        return logits


def _stage(
    inputs: int, outputs: int, kernel: tuple[int, int, int] = (3, 3, 3), stride: tuple[int, int, int] = (1, 1, 1)
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()
    )


def _swapped(exchanges: dict) -> Callable[[int], nn.Module]:
    return lambda classes: layers.swap(StudyNet(classes), exchanges).model


class Block(NamedTuple):
    """Function that builds a network with a block, and the claim of the block's paper."""

    build: Callable[[int], nn.Module]
    claim: str


FAST_CLAIM = "better than 3-D convolutions (only its abstract could be read)"
BLOCKS: dict[str, Block] = {
    "none (max pooling)": Block(StudyNet, ""),
    "average pooling": Block(_swapped({nn.MaxPool3d: lambda pool: nn.AvgPool3d(pool.kernel_size)}), ""),
    "SoftPool": Block(_swapped({nn.MaxPool3d: layers.SoftPool3d}), "+1 to +2 points top-1, ImageNet"),
    "FAST": Block(_swapped(dict.fromkeys([f"{stage}.0" for stage in STAGES], layers.FAST3d)), FAST_CLAIM),
    # The published figures are of the gate before it was corrected for chance.
    "SRTG": Block(
        _swapped(dict.fromkeys(STAGES, layers.followed_by(layers.SRTG, chance_corrected=False))),
        "+2.6 to +3.7 points top-1, video",
    ),
    "MTConv": Block(StudyMTNet, "as accurate with fewer MACs"),
    "class regularization": Block(
        lambda classes: layers.class_regularized(StudyNet(classes), "head", STAGES).model,
        "+1.8 points top-1, Kinetics",
    ),
}


def on_samples(build: Callable[[int], nn.Module], seeds: range, samples: tuple) -> list[float]:
    """Return the accuracy on synthetic people for each seed."""
    (clips, labels), (test_clips, test_labels) = samples
    accuracies = []
    for seed in seeds:
        net = fresh(lambda: build(len(LABELS)), seed)
        train_small(net, clips, labels, torch.Generator().manual_seed(seed), EPOCHS["samples"], shifted)
        with torch.inference_mode():
            starts = range(0, len(test_clips), BATCH)
            guesses = [net(normalised(test_clips[start : start + BATCH])).argmax(1) for start in starts]
        accuracies.append(float((torch.cat(guesses) == torch.tensor(test_labels)).double().mean()))
    return accuracies


def on_people(build: Callable[[int], nn.Module], seeds: range, clips: tuple) -> list[float]:
    """Return the accuracy on the people left out, over all folds, for each seed."""
    accuracies = []
    for seed in seeds:
        results = leave_one_out(clips, lambda: build(len(weizmann.LABELS)), seed, EPOCHS["people"])
        accuracies.append(float(np.concatenate([result.right for result in results]).mean()))
    return accuracies


def draw(first: int, count: int) -> tuple[np.ndarray, list[int]]:
    """Return synthetic clips uint8 (clip, time, height, width, 3) and their labels."""
    samples = singles(first, count)
    return np.stack([sample.frames for sample in samples]), [LABELS.index(sample.labels[0]) for sample in samples]


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Return the mean and Student's 95 % interval of five differences."""
    mean = statistics.mean(differences)
    half = STUDENT * statistics.stdev(differences) / math.sqrt(len(differences))
    return mean, mean - half, mean + half


def row(name: str, accuracies: list[float], baseline: list[float], seconds: float, claim: str) -> str:
    """Return one line of the table."""
    weights = sum(p.numel() for p in BLOCKS[name].build(10).parameters())
    difference = ""
    if accuracies is not baseline:
        differences = [accuracy - base for accuracy, base in zip(accuracies, baseline, strict=True)]
        difference = "{:+.1%} ({:+.1%} to {:+.1%})".format(*interval(differences))
    return f"| {name} | {statistics.mean(accuracies):.1%} | {difference} | {weights:,} | {seconds:.0f} s | {claim} |"


def main() -> None:
    """Print the tables of both data sets, or of one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--world", choices=EPOCHS, action="append", help="default: both")
    parser.add_argument("--block", choices=BLOCKS, action="append", help="default: all; 'none' is always included")
    parser.add_argument("--first", type=int, default=0, help="first of the five seeds, for tests")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + SEEDS)
    first = next(iter(BLOCKS))
    for world in options.world or EPOCHS:
        if world == "people" and not weizmann.found():
            print("people: skipped, the real clips are not on this machine")
            continue
        data = weizmann.read() if world == "people" else (draw(TRAINING, COUNT[0]), draw(TESTING, COUNT[1]))
        evaluate = on_people if world == "people" else on_samples
        print(f"\n{world}, {SEEDS} seeds starting at {options.first}, {EPOCHS[world]} epochs\n")
        print("| block | accuracy | difference from none | weights | training, all seeds | published |\n|" + "---|" * 6)
        baseline: list[float] = []
        for name in tqdm(
            [first, *(name for name in options.block or BLOCKS if name != first)], desc=world, disable=None
        ):
            start = time.perf_counter()
            accuracies = evaluate(BLOCKS[name].build, seeds, data)
            baseline = baseline or accuracies
            print(row(name, accuracies, baseline, time.perf_counter() - start, BLOCKS[name].claim), flush=True)


if __name__ == "__main__":
    main()

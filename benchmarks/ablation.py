"""Ablation study: does the network depend on the kernels that a pyramid selects? ``python -m benchmarks.ablation``.

For each clip and each convolution, k % of the layer's kernels are switched off, and the drop of the margin between the
top class and the best other class is measured. The kernels are: those with the highest scores in the pyramid of the top
class, for each kind of contribution; those with the largest gradient times activation ("kernel gradient x activation",
no pyramid); those with the largest mean absolute output ("activation"); those with the lowest scores ("bottom"); and
three random sets. All methods use the same clips, so the intervals are paired: 95 %, from 10,000 resamples of the clips.

The seeds of the clips are used neither for training nor for any decision on the method.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

import notebook_explain as ne
from benchmarks.kernel_ablation import KernelAblation
from notebook_explain.explanations.evaluation.intervals import Interval, clustered_interval
from notebook_explain.models.demo import demo_net
from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD
from scripts.demo_model.data import pairs, singles
from tests.branch_net import branch_net

Floats = NDArray[np.float64]
SINGLES, PAIRS, REFERENCE = 720_000, 5_720_000, 920_000  # first seeds
FRACTIONS = (0.05, 0.10, 0.20)
PYRAMIDS = ("gradient_x_activation", "gradient", "preactivation", "preactivation_approximate")
METHODS = (*PYRAMIDS, "kernel gradient x activation", "activation", "bottom", "random")
DEFAULT = PYRAMIDS[0]
RANDOM_SETS, BATCH = 3, 16
Key = tuple[str, str, float, str]  # network, replacement of outputs, fraction of the layer, method


def rankings(
    ablation: KernelAblation, clip: ne.Clip, top: int, random: np.random.Generator
) -> dict[str, dict[str, Floats]]:
    """Return, by method and layer, a value for each kernel; kernels with higher values are switched off first."""
    ranked: dict[str, dict[str, Floats]] = {}
    for contribution in PYRAMIDS:
        explainer = ne.FeaturePyramid(contribution=contribution, mass=1.0, most=4096)
        pyramid = explainer(ablation.model, clip, top)
        scores = {name: np.zeros(layer.out_channels) for name, layer in ablation.layers.items()}
        for row in pyramid.rows:
            for index in row.units:
                if row.name in scores:
                    scores[row.name][pyramid.units[index].channel] = pyramid.units[index].score
        ranked[contribution] = scores
    ranked["bottom"] = {name: -values for name, values in ranked[DEFAULT].items()}
    ranked["activation"], ranked["kernel gradient x activation"] = ablation.baseline_scores(clip, ne.Target(top))
    for number in range(RANDOM_SETS):
        ranked[f"random {number}"] = {name: random.random(len(values)) for name, values in ranked[DEFAULT].items()}
    return ranked


def highest(values: Floats, fraction: float, random: np.random.Generator) -> list[int]:
    """Return the fraction of kernels with the highest values, at least one; ties are broken at random."""
    order = np.lexsort((random.random(len(values)), -values))
    return [int(kernel) for kernel in order[: max(1, round(fraction * len(values)))]]


def margins(logits: Floats, top: int) -> Floats:
    """Return the margin of the intact network's top class over the best other class, (set,)."""
    return np.asarray(logits[:, top] - np.delete(logits, top, axis=1).max(axis=1))


def drops(
    ablation: KernelAblation, clip: ne.Clip, means: dict, seed: int
) -> Iterator[tuple[str, float, str, str, float, float]]:
    """Yield drops: (replacement, fraction, method, layer, drop of the margin, drop of the other classes' mean logit)."""
    random = np.random.default_rng(seed)
    first = next(iter(ablation.layers))
    intact = ablation.logits_without(clip, first, [[]])
    top = int(intact[0].argmax())
    ranked = rankings(ablation, clip, top, random)
    settings = [(fraction, method) for fraction in FRACTIONS for method in ranked]
    for layer in ablation.layers:
        sets = [highest(ranked[method][layer], fraction, random) for fraction, method in settings]
        batches = [sets[start : start + BATCH] for start in range(0, len(sets), BATCH)]
        for replacement, values in (("zero", None), ("mean", means)):
            logits = np.concatenate([ablation.logits_without(clip, layer, batch, values) for batch in batches])
            margin_drops = margins(intact, top)[0] - margins(logits, top)
            other_drops = np.delete(intact, top, axis=1).mean() - np.delete(logits, top, axis=1).mean(axis=1)
            for (fraction, method), margin, other in zip(settings, margin_drops, other_drops, strict=True):
                name = method.split(" ")[0] if "random" in method else method
                yield replacement, fraction, name, layer, margin, other


def measure(name: str, net: torch.nn.Module, clips: int, shift: int) -> dict[Key, tuple[Floats, Floats]]:
    """Return, by key, the mean drop over layers of the margin and of the other classes, one value per clip."""
    model = ne.adapt(net, frames=FRAMES, size=SIZE, mean=MEAN, std=STD, labels=LABELS)
    ablation = KernelAblation(model)
    means = ablation.mean_outputs(ne.Clip(sample.frames) for sample in singles(REFERENCE + shift, 30))
    table: dict[Key, list[list[Floats]]] = defaultdict(list)
    samples = singles(SINGLES + shift, clips // 2) + pairs(PAIRS + shift, clips - clips // 2)
    for seed, sample in enumerate(tqdm(samples, desc=name, disable=None)):
        of_clip: dict[Key, list[tuple[float, float]]] = defaultdict(list)
        for replacement, fraction, method, _, margin, other in drops(ablation, ne.Clip(sample.frames), means, seed):
            of_clip[name, replacement, fraction, method].append((margin, other))
        for key, values in of_clip.items():
            table[key].append(np.mean(values, axis=0))
    return {key: (np.array(rows)[:, 0], np.array(rows)[:, 1]) for key, rows in table.items()}


def report(table: dict[Key, tuple[Floats, Floats]]) -> None:
    """Print the table as Markdown: mean drop of the margin, and how much more the default pyramid lowers it."""
    print(f"\n| network | replaced by | k | {' | '.join(METHODS)} | other classes, {DEFAULT} |")
    print("|" + "---|" * (4 + len(METHODS)))
    for net, replacement, fraction in dict.fromkeys(key[:3] for key in table):
        cells = []
        default, others = table[net, replacement, fraction, DEFAULT]
        for method in METHODS:
            values = table[net, replacement, fraction, method][0]
            text = str(interval(values))
            if method != DEFAULT:
                more = interval(default - values)
                text += f"; default {more}{'' if more.excludes_zero else ' *'}"
            cells.append(text)
        print(f"| {net} | {replacement} | {fraction:.0%} | {' | '.join(cells)} | {interval(others)} |")
    print(
        "\nMean drop of the margin in logits, with its 95 % interval; then the additional drop with the default pyramid,"
    )
    print("paired over clips. * marks a difference whose interval includes 0.")


def interval(values: Floats) -> Interval:
    """Return the mean of one value per clip, with its interval."""
    return clustered_interval(values, np.arange(len(values)), resamples=10_000)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    nets = {"residual": demo_net, "branches": branch_net}
    parser.add_argument("--net", choices=nets, action="append", help="default: both")
    parser.add_argument(
        "--clips", type=int, default=150, help="half with one person, half with two (default: %(default)s)"
    )
    parser.add_argument("--shift", type=int, default=0, help="offset of the seeds, for trials (default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table: dict[Key, tuple[Floats, Floats]] = {}
    for name in options.net or nets:
        table |= measure(name, nets[name](), options.clips, options.shift)
    print(f"kernel ablation, {options.clips} clips, mean over all convolutions of a network")
    report(table)


if __name__ == "__main__":
    main()

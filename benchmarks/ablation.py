"""Does the network miss the kernels that a pyramid names? ``python -m benchmarks.ablation``: a table for the docs.

For each clip and each convolution, as many kernels as k % of the layer are switched off, and it is measured how far the
margin of the top class over the best other one drops. Which kernels: the highest in the pyramid of the top class
("exact", and "gradient"); the lowest in it ("bottom"); those of the largest mean absolute output ("activation"); those
of the largest gradient times activation; and three random sets. All of them over the same clips, so that intervals are
paired: 95 %, from 10,000 resamples of the clips.

Clips are of seeds that no training draws and that nothing was decided on.
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
from benchmarks.bootstrap import paired_bootstrap
from benchmarks.kernel_ablation import Kernels
from notebook_explain.models.demo import demo_net
from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD
from scripts.demo_model.data import pairs, singles
from tests.branch_net import branch_net

Floats = NDArray[np.float64]
SINGLES, PAIRS, REFERENCE = 700_000, 5_700_000, 900_000  # first seeds
SHARES = (0.05, 0.10, 0.20)
METHODS = ("exact", "gradient", "gradient x activation", "activation", "bottom", "random")
RANDOM_SETS, BATCH = 3, 16
Key = tuple[str, str, float, str]  # network, what kernels put out instead, share of the layer, method


def rankings(kernels: Kernels, clip: ne.Clip, top: int, random: np.random.Generator) -> dict[str, dict[str, Floats]]:
    """Of each method, by layer, a value for each kernel: the higher, the earlier it is switched off."""
    found: dict[str, dict[str, Floats]] = {}
    for contribution in ("exact", "gradient"):
        explainer = ne.FeaturePyramid(contribution=contribution, mass=1.0, most=4096)
        pyramid = explainer(kernels.model, clip, top)
        scores = {name: np.zeros(layer.out_channels) for name, layer in kernels.layers.items()}
        for row in pyramid.rows:
            for at in row.units:
                if row.name in scores:
                    scores[row.name][pyramid.units[at].channel] = pyramid.units[at].score
        found[contribution] = scores
    found["bottom"] = {name: -values for name, values in found["exact"].items()}
    found["activation"], found["gradient x activation"] = kernels.levels(clip, ne.Target(top))
    for number in range(RANDOM_SETS):
        found[f"random {number}"] = {name: random.random(len(values)) for name, values in found["exact"].items()}
    return found


def highest(values: Floats, share: float, random: np.random.Generator) -> list[int]:
    """The kernels of the highest values, as many as the share of the layer; ties by lot."""
    order = np.lexsort((random.random(len(values)), -values))
    return [int(at) for at in order[: max(1, round(share * len(values)))]]


def margins(logits: Floats, top: int) -> Floats:
    """How far the top class of the whole network lies above the best other one, (set,)."""
    return np.asarray(logits[:, top] - np.delete(logits, top, axis=1).max(axis=1))


def drops(
    kernels: Kernels, clip: ne.Clip, means: dict, seed: int
) -> Iterator[tuple[str, float, str, str, float, float]]:
    """How far margin and other classes drop: (instead, share, method, layer, margin, mean logit of the others)."""
    random = np.random.default_rng(seed)
    first = next(iter(kernels.layers))
    whole = kernels.without(clip, first, [[]])
    top = int(whole[0].argmax())
    ranked = rankings(kernels, clip, top, random)
    asked = [(share, method) for share in SHARES for method in ranked]
    for layer in kernels.layers:
        sets = [highest(ranked[method][layer], share, random) for share, method in asked]
        for instead, levels in (("zero", None), ("mean", means)):
            parts = [kernels.without(clip, layer, sets[at : at + BATCH], levels) for at in range(0, len(sets), BATCH)]
            logits = np.concatenate(parts)
            fallen = margins(whole, top)[0] - margins(logits, top)
            others = np.delete(whole, top, axis=1).mean() - np.delete(logits, top, axis=1).mean(axis=1)
            for (share, method), margin, other in zip(asked, fallen, others, strict=True):
                yield instead, share, method.split(" ")[0] if "random" in method else method, layer, margin, other


def measure(name: str, net: torch.nn.Module, clips: int, shift: int) -> dict[Key, tuple[Floats, Floats]]:
    """By key, margin and other classes: the mean drop over layers, one value per clip."""
    model = ne.adapt(net, frames=FRAMES, size=SIZE, mean=MEAN, std=STD, labels=LABELS)
    kernels = Kernels(model)
    means = kernels.means(ne.Clip(sample.frames) for sample in singles(REFERENCE + shift, 30))
    table: dict[Key, list[list[Floats]]] = defaultdict(list)
    samples = singles(SINGLES + shift, clips // 2) + pairs(PAIRS + shift, clips - clips // 2)
    for seed, sample in enumerate(tqdm(samples, desc=name, disable=None)):
        of_clip: dict[Key, list[tuple[float, float]]] = defaultdict(list)
        for instead, share, method, _, margin, other in drops(kernels, ne.Clip(sample.frames), means, seed):
            of_clip[name, instead, share, method].append((margin, other))
        for key, values in of_clip.items():
            table[key].append(np.mean(values, axis=0))
    return {key: (np.array(rows)[:, 0], np.array(rows)[:, 1]) for key, rows in table.items()}


def report(table: dict[Key, tuple[Floats, Floats]]) -> None:
    """Print the table as Markdown: mean drop of the margin, and how much more it is with "exact"."""
    print("\n| network | instead | k | " + " | ".join(METHODS) + " | other classes, exact |\n|" + "---|" * 10)
    for net, instead, share in dict.fromkeys(key[:3] for key in table):
        cells = []
        for method in METHODS:
            values = table[net, instead, share, method][0]
            text = str(paired_bootstrap(values))
            if method != "exact":
                more = paired_bootstrap(table[net, instead, share, "exact"][0], values)
                text += f"; exact {more}{'' if more.excludes_zero() else ' *'}"
            cells.append(text)
        others = paired_bootstrap(table[net, instead, share, "exact"][1])
        print(f"| {net} | {instead} | {share:.0%} | " + " | ".join(cells) + f" | {others} |")
    print(
        "\nMean drop of the margin in logits, with its 95 % interval; then by how much more 'exact' makes it drop than"
    )
    print("this method, paired over clips. * marks a difference whose interval holds 0.")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    nets = {"residual": demo_net, "branches": branch_net}
    parser.add_argument("--net", choices=nets, action="append", help="default: both")
    parser.add_argument("--clips", type=int, default=150, help="half of one person, half of two (default: %(default)s)")
    parser.add_argument("--shift", type=int, default=0, help="of the seeds, for trials (default: %(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table: dict[Key, tuple[Floats, Floats]] = {}
    for name in options.net or nets:
        table |= measure(name, nets[name](), options.clips, options.shift)
    print(f"ablation of kernels, {options.clips} clips, mean over all convolutions of a network")
    report(table)


if __name__ == "__main__":
    main()

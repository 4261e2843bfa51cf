"""Do concept scores rank what the network uses? ``python -m benchmarks.concepts``.

Concepts of every class are found in clips whose regions are known, and each score is asked whether the concept of the acting
parts is on top. Networks: both demo networks; one trained here on clips with a mark in the corner, which it follows. Scores
that need no model, and the published protocol, stand in the same table. Seeds are used nowhere else: from 8,200,000 up.

Prints, for each network: the number of classes with the acting concept on top, and above every concept of room, ball and idle
person (95 % Wilson intervals); the area under the curve that tells acting concepts from all others, and from the other actor
(bootstrap over classes); curves of adding and removing concepts, matched by change (paired bootstrap over clips); and cost.
``--nets people`` gives the curves for real people (``benchmarks.weizmann``); ``--nets real_scale`` trains a network of the size
of r3d_18 on samples of 112 pixels, which takes hours without a GPU, and keeps its weights in out/.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

import notebook_explain as ne
from benchmarks import weizmann
from benchmarks.concept_networks import (
    BATCH,
    REAL_SIZE,
    STEPS,
    people_net,
    people_windows,
    print_shortcut,
    real_scale_net,
    shortcut_net,
)
from benchmarks.concept_truth import ROOM, KnownClip, known_clips, true_regions
from notebook_explain.explanations import Concept, Concepts
from notebook_explain.explanations.evaluation.intervals import clustered_interval
from notebook_explain.methods.concepts.paper import LEAST_RANDOM
from notebook_explain.models.demo import FRAMES, MEAN, STD, demo_net
from notebook_explain.samples import ACTIONS, Sample, shortcut, single
from scripts.demo_model.evaluate import Share
from tests.branch_net import branch_net

FIRST_SEED = 8_200_000
CLIPS, HELD_OUT, RANDOM = 20, 6, 3  # of each class: to find concepts, for curves, and random clips of other classes
Score = Callable[[Concept], float]


def _effect(fill: str) -> Score:
    return lambda concept: concept.effect_of(fill).value  # type: ignore[union-attr]


def _change(fill: str) -> Score:
    return lambda concept: concept.effect_of(fill).change  # type: ignore[union-attr]


SCORES: dict[str, Score] = {
    "effect, freeze": _effect("freeze"),
    "effect, blur": _effect("blur"),
    "evidence density": lambda concept: concept.density,
    "TCAV magnitude": lambda concept: 0.0 if concept.tcav is None else concept.tcav.magnitude,
    "change without a model, freeze": _change("freeze"),
    "change without a model, blur": _change("blur"),
}
PUBLISHED: dict[str, Score] = {"published TCAV": lambda concept: concept.tcav.fraction or 0.0}  # type: ignore[union-attr]


@dataclass(frozen=True, eq=False)
class ClassResult:
    """Concepts of one class with the region that each truly covers."""

    action: str
    concepts: Concepts
    regions: list[str]

    def values(self, score: Score, *regions: str) -> list[float]:
        """Return a score of the concepts of some regions."""
        return [score(c) for c, region in zip(self.concepts, self.regions, strict=True) if region in regions]

    def is_on_top(self, score: Score, region: str) -> bool:
        """Return whether the concept with the largest score covers a region."""
        return self.regions[int(np.argmax([score(concept) for concept in self.concepts]))] == region

    def outranks(self, score: Score, region: str, others: Sequence[str]) -> bool:
        """Return whether the best concept of a region is above every concept of others."""
        own, rest = self.values(score, region), self.values(score, *others)
        return bool(own) and max(own) > max(rest, default=-np.inf)

    def area(self, score: Score, region: str, others: Sequence[str]) -> float | None:
        """Return the probability that a concept of a region has a larger score than one of others; None without both."""
        own, rest = np.array(self.values(score, region)), np.array(self.values(score, *others))
        if not len(own) or not len(rest):
            return None
        return float(((own[:, None] > rest) + 0.5 * (own[:, None] == rest)).mean())


PAIRS = (
    ("add", "top", "random"),
    ("add", "top", "least"),
    ("remove", "random", "top"),
    ("remove", "least", "top"),
)
EVERYTHING_ELSE = ("own body", "idle", "other actor", "ball", "mark", ROOM)


def print_ranking(results: Sequence[ClassResult], scores: dict[str, Score], region: str) -> None:
    """Print how every score ranks the concepts of a region."""
    quiet = ("own body", "idle", "other actor", "ball", ROOM) if region == "mark" else (ROOM, "ball", "idle")
    count = len(results)
    above_what = "all others" if region == "mark" else "room, ball, idle"
    header = [f"{region} on top", f"above {above_what}", "AUC", *([] if region == "mark" else ["AUC, other actor"])]
    print(f"  {'score':32}" + "".join(f"{cell:>26}" for cell in header))
    for name, score in scores.items():
        top = sum(one.is_on_top(score, region) for one in results)
        above = sum(one.outranks(score, region, quiet) for one in results)
        rest = [other for other in EVERYTHING_ELSE if other != region]
        cells = [_share(top, count), _share(above, count), _interval(results, score, region, rest)]
        cells += [] if region == "mark" else [_interval(results, score, region, ["other actor"])]
        print(f"  {name:32}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


def _share(hits: int, count: int) -> str:
    low, high = Share(hits, count).interval
    return f"{hits} of {count} ({low:.2f} to {high:.2f})"


def _interval(results: Sequence[ClassResult], score: Score, region: str, others: Sequence[str]) -> str:
    areas = [one.area(score, region, others) for one in results]
    found = [area for area in areas if area is not None]
    if len(found) < 2:
        return f"{'-' if not found else f'{found[0]:.3f}'} (n = {len(found)})"
    interval = clustered_interval(found, np.arange(len(found)))
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def found_concepts(
    model: ne.VideoModel, explainer: ne.ConceptDiscovery, clips: dict[str, list[KnownClip]], others: int = 0
) -> list[ClassResult]:
    """Return the concepts of every class; with random clips of other classes, as published."""
    results = []
    for action, known in clips.items():
        rest = [one.sample for name, group in clips.items() if name != action for one in group[:others]]
        concepts = explainer(model, [one.sample for one in known], action, rest if others else None)
        results.append(ClassResult(action, concepts, true_regions(concepts, known)))
    return results


MATCHED = ("change", "volume", "concepts")  # what orders of a curve have in common at each step


def print_curves(
    results: Sequence[ClassResult], held_out: dict[str, list[Any]], fill: str, matched: Sequence[str] = MATCHED
) -> None:
    """Print paired differences of the areas under curves of held-out clips, over all classes."""
    for by in matched:
        curves = [one.concepts.curves(held_out[one.action], by=by, fill=fill) for one in results]
        for direction, first, second in PAIRS:
            areas = [np.concatenate([one.area(direction, order) for one in curves]) for order in (first, second)]
            difference = clustered_interval(areas[0] - areas[1], np.arange(len(areas[0])))
            text = f"{difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
            print(f"  by {by:9}{direction:7}{first:>7} minus {second:7}{text}", flush=True)


def print_sizes(results: Sequence[ClassResult]) -> None:
    """Print which regions have concepts, the stability, and how many effects are beyond chance."""
    regions = [region for one in results for region in one.regions]
    counts = ", ".join(f"{regions.count(region)} {region}" for region in ("acting", *EVERYTHING_ELSE))
    stability = np.mean([one.concepts.stability for one in results])
    print(f"  concepts: {counts}; adjusted Rand index over seeds {stability:.2f}")
    for region in ("acting", "mark", "other actor", ROOM):
        qs = [c.effects[0].q for one in results for c, r in zip(one.concepts, one.regions, strict=True) if r == region]
        if qs:
            print(
                f"  q at most 0.05 ({results[0].concepts.fills[0]}): {region}, {sum(q <= 0.05 for q in qs)} of {len(qs)}"
            )


def print_study(name: str, model: ne.VideoModel, options: argparse.Namespace, region: str, size: int = 64) -> None:
    """Print the tables of one network."""
    count = max(5, round(options.clips * CLIPS))
    start = time.perf_counter()
    actions = ACTIONS[: options.classes]
    marked = region == "mark"
    clips = {
        action: known_clips(
            action, count, FIRST_SEED + 1_000 * index + (50_000 if marked else 0), is_marked=marked, size=size
        )
        for index, action in enumerate(actions)
    }
    for units in options.units:
        began = time.process_time()
        results = found_concepts(model, ne.ConceptDiscovery(units=units), clips)
        seconds = (time.process_time() - began) / len(results)
        forwards = np.mean([one.concepts.provenance.forwards for one in results])
        print(f"\n{name}, {units}: {len(results)} classes of {count} clips, seeds from {FIRST_SEED:,}")
        print(
            f"  {seconds:.1f} CPU-s and {forwards:.0f} passes for a class; {60 / count * seconds:.0f} CPU-s for 60 clips"
        )
        print_sizes(results)
        print_ranking(results, SCORES, region)
        others = max(RANDOM, -(-LEAST_RANDOM // (len(actions) - 1)))
        published = found_concepts(model, ne.ConceptDiscovery(units=units, mode="paper"), clips, others)
        print_ranking(published, PUBLISHED, region)
        if options.curves:
            fill, make = "blur" if marked else "freeze", partial(shortcut if marked else single, size=size)
            number, first = max(2, round(options.clips * HELD_OUT)), FIRST_SEED + 100_000
            held_out: dict[str, list[Sample]] = {
                action: [make(action, seed=first + 100 * index + k) for k in range(number)]
                for index, action in enumerate(actions)
            }
            print(f"  curves of {number} held-out clips of each class, {fill}")
            print_curves(results, held_out, fill, options.by)
    print(f"  {time.perf_counter() - start:.0f} s", flush=True)


def print_people(options: argparse.Namespace) -> None:
    """Print curves for real people whom the network never saw; nothing is known of what truly acts."""
    if not weizmann.found():
        print("\nreal people: their clips are not on this machine")
        return
    clips = weizmann.read()
    model = ne.adapt(
        people_net(clips), size=64, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=weizmann.LABELS
    )
    results, held_out = [], {}
    for label in weizmann.LABELS:
        used = people_windows(clips, label, is_held_out=False, count=max(1, round(3 * options.clips)))
        held_out[label] = people_windows(clips, label, is_held_out=True, count=max(1, round(3 * options.clips)))
        results.append(ClassResult(label, ne.ConceptDiscovery()(model, used, label), []))
    count = sum(map(len, held_out.values()))
    print(
        f"\nreal people, positions: {len(results)} classes, {count} windows of people that the network never saw, freeze"
    )
    print_curves(results, held_out, "freeze", options.by)


def print_cost(units: Sequence[str]) -> None:
    """Print seconds and memory for 60 clips of the bundled network, with two threads."""
    torch.set_num_threads(2)
    clips = [single("kick", seed=FIRST_SEED + 300_000 + number) for number in range(60)]
    for one in units:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        concepts = ne.ConceptDiscovery(units=one)(ne.demo_model(), clips, "kick")
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        passes = concepts.provenance.forwards
        print(
            f"60 clips, {one}: {seconds:.0f} s, {passes:,} passes, {(after - before) / 1024:.0f} MB more memory",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concepts", description=main.__doc__)
    nets = ("residual", "branches", "shortcut", "people", "real_scale")
    parser.add_argument("--nets", nargs="+", choices=nets, default=list(nets[:4]))
    parser.add_argument(
        "--units", nargs="+", choices=("positions", "supervoxels"), default=["positions", "supervoxels"]
    )
    parser.add_argument("--clips", type=float, default=1.0, help="fraction of the clips of each class")
    parser.add_argument("--classes", type=int, default=len(ACTIONS), help="number of classes, 3 or more")
    parser.add_argument("--by", nargs="+", choices=MATCHED, default=list(MATCHED), help="what curves are matched by")
    parser.add_argument("--no-curves", dest="curves", action="store_false", help="leave the curves out")
    parser.add_argument("--cost", action="store_true", help="print only the cost of 60 clips, with two threads")
    options = parser.parse_args(arguments)
    if options.cost:
        print_cost(options.units)
        return
    torch.set_num_threads(1)
    demo = ne.demo_model()
    if "residual" in options.nets:
        print_study("residual", demo.with_module(demo_net()), options, "acting")
    if "branches" in options.nets:
        print_study("branches", demo.with_module(branch_net()), options, "acting")
    if "shortcut" in options.nets:
        net = shortcut_net()
        print(f"\nshortcut network, trained for {STEPS} steps of {BATCH} clips")
        print_shortcut(net, max(20, round(100 * options.clips)))
        print_study("shortcut", demo.with_module(net), options, "mark")
    if "people" in options.nets:
        print_people(options)
    if "real_scale" in options.nets:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        print(f"\nnetwork of the size of r3d_18, {REAL_SIZE} pixels, on {device.type}")
        net = real_scale_net(device)
        model = ne.adapt(net, size=REAL_SIZE, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=ACTIONS)
        print_study("real scale", model, options, "acting", REAL_SIZE)


if __name__ == "__main__":
    main()

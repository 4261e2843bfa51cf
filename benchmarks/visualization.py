"""Do made clips show what other networks know? ``python -m benchmarks.visualization``.

A still picture of an idle person is animated for each class, by the bundled network; two networks of other architectures, which
took no part, say what they see: BranchNet, and a small one that was trained on grey clips. Seeds are used nowhere else: from
9,800,000 up.

Prints: classes named right, by the best of three restarts (chosen by the source's own score) and by single ones, after 120 and
30 steps, with frames shuffled, and for a random flow; whether arms or legs move; facets; channels against 200 real clips; real
people (``benchmarks.weizmann``); and the cost of a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

import notebook_explain as ne
from benchmarks import weizmann
from benchmarks.concept_networks import people_net, people_windows
from benchmarks.small_net import SmallNet, fresh, train_small
from benchmarks.timing import paired_times
from benchmarks.visualization_networks import SeesGrey, second_judge
from notebook_explain.explanations import Synthesis, Visualization
from notebook_explain.methods.feature_visualization.controls import random_flow_frames
from notebook_explain.methods.feature_visualization.run import Run
from notebook_explain.models.demo import FRAMES, MEAN, STD
from notebook_explain.samples import ACTIONS, Sample, single, still
from scripts.demo_model.evaluate import Share
from tests.branch_net import branch_net
from tests.zoo.convnets import full_size_r3d18

FIRST_SEED, REALS, RESTARTS = 9_800_000, 20, 3
ARMS = ("wave one hand", "wave both hands", "punch", "clap", "arm circle")
LEGS = ("kick", "jog", "squat")


def share(hits: int, count: int) -> str:
    """Return "9 of 10 (0.60 to 0.98)"."""
    low, high = Share(hits, count).interval
    return f"{hits} of {count} ({low:.2f} to {high:.2f})"


def named(judge: ne.VideoModel, clips: Sequence[NDArray[np.uint8]], labels: Sequence[str]) -> list[bool]:
    """Return whether a network names each clip rightly."""
    return [judge(clip).heads[0].top(1)[0][0] == label for clip, label in zip(clips, labels, strict=True)]


def shuffled(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames in a random order."""
    return frames[np.random.default_rng(0).permutation(len(frames))]


def motion_of_parts(flow: NDArray[np.floating], sample: Sample) -> tuple[float, float]:
    """Return how far arms and legs wander in a flow, in pixels from frame to frame, by the still's own parts of the body."""
    speed = np.linalg.norm(np.diff(flow.astype(np.float32), axis=0), axis=-1).mean(0)
    person = sample.people[0]
    arms = np.any([mask[0] for name, mask in person.parts.items() if _is_part(name, ("arm", "hand"))], axis=0)
    legs = np.any([mask[0] for name, mask in person.parts.items() if _is_part(name, ("thigh", "shin", "shoe"))], axis=0)
    return (float(speed[arms].mean()) if arms.any() else 0.0), (float(speed[legs].mean()) if legs.any() else 0.0)


def _is_part(name: str, words: Sequence[str]) -> bool:
    return any(word in name for word in words)


def person_share(one: Synthesis, sample: Sample) -> float:
    """Return the share of the change between frames that lies on people of the still."""
    change = np.abs(np.diff(one.clip.frames.astype(np.float32), axis=0)).mean((0, 3))
    people = np.any([person.person[0] for person in sample.people], axis=0)
    return float(change[people].sum() / change.sum())


def animated(
    model: ne.VideoModel, action: str, index: int, steps: int, restarts: int = RESTARTS
) -> list[tuple[Synthesis, Sample]]:
    """Animate stills for a class, each a restart of its own."""
    reals = [single(action, seed=FIRST_SEED + 1_000 * index + number) for number in range(REALS)]
    found = []
    for number in range(restarts):
        sample = still(seed=FIRST_SEED + 50_000 + 10 * index + number)
        canvas = ne.Flow(still=sample.frames[0])
        explainer = ne.FeatureVisualization(canvas=canvas, steps=steps, restarts=1, seed=number)
        found.append((explainer(model, reals, action)[0], sample))
    return found


def print_classes(model: ne.VideoModel, judges: dict[str, ne.VideoModel], steps: int, actions: Sequence[str]) -> None:
    """Print how often other networks name the class that a clip was made for."""
    started = time.process_time()
    groups = [animated(model, action, index, steps) for index, action in enumerate(actions)]
    best = [max(group, key=lambda pair: pair[0].score) for group in groups]
    every = [pair for group in groups for pair in group]
    labels = [action for action, group in zip(actions, groups, strict=True) for _ in group]
    seconds = (time.process_time() - started) / len(every)
    print(f"\n{steps} steps, {len(every)} stills of idle people, {seconds:.1f} CPU-s for a still")
    for name, judge in judges.items():
        right = sum(named(judge, [one.clip.frames for one, _ in best], actions))
        singles = sum(named(judge, [one.clip.frames for one, _ in every], labels))
        mixed = sum(named(judge, [shuffled(one.clip.frames) for one, _ in best], actions))
        text = f"best of {RESTARTS} {share(right, len(best))}, single {share(singles, len(every))}"
        print(f"  {name:9} {text}; shuffled {mixed} of {len(best)}", flush=True)
    ratios = [one.ratio or 0.0 for one, _ in best]
    distances = [one.neighbours[0].distance for one, _ in best]
    shares = [person_share(one, sample) for one, sample in every]
    print(
        f"  score / best of {REALS} real: median {np.median(ratios):.2f}; distance to nearest real {np.median(distances):.1f}"
    )
    print(f"  change between frames on people: {np.mean(shares):.0%}; real clips: {_real_share(actions):.0%}")
    _print_parts(every, labels)
    _print_controls(best, judges, actions)


def _real_share(actions: Sequence[str]) -> float:
    found = []
    for index, action in enumerate(actions):
        sample = single(action, seed=FIRST_SEED + 1_000 * index)
        change = np.abs(np.diff(sample.frames.astype(np.float32), axis=0)).mean(3)
        people = np.any([person.person[1:] | person.person[:-1] for person in sample.people], axis=0)
        found.append(change[people].sum() / change.sum())
    return float(np.mean(found))


def _print_parts(every: Sequence[tuple[Synthesis, Sample]], labels: Sequence[str]) -> None:
    right = count = 0
    for (one, sample), label in zip(every, labels, strict=True):
        if one.flow is not None and label in (*ARMS, *LEGS):
            arms, legs = motion_of_parts(one.flow, sample)
            right, count = right + ((arms > legs) == (label in ARMS)), count + 1
    print(f"  arms against legs: {share(right, count)}" if count else "  arms against legs: -", flush=True)


def _print_controls(
    best: Sequence[tuple[Synthesis, Sample]], judges: dict[str, ne.VideoModel], actions: Sequence[str]
) -> None:
    for name, judge in judges.items():
        frames = [
            random_flow_frames(one.start.frames[0], one.flow, seed=index)
            for index, (one, _) in enumerate(best)
            if one.flow is not None
        ]
        starts = [np.repeat(one.start.frames[:1], FRAMES, 0) for one, _ in best]
        right, alone = sum(named(judge, frames, actions)), sum(named(judge, starts, actions))
        print(f"  {name:9} random flow {right} of {len(frames)}; the still alone {alone} of {len(starts)}", flush=True)


def print_facets(model: ne.VideoModel, judges: dict[str, ne.VideoModel], pairs: int, steps: int) -> None:
    """Print whether clips made for the facets of two mixed actions look like their own action."""
    own = sums = 0
    purity = 0.0
    cosines: list[float] = []
    right = dict.fromkeys(judges, 0)
    for index in range(pairs):
        a, b = ACTIONS[index], ACTIONS[(index + 3) % len(ACTIONS)]
        first = FIRST_SEED + 20_000 + 1_000 * index
        clips = [single(a if number % 2 == 0 else b, seed=first + number) for number in range(2 * REALS)]
        labels = [a if number % 2 == 0 else b for number in range(2 * REALS)]
        explainer = ne.FeatureVisualization(facets="auto", canvas=ne.Spectrum(), steps=steps, restarts=1)
        made: Visualization = explainer(model, clips)
        for one in made:
            assert one.facet is not None
            members = [labels[member] for member in one.facet.members]
            label = max(set(members), key=members.count)
            sums, own = sums + 1, own + one.facet.is_nearest_own
            purity += members.count(label) / len(members)
            cosines.append(one.facet.cosine)
            for name, judge in judges.items():
                right[name] += named(judge, [one.clip.frames], [label])[0]
    print(f"\nfacets of two actions, {pairs} pairs: {sums} facets, purity {purity / sums:.2f}")
    print(
        f"  nearer own mean {share(own, sums)}; cosine {min(cosines):.3f} at least, {np.median(cosines):.3f} in the median"
    )
    for name, hits in right.items():
        print(f"  {name:9} names the facet's action in {share(hits, sums)}", flush=True)


def print_channels(model: ne.VideoModel, count: int, steps: int) -> None:
    """Print whether made clips excite channels above the best of 200 real clips."""
    clips = [single(ACTIONS[number % 10], seed=FIRST_SEED + 70_000 + number) for number in range(20 * count)]
    layers = [layer.name for layer in model.layers[1:]]
    rng = np.random.default_rng(0)
    objectives = [ne.objectives.Channel(layers[index % len(layers)], int(rng.integers(32))) for index in range(count)]
    canvas = ne.Spectrum(start="clip")
    made = ne.FeatureVisualization(objective=objectives, canvas=canvas, steps=steps, restarts=1, level=None)(
        model, clips
    )
    above = [one.ratio is not None and one.ratio > 1 for one in made]
    ratios = [one.ratio for one in made if one.ratio is not None]
    print(f"\nchannels above the best of {len(clips)} real clips after {steps} steps: {share(sum(above), len(above))}")
    print(f"  score / best real: {min(ratios):.1f} to {max(ratios):.1f}", flush=True)


def print_people(steps: int) -> None:
    """Print the same for real people whom the source network was not trained on."""
    if not weizmann.found():
        print("\nreal people: their clips are not on this machine")
        return
    clips = weizmann.read()
    adapt = partial(ne.adapt, size=64, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=weizmann.LABELS)
    model = adapt(people_net(clips))
    other = fresh(lambda: SmallNet(len(weizmann.LABELS)), 7)
    chosen = [clip for clip in clips if clip.person < 6]
    generator = torch.Generator().manual_seed(7)
    train_small(other, [clip.frames for clip in chosen], [clip.index for clip in chosen], generator)
    judge, right, count = adapt(other), 0, 0
    for label in weizmann.LABELS:
        reals = people_windows(clips, label, is_held_out=False, count=3)
        photos = people_windows(clips, label, is_held_out=True, count=1)
        for number, photo in enumerate(photos):
            canvas = ne.Flow(still=photo[0])
            explainer = ne.FeatureVisualization(canvas=canvas, steps=steps, restarts=1, seed=number)
            one = explainer(model, reals, label)[0]
            right, count = right + named(judge, [one.clip.frames], [label])[0], count + 1
    print(
        f"\nreal people, photos of {count} people and actions that were held out: another seed names {share(right, count)}"
    )


def print_cost(repeats: int) -> None:
    """Print the time of a step as a ratio to a pass forward and back of one clip, without statistics."""
    demo = ne.demo_model()
    large = ne.adapt(full_size_r3d18(10), size=112, frames=16, mean=0.5, std=0.25, layout="BCTHW", labels=ACTIONS)
    print("\ncost of a step / forward + backward of one clip (CPU time, median, range)")
    for name, model, steps in (("demo, 64 pixels", demo, 40), ("r3d_18 size, 112 pixels", large, 5)):
        size = model.preprocessing.size[0]
        sample = single("kick", seed=FIRST_SEED + 90_000, size=size)
        video, module = torch.rand(1, 3, FRAMES, size, size), model.module.eval()
        for canvas in (ne.Flow(), ne.Spectrum()):
            explainer = ne.FeatureVisualization(canvas=canvas, steps=steps, restarts=1)
            work, reference = partial(_take_steps, explainer, model, sample), partial(_bare, module, video, steps)
            times = paired_times(work, reference, repeats)
            print(f"  {name:24} {type(canvas).__name__:9} {times}", flush=True)


def _take_steps(explainer: ne.FeatureVisualization, model: ne.VideoModel, sample: Sample) -> None:
    """Read the clip and take steps, with all that has to be set up, but without the passes of previews and comparisons."""
    run = Run(explainer, model, [sample], "kick")
    for _ in run.read():
        pass
    optimisation, _, _ = run.prepared(0)
    for _ in optimisation.run():
        pass


def _bare(module: torch.nn.Module, video: torch.Tensor, steps: int) -> None:
    """Run forward and back as often as steps are taken, and once more for the real clip."""
    for _ in range(steps):
        clip = video.clone().requires_grad_()
        torch.autograd.grad(module(clip)[0, 0], clip)
    with torch.no_grad():
        module(video)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visualization", description=main.__doc__)
    parts = ("classes", "facets", "channels", "people", "cost")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--classes", type=int, default=len(ACTIONS), help="number of classes and of pairs")
    parser.add_argument("--steps", type=int, default=120)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = ne.demo_model()
    judges: dict[str, ne.VideoModel] = {}
    if {"classes", "facets"} & set(options.parts):
        judges = {"BranchNet": model.with_module(branch_net()), "grey": model.with_module(SeesGrey(second_judge()))}
        for name, judge in judges.items():
            clips = [single(ACTIONS[index % 10], seed=FIRST_SEED + 80_000 + index) for index in range(200)]
            labels = [ACTIONS[index % 10] for index in range(200)]
            right = sum(named(judge, [clip.frames for clip in clips], labels))
            mixed = sum(named(judge, [shuffled(clip.frames) for clip in clips], labels))
            print(f"{name}: names {right} of 200 real clips, {mixed} with their frames shuffled", flush=True)
    actions = ACTIONS[: options.classes]
    if "classes" in options.parts:
        print_classes(model, judges, options.steps, actions)
        print_classes(model, judges, max(1, options.steps // 4), actions)
    if "facets" in options.parts:
        print_facets(model, judges, options.classes, round(options.steps * 5 / 6))
    if "channels" in options.parts:
        print_channels(model, options.classes, max(1, options.steps // 4))
    if "people" in options.parts:
        print_people(options.steps)
    if "cost" in options.parts:
        print_cost(7)


if __name__ == "__main__":
    main()

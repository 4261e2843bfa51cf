"""Real people: the bundled model tried on them, and a small net trained on them: ``python -m benchmarks.real_people``.

The clips are the 36 of `benchmarks.weizmann`. The tubes of a person whom the network never saw go to
out/real_people.html. Intervals are Wilson's, which takes the clips for independent; four clips of one person are not
quite that, so the true intervals are somewhat wider.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import notebook_explain as ne
from benchmarks import small_net as small
from benchmarks.timing import line
from benchmarks.weizmann import FOLDER, LABELS, SIDE, RealClip, folds, found, read, starts, window
from notebook_explain.explanations import Tubes
from notebook_explain.models.demo import FRAMES, MEAN, STD, demo_net
from notebook_explain.models.demo import LABELS as CARTOON_LABELS
from scripts.demo_model.evaluate import Share

PAGE = Path(__file__).parents[1] / "out" / "real_people.html"
STRIDES = (1, 2, 3)
IN_CARTOONS = {"wave1": "wave one hand", "wave2": "wave both hands", "jack": "jumping jack", "bend": "bend"}
GOAL = 31  # of 36
TOLD = 4  # confusions; the rest is counted
MOVES = 20  # levels of 255 away from the mean over time: well above the footage's noise


def zero_shot(
    net: nn.Module, labels: Sequence[str], clips: Sequence[RealClip], stride: int
) -> tuple[list[str], list[str]]:
    """What a network calls each clip: with all its labels, and with the four of `IN_CARTOONS` only."""
    scores = np.stack([small.probabilities(net, clip.frames, stride) for clip in clips])
    four = scores[:, [labels.index(IN_CARTOONS[label]) for label in LABELS]]
    return [labels[at] for at in scores.argmax(axis=1)], [IN_CARTOONS[LABELS[at]] for at in four.argmax(axis=1)]


def print_zero_shot(clips: Sequence[RealClip]) -> None:
    """How the bundled model fares at every stride, and what it takes for what."""
    print("zero-shot: the bundled model, trained on cartoons alone, names what real people do")
    print(f"  A curiosity: {len(clips)} clips of 9 people, nothing tuned on them; all strides shown, none chosen.")
    print(f"  Probabilities averaged over {small.WINDOWS} windows of {FRAMES} frames. The same actions are:")
    print("  " + ", ".join(f"{real} = {cartoon!r}" for real, cartoon in IN_CARTOONS.items()))
    net, truth = demo_net(), [IN_CARTOONS[clip.label] for clip in clips]
    for stride in STRIDES:
        answers = zero_shot(net, CARTOON_LABELS, clips, stride)
        for said, among in zip(answers, (len(CARTOON_LABELS), len(LABELS)), strict=True):
            hits = sum(a == b for a, b in zip(truth, said, strict=True))
            line(f"frame stride {stride}, {among} answers", str(Share(hits, len(clips))), f"chance {1 / among:.2f}")
            print(f"    {mistakes(truth, said)}")


def mistakes(truth: Sequence[str], said: Sequence[str]) -> str:
    """What is taken for what, the most frequent first."""
    wrong = Counter((a, b) for a, b in zip(truth, said, strict=True) if a != b).most_common()
    told = "; ".join(f"{a!r} taken for {b!r}: {count}" for (a, b), count in wrong[:TOLD]) or "no mistakes"
    rest = sum(count for _, count in wrong[TOLD:])
    return f"{told}; others: {rest}" if rest else told


def motion_energy(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where a clip changes: mean absolute difference of grey two frames apart, over cells of 4 x 4 pixels."""
    grey = frames.astype(np.float32).mean(axis=3)
    return _cells(np.abs(grey[2:] - grey[:-2]).mean(axis=0))


def first_frame(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How a clip looks before anything has moved: grey of the first frame, over cells of 4 x 4 pixels."""
    return _cells(frames[0].astype(np.float32).mean(axis=2))


def _cells(picture: NDArray[np.float32], side: int = 4) -> NDArray[np.float32]:
    return picture.reshape(SIDE // side, side, SIDE // side, side).mean(axis=(1, 3)).ravel()


def linear_hits(clips: Sequence[RealClip], features: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> int:
    """How many clips a linear classifier of features names rightly, leaving one person out; mirrors in the training."""
    hits = 0
    for fold in folds(clips):
        known = [features(frames) for clip in fold.training for frames in (clip.frames, clip.frames[:, :, ::-1])]
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        classifier.fit(np.stack(known), np.repeat([clip.label for clip in fold.training], 2))
        said = classifier.predict(np.stack([features(clip.frames) for clip in fold.held_out]))
        hits += int(np.sum(said == [clip.label for clip in fold.held_out]))
    return hits


def print_left_out(clips: Sequence[RealClip], seed: int) -> list[small.Tried]:
    """A small net leaving one person out: each person's row, the total, and what simpler things reach."""
    started, tried = time.process_time(), []
    print(f"leave one person out: a small net, {small.EPOCHS} epochs fixed beforehand, seed {seed}")
    for one in small.leave_one_out(clips, lambda: small.SmallNet(len(LABELS)), seed):
        truth, said = named(one)
        right = f"{one.right.sum()} of {len(truth)}"
        print(f"  person {one.fold.person}: {right}, training loss {one.loss:.3f}; {mistakes(truth, said)}", flush=True)
        tried.append(one)
    line("small net", str(Share(sum(int(one.right.sum()) for one in tried), len(clips))), f"goal {GOAL}")
    for name, features in (("motion energy", motion_energy), ("first frame, nothing moves", first_frame)):
        line(f"linear classifier: {name}", str(Share(linear_hits(clips, features), len(clips))))
    line("chance", f"{len(clips) / len(LABELS):.0f} of {len(clips)}")
    print(f"  {time.process_time() - started:.0f} s of CPU, 1 thread; intervals take the clips for independent")
    return tried


def named(one: small.Tried) -> tuple[list[str], list[str]]:
    """The labels of one person's clips, and what the network calls them."""
    return [clip.label for clip in one.fold.held_out], [LABELS[at] for at in one.scores.argmax(axis=1)]


def explained(one: small.Tried) -> list[Tubes]:
    """Tubes of the middle window of each of the held-out person's clips, for what it is called and what it is."""
    model = ne.adapt(one.net, size=SIDE, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=LABELS)
    made = []
    for clip, name in zip(one.fold.held_out, named(one)[1], strict=True):
        (start,) = starts(len(clip.frames), FRAMES, small.TEST_STRIDE, 1)
        seen = ne.Clip(window(clip.frames, start, FRAMES, small.TEST_STRIDE))
        tubes = ne.SaliencyTubes()(model, seen, list(dict.fromkeys((name, clip.label))))
        told = f"{clip.label} of person {clip.person}, {'right' if name == clip.label else 'wrong'}; {where(tubes)}"
        made.append(replace(tubes, clip=replace(tubes.clip, source=told)))
    return made


def where(tubes: Tubes) -> str:
    """How much of the evidence for the first target lies where something moves, beside how much of the clip that is."""
    frames = tubes.clip.frames.astype(np.float32)
    moves = np.abs(frames - frames.mean(axis=0)).max(axis=3) > MOVES
    evidence = np.maximum(tubes.volume(), 0)
    share = evidence[moves].sum() / evidence.sum()
    return f"{100 * share:.0f} % of the evidence over movement, which is {100 * moves.mean():.0f} % of the clip"


def write_page(tried: Sequence[small.Tried], path: Path = PAGE) -> Path:
    """One page for the person with the most mistakes (the first of them): what is evidence for what each clip is called."""
    one = min(tried, key=lambda each: int(each.right.sum()))
    tubes = explained(one)
    print(f"explained: person {one.fold.person} (nobody has more mistakes), the middle window of each clip")
    for each in tubes:
        print(f"  {each.targets[0].name!r} for {each.clip.source}")
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"Person {one.fold.person} was held out: {one.right.sum()} of {len(tubes)} right. Stillness is evidence too"
    return ne.to_html(tubes, path, title)


def main(arguments: Sequence[str] = ()) -> None:
    """Print everything and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_people", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the small net's training (default: %(default)s)")
    seed = parser.parse_args(arguments).seed
    print("real people")
    if not found():
        print(f"  The clips ({FOLDER.name}) are not on this machine: nothing was measured.")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of other lengths would round otherwise; and small nets gain little from a second
    try:
        clips = read()
        print_zero_shot(clips)
        print(f"  {write_page(print_left_out(clips, seed))}")
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    import sys

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(sys.argv[1:])

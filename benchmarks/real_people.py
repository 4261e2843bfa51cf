"""Test the bundled model on real people, and train a small network on them: ``python -m benchmarks.real_people``.

The clips are the 36 of `benchmarks.weizmann`. Tubes of a person that the network never saw are written to
out/real_people.html. The Wilson intervals treat clips as independent; the four clips of one person are not quite, so the
true intervals are somewhat wider.
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
LISTED = 4  # confusions that are listed; the rest is counted
MOTION = 20  # grey levels (of 255) away from the temporal mean: well above the noise of the footage


def zero_shot(
    net: nn.Module, labels: Sequence[str], clips: Sequence[RealClip], stride: int
) -> tuple[list[str], list[str]]:
    """Classify each clip: among all labels of a network, and among the four of `IN_CARTOONS`."""
    scores = np.stack([small.probabilities(net, clip.frames, stride) for clip in clips])
    four = scores[:, [labels.index(IN_CARTOONS[label]) for label in LABELS]]
    return [labels[i] for i in scores.argmax(axis=1)], [IN_CARTOONS[LABELS[i]] for i in four.argmax(axis=1)]


def print_zero_shot(clips: Sequence[RealClip]) -> None:
    """Print the accuracy and the confusions of the bundled model at every stride."""
    print("zero-shot: the bundled model, trained on cartoons only, classifies real people")
    print(
        f"  A side result: {len(clips)} clips of 9 people, nothing tuned on them; all strides are shown, none is selected."
    )
    print(f"  Probabilities are averaged over {small.WINDOWS} windows of {FRAMES} frames. Corresponding actions:")
    print("  " + ", ".join(f"{real} = {cartoon!r}" for real, cartoon in IN_CARTOONS.items()))
    net, truth = demo_net(), [IN_CARTOONS[clip.label] for clip in clips]
    for stride in STRIDES:
        answers = zero_shot(net, CARTOON_LABELS, clips, stride)
        for predictions, classes in zip(answers, (len(CARTOON_LABELS), len(LABELS)), strict=True):
            correct = sum(a == b for a, b in zip(truth, predictions, strict=True))
            line(
                f"frame stride {stride}, {classes} classes",
                str(Share(correct, len(clips))),
                f"chance {1 / classes:.2f}",
            )
            print(f"    {describe_confusions(truth, predictions)}")


def describe_confusions(truth: Sequence[str], predictions: Sequence[str]) -> str:
    """List the confusions, the most frequent first."""
    confusions = Counter((a, b) for a, b in zip(truth, predictions, strict=True) if a != b).most_common()
    listed = "; ".join(f"{a!r} as {b!r}: {count}" for (a, b), count in confusions[:LISTED]) or "no errors"
    rest = sum(count for _, count in confusions[LISTED:])
    return f"{listed}; others: {rest}" if rest else listed


def motion_energy(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean absolute grey difference two frames apart, averaged over cells of 4 x 4 pixels."""
    grey = frames.astype(np.float32).mean(axis=3)
    return _cells(np.abs(grey[2:] - grey[:-2]).mean(axis=0))


def first_frame(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the grey values of the first frame, averaged over cells of 4 x 4 pixels: appearance without motion."""
    return _cells(frames[0].astype(np.float32).mean(axis=2))


def _cells(picture: NDArray[np.float32], side: int = 4) -> NDArray[np.float32]:
    return picture.reshape(SIDE // side, side, SIDE // side, side).mean(axis=(1, 3)).ravel()


def linear_correct(clips: Sequence[RealClip], features: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> int:
    """Count the clips that a linear classifier of features gets right, leaving one person out; it trains on mirrors too."""
    correct = 0
    for fold in folds(clips):
        training = [features(frames) for clip in fold.training for frames in (clip.frames, clip.frames[:, :, ::-1])]
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        classifier.fit(np.stack(training), np.repeat([clip.label for clip in fold.training], 2))
        predictions = classifier.predict(np.stack([features(clip.frames) for clip in fold.held_out]))
        correct += int(np.sum(predictions == [clip.label for clip in fold.held_out]))
    return correct


def print_leave_one_out(clips: Sequence[RealClip], seed: int) -> list[small.FoldResult]:
    """Train a small net leaving one person out; print each person, the total, and simpler baselines."""
    start, results = time.process_time(), []
    print(f"leave one person out: a small net, {small.EPOCHS} epochs (fixed in advance), seed {seed}")
    for result in small.leave_one_out(clips, lambda: small.SmallNet(len(LABELS)), seed):
        truth, predictions = predicted_labels(result)
        correct = f"{result.right.sum()} of {len(truth)} correct"
        confusions = describe_confusions(truth, predictions)
        print(f"  person {result.fold.person}: {correct}, training loss {result.loss:.3f}; {confusions}", flush=True)
        results.append(result)
    line("small net", str(Share(sum(int(result.right.sum()) for result in results), len(clips))), f"goal {GOAL}")
    for name, features in (("motion energy", motion_energy), ("first frame (no motion)", first_frame)):
        line(f"linear classifier: {name}", str(Share(linear_correct(clips, features), len(clips))))
    line("chance", f"{len(clips) / len(LABELS):.0f} of {len(clips)}")
    print(f"  {time.process_time() - start:.0f} s of CPU, 1 thread; the intervals treat clips as independent")
    return results


def predicted_labels(result: small.FoldResult) -> tuple[list[str], list[str]]:
    """Return the labels of one person's clips, and those that the network predicts."""
    return [clip.label for clip in result.fold.held_out], [LABELS[i] for i in result.scores.argmax(axis=1)]


def explain_held_out(result: small.FoldResult) -> list[Tubes]:
    """Explain the middle window of each held-out clip, for its predicted and its true class."""
    model = ne.adapt(result.net, size=SIDE, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=LABELS)
    explanations = []
    for clip, name in zip(result.fold.held_out, predicted_labels(result)[1], strict=True):
        (start,) = starts(len(clip.frames), FRAMES, small.TEST_STRIDE, 1)
        shown = ne.Clip(window(clip.frames, start, FRAMES, small.TEST_STRIDE))
        tubes = ne.SaliencyTubes()(model, shown, list(dict.fromkeys((name, clip.label))))
        source = f"{clip.label} of person {clip.person}, {'correct' if name == clip.label else 'wrong'}; {describe_motion(tubes)}"
        explanations.append(replace(tubes, clip=replace(tubes.clip, source=source)))
    return explanations


def describe_motion(tubes: Tubes) -> str:
    """Compare the fraction of the first target's evidence on moving pixels with the fraction of pixels that move."""
    frames = tubes.clip.frames.astype(np.float32)
    is_moving = np.abs(frames - frames.mean(axis=0)).max(axis=3) > MOTION
    evidence = np.maximum(tubes.volume(), 0)
    share = evidence[is_moving].sum() / evidence.sum()
    return f"{100 * share:.0f} % of the evidence lies on moving pixels, which are {100 * is_moving.mean():.0f} % of the clip"


def write_page(results: Sequence[small.FoldResult], path: Path = PAGE) -> Path:
    """Write a page of the person with the most errors (the first of several)."""
    result = min(results, key=lambda result: int(result.right.sum()))
    tubes = explain_held_out(result)
    print(f"explained: person {result.fold.person} (most errors), the middle window of each clip")
    for explanation in tubes:
        print(f"  {explanation.targets[0].name!r} for {explanation.clip.source}")
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"Person {result.fold.person} was held out: {result.right.sum()} of {len(tubes)} correct. Stillness is evidence too"
    return ne.to_html(tubes, path, title)


def main(arguments: Sequence[str] = ()) -> None:
    """Print all results and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_people", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the small net's training (default: %(default)s)")
    seed = parser.parse_args(arguments).seed
    print("real people")
    if not found():
        print(f"  The clips ({FOLDER.name}) are not on this machine; nothing was measured.")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads would round sums differently, and a small net gains little from them
    try:
        clips = read()
        print_zero_shot(clips)
        print(f"  {write_page(print_leave_one_out(clips, seed))}")
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    import sys

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(sys.argv[1:])

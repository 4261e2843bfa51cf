"""Sharp tubes on real people and real clips: ``python -m benchmarks.real_sharp [--people N]``.

Nine people, four actions, 64 x 64 pixels: a small network is trained without one person, and the clips of that person are
explained for the predicted class. There are no masks, so only metrics that need none are printed, with 95 % intervals
clustered by clip. A page in ``out/`` shows the maps, and those of real clips at 112 and 224 pixels: there the second demo
network, which has seen cartoons only, is explained, so that its classes mean nothing and only the drawing can be judged.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

import notebook_explain as ne
from benchmarks import small_net as small
from benchmarks.sharp_tubes import print_differences, print_table
from benchmarks.weizmann import FOLDER, LABELS, SIDE, found, read, starts, window
from notebook_explain.evaluation import BlockCorrelation, Deletion, Insertion, Sparsity, evaluate
from notebook_explain.explanations import Evaluation, Tubes
from notebook_explain.models.demo.net import FRAMES, MEAN, STD
from notebook_explain.models.demo.net import LABELS as ACTIONS
from tests.branch_net import branch_net

METRICS = [
    *(metric(fill=fill) for metric in (Insertion, Deletion) for fill in ("freeze", "blur")),
    BlockCorrelation(fill="freeze"),
    Sparsity(),
]
CLIPS = Path(FOLDER).parent / "clips"
FILES = {  # first frame by file
    "stgcn_ta_chi.mp4": 60,
    "v_HighJump_g02_c02.mp4": 40,
    "stgcn_skateboarding.mp4": 100,
    "ucf101_archery_paddlevideo_example.avi": 60,
}
PAGE = Path("out") / "real_sharp.html"


def methods() -> dict[str, Any]:
    """Return the explainers by the names that the table uses."""
    return {
        "random": ne.RandomMap(),
        "coarse tube": ne.SaliencyTubes(),
        "stabilised motion x tube": ne.MotionTubes(),
        "guided Grad-CAM": ne.GuidedGradCAM(),
        "gGC, read-out, sign": ne.GuidedGradCAM(read_out=True, signed=True),
        "detail (Y)": ne.SharpTubes(conserve=False),
        "sharp (S)": ne.SharpTubes(),
        "sharp, ReLUs not guided": ne.SharpTubes(guided=False),
    }


def people(count: int) -> Iterator[tuple[ne.VideoModel, list[ne.Clip]]]:
    """Yield a network and the middle windows of the clips of the person that it has not seen."""
    results = small.leave_one_out(read(), lambda: small.SmallNet(len(LABELS)))
    for result in islice(results, count):
        print(f"  person {result.fold.person}: {result.right.sum()} of {len(result.right)} correct", flush=True)
        model = ne.adapt(result.net, size=SIDE, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=LABELS)
        clips = []
        for clip in result.fold.held_out:
            (start,) = starts(len(clip.frames), FRAMES, small.TEST_STRIDE, 1)
            shown = window(clip.frames, start, FRAMES, small.TEST_STRIDE)
            clips.append(ne.Clip(shown, source=f"person {clip.person}, {clip.label}"))
        yield model, clips


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Return one evaluation of all clips; each part had a network of its own."""
    rows, names = [], []
    for part in parts:
        rows += [replace(row, clip=row.clip + len(names)) for row in part.rows]
        names += part.clips
    return replace(parts[0], rows=tuple(rows), clips=tuple(names))


def real_clips() -> Iterator[Tubes]:
    """Yield the sharp tubes of real clips at 112 and 224 pixels."""
    for side in (112, 224):
        model = ne.adapt(branch_net(), size=side, frames=FRAMES, mean=MEAN, std=STD, layout="BCTHW", labels=ACTIONS)
        for name, start in FILES.items():
            clip = ne.Clip.read(CLIPS / name, window=(start, start + 2 * FRAMES), stride=2, size=side)
            yield ne.SharpTubes()(model, clip)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_sharp", description=main.__doc__)
    parser.add_argument("--people", type=int, default=9, help="people who are left out in turn, 1 to 9")
    count = parser.parse_args(arguments).people
    if not found():
        print(f"The clips ({FOLDER.name}) are not on this machine; nothing was measured.")
        return
    torch.set_num_threads(1)
    evaluations, shown = [], []
    for model, clips in people(count):
        evaluations.append(evaluate(model, methods(), clips, METRICS, baselines=False))
        shown += [ne.SharpTubes()(model, clip) for clip in clips]
    result = joined(evaluations)
    print(f"{len(result.clips)} clips of real people, {SIDE} x {SIDE}")
    print_table(result)
    print_differences(result, [metric.name for metric in result.metrics], list(methods()), "sharp (S)")
    PAGE.parent.mkdir(exist_ok=True)
    ne.to_html([*shown[:12], *real_clips()], PAGE, "Sharp maps of real people and real clips")
    print(PAGE)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

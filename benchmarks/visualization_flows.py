"""Do larger or freer flows show more? ``python -m benchmarks.visualization_flows``.

The bundled network animates a still of an idle person for each class, with several settings of `Flow`. Seeds are for tuning and
used nowhere else: from 9,720,000 up. Printed for each setting: how many clips BranchNet names, which took no part; the median
score as a multiple of the best real clip's; the median distance to the nearest real clip, in typical distances; the share of the
change between frames that lies on people; the share of pixels at which the flow folds, that is, tears the picture; and the
largest displacement in pixels, as a mean over the clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

import notebook_explain as ne
from benchmarks.visualization import named, person_share, share
from notebook_explain.samples import ACTIONS, single, still
from tests.branch_net import branch_net

TUNING_SEED, REALS = 9_720_000, 12
SETTINGS: dict[str, dict[str, float]] = {
    "as it is": {},
    "twice as far": {"largest": 28 / 64},
    "a third of the calm": {"calm": 0.3},
    "both": {"largest": 28 / 64, "calm": 0.3},
}


def folded(flow: NDArray[np.floating]) -> float:
    """Return the share of pixels at which a flow (time, height, width, 2) is not invertible: its Jacobian is not positive."""
    down, right = np.diff(flow.astype(np.float64), axis=1)[:, :, :-1], np.diff(flow.astype(np.float64), axis=2)[:, :-1]
    determinant = (1 + right[..., 0]) * (1 + down[..., 1]) - right[..., 1] * down[..., 0]
    return float((determinant <= 0).mean())


def print_setting(name: str, model: ne.VideoModel, judge: ne.VideoModel, actions: Sequence[str], steps: int) -> None:
    """Print the numbers of one setting."""
    made, stills = [], []
    for index, action in enumerate(actions):
        reals = [single(action, seed=TUNING_SEED + 1_000 * index + number) for number in range(REALS)]
        stills.append(still(seed=TUNING_SEED + 50_000 + 10 * index))
        canvas = ne.Flow(still=stills[-1].frames[0], **SETTINGS[name])
        made.append(ne.FeatureVisualization(canvas=canvas, steps=steps, restarts=1)(model, reals, action)[0])
    flows = [one.flow for one in made if one.flow is not None]
    right = sum(named(judge, [one.clip.frames for one in made], actions))
    print(
        f"{name:20} named {share(right, len(made))}; score / best real {np.median([one.ratio or 0.0 for one in made]):.2f}; "
        f"distance {np.median([one.neighbours[0].distance for one in made]):.2f}; "
        f"on people {np.mean([person_share(*pair) for pair in zip(made, stills, strict=True)]):.0%}; "
        f"folded {np.mean([folded(flow) for flow in flows]):.2%}; "
        f"largest {np.mean([np.abs(flow).max() for flow in flows]):.1f} pixels",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers of every setting."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visualization_flows", description=main.__doc__)
    parser.add_argument("--classes", type=int, default=len(ACTIONS))
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = ne.demo_model()
    judge = model.with_module(branch_net())
    for name in SETTINGS:
        print_setting(name, model, judge, ACTIONS[: options.classes], options.steps)


if __name__ == "__main__":
    main()

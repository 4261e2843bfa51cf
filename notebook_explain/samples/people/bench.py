"""How long a clip takes: ``python -m notebook_explain.samples.people.bench``."""

from __future__ import annotations

import time

from notebook_explain.samples.people import ACTIONS, contrast, single


def milliseconds_per_clip(size: int, *, clips: int = 40, frames: int = 16, pairs: bool = False) -> float:
    """CPU time of one clip in milliseconds, all threads together, mean of `clips` clips after one to warm up.

    `pairs` times the world `contrast` instead of `single`.
    """
    single(ACTIONS[0], frames=frames, size=size)
    start = time.process_time()
    for seed in range(clips):
        action, other = ACTIONS[seed % len(ACTIONS)], ACTIONS[(seed + 3) % len(ACTIONS)]
        if pairs:
            contrast(action, other, seed=seed, frames=frames, size=size)
        else:
            single(action, seed=seed, frames=frames, size=size)
    return (time.process_time() - start) / clips * 1000


if __name__ == "__main__":
    for side in (32, 64, 112):
        alone, two = (milliseconds_per_clip(side, pairs=pairs) for pairs in (False, True))
        print(f"{side} px, 16 frames: single {alone:.1f} ms, contrast {two:.1f} ms of CPU time a clip")

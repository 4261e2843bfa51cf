"""CPU time to make a clip of each world: ``python -m benchmarks.samples``."""

from __future__ import annotations

import time

from scripts.contact_sheets import CLIPS, WORLDS

SIZES = (32, 64, 112)


def milliseconds_per_clip(world: str, size: int, *, clips: int = 40) -> float:
    """Return the CPU time of a clip of 16 frames in milliseconds, summed over threads.

    It is the mean of `clips` clips after one warm-up clip; `world` is one of `WORLDS`.
    """
    make = WORLDS[world]
    make(0, 0, size)
    start = time.process_time()
    for seed in range(clips):
        make(seed % CLIPS, seed, size)
    return (time.process_time() - start) / clips * 1000


def main() -> None:
    """Print a row per world and a column per size."""
    print("milliseconds of CPU time per clip of 16 frames")
    print(f"{'world':12}" + "".join(f"{size:>6} px" for size in SIZES))
    for world in WORLDS:
        print(f"{world:12}" + "".join(f"{milliseconds_per_clip(world, size):9.1f}" for size in SIZES))


if __name__ == "__main__":
    main()

"""Contact sheets of the synthetic worlds: ``python -m scripts.contact_sheets out/worlds``.

One sheet per world with ten clips, which cover all actions, and one sheet with clips of all worlds. ``--seed`` sets the
seed of the first clip: other numbers show other people.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from notebook_explain._atomic import replacing
from notebook_explain._validation import check_int
from notebook_explain.preview.encoding import compute_palette
from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.preview import COLOURS
from notebook_explain.samples.sample import Sample
from notebook_explain.samples.worlds import camera, compose, contrast, moving_pair, shortcut, single, still, window

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

CLIPS, SIZE = len(ACTIONS), 64  # clips per sheet; pixels of a frame
FRAMES, COLUMNS, BETWEEN = 6, 2, 12  # frames per clip; clips per row; pixels between clips


def _other_action(index: int) -> str:
    return ACTIONS[(index + 3) % len(ACTIONS)]


def _misleading_mark(index: int) -> str | None:
    """Return another action for every second clip, whose mark then misleads."""
    return _other_action(index) if index % 2 else None


# Functions that make a clip from its index on the sheet, its seed and its size.
WORLDS: dict[str, Callable[[int, int, int], Sample]] = {
    "single": lambda index, seed, size: single(ACTIONS[index], seed=seed, size=size),
    "contrast": lambda index, seed, size: contrast(
        ACTIONS[index], _other_action(index) if index else IDLE, seed=seed, size=size
    ),
    "compose": lambda index, seed, size: compose(ARM_ACTIONS[index % 5], LEG_ACTIONS[index % 3], seed=seed, size=size),
    "window": lambda index, seed, size: window(ACTIONS[index], 4, 10, seed=seed, size=size),
    "shortcut": lambda index, seed, size: shortcut(ACTIONS[index], mark=_misleading_mark(index), seed=seed, size=size),
    "camera": lambda index, seed, size: camera(ACTIONS[index], seed=seed, size=size),
    "moving_pair": lambda index, seed, size: moving_pair(ACTIONS[index], _other_action(index), seed=seed, size=size),
    "still": lambda index, seed, size: still(seed=seed, size=size),
}


def sheet(clips: list[Sample]) -> Picture:
    """Draw clips as strips with captions, `COLUMNS` per row, in 256 colours."""
    from PIL import Image

    strips = [clip.strip(FRAMES) for clip in clips]
    rows = [strips[first : first + COLUMNS] for first in range(0, len(strips), COLUMNS)]
    width = max(sum(strip.width + BETWEEN for strip in row) for row in rows) + BETWEEN
    height = sum(max(strip.height for strip in row) + BETWEEN for row in rows) + BETWEEN
    page, y = Image.new("RGB", (width, height), "white"), BETWEEN
    for row in rows:
        x = BETWEEN
        for strip in row:
            page.paste(strip, (x, y))
            x += strip.width + BETWEEN
        y += max(strip.height for strip in row) + BETWEEN
    return page.quantize(palette=compute_palette(page, COLOURS), dither=Image.Dither.NONE)


def sheets(seed: int) -> dict[str, list[Sample]]:
    """Return the clips of each world's sheet, and one clip of each world under "worlds"."""
    by_world = {world: [make(i, seed + i, SIZE) for i in range(CLIPS)] for world, make in WORLDS.items()}
    overview = [clips[i % CLIPS] for i, clips in enumerate(by_world.values())]  # an even number
    return {**by_world, "worlds": overview}


def main(arguments: list[str] | None = None) -> None:
    """Write all sheets as PNG files into a folder, which is created if it does not exist."""
    parser = argparse.ArgumentParser(description="Write contact sheets of all synthetic worlds.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first clip of each sheet")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, clips in sheets(check_int("seed", options.seed, least=0)).items():
        path = options.folder / f"{name}.png"
        with replacing(path) as temporary:
            sheet(clips).save(temporary, "PNG", optimize=True)
        print(f"{path}: {len(clips)} clips, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

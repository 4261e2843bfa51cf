"""Contact sheets, to look at what the worlds draw: ``python -m scripts.contact_sheets out/worlds``.

One sheet for each world with ten clips, where people act every action among them, and one sheet over all worlds.
``--seed`` gives the first clip's seed: other numbers show other people.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from notebook_explain._atomic import replacing
from notebook_explain._validation import check_int
from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.preview import palette_of
from notebook_explain.samples.sample import Sample
from notebook_explain.samples.worlds import camera, compose, contrast, shortcut, single, still, window

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

CLIPS, SIZE = len(ACTIONS), 64  # on a sheet; pixels of a frame
FRAMES, COLUMNS, BETWEEN = 6, 2, 12  # of each clip; clips beside one another; pixels around each


def _other(at: int) -> str:
    return ACTIONS[(at + 3) % len(ACTIONS)]


def _misleading(at: int) -> str | None:
    """Whose mark it bears: every second clip that of another action."""
    return _other(at) if at % 2 else None


# The clip at each place of a world's sheet, made from its place, its seed and its size.
WORLDS: dict[str, Callable[[int, int, int], Sample]] = {
    "single": lambda at, seed, size: single(ACTIONS[at], seed=seed, size=size),
    "contrast": lambda at, seed, size: contrast(ACTIONS[at], _other(at) if at else IDLE, seed=seed, size=size),
    "compose": lambda at, seed, size: compose(ARM_ACTIONS[at % 5], LEG_ACTIONS[at % 3], seed=seed, size=size),
    "window": lambda at, seed, size: window(ACTIONS[at], 4, 10, seed=seed, size=size),
    "shortcut": lambda at, seed, size: shortcut(ACTIONS[at], mark=_misleading(at), seed=seed, size=size),
    "camera": lambda at, seed, size: camera(ACTIONS[at], seed=seed, size=size),
    "still": lambda at, seed, size: still(seed=seed, size=size),
}


def sheet(clips: list[Sample]) -> Picture:
    """Lay clips out as strips with captions, `COLUMNS` of them beside one another, in 256 colours."""
    from PIL import Image

    strips = [clip.strip(FRAMES) for clip in clips]
    rows = [strips[at : at + COLUMNS] for at in range(0, len(strips), COLUMNS)]
    width = max(sum(strip.width + BETWEEN for strip in row) for row in rows) + BETWEEN
    height = sum(max(strip.height for strip in row) + BETWEEN for row in rows) + BETWEEN
    paper, y = Image.new("RGB", (width, height), "white"), BETWEEN
    for row in rows:
        x = BETWEEN
        for strip in row:
            paper.paste(strip, (x, y))
            x += strip.width + BETWEEN
        y += max(strip.height for strip in row) + BETWEEN
    return paper.quantize(palette=palette_of(paper), dither=Image.Dither.NONE)


def sheets(seed: int) -> dict[str, list[Sample]]:
    """Return the clips of each world's sheet, and under "worlds" a clip or two of each."""
    found = {world: [make(at, seed + at, SIZE) for at in range(CLIPS)] for world, make in WORLDS.items()}
    overview = [clips[at % CLIPS] for at, clips in enumerate([found["single"], *found.values()])]  # an even number
    return {**found, "worlds": overview}


def main(arguments: list[str] | None = None) -> None:
    """Write all sheets as PNG into a folder, which is made if need be."""
    asked = argparse.ArgumentParser(description="Write contact sheets of all synthetic worlds.")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--seed", type=int, default=1, help="of the first clip of each sheet")
    options = asked.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, clips in sheets(check_int("seed", options.seed, least=0)).items():
        path = options.folder / f"{name}.png"
        with replacing(path) as temporary:
            sheet(clips).save(temporary, "PNG", optimize=True)
        print(f"{path}: {len(clips)} clips, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

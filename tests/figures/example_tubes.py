"""Example tubes: clips of every shape, and text that is hard to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import ImageDraw

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap, Provenance, TargetResult, Tubes

LONG = "a rather long name of a class, as some data sets have them, with $dollars$ and <brackets>"
CAVEATS = (
    "These maps are made by hand.",
    "size, frames, mean and std were assumed: state what the network was trained with.",
)

COARSE = (
    "This map has 6×4×4 cells, enlarged 6 times: detail finer than a cell is not evidence."
    " It fades beyond the outermost cell centres, where it is held constant."
)


def made(
    frames: int = 6,
    height: int = 24,
    width: int = 24,
    *,
    name: str = "wave",
    source: str = "synthetic sample: wave",
    caveats: tuple[str, ...] = CAVEATS,
    clip: Clip | None = None,
) -> Tubes:
    """Return tubes with evidence for in the upper left corner and against in the lower right one, rising over time."""
    if clip is None:
        pixels = np.linspace(40, 215, frames * height * width * 3).reshape(frames, height, width, 3)
        clip = Clip(
            pixels.astype(np.uint8),
            times=np.arange(frames) / 8,
            source=source,
            is_synthetic=source.startswith("synthetic"),
        )
    values = np.zeros((1, len(clip), 4, 4), np.float32)
    values[0, :, 0, 0] = np.linspace(1, 2, len(clip))
    values[0, :, 3, 3] = -np.linspace(0.5, 1, len(clip))
    layer = LayerMap("blocks.2", "pooling input", values, Geometry.even((len(clip), 4, 4), clip.size))
    result = TargetResult(name, 0, "", 2.0, 0.93, top5=((name, 0.93), ("clap", 0.04)))
    return Tubes(clip, (result,), (layer,), Provenance("Saliency tubes", model="Net", caveats=caveats))


SHAPES = {
    "square": made(),
    "wide": made(9, 20, 60),
    "tall": made(9, 60, 20),
    "one frame": made(1),
    "one pixel": made(2, 1, 1),
    "long words": made(name=LONG * 3, source=f"/home/me/secret folder/{'x' * 200}.mp4", caveats=CAVEATS * 6),
    "other scripts": made(name="مرحبا 你好 ñandú\n\t\u200bwave\x00", caveats=("",)),
    "no times": replace(made(), clip=replace(made().clip, times=None)),
}
every_shape = pytest.mark.parametrize("tubes", SHAPES.values(), ids=SHAPES)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that Pillow draws during a test."""
    texts: list[str] = []
    draw: Callable[..., Any] = ImageDraw.ImageDraw.text

    def remembering(self: Any, place: Any, text: str, *given: Any, **options: Any) -> Any:
        texts.append(text)
        return draw(self, place, text, *given, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", remembering)
    return texts

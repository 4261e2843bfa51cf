"""A film of an explanation: every picture with the evidence over it, and under it what it is, its course, its caveats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from notebook_explain.explanations import Tubes, percent
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.text import caption_sentence
from notebook_explain.figures.captions import STAGE, Paragraph, block, font
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR, overlaid
from notebook_explain.figures.placement import course
from notebook_explain.figures.video.frames import FrameSequence


def render_frames(
    tubes: Tubes, reel: FrameSequence, layer: str | int | None, target: int, threshold: float
) -> Iterator[NDArray[np.uint8]]:
    """Pictures with evidence and caption, all of one size: uint8 (height, width, 3).

    Outside what the network saw nothing is painted.
    """
    shown = tubes.layer(layer)
    rows, columns = reel.canvas.seen(tubes.clip)
    caption = Caption.of(tubes, reel, layer, target, threshold)
    for k, picture in enumerate(reel.pictures):
        fractions = reel.canvas.evidence(shown, target, float(reel.moments[k]))
        painted = picture.copy()
        painted[rows, columns] = overlaid(picture[rows, columns], fractions[rows, columns], threshold)
        yield np.concatenate([painted, caption.at(k)])


@dataclass(frozen=True)
class Caption:
    """What stands under every picture: the same words, the course of the evidence, and a mark where the film is."""

    still: Image.Image
    labels: tuple[str, ...]
    label_at: tuple[int, int, int]  # x, y, height of the letters
    track: tuple[int, int, int, int]  # left, top, right, bottom

    @classmethod
    def of(cls, tubes: Tubes, reel: FrameSequence, layer: str | int | None, target: int, threshold: float) -> Caption:
        """Draw all that does not move."""
        width = reel.canvas.size[1]
        size = int(np.clip(round(width / 34), 11, 30))
        pad, high = size // 2, 2 * size
        head = block(
            [Paragraph(caption_sentence(tubes, threshold, layer, target), 4, strong=True)], width, size, STAGE, pad
        )
        foot = block(_words(tubes, reel, layer, target, threshold), width, size, STAGE, pad)
        line, top = pad + head.height, pad + head.height + round(1.5 * size)
        still = Image.new("RGB", (width, top + high + pad + foot.height + pad), STAGE.back)
        still.paste(head, (0, pad))
        still.paste(foot, (0, top + high + pad))
        track = (pad, top, width - pad, top + high)
        values = course(tubes.volume(layer, target))
        _draw_course(ImageDraw.Draw(still), track, reel, values)
        return cls(still, reel.labels, (pad, line, size - 1), track)

    def at(self, k: int) -> NDArray[np.uint8]:
        """The caption under picture ``k``: uint8 (height, width, 3)."""
        picture = self.still.copy()
        draw = ImageDraw.Draw(picture)
        x, y, letters = self.label_at
        draw.text((x, y), self.labels[k], STAGE.ink, font=font(letters))
        left, top, right, bottom = self.track
        place = left + (k + 0.5) / len(self.labels) * (right - left)
        half = max(1, letters // 8)
        draw.rectangle((place - half, top - 1, place + half, bottom + 1), (255, 255, 255))
        return np.asarray(picture)


def _words(
    tubes: Tubes, reel: FrameSequence, layer: str | int | None, target: int, threshold: float
) -> list[Paragraph]:
    p, shown = tubes.provenance, tubes.layer(layer)
    about = (
        f"orange: for it, blue: against it, from {percent(threshold)} of the strongest; {p.method}, layer {shown.name}"
    )
    # A synthetic clip is named in the caveats.
    clip = "" if tubes.clip.is_synthetic else f"; clip: {tubes.clip.name}"
    return [
        Paragraph(about + clip, 4),
        *(Paragraph(text, 4) for text in (reel.remark, *all_caveats(tubes, layer, target)) if text),
    ]


def _draw_course(
    draw: ImageDraw.ImageDraw,
    track: tuple[int, int, int, int],
    reel: FrameSequence,
    values: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Evidence for and against at each moment as areas above and below a line; ticks at the frames that were seen."""
    left, top, right, bottom = track
    draw.rectangle(track, (35, 40, 48))
    clip_frames = np.arange(len(values[0]))
    above, below = (np.interp(reel.moments, clip_frames, part) for part in values)
    span = float(above.max() - below.min())
    unit = (bottom - top - 2) / span if span > 0 else 0.0
    zero = top + 1 + unit * float(above.max())
    edges = np.linspace(left, right, len(reel.moments) + 1)
    for k, (low, high) in enumerate(pairwise(edges)):
        draw.rectangle((low, zero - unit * above[k], high, zero), ImageColor.getrgb(INK_FOR))
        draw.rectangle((low, zero, high, zero - unit * below[k]), ImageColor.getrgb(INK_AGAINST))
    draw.line((left, zero, right, zero), STAGE.pale)
    if not reel.seen.all():
        for place in ((edges[:-1] + edges[1:]) / 2)[reel.seen]:
            draw.line((place, bottom - max(3, (bottom - top) // 6), place, bottom), (255, 255, 255))

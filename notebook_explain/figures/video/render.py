"""Frames of a video: the image with the evidence over it, and a caption with the evidence over time and the caveats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from notebook_explain.explanations import Tubes, percent
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.text import caption_sentence, colour_legend, layer_phrase, totals_words
from notebook_explain.figures.captions import DARK, Paragraph, font, render_caption
from notebook_explain.figures.flow_wheel import KEY_HEIGHT, wheel_key
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR, overlay_evidence
from notebook_explain.figures.placement import evidence_per_frame
from notebook_explain.figures.video.frames import FrameSequence

WHITE = (255, 255, 255)
MAX_LINES = 7  # of the explanation as text; values have a sentence for either side


def render_frames(
    tubes: Tubes,
    sequence: FrameSequence,
    layer: str | int | None,
    target: int,
    threshold: float,
    with_caption: bool = True,
) -> Iterator[NDArray[np.uint8]]:
    """Yield images with evidence and, unless it is left out, a caption, all of one size: uint8 (height, width, 3).

    No evidence is drawn outside what the network saw.
    """
    shown = tubes.layer(layer)
    rows, columns = sequence.placement.clip_slices(tubes.clip)
    caption = Caption.build(tubes, sequence, layer, target, threshold) if with_caption else None
    for k, image in enumerate(sequence.images):
        frame = float(sequence.clip_frames[k])
        fractions = sequence.placement.evidence(shown, target, frame)[rows, columns]
        beyond = sequence.placement.beyond(shown, frame)[rows, columns]
        painted = image.copy()
        painted[rows, columns] = overlay_evidence(image[rows, columns], fractions, threshold, beyond=beyond)
        yield painted if caption is None else np.concatenate([painted, caption.render(k)])


@dataclass(frozen=True)
class Caption:
    """Caption of all images: text and timeline, which do not change, then a label and a mark for each image.

    Attributes
    ----------
    background : PIL.Image.Image
        All that does not change.
    labels : tuple of str
        One for each image.
    label_position : (x, y) in pixels
    font_size : int
        Size of the labels in pixels.
    track : (left, top, right, bottom) in pixels
        The timeline.
    """

    background: Image.Image
    labels: tuple[str, ...]
    label_position: tuple[int, int]
    font_size: int
    track: tuple[int, int, int, int]

    @classmethod
    def build(
        cls, tubes: Tubes, sequence: FrameSequence, layer: str | int | None, target: int, threshold: float
    ) -> Caption:
        """Draw what does not change."""
        width = sequence.placement.size[1]
        size = int(np.clip(round(width / 34), 11, 30))
        pad, track_height = size // 2, 2 * size
        title = Paragraph(caption_sentence(tubes, threshold, layer, target), MAX_LINES, bold=True)
        head = _head(title, tubes, width, size, pad)
        foot = render_caption(_caption_text(tubes, sequence, layer, target, threshold), width, size, DARK, pad)
        label_top, top = pad + head.height, pad + head.height + round(1.5 * size)
        image = Image.new("RGB", (width, top + track_height + pad + foot.height + pad), DARK.background)
        image.paste(head, (0, pad))
        image.paste(foot, (0, top + track_height + pad))
        track = (pad, top, width - pad, top + track_height)
        _draw_timeline(ImageDraw.Draw(image), track, sequence, evidence_per_frame(tubes.volume(layer, target)))
        return cls(image, sequence.labels, (pad, label_top), size - 1, track)

    def render(self, k: int) -> NDArray[np.uint8]:
        """Return the caption of image ``k``: uint8 (height, width, 3)."""
        image = self.background.copy()
        draw = ImageDraw.Draw(image)
        draw.text(self.label_position, self.labels[k], DARK.text, font=font(self.font_size))
        left, top, right, bottom = self.track
        x = left + (k + 0.5) / len(self.labels) * (right - left)
        half = max(1, self.font_size // 8)
        draw.rectangle((x - half, top - 1, x + half, bottom + 1), WHITE)
        return np.asarray(image)


def _head(title: Paragraph, tubes: Tubes, width: int, size: int, pad: int) -> Image.Image:
    """Draw the explanation as text and, for a clip of flow, the key to its colours on the right."""
    key = wheel_key(tubes.clip.picture, KEY_HEIGHT, DARK)
    if key is None:
        return render_caption([title], width, size, DARK, pad)
    text = render_caption([title], max(width - key.shape[1], width // 2), size, DARK, pad)
    image = Image.new("RGB", (width, max(text.height, KEY_HEIGHT)), DARK.background)
    image.paste(text, (0, 0))
    image.paste(Image.fromarray(key), (width - key.shape[1], 0))
    return image


def _caption_text(
    tubes: Tubes, sequence: FrameSequence, layer: str | int | None, target: int, threshold: float
) -> list[Paragraph]:
    shown = tubes.layer(layer)
    colours = colour_legend(tubes.targets[target]) if shown.is_signed else f"orange: {shown.quantity}"
    about = f"{colours}, from {percent(threshold)} of the strongest; {tubes.provenance.method}, {layer_phrase(shown)}"
    # A synthetic clip is named in the caveats.
    clip = "" if tubes.clip.is_synthetic else f"; clip: {tubes.clip.name}"
    totals = totals_words(shown, target, tubes.targets[target])
    texts = (about + (f"; {totals}" if totals else "") + clip, sequence.note, *all_caveats(tubes, layer, target))
    return [Paragraph(text, 6) for text in texts if text]


def _draw_timeline(
    draw: ImageDraw.ImageDraw,
    track: tuple[int, int, int, int],
    sequence: FrameSequence,
    evidence: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Draw evidence for and against as areas above and below a line, with ticks at the frames that the network saw."""
    left, top, right, bottom = track
    draw.rectangle(track, (35, 40, 48))
    frames = np.arange(len(evidence[0]))
    above, below = (np.interp(sequence.clip_frames, frames, side) for side in evidence)
    span = float(above.max() - below.min())
    unit = (bottom - top - 2) / span if span > 0 else 0.0
    zero = top + 1 + unit * float(above.max())
    edges = np.linspace(left, right, len(sequence.clip_frames) + 1)
    for k, (start, end) in enumerate(pairwise(edges)):
        draw.rectangle((start, zero - unit * above[k], end, zero), ImageColor.getrgb(INK_FOR))
        draw.rectangle((start, zero, end, zero - unit * below[k]), ImageColor.getrgb(INK_AGAINST))
    draw.line((left, zero, right, zero), DARK.muted)
    if not sequence.is_input.all():
        for x in ((edges[:-1] + edges[1:]) / 2)[sequence.is_input]:
            draw.line((x, bottom - max(3, (bottom - top) // 6), x, bottom), WHITE)

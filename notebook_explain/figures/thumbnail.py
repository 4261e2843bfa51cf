"""The picture of a cell where no widget runs: a few frames with their evidence and what they are, in milliseconds."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.text import caption_sentence, seconds
from notebook_explain.figures.captions import PAPER, Paragraph, block
from notebook_explain.figures.overlay import overlaid
from notebook_explain.figures.placement import Placement, evenly, scaled

WIDTH, GAP, TEXT = 600, 4, 13  # pixels
LONGEST_CAPTION = 12  # lines of caveats: a picture is no place for more


def strip_png(tubes: Tubes, frames: int = 6, threshold: float = DEFAULT_THRESHOLD) -> bytes:
    """Draw a PNG of evenly chosen frames with the last layer's evidence, its sentence and its caveats beneath."""
    chosen = evenly(len(tubes.clip), frames)
    _, height, width = tubes.clip.size
    # All frames side by side, but one alone no higher than a hand.
    scale = min((WIDTH - GAP * (len(chosen) + 1)) / len(chosen) / width, 200 / height)
    canvas = Placement.of(tubes.clip, max(8, round(scale * max(height, width))))
    layer = tubes.layer()
    pictures = [
        overlaid(scaled(tubes.clip.frames[at], canvas.size), canvas.evidence(layer, 0, float(at)), threshold)
        for at in chosen
    ]
    caption = block(_words(tubes, threshold), WIDTH, TEXT, PAPER, pad=GAP)
    page = Image.new("RGB", (WIDTH, canvas.size[0] + 3 * GAP + caption.height + GAP), PAPER.back)
    for k, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture), (GAP + k * (canvas.size[1] + GAP), GAP))
    page.paste(caption, (0, canvas.size[0] + 3 * GAP))
    with io.BytesIO() as out:
        # It is saved with every notebook: 256 colours are a third of the bytes, and nobody sees it at this size.
        page.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG")
        return out.getvalue()


def _words(tubes: Tubes, threshold: float) -> list[Paragraph]:
    lasting = "" if tubes.clip.times is None else f", {seconds(np.ptp(tubes.clip.times))}"
    about = f"{tubes.provenance.method}, layer {tubes.layer().name}, clip: {tubes.clip.name}{lasting}"
    said = [Paragraph(text, 3) for text in all_caveats(tubes)]
    return [Paragraph(caption_sentence(tubes, threshold), 3, strong=True), Paragraph(about), *said[:LONGEST_CAPTION]]

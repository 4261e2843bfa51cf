"""The image of a cell where no widget runs: a few frames with their evidence and a caption, drawn in milliseconds."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.text import caption_sentence, layer_phrase, seconds
from notebook_explain.figures.captions import LIGHT, Paragraph, render_caption
from notebook_explain.figures.flow_wheel import KEY_HEIGHT, wheel_key
from notebook_explain.figures.overlay import overlay_evidence
from notebook_explain.figures.placement import Placement, evenly_spaced, resize_image

WIDTH, GAP, FONT_SIZE = 600, 4, 13  # pixels
MAX_FRAME_HEIGHT = 200  # pixels, for a single frame
MAX_CAVEATS = 12


def strip_png(
    tubes: Tubes,
    frames: int = 6,
    threshold: float | None = None,
    layer: str | int | None = None,
    target: int = 0,
) -> bytes:
    """Draw a PNG of evenly spaced frames with the evidence of a layer, a sentence and the caveats beneath."""
    threshold = tubes.threshold(threshold, layer, target)
    chosen = evenly_spaced(len(tubes.clip), frames)
    _, height, width = tubes.clip.size
    key = wheel_key(tubes.clip.picture, KEY_HEIGHT)
    room = WIDTH - (0 if key is None else key.shape[1])
    scale = min((room - GAP * (len(chosen) + 1)) / len(chosen) / width, MAX_FRAME_HEIGHT / height)
    placement = Placement.build(tubes.clip, max(8, round(scale * max(height, width))))
    chosen_layer = tubes.layer(layer)
    images = [
        overlay_evidence(
            resize_image(tubes.clip.frames[frame], placement.size),
            placement.evidence(chosen_layer, target, float(frame)),
            threshold,
            beyond=placement.beyond(chosen_layer, float(frame)),
        )
        for frame in chosen
    ]
    caption = render_caption(
        _caption_text(tubes, threshold, chosen_layer.name, target), WIDTH, FONT_SIZE, LIGHT, pad=GAP
    )
    top = max(placement.size[0], 0 if key is None else KEY_HEIGHT) + 3 * GAP
    page = Image.new("RGB", (WIDTH, top + caption.height + GAP), LIGHT.background)
    for k, image in enumerate(images):
        page.paste(Image.fromarray(image), (GAP + k * (placement.size[1] + GAP), GAP))
    if key is not None:
        page.paste(Image.fromarray(key), (room, GAP))
    page.paste(caption, (0, top))
    return _encode(page)


def stack_pngs(pictures: Sequence[bytes]) -> bytes:
    """Return one PNG of several pictures, one below the other."""
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    page = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height
    return _encode(page)


def _encode(page: Image.Image) -> bytes:
    """Return a PNG of 256 colours: saved with every notebook, it takes a third of the bytes and looks the same."""
    with io.BytesIO() as out:
        page.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG")
        return out.getvalue()


def _caption_text(tubes: Tubes, threshold: float, layer: str, target: int) -> list[Paragraph]:
    duration = "" if tubes.clip.times is None else f", {seconds(np.ptp(tubes.clip.times))}"
    about = f"{tubes.provenance.method}, {layer_phrase(tubes.layer(layer))}, clip: {tubes.clip.name}{duration}"
    caveats = [Paragraph(text, 3) for text in all_caveats(tubes)]
    return [
        Paragraph(caption_sentence(tubes, threshold, layer, target), 5, bold=True),
        Paragraph(about),
        *caveats[:MAX_CAVEATS],
    ]

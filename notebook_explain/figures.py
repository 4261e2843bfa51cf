"""Pictures of explanations where no widget runs: a quick strip by Pillow for the cell, a figure by matplotlib for paper.

Orange is evidence for the target, blue against it, both on one scale for the whole clip; colours that colour-blind
eyes tell apart.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes

_FOR = np.array([[110, 40, 0], [230, 97, 1], [253, 184, 99], [255, 244, 200]], np.float32)
_AGAINST = np.array([[10, 30, 90], [33, 102, 172], [146, 197, 222], [225, 240, 250]], np.float32)


def coloured(share: NDArray[np.float32], ramp: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours (..., 3) in 0..255 for shares in 0..1."""
    at = np.clip(share, 0, 1) * (len(ramp) - 1)
    return np.stack([np.interp(at, np.arange(len(ramp)), ramp[:, k]) for k in range(3)], axis=-1)


def overlaid(
    frames: NDArray[np.uint8], volume: NDArray[np.float32], peak: float, threshold: float = 0.0
) -> NDArray[np.uint8]:
    """Frames with evidence over them.

    Parameters
    ----------
    frames : uint8 (time, height, width, 3)
    volume : float (time, height, width), signed
    peak : float
        The value of the strongest colour.
    threshold : float in 0..1
        Below this fraction of ``peak`` the frame is left as it is.
    """
    share = volume / peak if peak > 0 else np.zeros_like(volume)
    strength = np.where(np.abs(share) >= max(threshold, 1e-6), 0.2 + 0.4 * np.minimum(np.abs(share), 1), 0)[..., None]
    colours = np.where((share > 0)[..., None], coloured(share, _FOR), coloured(-share, _AGAINST))
    grey = frames.mean(axis=-1, keepdims=True)
    muted = 0.6 * frames + 0.4 * grey
    mixed = (1 - strength) * np.where(strength > 0, muted, frames) + strength * colours
    return np.asarray(np.round(mixed), np.uint8)


def strip_png(tubes: Tubes, frames: int = 6, side: int = 96, threshold: float = DEFAULT_THRESHOLD) -> bytes:
    """Draw a PNG of evenly chosen frames with the last layer's evidence: the fallback of a cell, made in milliseconds."""
    chosen = np.floor(np.linspace(0, len(tubes.clip) - 1, min(frames, len(tubes.clip)))).astype(int)
    pictures = np.stack(
        [
            np.asarray(Image.fromarray(tubes.clip.frames[at]).resize((side, side), Image.Resampling.BILINEAR))
            for at in chosen
        ]
    )
    layer = tubes.layer()
    volume = tubes.volume(layer.name)[chosen]
    scaled = np.stack(
        [np.asarray(Image.fromarray(part).resize((side, side), Image.Resampling.BILINEAR)) for part in volume]
    )
    over = overlaid(pictures, scaled, layer.peak(), threshold)
    strip = np.concatenate(list(np.pad(over, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)), axis=1)
    with io.BytesIO() as out:
        Image.fromarray(strip).save(out, "PNG", compress_level=1)
        return out.getvalue()


def tubes_figure(
    tubes: Tubes, layer: str | int | None = None, target: int = 0, frames: int = 8, threshold: float = DEFAULT_THRESHOLD
) -> Any:
    """A strip of frames with the evidence over them, and the evidence per frame as a curve.

    Parameters
    ----------
    tubes : Tubes
    layer : str or int, optional
        The last by default.
    target : int
    frames : int
        How many of the clip's frames to show, evenly chosen.
    threshold : float in 0..1
        Below this fraction of the layer's largest absolute value a frame is left as it is.

    Returns
    -------
    matplotlib.figure.Figure
        Not bound to pyplot: nothing to close.
    """
    from matplotlib.figure import Figure

    shown = tubes.layer(layer)
    volume = tubes.volume(layer, target)
    chosen = np.floor(np.linspace(0, len(tubes.clip) - 1, min(frames, len(tubes.clip)))).astype(int)
    over = overlaid(tubes.clip.frames[chosen], volume[chosen], shown.peak(target), threshold)
    plot = Figure(figsize=(1.5 * len(chosen), 3.4), layout="constrained")
    axes = plot.subplot_mosaic([[f"f{at}" for at in chosen], ["curve"] * len(chosen)], height_ratios=[1.5, 1])
    for at, picture in zip(chosen, over, strict=True):
        axes[f"f{at}"].imshow(picture)
        axes[f"f{at}"].set_title(f"frame {at + 1}", fontsize=8)
        axes[f"f{at}"].axis("off")
    _curve(axes["curve"], volume, chosen)
    time, height, width = shown.grid
    plot.suptitle(_plain(tubes.in_words(threshold, layer, target), 150), fontsize=10)
    axes["curve"].set_title(
        f"layer {_plain(shown.name, 60)} ({shown.kind}), {time}x{height}x{width} cells, "
        f"shown from {threshold:.0%} of its largest value; {_plain(tubes.clip.name, 60)}",
        fontsize=8,
    )
    return plot


def _plain(text: str, most: int) -> str:
    """Text that matplotlib sets as it is: no mathematics, no line wider than the figure."""
    short = text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
    return short.replace("$", r"\$")


def _curve(axes: Any, volume: NDArray[np.float32], chosen: NDArray[np.int64]) -> None:
    """Evidence for and against per frame: the mean of the map's positive and negative part."""
    frames = np.arange(1, len(volume) + 1)
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.fill_between(frames, volume.clip(min=0).mean(axis=(1, 2)), color="#e66101", alpha=0.85, label="for")
    axes.fill_between(frames, volume.clip(max=0).mean(axis=(1, 2)), color="#2166ac", alpha=0.85, label="against")
    axes.set_xlim(1, max(2, len(volume)))
    axes.set_xticks(chosen + 1)
    axes.set_xlabel("frame", fontsize=8)
    axes.set_ylabel("evidence", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="upper right", frameon=False)

"""Position of a clip on an image of another size, and the evidence at every pixel of that image at any time.

A strip of small frames, a video of enlarged ones and the video that the clip was cut from differ only in which clip
pixel lies where on the image. Maps are interpolated directly at the pixels of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap, stretch
from notebook_explain.explanations.geometry import beyond_outer_cells


@dataclass(frozen=True)
class Placement:
    """Size of an image and position of a clip on it: image pixel ``q`` shows clip pixel ``origin + step * q``.

    Attributes
    ----------
    size : (height, width) in pixels
    origin, step : (y, x) floats
        Pixel centres are whole numbers; pixels outside the clip were not seen by the network.
    """

    size: tuple[int, int]
    origin: tuple[float, float]
    step: tuple[float, float]

    @classmethod
    def build(cls, clip: Clip, longest: int) -> Placement:
        """Place the whole clip on an image whose longer side has ``longest`` pixels."""
        _, height, width = clip.size
        scale = longest / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        step = (height / size[0], width / size[1])
        return cls(size, ((step[0] - 1) / 2, (step[1] - 1) / 2), step)

    @classmethod
    def on_source(cls, clip: Clip, longest: int | None = None) -> Placement:
        """Place the clip on the frames that it was cut from, at their size or with ``longest`` pixels on the longer side."""
        height, width = clip.source_size or clip.size[1:]
        scale = 1.0 if longest is None else longest / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        origin, step = [], []
        for axis, pixels in ((0, height), (1, width)):
            source_step = pixels / size[axis]
            step.append(source_step / clip.step[axis])
            origin.append(((source_step - 1) / 2 - clip.origin[axis]) / clip.step[axis])
        return cls(size, (origin[0], origin[1]), (step[0], step[1]))

    def clip_slices(self, clip: Clip) -> tuple[slice, slice]:
        """Return the rows and columns of the image that lie within the clip."""
        slices = []
        for axis in (0, 1):
            # A clip pixel covers half a pixel on either side of its centre.
            ends = [(edge - self.origin[axis]) / self.step[axis] for edge in (-0.5, clip.size[1 + axis] - 0.5)]
            low, high = (int(np.clip(np.ceil(end - 1e-6), 0, self.size[axis])) for end in ends)
            slices.append(slice(low, max(high, low)))
        return slices[0], slices[1]

    def evidence(self, layer: LayerMap, target: int, frame: float) -> NDArray[np.float32]:
        """Return the evidence at every pixel, as a signed fraction of the layer's largest absolute value.

        Parameters
        ----------
        layer : LayerMap
        target : int
        frame : float
            Index of a frame of the clip, fractional between two of them.

        Returns
        -------
        float32 (height, width)
            The outer cells extend beyond the clip; `clip_slices` gives its limits.
        """
        rows, values, peak = layer.geometry.rows, layer.values[target], layer.peak(target)
        row = float(np.interp(frame, rows, np.arange(len(rows))))
        low = min(int(row), max(len(rows) - 2, 0))
        slab = values[low] if low == row else (1 - (row - low)) * values[low] + (row - low) * values[low + 1]
        # The layer's cells in pixels of the image.
        origin = [(layer.geometry.origin[k] - self.origin[k]) / self.step[k] for k in (0, 1)]
        step = [layer.geometry.step[k] / self.step[k] for k in (0, 1)]
        geometry = Geometry(np.zeros(1), (origin[0], origin[1]), (step[0], step[1]))
        found = stretch(slab[None].astype(np.float32), geometry, (1, *self.size))[0]
        return np.asarray(found / peak if peak > 0 else found, np.float32)

    def beyond(self, layer: LayerMap, frame: float) -> NDArray[np.float32]:
        """Return how many cells each pixel lies beyond the layer's outermost cell centres: float32 (height, width)."""
        y, x = (self.origin[axis] + self.step[axis] * np.arange(self.size[axis]) for axis in (0, 1))
        return beyond_outer_cells(layer.geometry, layer.grid, frame, y, x)


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image (height, width, 3) bicubically to (height, width)."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def evidence_per_frame(volume: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return evidence for and against in each frame: means of the positive and negative part of a map (time, y, x)."""
    return volume.clip(min=0).mean(axis=(1, 2)), volume.clip(max=0).mean(axis=(1, 2))


def evenly_spaced(count: int, limit: int) -> NDArray[np.int64]:
    """Return at most ``limit`` indices of ``count`` frames, evenly spaced from the first to the last."""
    return np.floor(np.linspace(0, count - 1, min(limit, count)) + 1e-9).astype(np.int64)

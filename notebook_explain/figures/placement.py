"""Where a clip lies on a picture of another size, and the evidence at every pixel of that picture at any moment.

A strip of small frames, a film of enlarged ones and the video that the clip was cut from differ in one thing only:
which clip pixel stands where on the picture. Maps are stretched straight to the picture's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap, stretch


@dataclass(frozen=True)
class Placement:
    """A picture on which a clip lies: picture pixel ``q`` shows clip pixel ``origin + step * q``.

    Attributes
    ----------
    size : (height, width) in pixels
    origin, step : (y, x) floats
        Pixel centres at whole numbers; pixels outside the clip stand for what the network did not see.
    """

    size: tuple[int, int]
    origin: tuple[float, float]
    step: tuple[float, float]

    @classmethod
    def build(cls, clip: Clip, longest: int) -> Placement:
        """The whole clip, its longer side with so many pixels."""
        _, height, width = clip.size
        scale = longest / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        step = (height / size[0], width / size[1])
        return cls(size, ((step[0] - 1) / 2, (step[1] - 1) / 2), step)

    @classmethod
    def of_source(cls, clip: Clip, longest: int | None = None) -> Placement:
        """The whole pictures that the clip was cut from, at their own size or with so many pixels on the longer side."""
        height, width = clip.source_size or clip.size[1:]
        scale = 1.0 if longest is None else longest / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        origin, step = [], []
        for axis, whole in ((0, height), (1, width)):
            source_step = whole / size[axis]
            step.append(source_step / clip.step[axis])
            origin.append(((source_step - 1) / 2 - clip.origin[axis]) / clip.step[axis])
        return cls(size, (origin[0], origin[1]), (step[0], step[1]))

    def seen(self, clip: Clip) -> tuple[slice, slice]:
        """Rows and columns of the picture whose pixels lie within the clip."""
        spans = []
        for axis in (0, 1):
            # A clip pixel covers half a pixel on either side of its centre.
            ends = [(edge - self.origin[axis]) / self.step[axis] for edge in (-0.5, clip.size[1 + axis] - 0.5)]
            low, high = (int(np.clip(np.ceil(end - 1e-6), 0, self.size[axis])) for end in ends)
            spans.append(slice(low, max(high, low)))
        return spans[0], spans[1]

    def evidence(self, layer: LayerMap, target: int, moment: float) -> NDArray[np.float32]:
        """Evidence at every pixel, as a signed fraction of the layer's largest absolute value.

        Parameters
        ----------
        layer : LayerMap
        target : int
        moment : float
            Frame of the clip, fractional between two of them.

        Returns
        -------
        float32 (height, width)
            The outer cells reach beyond the clip; `seen` says where it ends.
        """
        rows, values, peak = layer.geometry.rows, layer.values[target], layer.peak(target)
        row = float(np.interp(moment, rows, np.arange(len(rows))))
        low = min(int(row), max(len(rows) - 2, 0))
        slab = values[low] if low == row else (1 - (row - low)) * values[low] + (row - low) * values[low + 1]
        # The layer's cells, counted in the picture's pixels.
        origin = [(layer.geometry.origin[k] - self.origin[k]) / self.step[k] for k in (0, 1)]
        step = [layer.geometry.step[k] / self.step[k] for k in (0, 1)]
        here = Geometry(np.zeros(1), (origin[0], origin[1]), (step[0], step[1]))
        found = stretch(slab[None].astype(np.float32), here, (1, *self.size))[0]
        return np.asarray(found / peak if peak > 0 else found, np.float32)


def scaled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (height, width, 3) at another size, smooth in both directions."""
    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def course(volume: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Evidence for and against in each frame: the means of the positive and of the negative part of a stretched map."""
    return volume.clip(min=0).mean(axis=(1, 2)), volume.clip(max=0).mean(axis=(1, 2))


def evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """At most ``wanted`` of ``count`` frames, spread evenly from the first to the last."""
    return np.floor(np.linspace(0, count - 1, min(wanted, count)) + 1e-9).astype(np.int64)

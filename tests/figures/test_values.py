"""Figures of clips of values: the channels of a pyramid's clip are drawn in grey, each in its own range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.image import AxesImage

import notebook_explain as ne
from tests.example_values import small_pyramid


def test_a_channel_of_the_clip_is_drawn_in_grey_in_its_own_range() -> None:
    pyramid = small_pyramid()
    size = pyramid.clip.size
    values = np.random.default_rng(0).normal(size=(*size, 4)).astype(np.float32)
    values[..., 1] = 5 + np.arange(size[2])  # the channel of the pyramid's clip: a ramp to the right
    rows = tuple(replace(row, width=4) if row.kind == "input" else row for row in pyramid.rows)
    figure = replace(pyramid, clip=ne.Clip.from_array(values), rows=rows).figure()
    images = [np.asarray(image.get_array()) for image in figure.findobj(AxesImage)]
    grey = [image for image in images if (image == image[..., :1]).all()]
    assert any(_is_ramp(image[..., 0]) for image in grey)
    texts = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    assert "channels" in texts
    assert "colours" not in texts
    assert "red" not in texts.split()


def _is_ramp(image: np.ndarray) -> bool:
    row = image[len(image) // 2].astype(int)
    return row.min() < 5 and row.max() > 250 and (np.diff(row) >= 0).all() and (image == image[:1]).all()

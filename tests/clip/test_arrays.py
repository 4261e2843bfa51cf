"""Clips of arrays: every layout that is stated, every value that can only mean one thing, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from notebook_explain import Clip

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
layouts = st.builds(
    lambda letters, batch: "".join(letters) if batch else "".join(letter for letter in letters if letter != "B"),
    st.permutations("BTHWC"),
    st.booleans(),
)


def _in(layout: str, frames: np.ndarray) -> np.ndarray:
    """Frames (time, height, width, 3) put into a layout, by einsum."""
    return np.einsum(f"BTHWC->{layout}", frames[None]) if "B" in layout else np.einsum(f"THWC->{layout}", frames)


@given(layouts, st.booleans())
def test_every_stated_layout_comes_back_from_numpy_and_torch(layout: str, of_torch: bool) -> None:
    array: Any = np.ascontiguousarray(_in(layout, FRAMES))
    clip = Clip.of(torch.from_numpy(array) if of_torch else array, layout=layout)
    np.testing.assert_array_equal(clip.frames, FRAMES)


@given(st.permutations("BTHW"), st.booleans())
def test_grey_is_repeated_for_the_three_colours(letters: list[str], colour_axis: bool) -> None:
    layout, grey = "".join(letters), FRAMES[..., :1]
    array = _in(layout + "C", grey)
    clip = Clip.of(array, layout=layout + "C") if colour_axis else Clip.of(array[..., 0], layout=layout)
    np.testing.assert_array_equal(clip.frames, np.repeat(grey, 3, axis=3))


@given(
    hnp.arrays(np.uint8, (2, 3, 3, 3)),
    st.sampled_from([np.float32, np.float64, np.float16, torch.float32, torch.bfloat16]),
)
def test_fractions_in_0_to_1_become_the_bytes_that_they_were(frames: np.ndarray, kind: Any) -> None:
    frames[0, 0, 0, 0] = 128  # at least one fraction
    scaled: Any = frames / 255
    if isinstance(kind, torch.dtype):
        clip = Clip.of(torch.from_numpy(scaled).to(kind).requires_grad_())
    else:
        clip = Clip.of(scaled.astype(kind))
    assert np.abs(clip.frames.astype(int) - frames).max() <= (1 if kind == torch.bfloat16 else 0)


@given(hnp.arrays(np.uint8, (2, 3, 3, 3)), st.sampled_from([np.float32, np.float64, np.int64, np.int16, np.uint16]))
def test_whole_numbers_in_0_to_255_become_bytes(frames: np.ndarray, kind: Any) -> None:
    frames[0, 0, 0, 0] = 2  # above 1
    np.testing.assert_array_equal(Clip.of(frames.astype(kind)).frames, frames)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            np.full((1, 2, 2, 3), -1.5),
            r"got float64 from -1.5 to -1.5; undo the normalisation first: frames \* std \+ mean",
        ),
        (np.full((1, 2, 2, 3), 300), "got int64 from 300 to 300"),
        (np.full((1, 2, 2, 3), np.nan), "got float64 from nan to nan"),
        (np.full((1, 2, 2, 3), 1.0), r"which may mean 0..1 or 0..255: \(255 \* frames\)"),
        (np.ones((1, 2, 2, 3), np.int64), r"got int64 from 1 to 1, which may mean 0..1 or 0..255"),
        (np.full((1, 2, 2, 3), 100.5), r"got float64 from 100.5 to 100.5, which may mean"),
        (np.ones((1, 2, 2, 3), bool), "frames must be numbers, got bool"),
        (np.array([[["a"]]]), "frames must be numbers"),
    ],
)
def test_values_that_may_mean_two_things_are_refused(value: np.ndarray, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Clip.of(value)


def test_black_is_black_in_every_unit() -> None:
    assert Clip.of(np.zeros((2, 4, 4, 3))).frames.max() == 0


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((4, 3, 5, 6), "TCH", "layout 'TCH' must name each axis once"),
        ((4, 3, 5, 6), "TTHW", "must name each axis once"),
        ((4, 3, 5, 6), "NCHW", "must name each axis once"),
        ((4, 3, 5, 6), "BTCHW", r"layout 'BTCHW' has 5 axes, but the array has the shape \(4, 3, 5, 6\)"),
        ((2, 4, 3, 5, 6), "BTCHW", r"says a batch of 2, but a clip is one; take frames\[i\] of it"),
        ((4, 3, 5, 6), "THWC", r"says 6 colours in the shape \(4, 3, 5, 6\); a clip has 3 .*; is another axis"),
        ((4, 5, 6, 4), "THWC", "says 4 colours .*; drop the transparency"),
    ],
)
def test_layouts_that_do_not_fit_are_refused(shape: tuple[int, ...], layout: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clip.of(np.zeros(shape, np.uint8), layout=layout)


def test_a_layout_that_is_no_text_and_frames_that_make_no_array_are_refused() -> None:
    with pytest.raises(TypeError, match="layout must be a text such as 'TCHW', got 5"):
        Clip.of(FRAMES, layout=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"the frames do not make one array .*; they must be of one size"):
        Clip.of([FRAMES[0], FRAMES[0, 1:]])


def test_a_list_of_pictures_is_a_clip() -> None:
    from PIL import Image

    np.testing.assert_array_equal(Clip.of([Image.fromarray(frame) for frame in FRAMES]).frames, FRAMES)


def test_what_was_explained_stays_what_it_was() -> None:
    frames, tensor = FRAMES.copy(), torch.from_numpy(FRAMES.copy())
    clips = [Clip.of(frames), Clip.of(tensor), Clip.of(frames, layout="THWC")]
    frames[:], tensor[:] = 0, 0
    for clip in clips:
        np.testing.assert_array_equal(clip.frames, FRAMES)

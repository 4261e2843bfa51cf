"""Clips from arrays: every layout and every value range that is unambiguous; all others are refused."""

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


def _to_layout(layout: str, frames: np.ndarray) -> np.ndarray:
    """Reorder frames (time, height, width, 3) to a layout, by einsum."""
    return np.einsum(f"BTHWC->{layout}", frames[None]) if "B" in layout else np.einsum(f"THWC->{layout}", frames)


@given(layouts, st.booleans())
def test_every_layout_gives_the_same_clip_from_numpy_and_torch(layout: str, is_tensor: bool) -> None:
    array: Any = np.ascontiguousarray(_to_layout(layout, FRAMES))
    clip = Clip.of(torch.from_numpy(array) if is_tensor else array, layout=layout)
    np.testing.assert_array_equal(clip.frames, FRAMES)


@given(st.permutations("BTHW"), st.booleans())
def test_grey_is_repeated_for_the_three_colours(letters: list[str], has_colour_axis: bool) -> None:
    layout, grey = "".join(letters), FRAMES[..., :1]
    array = _to_layout(layout + "C", grey)
    clip = Clip.of(array, layout=layout + "C") if has_colour_axis else Clip.of(array[..., 0], layout=layout)
    np.testing.assert_array_equal(clip.frames, np.repeat(grey, 3, axis=3))


@given(
    hnp.arrays(np.uint8, (2, 3, 3, 3)),
    st.sampled_from([np.float32, np.float64, np.float16, torch.float32, torch.bfloat16]),
)
def test_fractions_in_0_to_1_become_the_original_bytes(frames: np.ndarray, kind: Any) -> None:
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
        (np.full((1, 2, 2, 3), 1.0), r"which could mean 0..1 or 0..255; convert values in 0..1 with \(255 \* frames\)"),
        (np.ones((1, 2, 2, 3), np.int64), r"got int64 from 1 to 1, which could mean 0..1 or 0..255"),
        (np.full((1, 2, 2, 3), 100.5), r"got float64 from 100.5 to 100.5, which could mean"),
        (np.array([[["a"]]]), "frames must be numbers"),
    ],
)
def test_ambiguous_values_are_refused(value: np.ndarray, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Clip.of(value)


def test_zeros_are_black() -> None:
    assert Clip.of(np.zeros((2, 4, 4, 3))).frames.max() == 0


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((4, 3, 5, 6), "TCH", "layout 'TCH' must name each axis once"),
        ((4, 3, 5, 6), "TTHW", "must name each axis once"),
        ((4, 3, 5, 6), "NCHW", "must name each axis once"),
        ((4, 3, 5, 6), "BTCHW", r"layout 'BTCHW' has 5 axes, but the array has shape \(4, 3, 5, 6\)"),
        ((2, 4, 3, 5, 6), "BTCHW", r"gives a batch of 2, but one clip is expected; pass frames\[i\] instead"),
        (
            (4, 3, 5, 6),
            "THWC",
            r"gives 6 colours in shape \(4, 3, 5, 6\); a clip has 3 .*; is the colour axis another one",
        ),
        ((4, 5, 6, 4), "THWC", "gives 4 colours .*; drop the alpha channel"),
    ],
)
def test_wrong_layouts_are_refused(shape: tuple[int, ...], layout: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clip.of(np.zeros(shape, np.uint8), layout=layout)


def test_layouts_that_are_not_strings_and_ragged_frames_are_refused() -> None:
    with pytest.raises(TypeError, match="layout must be a string such as 'TCHW', got 5"):
        Clip.of(FRAMES, layout=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"the frames do not form one array .*; they must have one size"):
        Clip.of([FRAMES[0], FRAMES[0, 1:]])


def test_a_list_of_images_is_a_clip() -> None:
    from PIL import Image

    np.testing.assert_array_equal(Clip.of([Image.fromarray(frame) for frame in FRAMES]).frames, FRAMES)


def test_a_clip_is_a_copy_of_its_array() -> None:
    frames, tensor = FRAMES.copy(), torch.from_numpy(FRAMES.copy())
    clips = [Clip.of(frames), Clip.of(tensor), Clip.of(frames, layout="THWC")]
    frames[:], tensor[:] = 0, 0
    for clip in clips:
        np.testing.assert_array_equal(clip.frames, FRAMES)

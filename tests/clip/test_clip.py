"""The value: invalid input, what sampling and resizing preserve, and the mapping to source pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from notebook_explain import Clip
from tests.clip.video_files import coded, numbers_of


def test_sampling_spreads_from_the_first_frame_to_the_last_and_keeps_times_and_numbers() -> None:
    frames = np.stack([coded(index) for index in range(11)])
    clip = Clip(frames, times=np.arange(11) / 5, frame_numbers=np.arange(100, 111)).sampled(4)
    assert numbers_of(clip.frames) == [0, 3, 6, 10]
    np.testing.assert_allclose(clip.times, [0, 0.6, 1.2, 2.0])
    np.testing.assert_array_equal(clip.frame_numbers, [100, 103, 106, 110])
    assert clip.frame_numbers.dtype == np.int64
    assert clip.sampled(4) is clip
    assert clip.sampled(7).frame_numbers.tolist() == [100, 100, 103, 103, 106, 106, 110]
    assert Clip(frames).sampled(4).frame_numbers is None


def test_resizing_crops_the_centre_and_maps_back_to_the_source() -> None:
    frames = np.zeros((2, 60, 100, 3), np.uint8)
    frames[:, 30:34, 50:54] = 255  # a white square whose centre is source pixel (31.5, 51.5)
    clip = Clip(frames, frame_numbers=[3, 4]).resized(30)
    assert clip.size == (2, 30, 30)
    weight = clip.frames[0, ..., 0].astype(float)
    y, x = (weight.sum(axis=1 - axis) @ np.arange(30) / weight.sum() for axis in (0, 1))
    assert clip.origin[0] + clip.step[0] * y == pytest.approx(31.5, abs=0.1)
    assert clip.origin[1] + clip.step[1] * x == pytest.approx(51.5, abs=0.1)
    assert clip.source_size == (60, 100)
    assert clip.frame_numbers.tolist() == [3, 4]
    assert clip.resized((30, 30)) is clip


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((1, 8, 4, 4, 3), r"layout='BTCHW'\), or pass frames\[0\]"),
        ((8, 4, 4, 4), "drop the alpha channel"),
        ((8, 4, 4, 1), r"for grey frames, use Clip.of\(frames, layout='THWC'\)"),
        ((8, 4, 4), r"for grey frames, use Clip.of\(frames, layout='THW'\)"),
        ((3, 8, 4, 5), r"name the axes with Clip.of\(frames, layout=...\): 'CTHW'"),
        ((8, 3, 4, 5), r"layout=...\): 'TCHW'"),
        ((3, 3, 4, 5), r"layout=...\): 'TCHW' or 'CTHW'"),
        ((4, 5, 3), "got"),
        ((0, 4, 4, 3), "with no axis of length 0"),
    ],
)
def test_arrays_of_other_shapes_are_refused_with_a_hint(shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(ValueError, match=rf"shape \(time, height, width, 3\).*{hint}"):
        Clip(np.zeros(shape, np.uint8))


def test_wrong_types_and_lengths_are_refused() -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(TypeError, match=r"frames must be uint8 .* \(255 \* frames\)"):
        Clip(frames / 255)
    with pytest.raises(ValueError, match=r"times must have one number per frame \(2\), got shape \(3,\)"):
        Clip(frames, times=np.arange(3.0))
    with pytest.raises(ValueError, match=r"frame_numbers must have one number per frame \(2\), got shape \(1,\)"):
        Clip(frames, frame_numbers=[0])
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        Clip(frames).sampled(0)
    with pytest.raises(TypeError, match="a clip must be a path, a Clip or an array"):
        Clip.of(None)
    with pytest.raises(TypeError, match=r"layout applies to arrays only, got it with 'a.mp4'; leave it out"):
        Clip.of("a.mp4", layout="TCHW")


@pytest.mark.parametrize("path", ["bowling.mp4", Path("bowling.mp4")])
def test_a_path_is_answered_with_the_call_that_reads_it(path: str | Path) -> None:
    with pytest.raises(TypeError, match=r"to read a video, call Clip\.read\('bowling\.mp4'\)"):
        Clip(path)


def test_a_sample_becomes_a_clip_with_times_and_a_description() -> None:
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    clip = Clip.of(SimpleNamespace(frames=frames, fps=8, label="wave"))
    assert (clip.source, clip.times.tolist()) == ("synthetic sample: wave", [0, 0.125, 0.25, 0.375])
    assert clip.is_synthetic
    assert clip.sampled(2).resized(4).is_synthetic
    assert not Clip(frames, source="synthetic.mp4").is_synthetic


def test_importing_clips_imports_neither_opencv_nor_pillow_nor_torch() -> None:
    code = "from notebook_explain.clip import Clip; import sys; print({'cv2', 'PIL', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"

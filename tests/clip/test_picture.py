"""Frames upright and unmirrored, with the pixels that are stored."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from notebook_explain import Clip
from notebook_explain.clip.sources.picture import nearest_orientation
from notebook_explain.widgets.html import read_data
from tests.clip.video_files import coded, decode_with_pyav, with_display_matrix, write

RIGHT_ANGLES = [
    matrix
    for matrix in itertools.product((-1, 0, 1), repeat=4)
    if abs(np.linalg.det(np.reshape(matrix, (2, 2)))) == 1 and sum(map(abs, matrix)) == 2
]


def shown(frame: np.ndarray, a: int, b: int, c: int, d: int) -> np.ndarray:
    """Move every pixel (x, y) to (a x + c y, b x + d y), one by one, and shift the result to start at 0."""
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width]
    new_x, new_y = a * x + c * y, b * x + d * y
    new_x, new_y = new_x - new_x.min(), new_y - new_y.min()
    picture = np.zeros((new_y.max() + 1, new_x.max() + 1, 3), np.uint8)
    picture[new_y, new_x] = frame
    return picture


def test_there_are_eight_right_angles() -> None:
    assert len(RIGHT_ANGLES) == 8


@pytest.mark.parametrize("matrix", RIGHT_ANGLES)
def test_frames_are_rotated_and_mirrored_by_the_display_matrix(tmp_path: Path, matrix: tuple[int, ...]) -> None:
    picture = coded(0b0110_1001, 48, 80)
    picture[:10, :20] = (220, 20, 20)  # no symmetry is left
    path = write(tmp_path / "phone.mp4", frames=[picture] * 3)
    stored, _ = decode_with_pyav(path)
    clip = Clip.read(with_display_matrix(path, *matrix))
    expected = np.stack([shown(frame, *matrix) for frame in stored])
    np.testing.assert_array_equal(clip.frames, expected)
    assert clip.source_size == expected.shape[1:3]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_scale_of_a_display_matrix_is_ignored(tmp_path: Path, scale: float) -> None:
    path = write(tmp_path / "scaled.mp4", frames=2)
    stored, _ = decode_with_pyav(path)
    clip = Clip.read(with_display_matrix(path, 0, scale, -scale, 0))
    np.testing.assert_array_equal(clip.frames, np.rot90(stored, -1, axes=(1, 2)))


@pytest.mark.parametrize(
    ("degrees", "expected"), [(2, None), (45, None), (-30, None), (88, (True, True, False)), (177, (False, True, True))]
)
def test_other_angles_are_rounded_if_they_are_close(degrees: float, expected: tuple[bool, ...] | None) -> None:
    cosine, sine = (round(65536 * f(np.radians(degrees))) for f in (np.cos, np.sin))
    assert nearest_orientation((cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)) == expected


@pytest.mark.parametrize(
    "matrix", [(0,) * 9, (65536, 65536, 0, 65536, 65536, 0, 0, 0, 1 << 30), (1 << 30, 0, 0, 0, -1, 0, 0, 0, 0)]
)
def test_a_damaged_matrix_changes_nothing_or_mirrors(matrix: tuple[int, ...]) -> None:
    assert nearest_orientation(matrix) in (None, (False, False, True))


@pytest.mark.parametrize(
    ("kind", "ratio"), [("mp4", "64/45"), ("mkv", "8/9"), ("avi", "16/11"), ("mp4", "1/1"), ("mkv", "100/101")]
)
def test_pixels_that_are_not_square_stay_as_stored_and_are_mentioned(tmp_path: Path, kind: str, ratio: str) -> None:
    codec = "mpeg4" if kind == "avi" else "libx264"
    path = tmp_path / f"wide.{kind}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(ratio)
        for index in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(coded(index, 96, 120), format="rgb24")))
        out.mux(stream.encode(None))
    clip = Clip.read(path)
    np.testing.assert_array_equal(clip.frames, decode_with_pyav(path)[0])
    across, down = map(int, ratio.split("/"))
    if ratio in ("1/1", "100/101"):
        assert clip.caveats == ()
    else:
        assert clip.caveats == (
            f"The video's pixels are not square ({across}:{down}): frames stay 120 x 96 as stored, where a player shows "
            f"{round(120 * across / down)} x 96.",
        )


def test_caveats_survive_resizing_sampling_and_a_file(tmp_path: Path) -> None:
    from dataclasses import replace

    import notebook_explain as ne
    from notebook_explain.explanations.caveats import CaveatCode, caveats
    from tests.example_values import small_tubes

    clip = replace(Clip.of(np.zeros((8, 20, 30, 3), np.uint8)), caveats=("The video is upside down.",))
    assert clip.resized(10).sampled(4).caveats == clip.caveats
    tubes = small_tubes()
    tubes = replace(tubes, clip=replace(tubes.clip, caveats=clip.caveats))
    for explanation in (tubes, ne.load(tubes.save(tmp_path / "t.npz"))):
        assert explanation.clip.caveats == clip.caveats
        (found,) = [text for text in caveats(explanation) if text == "The video is upside down."]
        assert found.code is CaveatCode.DECODING
    (widget,) = read_data(tubes.to_html(tmp_path / "page.html").read_text())["widgets"]
    assert "The video is upside down." in widget["state"]["caveats"]


def test_frames_larger_than_the_header_says_are_refused_before_they_are_allocated(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.avi", "mjpeg", 4, pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    start = data.find(b"\xff\xc0")  # the header of a JPEG: length, bits, then height and width
    while start >= 0:
        data[start + 5 : start + 9] = struct.pack(">HH", 60_000, 60_000)
        start = data.find(b"\xff\xc0", start + 9)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"no frame of .* could be decoded|above the limit"):
        Clip.read(path, max_pixels=10**6)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotation_stored_by_matroska(tmp_path: Path, degrees: int) -> None:
    path = tmp_path / "rotated.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this version of PyAV does not write rotations")
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        stream.set_display_rotation(degrees)  # counterclockwise
        out.mux(stream.encode(av.VideoFrame.from_ndarray(coded(0b0110_1001, 48, 80), format="rgb24")))
        out.mux(stream.encode(None))
    stored, _ = decode_with_pyav(path)
    np.testing.assert_array_equal(Clip.read(path).frames, np.rot90(stored, degrees // 90, axes=(1, 2)))

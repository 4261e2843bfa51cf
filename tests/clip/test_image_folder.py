"""Folders of images: the layouts of five datasets, and malformed ones."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from notebook_explain import Clip
from notebook_explain.clip import open_source
from notebook_explain.clip.sampling import Sampling
from tests.clip.video_files import coded, numbers_of


def _fill(folder: Path, names: Iterable[str], size: tuple[int, int] = (48, 64)) -> Path:
    """Fill a folder with images that show their index in the list of names."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(coded(index, *size)).save(folder / name, quality=95)
    return folder


LAYOUTS = {
    "Kinetics, UCF-101, HMDB-51 (TSN, MMAction2)": "img_{:05d}.jpg",
    "UCF-101, HMDB-51 (3D ResNets)": "image_{:05d}.jpg",
    "UCF-101, HMDB-51 (two-stream fusion)": "frame{:06d}.jpg",
    "EPIC-Kitchens": "frame_{:010d}.jpg",
    "EGTEA Gaze+": "OP01-R01-PastaSalad_frame_{:010d}.jpg",
    "UCF-101, named after the clip": "v_ApplyEyeMakeup_g01_c01_{:d}.png",
    "plain numbers": "{:d}.jpeg",
    "capitals": "IMG_{:04d}.JPG",
}


@pytest.mark.parametrize("pattern", LAYOUTS.values(), ids=LAYOUTS)
def test_frames_of_each_dataset_are_read_in_natural_order(tmp_path: Path, pattern: str) -> None:
    folder = _fill(tmp_path / "v_clip ✓", (pattern.format(number) for number in range(1, 24)))
    for stray in ("Thumbs.db", ".DS_Store", "._img_00003.jpg", "labels.txt", "n_frames"):
        (folder / stray).write_bytes(b"\0\5\7")
    clip = Clip.read(folder, frames=8, fps=30)
    expected = np.floor(np.linspace(0, 22, 8)).astype(int)
    assert numbers_of(clip.frames) == clip.frame_numbers.tolist() == expected.tolist()
    np.testing.assert_allclose(clip.times, expected / 30)
    assert clip.name == "v_clip ✓"
    assert clip.source_size == (48, 64)


def test_frame_9_comes_before_frame_10() -> None:
    from notebook_explain.clip.sources.image_folder import _natural_key

    names = ["frame_10.jpg", "frame_9.jpg", "Frame_1.jpg", "frame_002.jpg"]
    assert sorted(names, key=_natural_key) == ["Frame_1.jpg", "frame_002.jpg", "frame_9.jpg", "frame_10.jpg"]


def test_without_a_frame_rate_there_are_no_times_and_windows_are_in_frames(tmp_path: Path) -> None:
    folder = _fill(tmp_path, (f"img_{number:05d}.jpg" for number in range(20)))
    clip = Clip.read(folder, window=(5, 15), stride=4)
    assert clip.times is None
    assert numbers_of(clip.frames) == [5, 9, 13]
    with pytest.raises(ValueError, match=r"the window is in seconds, but the frame rate is unknown .*; pass fps="):
        Clip.read(folder, window=(0.0, 1.0))
    assert numbers_of(Clip.read(folder, window=(0.5, 1.0), fps=10).frames) == [5, 6, 7, 8, 9]
    for fps in (0, -1, float("nan"), "25", True):
        with pytest.raises(ValueError, match="fps must be a number of frames per second above 0"):
            Clip.read(folder, fps=fps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "flow", ["flow_x_{:05d}.jpg", "flow_{:05d}.jpg", "x_{:05d}.jpg", "u_{:05d}.jpg", "{:05d}_flow_y.jpg"]
)
def test_optical_flow_is_left_out_with_a_warning_and_refused_alone(tmp_path: Path, flow: str) -> None:
    folder = _fill(tmp_path / "clip", (f"img_{number:05d}.jpg" for number in range(1, 7)))
    _fill(tmp_path / "clip", (flow.format(number) for number in range(1, 7)))
    with pytest.warns(UserWarning, match=r"clip: left out .*#.*\.jpg \(6 images\)"):
        assert numbers_of(Clip.read(folder).frames) == list(range(6))
    alone = _fill(tmp_path / "alone", (flow.format(number) for number in range(1, 7)))
    with pytest.raises(ValueError, match=r"contains only optical flow .*; give the folder of the frames"):
        Clip.read(alone)


def test_folders_of_optical_flow_are_refused(tmp_path: Path) -> None:
    for name in ("u", "v"):
        _fill(tmp_path / "P01_01" / name, (f"frame_{number:010d}.jpg" for number in range(3)))
    with pytest.raises(ValueError, match=r"contains no images .*; its folders contain optical flow"):
        Clip.read(tmp_path / "P01_01")
    with pytest.raises(ValueError, match="is one of the optical flow folders u, v"):
        Clip.read(tmp_path / "P01_01" / "u")


def test_folders_without_exactly_one_clip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"contains no images \(.jpg, .*\)$"):
        Clip.read(tmp_path)
    _fill(tmp_path / "v_a", ["img_1.jpg"])
    (tmp_path / "v_b").mkdir()
    with pytest.raises(ValueError, match="it contains v_a, v_b; give the path of one clip"):
        Clip.read(tmp_path)
    two = _fill(tmp_path / "two", [f"P01_{clip:02d}_frame_{number}.jpg" for clip in (1, 2) for number in range(3)])
    with pytest.raises(
        ValueError, match=r"several series of images: P01_01_frame_#.jpg \(3 images\), P01_02_frame_#.jpg"
    ):
        Clip.read(two)


def test_single_images_beside_a_series_are_left_out_and_names_without_numbers_are_a_series(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "clip", [*(f"img_{number}.jpg" for number in range(4)), "poster.jpg"])
    with pytest.warns(UserWarning, match=r"clip: left out poster.jpg \(1 images\)"):
        assert numbers_of(Clip.read(folder).frames) == [0, 1, 2, 3]
    letters = _fill(tmp_path / "letters", ["a.png", "b.png", "c.png"])
    assert numbers_of(Clip.read(letters).frames) == [0, 1, 2]


def test_missing_numbers_give_a_warning(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "clip", (f"img_{number}.jpg" for number in range(0, 40, 2) if number not in (8, 10, 30)))
    with pytest.warns(UserWarning, match="clip: 3 numbers are missing between the first and the last image"):
        assert len(Clip.read(folder)) == 17
    regular = _fill(tmp_path / "every third", (f"img_{number}.jpg" for number in range(1, 40, 3)))
    assert len(Clip.read(regular)) == 13


def test_images_of_different_sizes_are_refused(tmp_path: Path) -> None:
    folder = _fill(tmp_path, ["img_1.png", "img_2.png"])
    Image.fromarray(coded(2, 50, 64)).save(folder / "img_3.png")
    with pytest.raises(ValueError, match=r"differ in size: img_3.png is 50 x 64, but the first is 48 x 64"):
        Clip.read(folder)


def test_every_image_mode_becomes_rgb(tmp_path: Path) -> None:
    grey = coded(5)[..., 0]
    deep = grey.astype(np.uint16) * 257
    rgba = np.concatenate([coded(5), np.full((96, 128, 1), 90, np.uint8)], axis=2)
    images = [
        Image.fromarray(grey),
        Image.fromarray(deep),
        Image.fromarray(deep.astype(np.int32)),
        Image.fromarray(rgba),
        Image.fromarray(coded(5)).quantize(8),
        Image.fromarray(rgba).quantize(8),
        Image.fromarray(grey).convert("LA"),
        Image.fromarray(grey > 128),
    ]
    for index, image in enumerate(images):
        image.save(tmp_path / f"img_{index}.{'tiff' if image.mode == 'I' else 'png'}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in sorted(tmp_path.iterdir()):
            clip = Clip.read(path)
            assert numbers_of(clip.frames) == [5]
            if path.name != "img_7.png":  # which is binary
                np.testing.assert_array_equal(clip.frames[0], coded(5))


def test_images_are_rotated_by_their_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise by 90 degrees to make it upright
    image = coded(3)
    Image.fromarray(np.rot90(image)).save(tmp_path / "img_1.png", exif=exif)
    clip = Clip.read(tmp_path)
    np.testing.assert_array_equal(clip.frames[0], image)
    assert clip.source_size == (96, 128)


def test_a_huge_image_is_refused_by_its_header(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    def header(side: int) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")

    path = tmp_path / "img_1.png"
    path.write_bytes(header(8_000) + chunk(b"IDAT", b""))  # 64 million pixels, none of them there
    with pytest.raises(
        ValueError, match=r"has 8000 x 8000 = 64,000,000 pixels, above the limit of 1,000,000; pass max_pixels="
    ):
        Clip.read(tmp_path, max_pixels=1_000_000)
    path.write_bytes(header(60_000) + chunk(b"IDAT", b""))
    with pytest.raises(ValueError, match=r"img_1.png' is too large: Image size .3600000000 pixels. exceeds limit"):
        Clip.read(tmp_path)


def test_damaged_images_and_files_of_several_images_are_refused(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "clip", ["img_1.png", "img_2.png"])
    whole = (folder / "img_2.png").read_bytes()
    (folder / "img_2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"img_2.png' could not be decoded \(.*\); write it again, or remove it"):
        Clip.read(folder)
    (folder / "img_1.png").write_bytes(b"\0\1\2")
    with pytest.raises(ValueError, match=r"img_1.png' has the name of an image, but cannot be read as one"):
        Clip.read(folder)
    moving = [Image.fromarray(coded(index)) for index in range(3)]
    moving[0].save(tmp_path / "moving.webp", save_all=True, append_images=moving[1:])
    with pytest.raises(ValueError, match=r"moving.webp' contains 3 images; convert it to a video or to single images"):
        Clip.read(tmp_path / "moving.webp")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "heat.tiff")
    with pytest.raises(
        ValueError, match=r"heat.tiff' could not be decoded .it has float pixels with no stated value range"
    ):
        Clip.read(tmp_path / "heat.tiff")


def test_only_regular_files_count_and_only_requested_ones_are_opened(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "clip", (f"img_{number}.jpg" for number in range(6)))
    (folder / "img_3.jpg").write_bytes(b"damaged")
    os.mkfifo(folder / "img_6.jpg")
    (folder / "img_7.jpg").mkdir()
    assert open_source(folder).probe(Sampling()).count == 6
    assert numbers_of(Clip.read(folder, stride=2).frames) == [0, 2, 4]

"""Colours: matrix and range by their tags, deep colours rounded, HDR and wide gamut mapped as stated, each against formulas."""

from __future__ import annotations

import warnings
from pathlib import Path

import av
import numpy as np
import pytest

from notebook_explain import Clip
from tests.clip.video_files import decode_with_pyav, write, write_planes

COLOURS = np.array(
    [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (200, 100, 50),
        (128, 128, 128),
        (10, 240, 120),
        (255, 255, 255),
        (0, 0, 0),
    ],
    float,
)
BARS = COLOURS[None].repeat(32, 0).repeat(16, 1)  # (32, 128, 3)
CENTRES = np.s_[16, 8::16]
WEIGHTS = {  # of red and blue in luma; H.273's names as x264 spells them
    "bt709": (0.2126, 0.0722),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
    "bt2020nc": (0.2627, 0.0593),
}


def planes_of(rgb: np.ndarray, matrix: str, *, full_range: bool, bits: int = 8) -> list[np.ndarray]:
    """Return Y, Cb and Cr of R'G'B' in 0..255, by the definition of ITU-T H.273."""
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    if matrix == "YCgCo":
        luma, first, second = red / 4 + green / 2 + blue / 4, -red / 4 + green / 2 - blue / 4, red / 2 - blue / 2
    else:
        of_red, of_blue = WEIGHTS[matrix]
        luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
        first, second = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    unit, top = 2 ** (bits - 8), 2**bits - 1
    spans = (top, top, 0) if full_range else (219 * unit, 224 * unit, 16 * unit)
    planes = [spans[0] * luma + spans[2], spans[1] * first + 128 * unit, spans[1] * second + 128 * unit]
    return [np.clip(np.round(plane), 0, top) for plane in planes]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [*WEIGHTS, "YCgCo"])
@pytest.mark.parametrize(("pixels", "bits"), [("yuv444p", 8), ("yuv444p10le", 10)])
def test_matrix_and_range_are_those_of_the_tags(
    tmp_path: Path, matrix: str, full_range: bool, pixels: str, bits: int
) -> None:
    planes = planes_of(BARS, matrix, full_range=full_range, bits=bits)
    options = {"x264-params": f"colormatrix={matrix}"}
    path = write_planes(tmp_path / "tagged.mp4", planes, options, full_range=full_range, pixels=pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
    assert np.abs(clip.frames[0][CENTRES] - COLOURS).max() <= 3
    if matrix != "YCgCo":  # which FFmpeg does not convert
        np.testing.assert_array_equal(clip.frames, decode_with_pyav(path)[0])


@pytest.mark.parametrize("primaries", ["bt2020", "bt709"])
def test_a_matrix_derived_from_the_primaries_is_that_of_their_standard(tmp_path: Path, primaries: str) -> None:
    planes = planes_of(BARS, {"bt2020": "bt2020nc", "bt709": "bt709"}[primaries], full_range=False)
    options = {"x264-params": f"colormatrix=chroma-derived-nc:colorprim={primaries}"}
    path = write_planes(tmp_path / "derived.mp4", planes, options, full_range=False)
    assert np.abs(Clip.read(path, tone_map=False).frames[0][CENTRES] - COLOURS).max() <= 2


@pytest.mark.parametrize(
    ("matrix", "name", "nearest"),
    [
        ("bt2020c", "BT.2020 with constant luminance", "BT.2020"),
        ("ictcp", "ICtCp", "BT.2020"),
        ("smpte2085", "number 11", "BT.601"),
    ],
)
def test_a_matrix_without_conversion_is_read_by_the_nearest_with_one_warning(
    tmp_path: Path, matrix: str, name: str, nearest: str
) -> None:
    planes = planes_of(BARS, {"BT.2020": "bt2020nc", "BT.601": "smpte170m"}[nearest], full_range=False)
    path = write_planes(tmp_path / "rare.mp4", planes, {"x264-params": f"colormatrix={matrix}"}, full_range=False)
    with pytest.warns(UserWarning, match=rf"colour matrix \({name}.*\) is not supported: that of {nearest}") as caught:
        clip = Clip.read(path)
    assert len(caught) == len(clip.caveats) == 1
    assert np.abs(clip.frames[0][CENTRES] - COLOURS).max() <= 2


def test_without_tags_colours_are_those_of_bt_601_and_limited_range(tmp_path: Path) -> None:
    path = write_planes(tmp_path / "plain.mp4", planes_of(BARS, "smpte170m", full_range=False), {}, full_range=False)
    assert np.abs(Clip.read(path).frames[0][CENTRES] - COLOURS).max() <= 2


@pytest.mark.parametrize(
    ("pixels", "top"), [("rgb48le", 65535), ("gbrp10le", 1023), ("gray16le", 65535), ("gray12le", 4095)]
)
def test_deep_colours_are_rounded_to_8_bits(tmp_path: Path, pixels: str, top: int) -> None:
    ramp = np.linspace(0, 255, 128).round().astype(np.uint8)[None, :, None].repeat(48, 0).repeat(3, 2)
    path = write(tmp_path / "deep.mkv", "ffv1", [ramp] * 2, pixels=pixels)
    assert np.abs(Clip.read(path).frames[0].astype(int) - ramp).max() <= 1


# The mapping, written anew from the standards in float64.
PRIMARIES = {
    "bt709": [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)],
    "bt2020": [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)],
    "smpte432": [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)],
}


def xyz_matrix(primaries: str) -> np.ndarray:
    xy = np.array([*PRIMARIES[primaries], (0.3127, 0.3290)])
    xyz = np.stack([xy[:, 0], xy[:, 1], 1 - xy.sum(1)]) / xy[:, 1]
    return xyz[:, :3] @ np.diag(np.linalg.inv(xyz[:, :3]) @ xyz[:, 3])


def pq_light(code: np.ndarray) -> np.ndarray:
    p = code ** (32 / 2523)
    return 10000 * (np.maximum(p - 0.8359375, 0) / (18.8515625 - 18.6875 * p)) ** (8192 / 1305)


def pq_code(light: np.ndarray) -> np.ndarray:
    y = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def mapped(rgb: np.ndarray, primaries: str, transfer: str) -> np.ndarray:
    """Return R'G'B' in 0..255 of stored R'G'B' in 0..1, pixel by pixel."""
    to_709 = np.linalg.inv(xyz_matrix("bt709")) @ xyz_matrix(primaries)
    results = []
    for pixel in rgb.reshape(-1, 3):
        if transfer == "smpte2084":
            light = pq_light(pixel)
        elif transfer == "arib-std-b67":
            scene = [
                v * v / 3 if v <= 0.5 else (np.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12 for v in pixel
            ]
            luminance = float(xyz_matrix(primaries)[1] @ scene)
            light = 1000 * luminance**0.2 * np.array(scene)
        else:
            light = 203 * pixel**2.4
        if transfer in ("smpte2084", "arib-std-b67") and light.max() > 0:
            largest = pq_code(np.array(min(light.max(), 1000.0))) / pq_code(np.array(1000.0))
            top = pq_code(np.array(203.0)) / pq_code(np.array(1000.0))
            knee = 1.5 * top - 0.5
            if largest > knee:
                t = (largest - knee) / (1 - knee)
                largest = (
                    (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * top
                )
            light = light * pq_light(largest * pq_code(np.array(1000.0))) / min(light.max(), 1000.0)
        results.append(np.clip(to_709 @ light / 203, 0, 1) ** (1 / 2.4))
    return 255 * np.array(results).reshape(rgb.shape)


@pytest.mark.parametrize(
    ("primaries", "transfer", "what"),
    [
        (
            "bt2020",
            "smpte2084",
            r"HDR \(PQ, BT.2020\) is tone-mapped to SDR \(light up to 1000 cd/m² compressed to 203 cd/m²",
        ),
        ("bt2020", "arib-std-b67", r"HDR \(HLG, BT.2020\) is tone-mapped to SDR"),
        ("smpte432", "smpte2084", r"HDR \(PQ, Display P3\) is tone-mapped to SDR"),
        ("smpte432", "bt709", r"wide gamut \(Display P3\) is converted to BT.709"),
        ("smpte432", "iec61966-2-1", r"wide gamut \(Display P3\) is converted to BT.709"),
        ("bt2020", "bt2020-10", r"wide gamut \(BT.2020\) is converted to BT.709"),
    ],
)
def test_hdr_and_wide_gamut_are_mapped_as_stated_with_one_warning(
    tmp_path: Path, primaries: str, transfer: str, what: str
) -> None:
    rng = np.random.default_rng(0)
    colours = np.concatenate([rng.random((25, 3)), np.repeat(np.linspace(0, 1, 7)[:, None], 3, 1)])
    picture = 255 * colours[None].repeat(16, 0).repeat(8, 1)
    planes = planes_of(picture, "bt2020nc", full_range=False, bits=10)
    options = {"x264-params": f"colorprim={primaries}:transfer={transfer}:colormatrix=bt2020nc"}
    path = write_planes(tmp_path / "hdr.mp4", planes, options, full_range=False, pixels="yuv444p10le")
    with pytest.warns(UserWarning, match=rf"hdr.mp4: The video's {what}") as caught:
        clip = Clip.read(path)
    assert len(caught) == 1
    assert str(caught[0].message).endswith("pass tone_map=False to Clip.read")
    assert len(clip.caveats) == 1
    with av.open(str(path)) as file:  # what the file stores, in steps of 10 bits
        stored_planes = next(file.decode(video=0)).planes
        coded = [
            np.frombuffer(plane, "<u2").reshape(plane.height, -1)[8, 4 : plane.width : 8] for plane in stored_planes
        ]
    luma, blue, red = (coded[0] - 64.0) / 876, (coded[1] - 512.0) / 896, (coded[2] - 512.0) / 896
    red, blue = luma + 2 * (1 - 0.2627) * red, luma + 2 * (1 - 0.0593) * blue
    green = (luma - 0.2627 * red - 0.0593 * blue) / 0.678
    expected = mapped(np.clip(np.stack([red, green, blue], -1), 0, 1), primaries, transfer)
    assert np.abs(clip.frames[0][8, 4::8] - expected).max() <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = Clip.read(path, tone_map=False)
    np.testing.assert_array_equal(stored.frames, decode_with_pyav(path)[0])
    assert stored.caveats[0].endswith("is not mapped to the colours of a usual screen.")


def test_grey_of_a_wide_gamut_does_not_change(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 128).round().astype(np.uint8)[None, :, None].repeat(48, 0).repeat(3, 2)
    planes = planes_of(ramp.astype(float), "bt709", full_range=False)
    options = {"x264-params": "colorprim=smpte432:transfer=bt709:colormatrix=bt709"}
    path = write_planes(tmp_path / "grey.mp4", planes, options, full_range=False)
    with pytest.warns(UserWarning, match="wide gamut"):
        assert np.abs(Clip.read(path).frames[0].astype(int) - ramp).max() <= 1


@pytest.mark.parametrize(
    "tags", ["", "colorprim=bt709:transfer=bt709:colormatrix=bt709", "colorprim=smpte170m:transfer=smpte170m"]
)
def test_usual_colours_are_not_mapped(tmp_path: Path, tags: str) -> None:
    path = write(tmp_path / "sdr.mp4", frames=2, options={"x264-params": tags} if tags else {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
    assert clip.caveats == ()
    np.testing.assert_array_equal(clip.frames, decode_with_pyav(path)[0])

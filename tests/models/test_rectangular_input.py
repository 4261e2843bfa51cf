"""Networks with rectangular input: specified, fitted, explained, and mapped back to the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.explanations import Provenance
from tests import zoo
from tests.clip.video_files import write
from tests.example_values import small_tubes

SPECIFIED = {"frames": 8, "mean": 0.0, "std": 1.0, "layout": "BCTHW"}


class Counting(nn.Module):
    """A detector of bright patches whose linear layer takes 8 x 14 cells, so only clips of 64 x 112 fit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 1, (1, 8, 8), stride=(1, 8, 8), bias=False)
        nn.init.constant_(self.conv.weight, 1 / 192)
        self.head = nn.Linear(8 * 14, 2, bias=False)
        nn.init.constant_(self.head.weight, 1 / 112)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x) - 0.4).mean(2).flatten(1))


class Opaque(Counting):
    """Network without positions, so that the clip is divided evenly."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if type(x) is not torch.Tensor:
            raise TypeError("only plain tensors")
        return super().forward(x)


def patch(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    """Make eight dark frames with a white patch in the fourth and fifth."""
    frames = np.full((8, height, width, 3), 40, np.uint8)
    frames[3:5, rows, columns] = 255
    return frames


def source_spot(tubes: Any) -> tuple[float, float, float]:
    """Return the frame, and the row and column of the source picture, at which the map is largest."""
    volume = tubes.volume()
    t, *cell = np.unravel_index(volume.argmax(), volume.shape)
    y, x = (tubes.clip.origin[axis] + tubes.clip.step[axis] * cell[axis] for axis in (0, 1))
    return float(t), y, x


@pytest.mark.parametrize("network", [Counting, Opaque])
def test_a_patch_outside_the_middle_square_is_found(network: type[nn.Module]) -> None:
    model = ne.adapt(network(), size=(64, 112), **SPECIFIED)
    assert repr(model).startswith(f"VideoModel({network.__name__}, 8 frames of 64 x 112, BCTHW")
    tubes = ne.SaliencyTubes()(model, patch(64, 112, slice(40, 56), slice(96, 112)), 0)
    assert (tubes.clip.size, tubes.layers[-1].grid) == ((8, 64, 112), (8, 8, 14))
    t, y, x = source_spot(tubes)
    assert t in (3, 4)
    assert 40 <= y < 56
    assert 96 <= x < 112
    inside = tubes.volume()[3:5, 40:56, 96:112].clip(min=0).sum()
    assert inside / tubes.volume().clip(min=0).sum() > 0.5


@pytest.mark.parametrize("crop", ["center", "letterbox", "stretch"])
def test_every_crop_maps_back_to_the_patch(crop: str) -> None:
    """The source is 192 x 192; the patch in rows 104 to 135 is inside every crop."""
    frames = patch(192, 192, slice(104, 136), slice(144, 176))
    tubes = ne.explain(Counting(), frames, 0, size=(64, 112), crop=crop, **SPECIFIED)
    assert tubes.clip.size == (8, 64, 112)
    step = {"center": (110 / 64, 12 / 7), "letterbox": (3, 3), "stretch": (3, 12 / 7)}[crop]
    assert tubes.clip.step == pytest.approx(step)
    _, y, x = source_spot(tubes)
    assert 104 <= y < 136
    assert 144 <= x < 176
    assert tubes.provenance.preprocessing["crop"] == crop
    assert tubes.provenance.preprocessing["size"] == [64, 112]


def expected_crop(picture: np.ndarray, crop: str) -> np.ndarray:
    """Reduce a picture of 96 x 160 to 32 x 40 by means of whole blocks."""
    if crop == "center":
        return block_means(picture[:, 20:140], 3, 3)
    if crop == "stretch":
        return block_means(picture, 3, 4)
    return np.pad(block_means(picture, 4, 4), ((4, 4), (0, 0), (0, 0)))


def block_means(picture: np.ndarray, high: int, wide: int) -> np.ndarray:
    height, width = picture.shape[0] // high, picture.shape[1] // wide
    return picture.reshape(height, high, width, wide, 3).astype(float).mean(axis=(1, 3))


@pytest.mark.parametrize("crop", ["center", "letterbox", "stretch"])
@pytest.mark.parametrize("read", ["path", "clip"])
def test_a_video_is_resized_like_the_reference(tmp_path: Path, crop: str, read: str) -> None:
    rng = np.random.default_rng(2)
    pictures = [rng.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(8)]
    path = write(tmp_path / "noise.mkv", "ffv1", pictures, pixels="bgr0")
    expected = np.stack([expected_crop(picture, crop) for picture in pictures])
    net = zoo.ZOO["residual"].make()
    tubes = ne.explain(net, path if read == "path" else ne.Clip.read(path), 0, size=(32, 40), crop=crop, **SPECIFIED)
    np.testing.assert_allclose(tubes.clip.frames, expected, atol=0.51)
    np.testing.assert_array_equal(tubes.clip.frames, ne.Clip.read(path, size=(32, 40), crop=crop).frames)


# Name -> a rectangular size with the number of tokens that the network has.
SIZES = {"token_mean": (16, 64), "channels_last": (32, 64), "slowfast": (32, 56), "tsm": (56, 32), "dense": (24, 56)}


@pytest.mark.parametrize("name", SIZES)
def test_the_evidence_adds_up_to_the_score(name: str) -> None:
    entry, size = zoo.ZOO[name], SIZES[name]
    frames = zoo.random_clip(entry.frames, 64)[:, : size[0], : size[1]]
    specified = {"mean": zoo.MEAN, "std": zoo.STD, "frames": entry.frames, "layout": entry.layout}
    tubes = ne.explain(entry.make(), frames, 1, size=size, **specified)
    target, layer = tubes.targets[0], tubes.layers[-1]
    assert layer.gap is not None
    assert float(layer.gap[0]) == pytest.approx(target.bias, abs=1e-4)
    # The centres of the outer cells are within a cell of the clip's edges, in height and width.
    for axis in (0, 1):
        last = layer.geometry.origin[axis] + layer.geometry.step[axis] * (layer.grid[1 + axis] - 1)
        assert size[axis] - layer.geometry.step[axis] - 1 <= last < size[axis]


def test_kernels_are_followed_through_rectangular_input() -> None:
    def counting() -> nn.Module:
        stem = nn.Sequential(nn.Conv3d(3, 6, 3, (1, 4, 4), 1), nn.ReLU())
        return nn.Sequential(stem, nn.Conv3d(6, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4 * 7, 3))

    model = ne.adapt(zoo.seeded(counting), size=(32, 56), **SPECIFIED)
    pyramid = ne.FeaturePyramid()(model, zoo.random_clip(8, 56)[:, :32], 1)
    assert pyramid.tube("1").shape == (8, 32, 56)


@pytest.mark.parametrize("size", [(64, 112), [64, 112], np.array([64, 112]), torch.Size([64, 112])])
def test_a_size_can_be_any_pair(size: Any) -> None:
    assert ne.adapt(Counting(), size=size, **SPECIFIED).preprocessing.size == (64, 112)


def test_one_number_is_a_square_and_a_configuration_can_have_two() -> None:
    assert ne.adapt(zoo.ZOO["plain"].make(), size=32, **SPECIFIED).preprocessing.size == (32, 32)
    net = Counting()
    net.config = type("Config", (), {"image_size": [64, 112]})()  # type: ignore[assignment]
    model = ne.adapt(net, **SPECIFIED)
    assert (model.preprocessing.size, model.preprocessing.assumed) == ((64, 112), ())


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"size": (64, 0)}, ValueError, "size must be at least 1 pixel, got 0"),
        ({"size": (64, 112.5)}, TypeError, "size must be a whole number, got 112.5"),
        ({"size": "64x112"}, TypeError, "size must be a whole number, got '64x112'"),
        ({"size": True}, TypeError, "size must be a whole number, got True"),
        ({"size": (8, 64, 112)}, ValueError, r"one number \(a square\) or \(height, width\), got \(8, 64, 112\)"),
        ({"size": (64, 64)}, ne.ExplainError, r"with 8x64x64, 'BCTHW' it raised: mat1 and mat2"),
        ({"size": (64, 112), "crop": "middle"}, ValueError, "crop must be one of 'center', 'letterbox', 'stretch'"),
    ],
)
def test_invalid_sizes_are_refused(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        ne.adapt(Counting(), **{**SPECIFIED, **arguments})


def test_a_clip_of_this_size_is_not_resized() -> None:
    model = ne.adapt(Counting(), size=(64, 112), crop="stretch", **SPECIFIED)
    clip = Clip(patch(192, 192, slice(0, 9), slice(0, 9))).resized((64, 112), "letterbox")
    assert model.fit(clip) is clip


def test_older_files_with_one_number_as_size_load(tmp_path: Path) -> None:
    tubes = small_tubes()
    before = {"size": 112, "frames": 16, "mean": [0.5] * 3, "std": [0.5] * 3, "layout": "BCTHW", "assumed": []}
    old = replace(tubes, provenance=replace(tubes.provenance, preprocessing=before))
    read = ne.load(old.save(tmp_path / "old.npz"))
    assert read.provenance.preprocessing == before
    assert Provenance.from_json(old.provenance.to_json()).preprocessing == before
    read.to_html(tmp_path / "old.html")

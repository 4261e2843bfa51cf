"""Clips from .npy files on the command line: volumes, flow and frames; other files and options are one error line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.cli.main import main
from tests import zoo
from tests.cli.run_cli import explain_arguments

NET = """
from torch import nn
def make():
    return nn.Sequential(nn.Conv3d({channels}, 6, 3, (1, 2, 2), 1), nn.ReLU(), nn.Conv3d(6, 8, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool3d(1), nn.Flatten(1), nn.Linear(8, 4))
"""


def explained(folder: Path, array: np.ndarray, *more: str, channels: int) -> Any:
    """Save an array, explain it on the command line, and load the result."""
    np.save(folder / "volume.npy", array)
    name = f"net_of_{channels}_channels"
    (folder / f"{name}.py").write_text(NET.format(channels=channels))
    stated = "--size 32 --frames 8 --mean 0 --std 1 --layout BCTHW".split()
    arguments = ["explain", "volume.npy", "--model", f"{name}:make", *stated, *more, "--out", "out.npz"]
    assert main(arguments) == 0
    return ne.load(folder / "out.npz")


def test_a_volume_is_explained_with_its_window(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volume = np.random.default_rng(0).integers(-1000, 1000, (8, 32, 32)).astype(np.int16)
    tubes = explained(folder, volume, "--range=-1000,400", channels=1)
    np.testing.assert_array_equal(tubes.clip.values[..., 0], volume)
    assert tubes.clip.picture.ranges == ((-1000.0, 400.0),)
    assert "in grey, from \u22121000 to 400" in capsys.readouterr().out


def test_channels_and_axes_are_chosen(folder: Path) -> None:
    bands = np.random.default_rng(0).random((8, 10, 32, 32)).astype(np.float32)
    tubes = explained(folder, bands, "--axes", "TCHW", "--picture", "3,2,1", "--channels", "10", channels=10)
    np.testing.assert_array_equal(tubes.clip.values, bands.transpose(0, 2, 3, 1))
    assert (tubes.clip.picture.kind, tubes.clip.picture.channels) == ("rgb", (3, 2, 1))


def test_frames_of_colours_are_colours(folder: Path) -> None:
    np.save(folder / "frames.npy", zoo.random_clip(8, 32))
    assert main([*explain_arguments(clip="frames.npy"), "--out", "out.npz"]) == 0
    loaded = ne.load(folder / "out.npz")
    assert loaded.clip.values is None
    np.testing.assert_array_equal(loaded.clip.frames, zoo.random_clip(8, 32))


@pytest.mark.parametrize(
    ("array", "more", "message"),
    [
        (np.array([{}], dtype=object), (), "is not an array of numbers that numpy.save wrote"),
        (b"not an array", (), "is not an array of numbers that numpy.save wrote"),
        (np.ones((4, 8, 8)), ("--window", "0:2"), "--window applies to videos and folders"),
        (np.ones((4, 8, 8)), ("--picture", "flow"), "shows 2 channels, but these values have 1"),
        (np.ones((4, 8, 8)), ("--axes", "TCHW"), "has 4 axes, but the array has shape"),
        (np.ones((4, 8)), (), "has 4 axes, but the array has shape"),
        (np.ones((4, 8, 8)), ("--range", "1"), "must be LOW,HIGH or percentiles"),
        (np.full((4, 8, 8), np.nan), (), "are NaN"),
        (None, (), "no file at 'volume.npy'"),
    ],
)
def test_unusable_files_and_options_are_one_line(
    array: Any, more: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if isinstance(array, bytes):
        (folder / "volume.npy").write_bytes(array)
    elif array is not None:
        np.save(folder / "volume.npy", array, allow_pickle=True)
    try:
        code = main([*explain_arguments(*more, clip="volume.npy"), "--out", "out.npz"])
    except SystemExit as error:
        code = error.code
    errors = capsys.readouterr().err
    assert code == 2
    assert message in errors


def test_options_of_arrays_do_not_apply_to_videos(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*explain_arguments("--axes", "THWC"), "--out", "out.npz"]) == 2
    assert "--axes applies to .npy files" in capsys.readouterr().err

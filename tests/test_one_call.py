"""The demo and the one call, as a newcomer uses them; and the command line that `make demo` runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import notebook_explain as ne
from notebook_explain.__main__ import main
from tests import zoo


def test_the_demo_is_right_and_its_evidence_lies_on_what_moves() -> None:
    tubes = ne.demo()
    sample = ne.samples.demo_clip()
    assert tubes.targets[0].name == sample.label
    assert (tubes.targets[0].probability or 0) > 0.9
    assert tubes.clip.source.startswith("synthetic sample")
    evidence = tubes.volume().clip(min=0)
    inside = evidence[sample.mask].sum() / evidence.sum()
    assert inside > 2 * sample.mask.mean()


def test_the_command_writes_a_page_and_a_picture_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "new folder")]) == 0
    said = capsys.readouterr().out
    page, picture = tmp_path / "new folder" / "demo.html", tmp_path / "new folder" / "demo.png"
    assert str(page) in said
    assert str(picture) in said
    assert "of the evidence for it in" in said
    assert page.stat().st_size > 50_000
    with Image.open(picture) as image:
        assert image.size[0] > 600


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["demo", "--out", str(tmp_path / "file" / "x")]) == 2
    assert capsys.readouterr().err.startswith("notebook-explain: ")


def test_one_call_takes_a_path_and_a_module(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (48, 40))
    for frame in zoo.random_clip(20, 48)[:, :40]:
        writer.write(np.ascontiguousarray(frame))
    writer.release()
    stated = {"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    tubes = ne.explain(zoo.ZOO["residual"].make(), path, labels=["a", "b", "c", "d", "e"], **stated)
    assert tubes.clip.size == (8, 32, 32)
    assert tubes.clip.source == str(path)
    assert tubes.targets[0].name in "abcde"

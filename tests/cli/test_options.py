"""Sizes that are no squares, differences of classes, films over the source, endings in any case."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import notebook_explain as ne
from notebook_explain.__main__ import main
from notebook_explain.cli.arguments import parser
from tests import zoo
from tests.cli.run_cli import explain, rows
from tests.cli.test_user_errors import told
from tests.example_values import small_tubes
from tests.figures.example_tubes import made

STATED = {"frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
NAMES = "wave\nkick - wave\njump\nbow\nkick\n"


def film(path: Path) -> tuple[int, int]:
    """Number of pictures of a film, and their width."""
    import cv2

    video = cv2.VideoCapture(str(path))
    width, count = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), 0
    while video.grab():
        count += 1
    video.release()
    return count, width


def test_a_size_is_one_number_or_height_by_width() -> None:
    for text, size in (("112", (112, 112)), ("112x112", (112, 112)), ("180x320", (180, 320))):
        assert parser().parse_args(explain_at(text)).size == size


def explain_at(size: str) -> list[str]:
    return ["explain", "clip.gif", "--model", "nets:make", "--size", size]


class Counting(nn.Module):
    """Takes 24 x 40 pixels and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 3, stride=(2, 4, 4), padding=1), nn.Linear(4 * 6 * 10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean(2).flatten(1))


def counting() -> nn.Module:
    return zoo.seeded(Counting)


@pytest.mark.parametrize("crop", [None, "letterbox", "stretch"])
def test_a_network_of_rectangles_is_explained_as_the_package_does(
    here: Path, capsys: pytest.CaptureFixture[str], crop: str | None
) -> None:
    command = [*explain_at("24x40"), *"--frames 8 --mean 0.45 --std 0.225 --layout BCTHW --target 1".split()]
    command[3] = "tests.cli.test_options:counting"
    assert main([*command, *(["--crop", crop] if crop else []), "--out", "a.npz"]) == 0
    said, again = rows(capsys.readouterr().out), ne.load("a.npz")
    assert said["clip"][0][1].startswith("8 frames of 24 x 40")
    how = {"crop": crop} if crop else {}
    expected = ne.explain(counting(), "clip.gif", 1, size=(24, 40), **STATED, **how)
    np.testing.assert_array_equal(again.clip.frames, expected.clip.frames)
    np.testing.assert_allclose(again.volume(), expected.volume(), atol=1e-5)
    assert again.provenance.preprocessing["crop"] == (crop or "center")
    assert main(["layers", *command[2:4], "--size", "24x40", "--frames", "8", "--layout", "BCTHW"]) == 0
    assert rows(capsys.readouterr().out)["conv"] == [["block", "4x6x10"]]


def test_a_difference_has_an_option_of_its_own_so_that_any_label_can_be_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "names.txt").write_text(NAMES)
    assert main(explain("--labels", "names.txt", "--target", "kick - wave", "bow", "--out", "one.npz")) == 0
    capsys.readouterr()
    for other in ("kick", "4"):
        command = ["--labels", "names.txt", "--target", "kick - wave", "bow", "--against", other, "--out", "a.npz"]
        assert main(explain(*command)) == 0
        said, one, both = rows(capsys.readouterr().out), ne.load("one.npz"), ne.load("a.npz")
        assert [target.name for target in both.targets] == ["kick - wave − kick", "bow − kick"]
        assert [(target.index, target.against) for target in both.targets] == [(1, 4), (3, 4)]
        assert said["evidence"] == [[both.in_words(target=at)] for at in (0, 1)]
        # Evidence is linear: the two differences differ by what their first classes differ by.
        first, second = (both.volume("layer3.1", at) for at in (0, 1))
        np.testing.assert_allclose(
            first - second, one.volume("layer3.1", 0) - one.volume("layer3.1", 1), atol=1e-4 * np.abs(first).max()
        )


def test_a_film_over_the_source_has_its_pictures_and_its_size(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(explain("--out", "plain.webm", "a.npz", "--frames", "4")) == 0
    assert main(explain("--source", "--out", "over.WEBM", "a.png", "--frames", "4")) == 0
    assert main(["open", "a.npz", "--source", "clip.gif", "--out", "again.webm"]) == 0
    capsys.readouterr()
    assert film(here / "plain.webm") == (4, 320)
    assert film(here / "over.WEBM") == film(here / "again.webm") == (12, 40)
    with Image.open("clip.gif") as source:
        assert (source.n_frames, source.size) == (12, (40, 40))


def test_endings_may_be_in_any_case(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_tubes().save("T.NPZ")
    assert [path.name for path in here.glob("T*")] == ["T.NPZ"]
    begins = {
        "HTML": b"<!doctype html>",
        "Png": b"\x89PNG",
        "SVG": b"<?xml",
        "PDF": b"%PDF",
        "GIF": b"GIF89a",
        "WEBM": b"\x1a\x45\xdf\xa3",
        "NPZ": b"PK",
    }
    assert main(["open", "T.NPZ", "--out", *(f"x.{ending}" for ending in begins)]) == 0
    for ending, start in begins.items():
        assert (here / f"x.{ending}").read_bytes().startswith(start), ending
    assert [target.name for target in ne.load("x.NPZ").targets] == ["class 0", "class 1"]
    assert rows(capsys.readouterr().out)["wrote"] == [[f"x.{ending}"] for ending in begins]


def test_endings_in_any_case_do_in_python_too(tmp_path: Path) -> None:
    for write, name in (("to_html", "a.HTML"), ("to_gif", "a.GIF"), ("to_video", "a.WEBM"), ("save", "a.NPZ")):
        assert getattr(made(), write)(tmp_path / name) == tmp_path / name
    made().figure().savefig(tmp_path / "a.PDF")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.GIF", "a.HTML", "a.NPZ", "a.PDF", "a.WEBM"]


def test_what_does_not_go_together_is_told_before_any_work(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_tubes().save("t.npz")
    (here / "clip.webm").write_bytes(b"a film")
    for command, text in (
        (["explain", "none.mp4", "--model", "no:net", "--against", "wave"], "--against needs a --target"),
        (["explain", "none.mp4", "--model", "no:net", "--source", "--out", "a.gif"], "but no --out ends in .webm"),
        (["open", "t.npz", "--source", "clip.gif"], "but no --out ends in .webm; add one, or leave it out"),
        (["open", "t.npz", "--source", "none.mp4", "--out", "a.webm"], "no clip at 'none.mp4' to draw films over"),
        (["open", "t.npz", "--source", "clip.webm", "--out", "clip.webm"], "would replace what is read"),
        (explain("--target", "2", "--against", "2"), "target 2 is compared with itself, and that difference is 0"),
        (explain("--target", "2", "--against", "jump"), "target 'jump' is a name, but this model has no labels"),
        (explain("--size", "20x0"), "argument --size: must be a whole number above 0, got '0'"),
        (explain("--size", "20,32"), "argument --size: must be N or HxW, such as 112 or 180x320, got '20,32'"),
    ):
        assert text in told(capsys, *command)
    assert (here / "clip.webm").read_bytes() == b"a film"
    assert not list(here.glob("a.*"))


def test_a_page_of_a_difference_asks_that_question(here: Path) -> None:
    (here / "names.txt").write_text(NAMES)
    assert main(explain("--labels", "names.txt", "--target", "kick - wave", "--against", "bow", "--out", "a.html")) == 0
    text = (here / "a.html").read_text(encoding="utf-8")
    assert re.search("<title>Why &#x27;kick - wave − bow&#x27;[?]</title>", text)
    data = json.loads(text.split("id='ne-data'>")[1].split("</script>")[0])
    assert [target["name"] for target in data["widgets"][0]["state"]["targets"]] == ["kick - wave − bow"]

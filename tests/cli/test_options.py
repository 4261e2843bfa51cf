"""Rectangular sizes, differences of classes, videos over the source, endings in any case."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import notebook_explain as ne
from notebook_explain.__main__ import main
from notebook_explain.cli.arguments import parser
from notebook_explain.widgets.html import read_data
from tests import zoo
from tests.cli.run_cli import STATED as NETWORK_STATED
from tests.cli.run_cli import explain_arguments, parse_rows
from tests.cli.test_user_errors import run_with_error
from tests.example_values import small_tubes
from tests.figures.example_tubes import made

STATED = {"frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
NAMES = "wave\nkick - wave\njump\nbow\nkick\n"


def count_and_width(path: Path) -> tuple[int, int]:
    """Return the number of frames of a video, and their width."""
    with av.open(str(path)) as video:
        widths = [frame.width for frame in video.decode(video=0)]
    return len(widths), widths[0]


def test_a_size_is_one_number_or_height_by_width() -> None:
    for text, size in (("112", (112, 112)), ("112x112", (112, 112)), ("180x320", (180, 320))):
        assert parser().parse_args(arguments_with_size(text)).size == size


def arguments_with_size(size: str) -> list[str]:
    return ["explain", "clip.gif", "--model", "nets:make", "--size", size]


class FixedSize(nn.Module):
    """Accept 24 x 40 pixels only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 3, stride=(2, 4, 4), padding=1), nn.Linear(4 * 6 * 10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean(2).flatten(1))


def fixed_size() -> nn.Module:
    return zoo.seeded(FixedSize)


@pytest.mark.parametrize("crop", [None, "letterbox", "stretch", "center:44", "center:30x50"])
def test_a_network_with_rectangular_input_is_explained_as_in_python(
    folder: Path, capsys: pytest.CaptureFixture[str], crop: str | None
) -> None:
    command = [*arguments_with_size("24x40"), *"--frames 8 --mean 0.45 --std 0.225 --layout BCTHW --target 1".split()]
    command[3] = "tests.cli.test_options:fixed_size"
    assert main([*command, *(["--crop", crop] if crop else []), "--out", "a.npz"]) == 0
    fields, again = parse_rows(capsys.readouterr().out), ne.load("a.npz")
    assert fields["clip"][0][1].startswith("8 frames of 24 x 40")
    extra = {"crop": crop} if crop else {}
    expected = ne.explain(fixed_size(), "clip.gif", 1, size=(24, 40), **STATED, **extra)
    np.testing.assert_array_equal(again.clip.frames, expected.clip.frames)
    np.testing.assert_allclose(again.volume(), expected.volume(), atol=1e-5)
    assert again.provenance.preprocessing["crop"] == (crop or "center")
    assert main(["layers", *command[2:4], "--size", "24x40", "--frames", "8", "--layout", "BCTHW"]) == 0
    assert parse_rows(capsys.readouterr().out)["conv"] == [["block", "4x6x10"]]


ONE_OUTPUT = """
import torch
from torch import nn

def value():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(1), nn.Linear(4, 1))

def labels():
    torch.manual_seed(0)
    return nn.Sequential(*list(value())[:-1], nn.Linear(4, 3))
"""


def test_kinds_of_outputs_reach_the_network_and_the_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "one_output.py").write_text(ONE_OUTPUT)
    (folder / "two.txt").write_text("real\nfake\n")
    stated = ["explain", "clip.gif", *NETWORK_STATED, "--out", "t.npz", "--model"]
    assert main([*stated, "one_output:value", "--outputs", "regression", "--unit", "ms"]) == 0
    fields = parse_rows(capsys.readouterr().out)
    (name, value), sentence = fields["value"][0], fields["evidence"][0][0]
    assert (name, "class" in fields, "caveat" in fields) == ("value", False, False)
    assert sentence.startswith(f"{value}. ")
    assert value.endswith(" ms")
    assert main([*stated, "one_output:value", "--labels", "two.txt", "--target", "real"]) == 0
    fields = parse_rows(capsys.readouterr().out)
    assert {name for name, _ in fields["class"]} == {"real", "fake"}
    assert any("Use --outputs." in text for (text,) in fields["caveat"])
    assert main(["open", "t.npz"]) == 0
    assert parse_rows(capsys.readouterr().out)["class"] == fields["class"]
    assert main([*stated, "one_output:labels", "--outputs", "multilabel"]) == 0
    shares = [float(share.split()[0]) for _, share in parse_rows(capsys.readouterr().out)["class"]]
    assert sum(shares) != pytest.approx(100, abs=1)
    assert main([*stated, "one_output:labels", "--outputs", "binary"]) == 2
    error = capsys.readouterr().err
    assert "one logit, but the model has 3 outputs" in error
    assert "--outputs" in error


def test_against_works_with_labels_that_read_like_differences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "names.txt").write_text(NAMES)
    assert main(explain_arguments("--labels", "names.txt", "--target", "kick - wave", "bow", "--out", "one.npz")) == 0
    capsys.readouterr()
    for other in ("kick", "4"):
        command = ["--labels", "names.txt", "--target", "kick - wave", "bow", "--against", other, "--out", "a.npz"]
        assert main(explain_arguments(*command)) == 0
        fields, one, both = parse_rows(capsys.readouterr().out), ne.load("one.npz"), ne.load("a.npz")
        assert [target.name for target in both.targets] == ["kick - wave − kick", "bow − kick"]
        assert [(target.index, target.against) for target in both.targets] == [(1, 4), (3, 4)]
        assert fields["evidence"] == [[both.in_words(target=i)] for i in (0, 1)]
        # Evidence is linear, so the class that both differences subtract cancels.
        first, second = (both.volume("layer3.1", i) for i in (0, 1))
        np.testing.assert_allclose(
            first - second, one.volume("layer3.1", 0) - one.volume("layer3.1", 1), atol=1e-4 * np.abs(first).max()
        )


def test_a_video_over_the_source_has_its_frames_and_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(explain_arguments("--out", "plain.webm", "a.npz", "--frames", "4")) == 0
    assert main(explain_arguments("--source", "--out", "over.WEBM", "over.mp4", "a.png", "--frames", "4")) == 0
    assert main(["open", "a.npz", "--source", "clip.gif", "--out", "again.webm"]) == 0
    capsys.readouterr()
    assert count_and_width(folder / "plain.webm") == (4, 320)
    for name in ("over.WEBM", "over.mp4", "again.webm"):
        assert count_and_width(folder / name) == (12, 40)
    with Image.open("clip.gif") as source:
        assert (source.n_frames, source.size) == (12, (40, 40))


def test_endings_may_be_in_any_case(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_tubes().save("T.NPZ")
    assert [path.name for path in folder.glob("T*")] == ["T.NPZ"]
    signatures = {
        "HTML": b"<!doctype html>",
        "Png": b"\x89PNG",
        "SVG": b"<?xml",
        "PDF": b"%PDF",
        "GIF": b"GIF89a",
        "WEBM": b"\x1a\x45\xdf\xa3",
        "Mp4": b"\0\0\0",
        "NPZ": b"PK",
    }
    assert main(["open", "T.NPZ", "--out", *(f"x.{ending}" for ending in signatures)]) == 0
    for ending, signature in signatures.items():
        assert (folder / f"x.{ending}").read_bytes().startswith(signature), ending
    assert [target.name for target in ne.load("x.NPZ").targets] == ["class 0", "class 1"]
    assert parse_rows(capsys.readouterr().out)["wrote"] == [[f"x.{ending}"] for ending in signatures]


def test_endings_may_be_in_any_case_in_python(tmp_path: Path) -> None:
    for write, name in (("to_html", "a.HTML"), ("to_gif", "a.GIF"), ("to_video", "a.WEBM"), ("save", "a.NPZ")):
        assert getattr(made(), write)(tmp_path / name) == tmp_path / name
    made().figure().savefig(tmp_path / "a.PDF")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.GIF", "a.HTML", "a.NPZ", "a.PDF", "a.WEBM"]


def test_conflicting_options_are_refused_before_any_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_tubes().save("t.npz")
    (folder / "clip.webm").write_bytes(b"a video")
    for command, text in (
        (
            ["explain", "none.mp4", "--model", "no:net", "--against", "wave"],
            "--against requires --target (explains target minus against)",
        ),
        (["explain", "none.mp4", "--model", "no:net", "--source", "--out", "a.gif"], "but no --out ends in .webm"),
        (
            ["open", "t.npz", "--source", "clip.gif"],
            "but no --out ends in .webm or .mp4; add one, or leave out --source",
        ),
        (["open", "t.npz", "--source", "none.mp4", "--out", "a.webm"], "no clip at 'none.mp4' to draw the video over"),
        (["open", "t.npz", "--source", "clip.webm", "--out", "clip.webm"], "would overwrite an input"),
        (
            explain_arguments("--target", "2", "--against", "2"),
            "target 2 is compared with itself",
        ),
        (
            explain_arguments("--target", "2", "--against", "jump"),
            "target 'jump' is a name, but this model has no labels",
        ),
        (explain_arguments("--size", "20x0"), "argument --size: must be a whole number above 0, got '0'"),
        (
            explain_arguments("--size", "20,32"),
            "argument --size: must be N or HxW, such as 112 or 180x320, got '20,32'",
        ),
    ):
        assert text in run_with_error(capsys, *command)
    assert (folder / "clip.webm").read_bytes() == b"a video"
    assert not list(folder.glob("a.*"))


def test_a_page_of_a_difference_is_titled_with_it(folder: Path) -> None:
    (folder / "names.txt").write_text(NAMES)
    assert (
        main(
            explain_arguments("--labels", "names.txt", "--target", "kick - wave", "--against", "bow", "--out", "a.html")
        )
        == 0
    )
    text = (folder / "a.html").read_text(encoding="utf-8")
    assert re.search("<title>Why &#x27;kick - wave − bow&#x27;[?]</title>", text)
    data = read_data(text)
    assert [target["name"] for target in data["widgets"][0]["state"]["targets"]] == ["kick - wave − bow"]

"""The command that animates a picture, with a stand-in for the method; saved visualizations that are opened."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import notebook_explain as ne
from notebook_explain import methods
from notebook_explain.__main__ import main
from notebook_explain.explanations import Target, Visualization
from notebook_explain.models import VideoModel
from tests.cli.run_cli import STATED, parse_rows, run
from tests.cli.test_user_errors import run_with_error
from tests.example_values import small_concepts, small_evaluation, small_pyramid, small_report, small_visualization
from tests.explanations.equality import assert_same

Call = tuple[VideoModel, Any, Any, Any, dict[str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Replace the method by one that remembers its arguments and returns the example."""
    seen: list[Call] = []

    def animate(model: VideoModel, still: Any, target: Any, clips: Any = None, **knobs: Any) -> Visualization:
        seen.append((model, still, target, clips, knobs))
        return small_visualization()

    monkeypatch.setattr(methods, "animate", animate, raising=False)
    return seen


@pytest.fixture
def still(folder: Path) -> str:
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(folder / "me.png")
    (folder / "real").mkdir()
    return "me.png"


def animate_arguments(*more: Any) -> list[str]:
    return ["animate", "me.png", "--model", os.environ["MY_NET"], *STATED, "--labels", "names.txt", *map(str, more)]


def test_a_picture_is_animated_as_in_python(
    still: str, calls: list[Call], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(animate_arguments("--target", "bow", "--crop", "stretch")) == 0
    ((model, given, target, clips, knobs),) = calls
    assert (given, target, clips, knobs) == (still, Target("bow"), None, {})
    assert model.preprocessing.crop == "stretch"
    assert model.labels[""][3] == "bow"
    fields = parse_rows(capsys.readouterr().out)
    made = small_visualization()
    assert fields["still"] == [["me.png"]]
    assert fields["model"] == [["Net, 10 parameters"]]
    assert fields["clips"] == [["4 real clips"]]
    assert fields["made"] == [[one.name, replace(made, syntheses=(one,)).in_words()] for one in made]
    assert fields["caveat"] == [["A caveat."]]
    assert fields["wrote"] == [["animation.gif"]]
    assert (folder / "animation.gif").read_bytes().startswith(b"GIF89a")


def test_clips_and_knobs_reach_the_method_and_every_output_is_written(
    still: str, calls: list[Call], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "--clips real --steps 7 --restarts 2 --seed 0 --target bow 4 --out a.gif a.png a.svg a.webm a.npz".split()
    assert main(animate_arguments(*more)) == 0, capsys.readouterr().err
    assert calls[0][1:] == (
        still,
        [Target("bow"), Target(4)],
        Path("real"),
        {"steps": 7, "restarts": 2, "seed": 0},
    )
    assert parse_rows(capsys.readouterr().out)["wrote"] == [
        [f"a.{ending}"] for ending in "gif png svg webm npz".split()
    ]
    assert not (folder / "animation.gif").exists()
    assert_same(ne.load("a.npz"), small_visualization())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--target", "bow", "--clips", "none"], "no folder 'none'; give the path of a folder of real clips"),
        (["--target", "bow", "--clips", "names.txt"], "no folder 'names.txt'"),
        (["--target", "bow", "--out", "me.png"], "--out 'me.png' would overwrite an input"),
        (["--target", "bow", "--clips", "real", "--out", "real/a.gif"], "lies in a folder that is read"),
        (["--target", "bow", "--out", "a.mp3"], "'a.mp3' has the ending '.mp3'"),
        (["--target", "bow", "--out", "a.png", "--no-caption"], "--no-caption applies to animations"),
        (["--target", "bow", "--steps", "0"], "argument --steps: must be a whole number above 0, got '0'"),
        (["--target", "bow", "--seed", "-1"], "argument --seed: must be a whole number from 0, got '-1'"),
        ([], "the following arguments are required: --target"),
    ],
)
def test_what_cannot_be_animated_is_one_error_line(
    still: str, calls: list[Call], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in run_with_error(capsys, *animate_arguments(*more))
    assert not calls


def test_a_mistyped_picture_is_reported_before_the_network_is_loaded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["animate", "mee.png", "--model", "no_such_module:make", "--target", "bow"]
    assert "no file at 'mee.png'; give the path of a picture or a video" in run_with_error(capsys, *arguments)
    done = run(*arguments, setup="import atexit\natexit.register(lambda: print('torch' in sys.modules))")
    assert (done.returncode, done.stdout) == (2, "False\n")


def test_an_error_of_the_network_is_one_line(
    still: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("sizes differ")

    monkeypatch.setattr(methods, "animate", lambda *_, **__: Net()(torch.zeros(1)), raising=False)
    error = run_with_error(capsys, *animate_arguments("--target", "bow"))
    assert "the network raised RuntimeError: sizes differ" in error
    assert "when it was shown the picture" in error


def test_a_saved_visualization_is_described_and_written_without_torch(folder: Path) -> None:
    made = small_visualization()
    made.save("made.npz")
    setup = "import atexit\natexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    done = run("open", "made.npz", "--target", "facet 1 of 2", "--out", "made.gif", "made.png", setup=setup)
    assert (done.returncode, done.stderr) == (0, "False\n")
    fields = parse_rows(done.stdout)
    assert [row[0] for row in fields["made"]] == ["kick", "facet 1 of 2"]
    assert fields["wrote"] == [["made.gif"], ["made.png"]]
    made.to_gif("by_hand.gif", "facet 1 of 2")
    assert (folder / "made.gif").read_bytes() == (folder / "by_hand.gif").read_bytes()


def test_the_target_of_a_saved_visualization_reaches_its_outputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, dict[str, Any]]] = []

    def record(self: Visualization, path: Path, **view: Any) -> Path:
        written.append((path.name, view))
        return path

    small_visualization().save("made.npz")
    for name in ("to_gif", "to_video", "to_html"):
        monkeypatch.setattr(Visualization, name, record)
    assert main(["open", "made.npz", "--target", "1", "--no-caption", "--out", "a.gif", "a.mp4", "a.html"]) == 0
    assert main(["open", "made.npz", "--out", "b.gif", "b.html"]) == 0
    shown = {"which": 1, "caption": False}
    assert written == [
        ("a.gif", shown),
        ("a.mp4", shown),
        ("a.html", {"selected": 1}),
        ("b.gif", {"which": 0}),
        ("b.html", {}),
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layer", "stem"], "--layer applies to tubes, and 'made.npz' contains a visualization; leave it out"),
        (["--share", "0.5"], "--share applies to tubes"),
        (["--target", "clap"], "made clip 'clap' is not among 0: 'kick', 1: 'facet 1 of 2'"),
    ],
)
def test_options_that_do_not_apply_to_a_visualization_are_refused(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small_visualization().save("made.npz")
    assert message in run_with_error(capsys, "open", "made.npz", *more, "--out", "a.gif")
    assert not (folder / "a.gif").exists()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (small_pyramid, "a pyramid"),
        (small_concepts, "concepts"),
        (small_evaluation, "an evaluation"),
        (small_report, "a block report"),
    ],
)
def test_other_kinds_of_files_are_named(folder: Path, make: Any, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    make().save("other.npz")
    error = run_with_error(capsys, "open", "other.npz")
    assert f"'other.npz' contains {kind}, but this command reads tubes and visualizations only" in error


@pytest.mark.skipif(not hasattr(methods, "animate"), reason="needs the method")
def test_the_command_writes_what_the_method_makes(still: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--target", "2", "--steps", "2", "--restarts", "1", "--out", "a.npz", "a.gif"]
    network = [
        "--model",
        "notebook_explain.models.demo:demo_net",
        *"--size 64 --frames 16 --mean 0.5 --std 0.25".split(),
    ]
    assert main(["animate", still, *network, "--layout", "BCTHW", *arguments]) == 0, capsys.readouterr().err
    expected = methods.animate(ne.demo_model(), still, 2, steps=2, restarts=1)
    found = ne.load("a.npz")
    np.testing.assert_array_equal(found[0].clip.frames, expected[0].clip.frames)
    assert found[0].score == expected[0].score

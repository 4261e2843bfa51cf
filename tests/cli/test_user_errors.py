"""User errors: one line on stderr, exit code 2, and no file of the user is lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from notebook_explain.__main__ import main
from notebook_explain._errors import ExplainError, UsageError
from notebook_explain.cli.console import print_rows
from notebook_explain.cli.errors import caveat_text, error_text, is_user_error
from notebook_explain.cli.label_files import MAX_BYTES, read_labels
from notebook_explain.explanations.caveats import Caveat
from notebook_explain.methods import SharpTubes
from tests import zoo
from tests.cli.run_cli import explain_arguments, run
from tests.example_values import small_tubes


def run_with_error(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """Run a command that fails, and return its one line of output."""
    assert main([*map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("notebook-explain")
    assert captured.err.endswith("\n")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--frames", "0"], "argument --frames: must be a whole number above 0, got '0'"),
        (["--frames", "-4"], "argument --frames: "),
        (["--size", "112px"], "argument --size: must be N or HxW, such as 112 or 180x320, got '112px'"),
        (["--size", "112x0"], "argument --size: must be a whole number above 0, got '0'"),
        (["--size", "1x2x3"], "argument --size: must be N or HxW, such as 112 or 180x320, got '1x2x3'"),
        (["--mean", "red"], "argument --mean: must be one number or three"),
        (["--mean", "0.4,0.4"], "mean must be one number or three"),
        (["--mean", "114,108,101"], r"mean must be in units of 0..1, .*; divide mean and std by 255"),
        (["--std", "0"], r"std must be above 0"),
        (["--std", "nan"], "std must be finite"),
        (["--layout", "BTCXH"], r"layout .*BCTHW, BTCHW"),
        (["--window", "5"], r"argument --window: must be START:STOP"),
        (["--window", "1.5:4"], r"both in seconds \(1.5:4.0, 2s:4s\) or both frame numbers \(30:90\), got '1.5:4'"),
        (["--window", "8:4"], "window must start at 0 or later and stop after its start"),
        (["--window", "50:60"], r"no frame lies in the window \(50, 60\)"),
        (["--stride", "0"], "argument --stride: must be a whole number above 0"),
        (["--fps", "0"], "argument --fps: must be a number above 0, got '0'"),
        (["--fps", "25"], "fps applies to folders of images, but 'clip.gif' is a video"),
        (["--max-pixels", "100"], r"above the limit of 100; use --max-pixels$"),
        (["--crop", "fill"], "argument --crop: must be center, letterbox, stretch, or center:256, got 'fill'"),
        (["--threshold", "1.5"], "argument --threshold: must lie in 0..1, got '1.5'"),
        (["--threshold", "nan"], "argument --threshold: must lie in 0..1"),
        (["--out", "a.mp3"], r"argument --out: 'a.mp3' has the ending '.mp3'; it must be one of .html, .png"),
        (["--out", "a"], "argument --out: 'a' has no ending"),
        (["--out", "no folder/a.png"], "no folder 'no folder' to write 'a.png' to; create it first"),
        (["--out", "a folder.gif"], "'a folder.gif' is a folder; give the path of a file in it"),
        (["--out", "clip.gif"], "--out 'clip.gif' would overwrite an input; use another name"),
        (["--target", "wave"], "target 'wave' is a name, but this model has no labels.*--labels"),
        (["--target", "7"], "target 7 is out of range; this model has classes 0 to 4"),
        (
            ["--labels", "names.txt", "--target", "clop"],
            "target 'clop' is not a label of this model; .*'clap'",
        ),
        (["--labels", "four.txt"], "labels .* 4 names, but the model has 5 classes.*--labels"),
        (["--labels", "none.txt"], "no label file at 'none.txt'"),
        (["--layer", "layer44"], "layer 'layer44' is not in this model; .*layer4"),
        (["--layer", "fc"], "layer 'fc' cannot be explained"),
        (["--model", "no_such_nets:make"], "there is no module 'no_such_nets'.* in the current folder"),
        (["--weights", "none.pt"], "no .*weights.* 'none.pt'"),
        (["--weights", "other.pt"], r"other.pt does not fit the network ResNet3D: \d+ missing \(.*\); 2 unexpected"),
        (["--unknown", "3"], "unrecognized arguments: --unknown 3"),
    ],
)
def test_invalid_arguments_give_one_line(
    more: list[str], text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "four.txt").write_text("a\nb\nc\nd\n")
    (folder / "a folder.gif").mkdir()
    torch.save(torch.nn.Linear(2, 2).state_dict(), "other.pt")
    assert re.search(text, run_with_error(capsys, *explain_arguments(*more)))


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        ("none.mp4", "none.mp4"),
        ("names.txt", "names.txt' is a text file, not a video"),
        ("http://example.org/a.mp4", "is a URL, and clips are not read from the network"),
        ("noise.mp4", "noise.mp4"),
        ("empty.mp4", "empty.mp4"),
    ],
)
def test_clips_are_checked_before_the_network_is_built(clip: str, text: str, folder: Path) -> None:
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (folder / "empty.mp4").touch()
    done = run("explain", clip, "--model", "no_such_nets:make")
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1  # FFmpeg prints nothing


def test_missing_arguments_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the following arguments are required: CLIP, --model" in run_with_error(capsys, "explain")
    assert "the following arguments are required: --model" in run_with_error(capsys, "layers")
    assert "invalid choice: 'explian'" in run_with_error(capsys, "explian")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.npz"], "no file at 'none.npz'"),
        (["bad.npz"], "'bad.npz' cannot be loaded: it is damaged"),
        (["t.npz", "--layer", "steam"], "layer 'steam' is not in these tubes; .*stem, last"),
        (["t.npz", "--target", "wave"], "target 'wave' is not among .*0: 'class 0'"),
        (["t.npz", "--out", "./t.npz"], "would overwrite an input"),
        (["t", "--out", "t.npz"], "would overwrite an input"),
    ],
)
def test_open_reports_what_it_cannot_find_or_write(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_tubes().save("t.npz")
    (folder / "bad.npz").write_bytes((folder / "t.npz").read_bytes()[:500])
    assert re.search(message, run_with_error(capsys, "open", *arguments))


def test_outputs_are_not_written_into_the_folder_of_frames(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "frames").mkdir()
    assert "lies in a folder that is read" in run_with_error(
        capsys, *explain_arguments("--out", "frames/a.png", clip="frames")
    )


def test_an_output_folder_that_cannot_be_made_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert str(tmp_path / "file") in run_with_error(capsys, "demo", "--out", tmp_path / "file" / "x")


def test_outputs_are_written_even_if_another_one_fails(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain.cli import outputs

    def disk_full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "x.gif")

    small_tubes().save("t.npz")
    monkeypatch.setitem(outputs.FORMATS, ".gif", disk_full)
    assert main(["open", "t.npz", "--out", "x.gif", "x.html"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "notebook-explain: No space left on device: 'x.gif'\n"
    assert "wrote\tx.html\n" in captured.out
    assert (folder / "x.html").exists()


FAULTY = """
from torch import Tensor, nn
from tests import zoo

class Fussy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = zoo.ZOO["residual"].make()
    def forward(self, clip):
        if type(clip) is Tensor:
            raise RuntimeError("no clips\\nplease")
        return self.net(clip)
"""


def test_errors_of_the_network_are_quoted_with_their_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fussy.py").write_text(FAULTY)
    line = run_with_error(capsys, *explain_arguments("--model", "fussy:Fussy"))
    assert "the network raised RuntimeError: no clips please (fussy.py, line 11) when it was shown the clip" in line
    with pytest.raises(ValueError, match="the network raised"):
        main(explain_arguments("--model", "fussy:Fussy", "--traceback"))


def test_a_network_that_accepts_no_input_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = run_with_error(capsys, *explain_arguments("--model", "torch.nn:Identity"))
    assert "Identity ran with none of the inputs tried" in line


def test_bugs_keep_their_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        int("not a number")

    monkeypatch.setattr(SharpTubes, "__call__", broken)
    with pytest.raises(ValueError, match="invalid literal"):
        main(explain_arguments())


def test_only_errors_raised_on_purpose_are_user_errors() -> None:
    def raised_by(function: Any) -> BaseException:
        with pytest.raises(Exception) as raised:  # noqa: PT011
            function()
        return raised.value

    explainer = SharpTubes()
    assert is_user_error(raised_by(lambda: SharpTubes("layer1")))  # type: ignore[arg-type]
    assert is_user_error(raised_by(lambda: explainer("no model", "clip.gif")))  # type: ignore[arg-type]
    assert is_user_error(raised_by(lambda: Path("none").read_text()))
    assert not is_user_error(raised_by(lambda: print_rows(3)))  # type: ignore[arg-type]  # raised by Python inside this package
    assert not is_user_error(raised_by(lambda: np.stack([])))  # raised on purpose by another package
    assert not is_user_error(raised_by(lambda: torch.zeros(2) + torch.zeros(3)))
    assert not is_user_error(raised_by(lambda: int("x")))


def test_errors_and_caveats_name_the_options_of_the_command() -> None:
    options = {"size", "frames", "max_pixels", "labels"}
    error = UsageError("the model has no labels", arguments=("labels",), call="adapt()")
    assert error_text(error, options) == "the model has no labels; use --labels"
    assert error_text(error, {"size"}) == "the model has no labels"
    several = ExplainError("too large", arguments=("size", "head", "frames", "max_pixels"))
    assert error_text(several, options) == "too large; use --size, --frames or --max-pixels"
    assert error_text(UsageError("no clip"), options) == "no clip"
    assert error_text(OSError(28, "No space left on device"), options) == "No space left on device"
    assert error_text(FileNotFoundError("no file at 'x'"), options) == "no file at 'x'"
    assert error_text(MemoryError(), options) == "not enough memory; use fewer --frames or a smaller --size"
    assert error_text(MemoryError(), {"layer"}) == "not enough memory"
    assert caveat_text(Caveat("Assumed: size=112.", arguments=("size", "head", "frames")), options) == (
        "Assumed: size=112. Use --size and --frames."
    )
    assert caveat_text("The clip is short.", options) == "The clip is short."


def test_a_window_in_seconds_of_an_image_folder_asks_for_its_frame_rate(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "frames").mkdir()
    for number in range(9):
        Image.fromarray(zoo.random_clip(1, 40)[0]).save(folder / "frames" / f"{number}.png")
    command = explain_arguments("--window", "0.1:0.5", clip="frames")
    message = "the window is in seconds, but the frame rate is unknown (a window in frame numbers does not need it); use --fps\n"
    assert run_with_error(capsys, *command).endswith(message)
    assert main([*command, "--fps", "10"]) == 0


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\n\nb\n", "line 2 of names is empty, which would shift the labels after it"),
        (b"\xff\xfea\x00", "is not UTF-8 text"),
        (b"a\x00b", "contains null bytes"),
        (b"x" * (MAX_BYTES + 1), "is larger than 4 MB, too large for a label file"),
        (b'["a", "b"', "begins like JSON but is not valid"),
        (b"[" * 100_000, "begins like JSON but is not valid"),
        (b"[]", "must contain a list of labels"),
        (b"{}", "must contain a list of labels"),
        (b'["a", 3]', "must contain a list of labels"),
        (b'{"0": ["a"], "1": "b"}', "must contain a list of labels"),
        (b'{"a": ["b"], "c": 3}', "must contain a list of labels"),
        (b'{"a": 0, "\\"a\\"": 0}', "gives the same index to several labels"),
        (b'{"' + b"9" * 5000 + b'": "a"}', "must contain a list of labels"),
    ],
)
def test_invalid_label_files_are_refused(raw: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(raw)
    with pytest.raises(ValueError, match=f"^(line 2 of )?names.*{text}|{text}"):
        read_labels(tmp_path / "names")


def test_labels_of_several_heads_stay_separate(tmp_path: Path) -> None:
    (tmp_path / "names").write_text('{"verb": ["open", "cut"], "noun": ["door"]}')
    assert read_labels(tmp_path / "names") == {"verb": ["open", "cut"], "noun": ["door"]}

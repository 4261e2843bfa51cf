"""What the command line answers to mistakes: one line, exit code 2, and nothing of the user's is lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from notebook_explain.__main__ import main
from notebook_explain.cli.console import show
from notebook_explain.cli.errors import as_options, is_user_error
from notebook_explain.cli.label_files import MAX_BYTES, read_labels
from notebook_explain.methods import SaliencyTubes
from tests.cli.run_cli import explain, run
from tests.example_values import small_tubes


def told(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The one line that a command with a mistake in it answers."""
    assert main([*map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("notebook-explain")
    assert said.err.endswith("\n")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--frames", "0"], "argument --frames: must be a whole number above 0, got '0'"),
        (["--frames", "-4"], "argument --frames: "),
        (["--size", "112px"], "argument --size: must be N or HxW, such as 112 or 180x320, got '112px'"),
        (["--size", "112x0"], "argument --size: must be a whole number above 0, got '0'"),
        (["--size", "1x2x3"], "argument --size: must be N or HxW, such as 112 or 180x320, got '1x2x3'"),
        (["--mean", "red"], "argument --mean: must be one number or three"),
        (["--mean", "0.4,0.4"], "argument --mean: must be one number or three"),
        (["--mean", "114,108,101"], r"mean must be in units of 0..1, .*; divide mean and std by 255"),
        (["--std", "0"], r"std must be above 0"),
        (["--std", "nan"], r"std must be 3 numbers"),
        (["--layout", "BTCWH"], r"layout must be one of BCTHW, BTCHW"),
        (["--window", "5"], r"argument --window: must be START:STOP"),
        (["--window", "1.5:4"], r"both in seconds \(1.5:4.0, 2s:4s\) or both numbers of frames \(30:90\), got '1.5:4'"),
        (["--window", "8:4"], "window must begin at 0 or later and end after it begins"),
        (["--window", "50:60"], r"no frame lies in the window \(50, 60\)"),
        (["--stride", "0"], "argument --stride: must be a whole number above 0"),
        (["--fps", "0"], "argument --fps: must be a number above 0, got '0'"),
        (["--fps", "25"], "--fps is for folders of pictures; 'clip.gif' is a video"),
        (["--max-pixels", "100"], r"more than max_pixels=100|raise --max-pixels"),
        (["--crop", "fill"], "argument --crop: invalid choice: 'fill'"),
        (["--threshold", "1.5"], "argument --threshold: must lie in 0..1, got '1.5'"),
        (["--threshold", "nan"], "argument --threshold: must lie in 0..1"),
        (["--out", "a.mp3"], r"argument --out: 'a.mp3' has the ending '.mp3'; it must be one of .html, .png"),
        (["--out", "a"], "argument --out: 'a' has no ending"),
        (["--out", "no folder/a.png"], "there is no folder 'no folder' to write 'a.png' to; make it first"),
        (["--out", "a folder.gif"], "'a folder.gif' is a folder; give the path of a file in it"),
        (["--out", "clip.gif"], "--out 'clip.gif' would replace what is read; give it another name"),
        (
            ["--target", "wave"],
            "target 'wave' is a name, but this model has no labels; use an index, or name the classes",
        ),
        (["--target", "7"], "target 7 is out of range; this model has classes 0 to 4"),
        (
            ["--labels", "names.txt", "--target", "clop"],
            "target 'clop' is not a label of this model; similar labels: 'clap'",
        ),
        (["--labels", "four.txt"], "labels hold 4 names, but the model has 5 classes; .*--labels"),
        (["--labels", "none.txt"], "no file of labels at 'none.txt'"),
        (["--layer", "layer44"], "layer 'layer44' is not in this model; similar names: layer4"),
        (["--layer", "fc"], "layer 'fc' cannot be explained"),
        (["--model", "no_such_nets:make"], "there is no module 'no_such_nets' in the current folder"),
        (["--weights", "none.pt"], "there is no weights file 'none.pt'"),
        (["--weights", "other.pt"], r"other.pt does not fit the network ResNet3D: \d+ missing \(.*\); 2 unexpected"),
        (["--unknown", "3"], "unrecognized arguments: --unknown 3"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(
    more: list[str], text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "four.txt").write_text("a\nb\nc\nd\n")
    (here / "a folder.gif").mkdir()
    torch.save(torch.nn.Linear(2, 2).state_dict(), "other.pt")
    assert re.search(text, told(capsys, *explain(*more)))


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        ("none.mp4", "none.mp4"),
        ("names.txt", "names.txt' is a text file, not a video"),
        ("http://example.org/a.mp4", "is a URL, and nothing is read from the network"),
        ("noise.mp4", "noise.mp4"),
        ("empty.mp4", "empty.mp4"),
    ],
)
def test_a_wrong_clip_is_told_before_a_network_is_built(clip: str, text: str, here: Path) -> None:
    (here / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (here / "empty.mp4").touch()
    done = run("explain", clip, "--model", "no_such_nets:make")
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1  # also where FFmpeg has words of its own


def test_commands_without_what_they_need_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the following arguments are required: CLIP, --model" in told(capsys, "explain")
    assert "the following arguments are required: --model" in told(capsys, "layers")
    assert "invalid choice: 'explian'" in told(capsys, "explian")


def test_open_tells_what_it_cannot_read_or_find(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tubes = small_tubes()
    tubes.save("t.npz")
    (here / "bad.npz").write_bytes((here / "t.npz").read_bytes()[:500])
    assert "no file at 'none.npz'" in told(capsys, "open", "none.npz")
    assert "'bad.npz' cannot be loaded: it is damaged" in told(capsys, "open", "bad.npz")
    assert "layer 'steam' is not in these tubes; they have stem, last" in told(
        capsys, "open", "t.npz", "--layer", "steam"
    )
    assert "target 'wave' is not among those computed, 0: 'class 0'" in told(
        capsys, "open", "t.npz", "--target", "wave"
    )
    assert "would replace what is read" in told(capsys, "open", "t.npz", "--out", "./t.npz")
    assert "would replace what is read" in told(capsys, "open", "t", "--out", "t.npz")


def test_nothing_is_written_among_frames_that_are_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "frames").mkdir()
    assert "lies among the frames that are read" in told(capsys, *explain("--out", "frames/a.png", clip="frames"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert str(tmp_path / "file") in told(capsys, "demo", "--out", tmp_path / "file" / "x")


def test_forms_that_fail_do_not_keep_the_others_from_being_written(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain.cli import outputs

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "x.gif")

    small_tubes().save("t.npz")
    monkeypatch.setitem(outputs.FORMS, ".gif", full)
    assert main(["open", "t.npz", "--out", "x.gif", "x.html"]) == 2
    said = capsys.readouterr()
    assert said.err == "notebook-explain: No space left on device: 'x.gif'\n"
    assert "wrote\tx.html\n" in said.out
    assert (here / "x.html").exists()


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


def test_a_network_that_raises_at_the_clip_is_quoted_with_its_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "fussy.py").write_text(FAULTY)
    line = told(capsys, *explain("--model", "fussy:Fussy"))
    assert "the network raised RuntimeError: no clips please (fussy.py, line 11), when it was shown the clip" in line
    with pytest.raises(ValueError, match="the network raised"):
        main(explain("--model", "fussy:Fussy", "--traceback"))


def test_a_network_that_takes_no_such_clip_is_quoted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys, *explain("--model", "torch.nn:Identity"))
    assert "Identity ran with none of the inputs tried" in line


def test_bugs_keep_their_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        int("not a number")

    monkeypatch.setattr(SaliencyTubes, "__call__", broken)
    with pytest.raises(ValueError, match="invalid literal"):
        main(explain())


def test_only_errors_raised_on_purpose_are_user_errors() -> None:
    def caught(run: Any) -> BaseException:
        with pytest.raises(Exception) as raised:  # noqa: PT011
            run()
        return raised.value

    model = SaliencyTubes()
    assert is_user_error(caught(lambda: SaliencyTubes("layer1")))  # type: ignore[arg-type]
    assert is_user_error(caught(lambda: model("no model", "clip.gif")))  # type: ignore[arg-type]
    assert is_user_error(caught(lambda: Path("none").read_text()))
    assert not is_user_error(caught(lambda: show(3)))  # type: ignore[arg-type]  # raised by Python within this package
    assert not is_user_error(caught(lambda: np.stack([])))  # raised on purpose, by another package
    assert not is_user_error(caught(lambda: torch.zeros(2) + torch.zeros(3)))
    assert not is_user_error(caught(lambda: int("x")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state size=, frames=, layout= in adapt(). The", "state --size, --frames, --layout. The"),
        ("use an index or adapt(labels=)", "use an index or --labels"),
        ("Assumed: size=112, layout='BCTHW'; state them in adapt().", "Assumed: size=112, layout='BCTHW'; state them."),
        ("ask for fewer with frames=, or raise max_pixels=", "ask for fewer with --frames, or raise --max-pixels"),
    ],
)
def test_advice_speaks_of_options(text: str, said: str) -> None:
    assert as_options(text) == said


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\n\nb\n", "line 2 of names is empty, which would shift the labels after it"),
        (b"\xff\xfea\x00", "is not UTF-8 text"),
        (b"a\x00b", "holds zero bytes"),
        (b"x" * (MAX_BYTES + 1), "is larger than 4 MB"),
        (b'["a", "b"', "begins like JSON but is none"),
        (b"[" * 100_000, "begins like JSON but is none"),
        (b"[]", "must hold a list of labels"),
        (b"{}", "must hold a list of labels"),
        (b'["a", 3]', "must hold a list of labels"),
        (b'{"0": ["a"], "1": "b"}', "must hold a list of labels"),
        (b'{"a": ["b"], "c": 3}', "must hold a list of labels"),
        (b'{"a": 0, "\\"a\\"": 0}', "gives the same index to several labels"),
        (b'{"' + b"9" * 5000 + b'": "a"}', "must hold a list of labels"),
    ],
)
def test_a_broken_file_of_labels_says_what_is_wrong(raw: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(raw)
    with pytest.raises(ValueError, match=f"^(line 2 of )?names.*{text}|{text}"):
        read_labels(tmp_path / "names")


def test_labels_of_several_heads_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "names").write_text('{"verb": ["open", "cut"], "noun": ["door"]}')
    assert read_labels(tmp_path / "names") == {"verb": ["open", "cut"], "noun": ["door"]}

"""The command that edits a clip or a network, with a real network and a real clip."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain import edits
from notebook_explain.__main__ import main
from notebook_explain.widgets.html import read_data
from tests import zoo
from tests.cli.run_cli import STATED, parse_rows

NETWORK: dict[str, Any] = {"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}


def arguments(*more: Any) -> list[str]:
    return ["what-if", "clip.gif", "--model", os.environ["MY_NET"], *STATED, "--labels", "names.txt", *map(str, more)]


def test_the_table_is_that_of_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = "--reverse --occlude 2,4,20,28@3:6 --fill mean --ablate stem:1,2 --target bow".split()
    assert main(arguments(*given, "--out", "w.html", "w.png", "w.npz")) == 0
    rows = parse_rows(capsys.readouterr().out)
    model = ne.adapt(zoo.ZOO["residual"].make(), **NETWORK, labels=["wave", "clap", "jump", "bow", "kick"])
    clip = ne.Clip.read("clip.gif", frames=8, size=32)
    chosen = [edits.Reverse(), edits.Occlude((2, 4, 20, 28), (3, 6), "mean"), edits.Ablate("stem", (1, 2))]
    found = ne.what_if(model, clip, chosen, "bow")
    assert [fields[1] for fields in rows["edit"]] == [repr(edit) for edit in chosen]
    assert rows["target"][0][0] == found.target_words()
    assert rows["what if"] == [[found.in_words()]]
    expected = [[one.label, f"{100 * one.before:.1f} %", f"{100 * one.after:.1f} %"] for one in found.moved()]
    assert [fields[:3] for fields in rows["class"]] == expected
    np.testing.assert_allclose(ne.load("w.npz").after.head().logits, found.after.head().logits, atol=1e-5)
    assert all((folder / f"w.{ending}").stat().st_size > 1000 for ending in ("html", "png", "npz"))


def test_edits_apply_in_the_order_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {
        "--occlude 0,0,4,4": edits.Occlude((0, 0, 4, 4), outside=True),
        "--drop 0:2": edits.Drop((0, 2)),
        "--ellipse 0,0,8,8@1:2": edits.Occlude((0, 0, 8, 8), (1, 2), shape="ellipse", outside=True),
        "--freeze 3@1:2": edits.Freeze(3, (1, 2)),
        "--shuffle 5": edits.Shuffle(5),
        "--flip": edits.Flip(),
        "--slow 2@0:1": edits.Slow(2, (0, 1)),
        "--repeat 1:3": edits.Repeat((1, 3)),
        "--grey": edits.Grey(),
        "--loop 0:4": edits.Loop((0, 4)),
        "--brighten 1.5": edits.Brighten(1.5),
        "--ablate layer1.0": edits.Ablate("layer1.0"),
        "--scale stem:0,3=0.25": edits.Scale("stem", (0, 3), 0.25),
        "--reverse": edits.Reverse(),
    }
    more = " ".join(options).split()
    json_edit = json.dumps(edits.Swap("layer4.1", "Identity").to_json())
    assert main(arguments(*more, "--outside", "--edit", json_edit, "--json", "--classes", 2)) == 0
    found = json.loads(capsys.readouterr().out)
    expected = [*options.values(), edits.Swap("layer4.1", "Identity")]
    assert [edits.from_json(entry) for entry in found["edits"]] == expected
    assert len(found["moved"]) == 2
    assert set(found["target"]) == {"name", "before", "after"}


def test_a_page_compares_both_explanations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments("--reverse", "--explain", "--out", "w.html", "--target", "bow", "--against", "kick")) == 0
    assert [one["module"] for one in read_data((folder / "w.html").read_text())["widgets"]] == ["compare_viewer"]
    assert parse_rows(capsys.readouterr().out)["target"][0][0].startswith("'bow' rather than 'kick' ")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "there is nothing to edit; give at least one edit"),
        ("--occlude 1,2,3", "must be LEFT,TOP,RIGHT,BOTTOM"),
        ("--occlude 1,2,30,40", "lies outside the picture, which is 32 pixels wide and 32 high"),
        ("--occlude 9,2,3,4", "left < right and top < bottom"),
        ("--occlude 1,2,3,4 --fill freeze", "frames must start at 1 or later"),
        ("--drop 0:8", "leaves no frames"),
        ("--drop 5", "frames must be A:B"),
        ("--freeze x", "must be a whole number"),
        ("--freeze 8", "frame 8 is not in the clip"),
        ("--scale stem", "must be LAYER=FACTOR"),
        ("--ablate stem:x", "LAYER:C,C with channels"),
        ("--ablate stem:999", "channel 999 is not in layer 'stem'"),
        ("--ablate nolayer", "layer 'nolayer' is not in this model"),
        ("--edit {", "must be JSON"),
        ("--edit []", "must be a JSON object"),
        ('--edit {"edit":"Revers"}', "did you mean 'Reverse'"),
        ("--reverse --out w.gif", "a what-if is written as .html, .png, .svg, .pdf or .npz"),
        ("--reverse --against kick", "--against requires --target"),
        ("--reverse --target nothing", "target 'nothing' is not a label"),
    ],
)
def test_user_errors_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str], more: str, words: str) -> None:
    assert main(arguments(*more.split())) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert words in err

"""Output of the commands, compared with the results of the package in Python."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import notebook_explain as ne
from notebook_explain.__main__ import main
from notebook_explain.explanations import Tubes
from notebook_explain.widgets.html import read_data
from tests import zoo
from tests.browser.example_tubes import grey_tubes
from tests.cli.run_cli import ROOT, STATED, explain_arguments, parse_rows, run
from tests.example_values import small_tubes

CLIPS = ROOT.parent / "shared" / "data" / "clips"


def test_explain_prints_and_writes_the_results_of_the_package(folder: Path) -> None:
    done = run(
        *explain_arguments("--labels", "names.txt", "--target", "bow", "clap", "--out", "a.html", "a.npz", "a.png")
    )
    assert (done.returncode, done.stderr) == (0, "")
    fields = parse_rows(done.stdout)
    model = ne.adapt(
        zoo.ZOO["residual"].make(),
        **{"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"},
        labels=["wave", "clap", "jump", "bow", "kick"],
    )
    tubes = ne.SharpTubes()(model, "clip.gif", ["bow", "clap"])
    assert fields["class"] == [[name, f"{100 * share:.1f} %"] for name, share in tubes.targets[0].top5]
    assert fields["evidence"] == [[tubes.in_words(target=i)] for i in (0, 1)]
    assert fields["wrote"] == [["a.html"], ["a.npz"], ["a.png"]]
    again = ne.load("a.npz")
    np.testing.assert_allclose(again.volume("layer3.1", "clap"), tubes.volume("layer3.1", "clap"), atol=1e-5)
    assert "<title>Why 'bow'?</title>" in (folder / "a.html").read_text().replace("&#x27;", "'")
    with Image.open("a.png") as picture:
        assert picture.size[0] > 600


def test_a_file_of_the_current_folder_never_stands_for_an_installed_module(folder: Path) -> None:
    (folder / "mailbox.py").write_text("from pathlib import Path\nPath('was_run').touch()\n")
    name = os.environ["MY_NET"].partition(":")[0]
    network = folder / f"{name}.py"
    network.write_text(f"import mailbox\nmailbox.Mailbox\n{network.read_text()}")
    done = run(*explain_arguments("--out", "a.npz"), setup="sys.path.remove('')")  # as the installed command starts
    assert (done.returncode, done.stderr) == (0, "")
    assert not (folder / "was_run").exists()


def test_the_ending_sets_the_format(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_tubes().save("t.npz")
    signatures = {
        "html": b"<!doctype html>",
        "png": b"\x89PNG",
        "svg": b"<?xml",
        "pdf": b"%PDF",
        "gif": b"GIF89a",
        "webm": b"\x1a\x45\xdf\xa3",
        "mp4": b"\0\0\0",
        "npz": b"PK",
    }
    assert main(["open", "t.npz", "--out", *(f"x.{ending}" for ending in signatures)]) == 0, capsys.readouterr().err
    for ending, signature in signatures.items():
        assert (folder / f"x.{ending}").read_bytes().startswith(signature), ending


def test_layer_threshold_and_target_change_the_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tubes = small_tubes()
    tubes.save("t.npz")
    every_option = ["--layer", "stem", "--threshold", "0.7", "--target", "class 1"]
    pictures = []
    for given in (every_option, every_option, every_option[2:], every_option[:2] + every_option[4:], every_option[:4]):
        assert main(["open", "t.npz", *given, "--out", "x.png"]) == 0
        pictures.append((folder / "x.png").read_bytes())
    assert parse_rows(capsys.readouterr().out)["evidence"][0] == [tubes.in_words(0.7, "stem", 1)]
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 4


def test_a_share_of_the_evidence_replaces_the_threshold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tubes = small_tubes()
    tubes.save("t.npz")
    assert main(["open", "t.npz", "--layer", "stem", "--share", "0.5", "--out", "x.png", "x.html"]) == 0
    assert parse_rows(capsys.readouterr().out)["evidence"][0] == [tubes.in_words(layer="stem", share=0.5)]
    page = (folder / "x.html").read_text()
    state = read_data(page)["widgets"][0]["state"]
    assert (state["threshold"], state["threshold_by"]) == (0.5, "evidence")
    tubes.figure("stem", threshold=tubes.threshold(layer="stem", share=0.5)).savefig("y.png", dpi=150)
    assert (folder / "x.png").read_bytes() == (folder / "y.png").read_bytes()
    assert main(["open", "t.npz", "--threshold", "0.4", "--share", "0.5"]) == 2
    assert "argument --share: not allowed with argument --threshold" in capsys.readouterr().err


def test_layer_threshold_and_target_reach_the_video(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def record(self: Tubes, path: Path, **view: Any) -> Path:
        calls.append((path.name, view))
        return path

    small_tubes().save("t.npz")
    for name in ("to_gif", "to_video"):
        monkeypatch.setattr(Tubes, name, record)
    options = ["--layer", "stem", "--threshold", "0.7", "--target", "class 1"]
    assert main(["open", "t.npz", *options, "--out", "x.gif", "x.webm"]) == 0
    view = {"layer": "stem", "threshold": 0.7, "target": 1}
    assert calls == [("x.gif", view), ("x.webm", view)]


def test_the_window_and_the_missing_caption_reach_their_outputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def record(self: Tubes, path: Path, **view: Any) -> Path:
        calls.append((path.name, view))
        return path

    grey_tubes().save("t.npz")
    for name in ("to_gif", "to_video", "to_html"):
        monkeypatch.setattr(Tubes, name, record)
    assert main(["open", "t.npz", "--range=-160,240", "--no-caption", "--out", "x.gif", "x.mp4", "x.html"]) == 0
    window = {"window": (-160.0, 240.0)}
    assert calls == [
        ("x.gif", {**window, "caption": False}),
        ("x.mp4", {**window, "caption": False}),
        ("x.html", window),
    ]
    pictures = []
    for given in ([], ["--range=20,110"], ["--range=percentiles"]):
        assert main(["open", "t.npz", *given, "--out", "x.png"]) == 0
        pictures.append((folder / "x.png").read_bytes())
    assert len(set(pictures)) == 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--range=0,10", "--out", "x.png"], "holds colours from 0 to 255, which have no other range"),
        (["--range=0", "--out", "x.png"], "must be LOW,HIGH or percentiles, got '0'"),
        (
            ["--no-caption", "--out", "x.png"],
            "--no-caption applies to animations, but no --out ends in .gif, .webm or .mp4",
        ),
    ],
)
def test_a_window_or_a_caption_that_does_not_apply_is_one_error_line(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small_tubes().save("t.npz")
    try:
        code = main(["open", "t.npz", *more])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "x.png").exists()


def test_a_page_opens_at_the_given_view_and_contains_the_rest(folder: Path) -> None:
    small_tubes().save("t.npz")
    assert (
        main(["open", "t.npz", "--layer", "stem", "--target", "class 1", "--threshold", "0.75", "--out", "t.html"]) == 0
    )
    text = (folder / "t.html").read_text()
    data = read_data(text)
    state = data["widgets"][0]["state"]
    assert (state["layer"], state["target"], state["threshold"]) == (0, 1, 0.75)
    assert [layer["name"] for layer in state["layers"]] == ["stem", "last"]
    assert "<title>Why &#x27;class 1&#x27;?</title>" in text


def test_any_module_of_the_network_can_be_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(explain_arguments("--layer", "layer2.0.conv1", "--out", "a.npz")) == 0
    assert "layer2.0.conv1 (named)" in parse_rows(capsys.readouterr().out)["seen at"][0][0]
    names = [layer.name for layer in ne.load("a.npz").layers]
    assert "layer2.0.conv1" in names
    assert "layer4.1" in names


def test_open_describes_a_file_without_torch(folder: Path) -> None:
    tubes = small_tubes()
    tubes.save("t.npz")
    setup = "import atexit\natexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    done = run("open", "t.npz", "--out", "t.html", "t.png", setup=setup)
    assert (done.returncode, done.stderr) == (0, "False\n")
    fields = parse_rows(done.stdout)
    assert fields["layer"] == [["stem", "stem", "6x4x4"], ["last", "pooling input", "2x3x3"]]
    assert fields["evidence"] == [[tubes.in_words(target=i)] for i in (0, 1)]
    assert fields["clip"] == [["by hand", "6 frames of 12 x 12, 0.00 to 0.50 s"]]


def test_layers_lists_names_kinds_and_grids(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", os.environ["MY_NET"]]
    assert main(["layers", *model, "--size", "32", "--frames", "8", "--layout", "BCTHW"]) == 0
    captured = capsys.readouterr()
    layers = ne.adapt(zoo.ZOO["residual"].make(), size=32, frames=8, mean=0, std=1, layout="BCTHW").layers
    expected = [[layer.name, layer.kind, "x".join(map(str, layer.grid))] for layer in layers]
    assert [line.split("\t") for line in captured.out.splitlines()] == expected
    assert captured.err == ""
    assert main(["layers", *model]) == 0
    assert re.search("ssumed.*: size.112, frames.16", capsys.readouterr().err)


def test_pathways_have_a_column(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", "--model", "tests.zoo.traps:SlowFast", *"--size 32 --frames 16 --layout 4,1".split()]) == 0
    table = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {len(row) for row in table} == {4}
    assert {row[3] for row in table} >= {"0", "1"}


def test_weights_are_loaded_from_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    other = zoo.seeded(zoo.convnets.residual, seed=5)
    torch.save({"state_dict": torch.nn.DataParallel(other).state_dict()}, "w.pt")
    assert main(explain_arguments("--weights", "w.pt")) == 0
    fields = parse_rows(capsys.readouterr().out)
    stated = {"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    assert fields["class"][0] == [
        (top := ne.explain(other, "clip.gif", **stated).targets[0].top5[0])[0],
        f"{100 * top[1]:.1f} %",
    ]
    assert fields["weights"][0][0] == "w.pt, from 'state_dict', prefix 'module.' removed"


def test_of_several_weights_the_row_names_those_taken_and_another_can_be_chosen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    raw, average = (zoo.seeded(zoo.convnets.residual, seed=seed) for seed in (5, 6))
    torch.save({"model": raw.state_dict(), "model_ema": average.state_dict()}, "both.pth")
    logits = {}
    for key in ("", "model", "model_ema"):
        chosen = ["--weights-key", key] if key else []
        assert main(explain_arguments("--weights", "both.pth", *chosen, "--target", "0", "--out", "t.npz")) == 0
        taken = parse_rows(capsys.readouterr().out)["weights"][0][0]
        assert taken == f"both.pth, '{key or 'model'}' of 'model', 'model_ema'"
        logits[key] = ne.load("t.npz").targets[0].logit
    assert logits[""] == logits["model"] != logits["model_ema"]


def test_a_key_of_no_weights_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    state = zoo.seeded(zoo.convnets.residual, seed=5).state_dict()
    torch.save({"model": {**state, "extra": torch.ones(1)}, "model_ema": state}, "both.pth")
    assert main(explain_arguments("--weights", "both.pth", "--weights-key", "emma")) == 2
    assert "both.pth holds no weights under 'emma'; it holds 'model_ema', 'model'" in capsys.readouterr().err
    assert main(explain_arguments("--weights", "both.pth", "--weights-key", "model")) == 2
    assert "1 unexpected (extra); the file also holds 'model_ema'; use --weights-key\n" in capsys.readouterr().err
    assert main(explain_arguments("--weights-key", "model")) == 2
    assert "give the file with --weights" in capsys.readouterr().err


def test_a_window_in_frames_or_seconds_limits_the_clip(folder: Path) -> None:
    for window, times in (("4:8", [0.4, 0.5, 0.6, 0.7]), ("0.4:0.8", [0.4, 0.5, 0.6, 0.7]), ("1s:2s", [1.0, 1.1])):
        assert main(explain_arguments("--frames", "4", "--window", window, "--out", "a.npz")) == 0
        clip = ne.load("a.npz").clip
        np.testing.assert_allclose(np.unique(clip.times), times, atol=0.02)


def test_stride_and_crop_reach_the_clip(folder: Path) -> None:
    assert main(explain_arguments("--frames", "4", "--stride", "3", "--out", "a.npz")) == 0
    np.testing.assert_allclose(ne.load("a.npz").clip.times, [0.0, 0.3, 0.6, 0.9], atol=0.02)
    wide = zoo.random_clip(8, 64)[:, 16:48]
    images = [Image.fromarray(frame) for frame in wide]
    images[0].save("wide.gif", save_all=True, append_images=images[1:], duration=100)
    steps = {}
    for crop in ("center", "letterbox", "stretch"):
        assert main(explain_arguments("--crop", crop, "--out", "a.npz", clip="wide.gif")) == 0
        steps[crop] = ne.load("a.npz").clip.step
    assert steps == {"center": (1.0, 1.0), "letterbox": (2.0, 2.0), "stretch": (1.0, 2.0)}


def test_every_label_format_names_the_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["wave", "clap", "jump", "bow", "kick"]
    files = {
        "lines.txt": "\ufeff" + "\r\n".join(names) + "\r\n\r\n",
        "list.json": json.dumps(names),
        "by_index.json": json.dumps({str(i): name for i, name in enumerate(names)}),
        "by_name.json": json.dumps({f'"{name}"': i for i, name in enumerate(names)}),
    }
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8", newline="")
        assert main(explain_arguments("--labels", file, "--target", "Jump", "4", "wave")) == 0
        evidence = parse_rows(capsys.readouterr().out)["evidence"]
        assert [field[0].split("'")[1] for field in evidence] == ["jump", "kick", "wave"], file


def test_a_number_is_an_index_unless_it_is_a_label(folder: Path) -> None:
    (folder / "digits.txt").write_text("9\n8\n7\n6\n0\n")
    assert main(explain_arguments("--labels", "digits.txt", "--target", "0", "1", "--out", "a.npz")) == 0
    assert [(target.name, target.index) for target in ne.load("a.npz").targets] == [("0", 4), ("8", 1)]


def test_the_demo_writes_a_page_a_picture_and_an_animation_and_prints_their_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "new folder")]) == 0
    fields = parse_rows(capsys.readouterr().out)
    page, picture = tmp_path / "new folder" / "demo.html", tmp_path / "new folder" / "demo.png"
    assert [fields["page"][0][0], fields["picture"][0][0]] == [str(page), str(picture)]
    assert "of the evidence for " in fields["evidence"][0][0]
    assert page.stat().st_size > 50_000
    with Image.open(picture) as image:
        assert image.size[0] > 600
    with Image.open(fields["animation"][0][0]) as film:
        assert getattr(film, "n_frames", 1) == 16


def test_each_of_ten_real_clips_gives_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = sorted(path for path in CLIPS.glob("*") if path.suffix in (".mp4", ".avi", ".mkv", ".gif"))
    if not clips:
        pytest.skip(f"no clips at {CLIPS}")
    assert len(clips) == 10
    for clip in clips:
        page = tmp_path / f"{clip.stem}.html"
        command = ["explain", str(clip), "--model", "tests.zoo.convnets:residual", *STATED, "--out", str(page)]
        assert main(command) == 0, capsys.readouterr().err
        fields = parse_rows(capsys.readouterr().out)
        assert fields["clip"][0][0] == clip.name
        assert fields["wrote"] == [[str(page)]]
        assert clip.name in page.read_text()

"""Behaviour in a terminal and in a pipe, on interrupts, and when the output is closed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import notebook_explain as ne
from notebook_explain.__main__ import main
from notebook_explain._warn import warn
from notebook_explain.cli import console
from notebook_explain.explanations.caveats import Caveat
from tests.cli.run_cli import NET, ROOT, explain_arguments, parse_rows, run, start
from tests.example_values import small_tubes


def test_version_and_help_import_neither_torch_nor_numpy() -> None:
    setup = "import atexit\natexit.register(lambda: print({'torch', 'numpy'} & {*sys.modules}, file=sys.stderr))"
    done = run("--version", setup=setup)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"notebook-explain {ne.__version__}\n", "set()\n")
    help_text = run(setup=setup)
    assert (help_text.returncode, help_text.stderr) == (0, "set()\n")
    assert "notebook-explain demo" in help_text.stdout


def test_the_module_and_the_script_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("notebook-explain")
    for command in ([sys.executable, "-m", "notebook_explain"], [str(script)]):
        if not Path(command[0]).exists():
            pytest.skip("the package is not installed")
        done = subprocess.run([*command, "opne"], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 2
        assert done.stderr.startswith("notebook-explain: argument COMMAND: invalid choice: 'opne'")


def test_a_terminal_gets_a_progress_bar_and_a_pipe_does_not(folder: Path) -> None:
    controller, terminal = pytest.importorskip("pty").openpty()
    running = start(*explain_arguments("--out", "a.html"), stderr=terminal)
    os.close(terminal)
    out, _ = running.communicate(timeout=120)
    drawn = b""
    while chunk := _read(controller):
        drawn += chunk
    os.close(controller)
    assert running.returncode == 0
    assert b"explaining the clip" in drawn
    assert b"writing a.html" in drawn
    assert parse_rows(out)["wrote"] == [["a.html"]]
    assert "\r" not in out


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 4096)
    except OSError:  # Linux reports a closed terminal this way
        return b""


def test_columns_are_aligned_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_is_terminal", lambda stream: True)
    console.print_rows([("stem", "block", "8x4"), ("layer4.1.conv", "x", "1")], header=("layer", "kind", "grid"))
    assert capsys.readouterr().out == "layer          kind   grid\nstem           block  8x4\nlayer4.1.conv  x      1\n"
    console.print_rows([("class", "a", "1 %"), ("class", "bcd", "2 %"), ("wrote", "a/very/long/path", "so")])
    assert capsys.readouterr().out == "class  a    1 %\nclass  bcd  2 %\nwrote  a/very/long/path  so\n"


def test_control_characters_are_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "names.txt").write_text("\x1b[2Jwave\tone\nb\nc\nd\ne\n")
    assert main(explain_arguments("--labels", "names.txt", "--target", "0")) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [len(row) for row in parse_rows(out)["class"]] == [2] * 5
    tubes = small_tubes(targets=1)
    hostile = replace(tubes.targets[0], name="\x1b[2J\u202etxt", top5=(("a\tb\nwrote\tx", 0.5),))
    replace(tubes, targets=(hostile,)).save("t.npz")
    assert main(["open", "t.npz"]) == 0
    fields = parse_rows(capsys.readouterr().out)
    assert fields["class"] == [["a b wrote x", "50.0 %"]]
    assert fields["evidence"][0][0].startswith("' [2J txt' 60 %")
    assert main(["open", "no\n\x1b[2J.npz"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_assumed_preprocessing_is_a_caveat_and_other_warnings_are_printed_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "clip.gif", "--model", os.environ["MY_NET"], "--frames", "16"]) == 0
    captured = capsys.readouterr()
    assumed, *others = [caveat for (caveat,) in parse_rows(captured.out)["caveat"]]
    assert re.search("ssumed.*: size.112, mean", assumed)
    assert "frames" not in assumed
    assert len(others) == 1
    assert re.match("The clip has 12 frames.* 16", others[0])
    assert captured.err == "notebook-explain: clip.gif: 16 frames requested, 12 available: some are repeated\n"


def test_caveats_and_warnings_name_the_options_that_remove_them(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = "Not specified, assumed: size=112 and max_pixels=5."
    caveat = Caveat(sentence, "assumed_preprocessing", ("size", "mean", "max_pixels"))
    call = ne.SharpTubes.__call__

    def explain(*arguments: Any) -> Any:
        warn(Caveat("The clip is short.", arguments=("frames", "no_such_option")))
        tubes = call(*arguments)
        return replace(tubes, provenance=replace(tubes.provenance, caveats=(caveat,)))

    monkeypatch.setattr(ne.SharpTubes, "__call__", explain)
    assert main(explain_arguments("--out", "a.npz")) == 0
    captured = capsys.readouterr()
    assert parse_rows(captured.out)["caveat"] == [[f"{sentence} Use --size, --mean and --max-pixels."]]
    assert captured.err == "notebook-explain: The clip is short. Use --frames.\n"
    assert main(["open", "a.npz"]) == 0  # has none of these options
    assert parse_rows(capsys.readouterr().out)["caveat"] == [[sentence]]


def test_the_caveats_of_a_network_name_the_options_of_layers(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain import models

    adapt = models.adapt
    caveat = Caveat("Assumed: size=112.", arguments=("size", "crop"))
    monkeypatch.setattr(models, "adapt", lambda *a, **k: replace(adapt(*a, **k), caveats=(caveat,)))
    assert main(["layers", "--model", os.environ["MY_NET"], *"--size 32 --frames 8 --layout BCTHW".split()]) == 0
    assert capsys.readouterr().err == "notebook-explain: Assumed: size=112. Use --size.\n"


def test_prints_of_the_network_go_to_stderr(folder: Path) -> None:
    (folder / "loud.py").write_text(NET.replace("def make", "print('importing')\ndef make"))
    arguments = explain_arguments()
    arguments[arguments.index("--model") + 1] = "loud:make"
    done = run(*arguments)
    assert done.stderr == "importing\n"
    assert "importing" not in done.stdout


def test_an_interrupt_exits_with_130_and_leaves_files_unchanged(folder: Path) -> None:
    (folder / "slow.py").write_text(
        "import time, pathlib\ndef make():\n pathlib.Path('begun').touch()\n time.sleep(60)\n"
    )
    (folder / "a.html").write_text("mine")
    # A test run in the background may ignore interrupts, and a subprocess inherits that.
    restore_interrupts = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    running = start("explain", "clip.gif", "--model", "slow:make", "--out", "a.html", preexec_fn=restore_interrupts)
    end = time.monotonic() + 60
    while not (folder / "begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "notebook-explain: interrupted\n")
    assert (folder / "a.html").read_text() == "mine"


def test_an_interrupt_during_writing_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    def write_half(self: Figure, path: Path, **_: Any) -> None:
        path.write_bytes(b"\x89PN")
        raise KeyboardInterrupt

    small_tubes().save("t.npz")
    (folder / "x.png").write_bytes(b"mine")
    before = sorted(folder.iterdir())
    monkeypatch.setattr(Figure, "savefig", write_half)
    assert main(["open", "t.npz", "--out", "x.png"]) == 130
    assert (folder / "x.png").read_bytes() == b"mine"
    assert sorted(folder.iterdir()) == before


def test_a_closed_pipe_exits_with_141(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    small_tubes().save("t.npz")
    running = start("open", "t.npz", "--out", "t.html", stdout=writer)
    os.close(writer)
    _, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (141, "")
    assert (folder / "t.html").stat().st_size > 10_000


def test_missing_standard_streams_are_no_error(folder: Path) -> None:
    small_tubes().save("t.npz")
    done = run("open", "t.npz", setup="sys.stdout = sys.stderr = None")
    assert done.returncode == 0


def test_files_in_the_current_folder_do_not_shadow_the_imports_of_torch(folder: Path) -> None:
    for name in ("random", "torch", "tqdm"):
        (folder / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    done = run(*explain_arguments(), setup="sys.path.remove('')")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_current_folder_is_on_the_path_only_while_the_command_runs(folder: Path) -> None:
    before = list(sys.path)
    assert main(explain_arguments()) == 0
    assert sys.path == before

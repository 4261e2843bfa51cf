"""How the command behaves: in a terminal and in a pipe, when it is interrupted, when nobody reads it."""

from __future__ import annotations

import os
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
from notebook_explain.cli import console
from tests.cli.run_cli import NET, ROOT, explain, process, rows, run
from tests.example_values import small_tubes


def test_version_and_help_come_without_torch_or_numpy() -> None:
    before = "import atexit\natexit.register(lambda: print({'torch', 'numpy'} & {*sys.modules}, file=sys.stderr))"
    done = run("--version", before=before)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"notebook-explain {ne.__version__}\n", "set()\n")
    helped = run(before=before)
    assert (helped.returncode, helped.stderr) == (0, "set()\n")
    assert "notebook-explain demo" in helped.stdout


def test_the_module_and_the_script_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("notebook-explain")
    for command in ([sys.executable, "-m", "notebook_explain"], [str(script)]):
        if not Path(command[0]).exists():
            pytest.skip("the package is not installed")
        done = subprocess.run([*command, "opne"], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 2
        assert done.stderr.startswith("notebook-explain: argument COMMAND: invalid choice: 'opne'")


def test_a_terminal_gets_columns_and_a_bar_and_a_pipe_neither(here: Path) -> None:
    controller, terminal = pytest.importorskip("pty").openpty()
    running = process(*explain("--out", "a.html"), stderr=terminal)
    os.close(terminal)
    out, _ = running.communicate(timeout=120)
    drawn = b""
    while chunk := _read(controller):
        drawn += chunk
    os.close(controller)
    assert running.returncode == 0
    assert b"explaining it" in drawn
    assert b"writing a.html" in drawn
    assert rows(out)["wrote"] == [["a.html"]]
    assert "\r" not in out


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_columns_stand_beneath_each_other_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_is_terminal", lambda stream: True)
    console.show([("stem", "block", "8x4"), ("layer4.1.conv", "x", "1")], head=("layer", "kind", "grid"))
    assert capsys.readouterr().out == "layer          kind   grid\nstem           block  8x4\nlayer4.1.conv  x      1\n"
    console.show([("class", "a", "1 %"), ("class", "bcd", "2 %"), ("wrote", "a/very/long/path", "so")])
    assert capsys.readouterr().out == "class  a    1 %\nclass  bcd  2 %\nwrote  a/very/long/path  so\n"


def test_control_characters_reach_no_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "names.txt").write_text("\x1b[2Jwave\tone\nb\nc\nd\ne\n")
    assert main(explain("--labels", "names.txt", "--target", "0")) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [len(row) for row in rows(out)["class"]] == [2] * 5
    tubes = small_tubes(targets=1)
    hostile = replace(tubes.targets[0], name="\x1b[2J\u202etxt", top5=(("a\tb\nwrote\tx", 0.5),))
    replace(tubes, targets=(hostile,)).save("t.npz")
    assert main(["open", "t.npz"]) == 0
    said = rows(capsys.readouterr().out)
    assert said["class"] == [["a b wrote x", "50.0 %"]]
    assert said["evidence"][0][0].startswith("' [2J txt' 60 %")
    assert main(["open", "no\n\x1b[2J.npz"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_what_was_assumed_is_a_caveat_in_the_words_of_the_options(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "clip.gif", "--model", os.environ["MY_NET"], "--frames", "16"]) == 0
    said = capsys.readouterr()
    assumed, *others = [caveat for (caveat,) in rows(said.out)["caveat"]]
    assert assumed.startswith("Not specified, assumed: size 112, mean (")
    assert "If the guess is wrong, so is the explanation" in assumed
    assert others == ["The clip has 12 frames and the network takes 16, so some frames are repeated."]
    assert said.err.startswith("notebook-explain: clip.gif: 16 frames are wanted")
    assert said.err.count("\n") == 1


def test_what_the_network_prints_is_no_result(here: Path) -> None:
    (here / "loud.py").write_text(NET.replace("def make", "print('importing')\ndef make"))
    arguments = explain()
    arguments[arguments.index("--model") + 1] = "loud:make"
    done = run(*arguments)
    assert done.stderr == "importing\n"
    assert "importing" not in done.stdout


def test_an_interrupt_ends_with_130_and_leaves_files_as_they_were(here: Path) -> None:
    (here / "slow.py").write_text(
        "import time, pathlib\ndef make():\n pathlib.Path('begun').touch()\n time.sleep(60)\n"
    )
    (here / "a.html").write_text("mine")
    # Who runs the tests in the background may have told them to ignore interrupts, and that is handed down.
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    running = process("explain", "clip.gif", "--model", "slow:make", "--out", "a.html", preexec_fn=heard)
    end = time.monotonic() + 60
    while not (here / "begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "notebook-explain: interrupted\n")
    assert (here / "a.html").read_text() == "mine"


def test_an_interrupt_while_a_file_is_written_leaves_the_old_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    def half(self: Figure, path: Path, **_: Any) -> None:
        path.write_bytes(b"\x89PN")
        raise KeyboardInterrupt

    small_tubes().save("t.npz")
    (here / "x.png").write_bytes(b"mine")
    before = sorted(here.iterdir())
    monkeypatch.setattr(Figure, "savefig", half)
    assert main(["open", "t.npz", "--out", "x.png"]) == 130
    assert (here / "x.png").read_bytes() == b"mine"
    assert sorted(here.iterdir()) == before


def test_a_pipe_that_nobody_reads_is_no_error(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    small_tubes().save("t.npz")
    running = process("open", "t.npz", "--out", "t.html", stdout=writing)
    os.close(writing)
    _, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (141, "")
    assert (here / "t.html").stat().st_size > 10_000


def test_a_closed_output_is_no_error(here: Path) -> None:
    small_tubes().save("t.npz")
    done = run("open", "t.npz", before="sys.stdout = sys.stderr = None")
    assert done.returncode == 0


def test_files_of_the_current_folder_do_not_stand_in_for_those_that_torch_imports(here: Path) -> None:
    for name in ("random", "torch", "tqdm"):
        (here / f"{name}.py").write_text("raise RuntimeError('the wrong one')")
    done = run(*explain(), before="sys.path.remove('')")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_current_folder_is_imported_from_only_while_the_command_runs(here: Path) -> None:
    before = list(sys.path)
    assert main(explain()) == 0
    assert sys.path == before

"""Progress in a real terminal, and none in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.cli.run_cli import ENVIRONMENT, ROOT
from tests.progress.slow_net import SETUP

pty = pytest.importorskip("pty")
MARK = "@@"
LINE = re.compile(r"([\d.]+) s saliency tubes: layer (\d+) of 9 \((forward|backward)\)")
SLOW = "net.seconds[0] = 0.25\nne.SaliencyTubes()(model, clip)"


def drawn(code: str, interrupt: bool = False) -> str:
    """Run code after the setup with a terminal as stderr; return what it writes there."""
    controller, terminal = pty.openpty()
    script = f"{SETUP}\nimport sys\nprint({MARK!r}, file=sys.stderr, flush=True)\n{code}"
    running = subprocess.Popen([sys.executable, "-c", script], stderr=terminal, env=ENVIRONMENT, cwd=ROOT)
    os.close(terminal)
    written = ""
    while chunk := _read(controller):
        written += chunk
        if interrupt and LINE.search(written):
            running.send_signal(signal.SIGINT)
            interrupt = False
    os.close(controller)
    running.wait(60)
    return written.partition(MARK)[2].lstrip("\r\n")


def _read(controller: int) -> str:
    try:
        return os.read(controller, 65536).decode(errors="replace")
    except OSError:  # Linux reports a closed terminal this way
        return ""


def visible(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_the_layer_and_the_elapsed_time_move_within_a_pass_and_the_line_is_removed() -> None:
    written = drawn(SLOW)
    found = [(float(seconds), int(layer), direction) for seconds, layer, direction in LINE.findall(written)]
    assert found[0][0] < 1.5, "half a second, on a machine that is busy"
    assert len({layer for _, layer, direction in found if direction == "forward"}) > 1
    assert len({layer for _, layer, direction in found if direction == "backward"}) > 1
    assert visible(written) == [""]


def test_fast_work_draws_nothing() -> None:
    assert drawn("ne.SaliencyTubes()(model, clip)") == ""


@pytest.mark.parametrize("interrupt", [False, True], ids=["error", "interrupt"])
def test_the_line_is_removed_before_a_traceback(interrupt: bool) -> None:
    written = drawn(SLOW.replace("clip)", "clip, 'nobody')"), interrupt)
    assert LINE.search(written)
    first, *_, last = (line for line in visible(written) if line)
    assert first == "Traceback (most recent call last):"
    assert last.startswith("KeyboardInterrupt" if interrupt else "notebook_explain._errors.UsageError")


def test_a_pipe_gets_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{SETUP}\n{SLOW}"], capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

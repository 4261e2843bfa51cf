"""How the tests call the command: words for the main function, or a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# As a shell starts it: with output that is held back until there is enough of it.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
STATED = "--size 32 --frames 8 --mean 0.45 --std 0.225 --layout BCTHW".split()
NET = "from tests import zoo\ndef make():\n    return zoo.ZOO['residual'].make()\n"


def explain(*more: Any, clip: str = "clip.gif") -> list[str]:
    """The words that explain the clip of the folder `here` with the network there."""
    return ["explain", clip, "--model", os.environ["MY_NET"], *STATED, *map(str, more)]


def process(*arguments: Any, **how: Any) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    command = [sys.executable, "-m", "notebook_explain", *map(str, arguments)]
    return subprocess.Popen(command, text=True, env=ENVIRONMENT, **how)


def run(*arguments: Any, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, other code before it."""
    code = f"import sys\n{before}\nfrom notebook_explain.__main__ import main\nsys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def rows(text: str) -> dict[str, list[list[str]]]:
    """What a pipe gets: the fields of each row by the row's first word."""
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        word, *fields = line.split("\t")
        found.setdefault(word, []).append(fields)
    return found

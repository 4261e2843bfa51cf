"""Run the command line in the tests: arguments for the main function, or a subprocess."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# As a shell starts it: with buffered output.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
STATED = "--size 32 --frames 8 --mean 0.45 --std 0.225 --layout BCTHW".split()
NET = "from tests import zoo\ndef make():\n    return zoo.ZOO['residual'].make()\n"


def explain_arguments(*more: Any, clip: str = "clip.gif") -> list[str]:
    """Return the arguments that explain the clip of the fixture `folder` with its network."""
    return ["explain", clip, "--model", os.environ["MY_NET"], *STATED, *map(str, more)]


def start(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Start the command in a subprocess."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "notebook_explain", *map(str, arguments)]
    return subprocess.Popen(command, text=True, env=ENVIRONMENT, **options)


def run(*arguments: Any, setup: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a subprocess, after some other code."""
    code = f"import sys\n{setup}\nfrom notebook_explain.__main__ import main\nsys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def parse_rows(text: str) -> dict[str, list[list[str]]]:
    """Parse the output for a pipe: the fields of each row, by the keyword of the row."""
    fields_of: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        keyword, *fields = line.split("\t")
        fields_of.setdefault(keyword, []).append(fields)
    return fields_of

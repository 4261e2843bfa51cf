"""A folder as a user of the command line has one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from PIL import Image

from tests import zoo
from tests.cli.run_cli import NET

_numbers = itertools.count()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a network (of a name never used before), a clip and labels in it."""
    monkeypatch.chdir(tmp_path)
    name = f"my_nets_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(NET)
    (tmp_path / "names.txt").write_text("wave\nclap\njump\nbow\nkick\n")
    pictures = [Image.fromarray(frame) for frame in zoo.random_clip(12, 40)]
    pictures[0].save(tmp_path / "clip.gif", save_all=True, append_images=pictures[1:], duration=100)
    monkeypatch.setenv("MY_NET", f"{name}:make")
    return tmp_path

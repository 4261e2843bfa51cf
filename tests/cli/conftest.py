"""A working folder with a network, a clip and labels."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from PIL import Image

from tests import zoo
from tests.cli.run_cli import NET

_counter = itertools.count()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a network (in a module of unique name), a clip and labels, and change to it."""
    monkeypatch.chdir(tmp_path)
    name = f"my_nets_{next(_counter)}"
    (tmp_path / f"{name}.py").write_text(NET)
    (tmp_path / "names.txt").write_text("wave\nclap\njump\nbow\nkick\n")
    images = [Image.fromarray(frame) for frame in zoo.random_clip(12, 40)]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:], duration=100)
    monkeypatch.setenv("MY_NET", f"{name}:make")
    return tmp_path

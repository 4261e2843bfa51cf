"""The page about the worlds: its code runs, its pictures are there, its figures have not gone stale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notebook_explain import samples
from scripts.contact_sheets import WORLDS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "synthetic-clips.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block.replace("CLIPS = 20", "CLIPS = 4"), PAGE.name, "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"pair.gif", "puzzle.gif", "pair.png"}
    asked, head, *rows = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"[1-4] of 4 clips, both actions among the model's top two", asked)
    assert head.split() == ["points", "own", "other", "AP"]
    assert [row[:14].strip() for row in rows] == ["tube", "tube x motion", "motion", "centre"]
    assert all(0 <= float(value) <= 1 for row in rows for value in row[14:].split())


def test_the_page_names_every_world_and_every_field_and_shows_what_is_there():
    calls = re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)
    assert calls == list(WORLDS)
    fields = {
        name
        for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", TEXT, re.MULTILINE)
        for name in re.findall(r"\w+", row)
    }
    assert fields == set(samples.Sample.__dataclass_fields__)
    for image in re.findall(r"\]\((\S+\.png)\)", TEXT):
        assert (PAGE.parent / image).stat().st_size < 400_000


def test_the_limits_that_the_page_tells_are_so():
    shares = {}
    for action in samples.ACTIONS:
        clips = [samples.single(action, seed=seed) for seed in range(10)]
        shares[action] = sum(clip.mask.mean() for clip in clips) / len(clips)
    whole = ("jumping jack", "bend", "squat", "jog")
    limbs = [share for action, share in shares.items() if action not in whole]
    assert 0.008 < min(limbs) < max(limbs) < 0.035
    assert all(shares[action] == pytest.approx(0.075, abs=0.035) for action in whole)

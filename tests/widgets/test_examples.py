"""The examples that JavaScript's tests read are what Python says today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.widgets.tube_examples import EXAMPLES, make


def test_the_examples_are_what_python_says_today() -> None:
    if not EXAMPLES.is_file():
        pytest.skip("no js/test here: a package without its JavaScript")
    written = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    _same(written, json.loads(json.dumps(make())), "examples")


def test_the_examples_know_every_turn_of_phrase() -> None:
    said = "\n".join(one["words"] for shown in make()["maps"] for one in shown["said"])
    turns = ("ahead of", "narrowly ahead of", "behind", "under 0.1 %", "no evidence for it", "no evidence against it")
    turns += ("most of the evidence is against it", "most of the evidence is for it", "mostly", "frame ", "frames ")
    turns += ("from ", "across the", "all over the picture", "upper", "lower", "on the", "in the centre")
    assert [turn for turn in turns if turn not in said] == []


def _same(one: Any, other: Any, where: str) -> None:
    hint = f"{where}: run python -m tests.widgets.tube_examples"
    if isinstance(one, dict):
        assert set(one) == set(other), hint
        for name in one:
            _same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), hint
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            _same(a, b, f"{where}[{k}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, abs=1e-6), hint
    else:
        assert one == other, hint

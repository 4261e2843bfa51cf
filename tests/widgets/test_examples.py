"""The committed examples of the tube viewer, which the JavaScript tests read, agree with Python."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.widgets.tube_examples import EXAMPLES, make


def test_the_committed_examples_are_up_to_date() -> None:
    if not EXAMPLES.is_file():
        pytest.skip("no js/test here: a package without its JavaScript")
    written = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert_same(written, json.loads(json.dumps(make())), "examples")


def test_the_examples_contain_every_phrase() -> None:
    sentences = "\n".join(one["words"] for example in make()["maps"] for one in example["said"])
    phrases = [
        *("ahead of", "narrowly ahead of", "behind", "under 0.1 %", "Under 0.1 %", "mostly frame ", "mostly frames "),
        *("No evidence for 'wave'", "No evidence against 'wave'", "Most of the evidence is against 'wave'"),
        *("Most of the evidence is for 'wave'", "in frame ", "in frames ", "in all 12 frames", "moving from "),
        *("to the top", "to the bottom", "across the", "all over the picture", "at upper", "at lower", "on the"),
        *("in the centre", "'wave' rather than 'clap'. ", "for this difference.", "against this difference."),
        *(
            "'ESV' 55.6 ml. Raised by",
            "'ESV' 55.6 ml. Lowered by",
            "evidence that raises 'ESV'",
            "evidence that lowers 'ESV'",
        ),
        *("\u221255.6 ms, in frames 3 to 5. Raised by", "that raises it", "Most of the evidence lowers it"),
        *("'EDV' minus 'ESV' 12 ml. ", "that raises this difference", "Most of the evidence lowers this difference"),
        *("'fake' 81 %, ahead of 'real' 19 %. ", "of the evidence for 'real'", "Most of the evidence is for 'real'"),
        *("'yes' 81 %. ", "against 'yes'", "'run' 70 %, in a region of 3.1 % of the clip. ", "of the picture. "),
    ]
    assert [phrase for phrase in phrases if phrase not in sentences] == []


def assert_same(one: Any, other: Any, location: str) -> None:
    message = f"{location}: run python -m tests.widgets.tube_examples"
    if isinstance(one, dict):
        assert set(one) == set(other), message
        for name in one:
            assert_same(one[name], other[name], f"{location}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), message
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{location}[{k}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, abs=1e-6), message
    else:
        assert one == other, message

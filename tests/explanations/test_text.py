"""Numbers for people are rounded as the viewer's ``toFixed`` rounds them, and a count of one takes the singular."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from notebook_explain.explanations import Geometry, LayerMap
from notebook_explain.explanations.text import counted, fixed, in_words, layer_phrase, seconds, short
from notebook_explain.explanations.threshold import Kept


@pytest.mark.parametrize(
    ("value", "digits", "words"),
    [
        (1.125, 2, "1.13"),
        (0.625, 2, "0.63"),
        (0.375, 2, "0.38"),
        (1.005, 2, "1.00"),  # a hair less than a half, as a float
        (2.5, 0, "3"),
        (-0.125, 2, "−0.13"),
        (-0.001, 2, "0.00"),
        (2.0**120, 0, str(2**120)),
    ],
)
def test_halves_are_rounded_away_from_zero(value: float, digits: int, words: str) -> None:
    assert fixed(value, digits) == words


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_numbers_are_rounded_as_the_viewer_rounds_them() -> None:
    values = [k / 8 - 3 for k in range(49)] + [k / 1000 for k in range(0, 3000, 7)]
    code = f"console.log({values!r}.map((v) => v.toFixed(2)).join(' '))"
    viewer = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout.split()
    assert [fixed(value) for value in values] == [text.replace("-", "−") if float(text) else "0.00" for text in viewer]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.937083, "0.937"),
        (0.874699, "0.875"),
        (1.125, "1.13"),
        (1.0, "1"),
        (0, "0"),
        (-0.0335, "−0.0335"),
        (0.99951, "1"),
        (1234.4, "1234"),
        (-99999.5, "−100000"),
        (200000, "2e+05"),
        (1e-40, "1e−40"),
        (np.float32(0.937), "0.937"),
    ],
)
def test_short_numbers_have_three_significant_digits_at_most(value: float, words: str) -> None:
    assert short(value) == words


def test_seconds_and_counts() -> None:
    assert seconds(1.125) == "1.13 s"
    assert [counted(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert [counted(n, "set of numbers", "sets of numbers") for n in (1, 2)] == [
        "1 set of numbers",
        "2 sets of numbers",
    ]


def test_maps_of_attention_are_not_called_evidence() -> None:
    found = Kept(evidence=0.4, volume=0.2, frames=(0, 3), place="on the left", against=0.0)
    words = in_words("wave", 0.93, found, 8, quantity="attention")
    assert words.endswith(
        "20 % of the clip, on the left, in frames 1 to 4, holds 40 % of the attention, whatever the class."
    )
    assert in_words("wave", 0.93, found, 8, quantity="relevance").endswith("holds 40 % of the relevance for 'wave'.")
    nothing = Kept(0.0, 0.0, None, "", 0.0)
    assert in_words("wave", 0.93, nothing, 8, quantity="attention").endswith("No attention at this threshold.")


def test_no_word_stands_twice_in_the_name_of_a_layer() -> None:
    values = np.zeros((1, 2, 7, 7), np.float32)
    stem, block, rise = (
        LayerMap(name, kind, values, Geometry.even((2, 7, 7), (2, 7, 7)))
        for name, kind in (("stem", "stem"), ("layer4.1", "block"), ("RISE", "detail"))
    )
    assert layer_phrase(stem, "stem", "2×7×7 cells") == "layer stem (2×7×7 cells)"
    assert layer_phrase(block, "block") == "layer4.1 (block)"
    assert layer_phrase(rise) == "RISE"

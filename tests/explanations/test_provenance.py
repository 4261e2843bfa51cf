"""Provenance as JSON: it comes back unchanged, and paths are stripped."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notebook_explain.explanations import Provenance

MADE = Provenance(
    "Saliency tubes",
    {"layers": ("stem", "layer1"), "pooled": False},
    "Net, 12 parameters",
    {"size": 112, "mean": [0.4, 0.4, 0.4], "assumed": ["mean"]},
    {"numpy": "2.0", "torch": "2.4"},
    1.25,
    1,
    2,
    ("The frame rate was assumed.", "Größe: 3 × 4"),
)
KEYS = "format version method knobs model preprocessing versions seconds forwards backwards caveats".split()


def test_json_is_read_back_unchanged() -> None:
    assert Provenance.from_json(MADE.to_json()) == MADE


def test_the_keys_are_those_documented() -> None:
    text = json.loads(MADE.to_json())
    assert list(text) == KEYS
    assert (text["format"], text["version"], text["seconds"]) == ("notebook_explain.provenance", 1, 1.25)
    assert re.findall(r'"(\w+)', Provenance.to_json.__doc__ or "") == [
        "format",
        "notebook_explain",
        "version",
        *KEYS[2:],
    ]


@given(
    st.dictionaries(st.text(max_size=8), st.integers() | st.floats() | st.text(max_size=8) | st.none(), max_size=4),
    st.lists(st.text(st.characters(exclude_characters="/\\", exclude_categories=["Cs"]), max_size=20), max_size=3),
)
def test_any_plain_values_are_read_back_unchanged(knobs: dict[str, Any], caveats: list[str]) -> None:
    plain = {
        key.replace("/", "").replace("\\", ""): value for key, value in knobs.items() if not isinstance(value, str)
    }
    made = Provenance("m", plain, caveats=tuple(caveats))
    assert Provenance.from_json(made.to_json()) == made


def test_infinite_numbers_become_strings() -> None:
    made = Provenance("m", {"limit": float("inf"), "none": float("nan")})
    assert made.knobs == {"limit": "Infinity", "none": "NaN"}
    assert Provenance.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/me/secret/wave.mp4", "wave.mp4"),
        ("/home/me/my secret folder/wave and jump.mp4", "wave and jump.mp4"),
        ("C:\\Users\\me\\secret\\wave.mp4", "wave.mp4"),
        ("~/secret/net.pt", "net.pt"),
        ("the file '/home/me/my secret/a wave.mp4' has 3 frames", "the file 'a wave.mp4' has 3 frames"),
        ("read from /home/secret/wave.mp4, 3 frames", "read from wave.mp4, 3 frames"),
        ("and/or 3/4 of it, layer1/conv, https://arxiv.org/abs/1902.01078",) * 2,
    ],
)
def test_paths_are_stripped_to_file_names(text: str, left: str) -> None:
    made = Provenance("m", {"weights": text, "nested": [{"deep": text}]}, caveats=(text,))
    back = Provenance.from_json(made.to_json())
    assert back.caveats == (left,)
    assert back.knobs == {"weights": left, "nested": [{"deep": left}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "\"format\" is not 'notebook_explain.provenance'"),
        ({"version": 2}, "has version 2, but this notebook_explain reads version 1; update notebook_explain"),
        ({"surprise": 1}, "got .*surprise"),
        ({"method": None}, "method of the provenance has the wrong type: NoneType"),
        ({"forwards": True}, "forwards of the provenance has the wrong type: bool"),
        ({"seconds": 10**400}, "seconds of the provenance is not finite"),
        ({"versions": {"numpy": 2}}, "caveats and versions of the provenance must be strings"),
    ],
)
def test_invalid_fields_are_refused(change: dict[str, Any], words: str) -> None:
    text = json.dumps(json.loads(MADE.to_json()) | change)
    with pytest.raises(ValueError, match=words):
        Provenance.from_json(text)


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"format": NaN}', "[1]", "7"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="to_json"):
        Provenance.from_json(text)

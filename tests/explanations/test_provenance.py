"""How a result came about, as JSON: what goes out comes back, and tells nobody's folders."""

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


def test_it_comes_back_as_it_was() -> None:
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
def test_anything_made_of_plain_values_comes_back(knobs: dict[str, Any], caveats: list[str]) -> None:
    plain = {
        key.replace("/", "").replace("\\", ""): value for key, value in knobs.items() if not isinstance(value, str)
    }
    made = Provenance("m", plain, caveats=tuple(caveats))
    assert Provenance.from_json(made.to_json()) == made


def test_numbers_that_json_does_not_know_become_words() -> None:
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
def test_folders_stay_at_home(text: str, left: str) -> None:
    made = Provenance("m", {"weights": text, "nested": [{"deep": text}]}, caveats=(text,))
    back = Provenance.from_json(made.to_json())
    assert back.caveats == (left,)
    assert back.knobs == {"weights": left, "nested": [{"deep": left}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "its \"format\" is not 'notebook_explain.provenance'"),
        ({"version": 2}, "has version 2, this one reads 1; update notebook_explain"),
        ({"surprise": 1}, "got .*surprise"),
        ({"method": None}, "method of the provenance has another type: NoneType"),
        ({"forwards": True}, "forwards of the provenance has another type: bool"),
        ({"seconds": 10**400}, "seconds of the provenance is not finite"),
        ({"versions": {"numpy": 2}}, "caveats and versions of the provenance must be texts"),
    ],
)
def test_what_is_not_known_is_refused_in_words(change: dict[str, Any], words: str) -> None:
    text = json.dumps(json.loads(MADE.to_json()) | change)
    with pytest.raises(ValueError, match=words):
        Provenance.from_json(text)


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"format": NaN}', "[1]", "7"])
def test_what_is_no_such_json_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="to_json"):
        Provenance.from_json(text)

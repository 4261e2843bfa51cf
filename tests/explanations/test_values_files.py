"""Explanations of clips of values: saved and loaded whole; hostile files are refused with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import CaveatCode, caveats
from notebook_explain.widgets.html import read_data
from tests.example_values import small_pyramid, small_report, small_tubes
from tests.explanations.equality import assert_same


def values_like(frames: np.ndarray, channels: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 9, (*frames.shape[:3], channels)).astype(np.float32)


def of_values(explanation: Any, channels: int = 4) -> Any:
    """Return an explanation of the same size, whose clip has values."""
    clip = ne.Clip.from_array(values_like(explanation.clip.frames, channels), channels=(3, 2, 1), range="percentiles")
    return replace(explanation, clip=clip)


@pytest.mark.parametrize("make", [small_tubes, small_pyramid, small_report])
def test_clips_of_values_are_saved_and_loaded_whole(make: Any, tmp_path: Path) -> None:
    explanation = of_values(make())
    loaded = ne.load(explanation.save(tmp_path / "values.npz"))
    assert_same(loaded, explanation)
    assert [one.code for one in caveats(loaded) if getattr(one, "code", None) == CaveatCode.PICTURE] == [
        CaveatCode.PICTURE
    ]


def test_the_caveat_is_on_the_page_and_in_the_figure(tmp_path: Path) -> None:
    tubes = of_values(small_tubes())
    (widget,) = read_data(tubes.to_html(tmp_path / "page.html").read_text())["widgets"]
    assert "channels 3, 2 and 1 of 4" in " ".join(widget["state"]["caveats"])
    drawn = " ".join(text.get_text() for text in tubes.figure().findobj(lambda artist: hasattr(artist, "get_text")))
    assert "channels 3, 2 and 1 of 4" in drawn.replace("\n", " ")


def test_older_files_without_values_load(tmp_path: Path) -> None:
    path = small_tubes().save(tmp_path / "old.npz")
    rewritten = with_header(path, lambda text: _without(text, ("caveats", "picture")))
    loaded = ne.load(rewritten)
    assert (loaded.clip.values, loaded.clip.picture, loaded.clip.caveats) == (None, None, ())


def _without(text: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        del text["clip"][name]
    return text


def with_header(path: Path, edit: Any, **arrays: np.ndarray) -> Path:
    """Rewrite a file with another header, and with other arrays."""
    with np.load(path) as file:
        parts = {name: file[name] for name in file.files}
    text = edit(json.loads(parts.pop("header").tobytes()))
    parts.update(arrays)
    parts["header"] = np.frombuffer(json.dumps(text).encode(), np.uint8)
    np.savez_compressed(path, **parts)
    return path


def _edit(**changes: Any) -> Any:
    def edit(text: dict[str, Any]) -> dict[str, Any]:
        text["clip"].update(changes)
        return text

    return edit


GREY = {"kind": "grey", "channels": [0], "ranges": [[0.0, 1.0]]}


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        ({**GREY, "kind": "jet"}, "kind must be one of"),
        ({**GREY, "kind": 3}, "expected a string"),
        ({**GREY, "channels": [4]}, "channels that its clip does not have"),
        ({**GREY, "channels": [-1]}, "cannot show the channels"),
        ({**GREY, "channels": []}, "cannot show the channels"),
        ({**GREY, "channels": "0"}, "not a list"),
        ({**GREY, "channels": [0] * 70_000}, "not a list of at most"),
        ({**GREY, "ranges": [[1.0, 0.0]]}, "pairs"),
        ({**GREY, "ranges": [[0.0, 1.0], [0.0, 1.0]]}, "pairs"),
        ({**GREY, "ranges": [[0.0, "1"]]}, "expected a finite number"),
        ({**GREY, "ranges": 1}, "not a list"),
        ({"kind": "grey"}, "damaged"),
        (["grey"], "damaged"),
    ],
)
def test_hostile_pictures_are_refused(picture: Any, reason: str, tmp_path: Path) -> None:
    path = of_values(small_tubes()).save(tmp_path / "hostile.npz")
    with pytest.raises(ValueError, match=f"cannot be loaded: .*{reason}"):
        ne.load(with_header(path, _edit(picture=picture)))


@pytest.mark.parametrize("caveats", ["text", [1], [None], {"a": 1}, ["x"] * 70_000])
def test_hostile_caveats_are_refused(caveats: Any, tmp_path: Path) -> None:
    path = of_values(small_tubes()).save(tmp_path / "hostile.npz")
    with pytest.raises(ValueError, match="cannot be loaded: "):
        ne.load(with_header(path, _edit(caveats=caveats)))


def test_hostile_values_are_refused(tmp_path: Path) -> None:
    tubes: Tubes = of_values(small_tubes())
    good = values_like(tubes.clip.frames)
    infinite = good.copy()
    infinite[0, 0, 0, 0] = np.inf
    for bad in (good.astype(np.float64), good[:-1], good[..., 0], good[..., :0], infinite, np.zeros(3, np.float32)):
        path = tubes.save(tmp_path / "hostile.npz")
        with pytest.raises(ValueError, match="cannot be loaded: "):
            ne.load(with_header(path, lambda text: text, clip_values=bad))
    path = tubes.save(tmp_path / "large.npz")
    with pytest.raises(ValueError, match="above the limit"):
        ne.load(path, max_bytes=good.nbytes // 2)
    path = small_tubes().save(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="channels that its clip does not have"):
        ne.load(with_header(path, _edit(picture=GREY)))


def test_tubes_of_other_values_are_not_compared() -> None:
    one = of_values(small_tubes())
    other_values = one.clip.values.copy()
    other_values[..., 0] += 1  # not shown
    other = replace(one, clip=replace(one.clip, values=other_values))
    ne.compare(one, replace(one))
    with pytest.raises(ValueError, match="their values differ, though the pictures are the same"):
        ne.compare(one, other)
    with pytest.raises(ValueError, match="explanations of the same clip"):
        one.with_frame_signals((), other.clip)

"""Saved pyramids: everything comes back, and whatever somebody made of the file is refused in words or can be shown."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from tests.example_values import small_pyramid
from tests.explanations.equality import assert_same
from tests.explanations.test_hostile_files import entries, npy, packed, refused, with_header


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return small_pyramid().save(tmp_path_factory.mktemp("saved") / "pyramid.npz").read_bytes()


def test_everything_comes_back(tmp_path: Path) -> None:
    before = small_pyramid()
    after = ne.load(before.save(tmp_path / "pyramid"))
    assert_same(after, before)
    assert after.prune(0.4) == before.prune(0.4)
    np.testing.assert_array_equal(after.tube("late"), before.tube("late"))


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    pyramid = small_pyramid()
    broken = dataclasses.replace(pyramid.rows[1], maps=np.full_like(pyramid.rows[1].maps, np.nan))
    with pytest.raises(ValueError, match="cannot be saved: row 'late' holds values that are not finite"):
        dataclasses.replace(pyramid, rows=(pyramid.rows[0], broken, *pyramid.rows[2:])).save(tmp_path / "p")
    edge = dataclasses.replace(pyramid.edges[0], contribution=float("inf"))
    with pytest.raises(ValueError, match="cannot be saved: it holds edge weights that are not finite"):
        dataclasses.replace(pyramid, edges=(edge, *pyramid.edges[1:])).save(tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def column(name: str, at: tuple[int, ...], value: float) -> Callable[[bytes], tuple[str, bytes]]:
    """The table of that name with another number in one place."""

    def made(_: bytes) -> tuple[str, bytes]:
        pyramid = small_pyramid()
        from notebook_explain.explanations.io.pyramid import pack

        table = pack(pyramid)[1][name].copy()
        table[at] = value
        return name, npy(str(table.shape), table.dtype.str, table.tobytes())

    return made


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (column("unit_channels", (1, 0), 8), "a channel that its layer does not have"),
        (column("unit_channels", (1, 0), -1), "a channel that its layer does not have"),
        (column("unit_channels", (1, 1), 0), "no direction"),
        (column("unit_scores", (1,), 1.5), "a score outside 0..1"),
        (column("unit_scores", (1,), np.nan), "unit scores are not finite"),
        (column("edge_ends", (3, 0), 9), "a unit that is not there"),
        (column("edge_ends", (3, 0), 2), "leads up, or along a row"),
        (column("edge_ends", (3, 1), 4), "leads up, or along a row"),
        (column("edge_ends", (3, 2), 3), "or no kind"),
        (column("edge_weights", (3, 1), 1.01), "a share outside 0..1"),
        (column("edge_weights", (3, 0), np.inf), "edge weights are not finite"),
        (lambda _: ("unit_scores", npy("(9, 1)", "<f8", bytes(72))), "no table of 1 columns"),
        (lambda _: ("unit_scores", npy("()", "<f8", bytes(8))), "no table of 1 columns"),
        (lambda _: ("edge_ends", npy("(11, 3)", "<f8", bytes(264))), "no table of 3 columns"),
        (lambda _: ("edge_ends", npy("(10, 3)", "<i8", bytes(240))), "not told to the end"),
        (lambda _: ("maps_1", npy("(2, 2, 3, 3)", "<f4", bytes(144))), r"row 1 is not a float32 array \(unit"),
        (lambda _: ("times_1", npy("(3,)", "<f8", np.arange(3.0).tobytes())), "row 1 has 2 rows, its geometry 3"),
    ],
)
def test_tables_that_lie_are_refused_in_words(
    whole: bytes, tmp_path: Path, change: Callable[[bytes], tuple[str, bytes]], words: str
) -> None:
    name, array = change(whole)
    assert re.search(words, refused(tmp_path, packed(entries(whole) | {f"{name}.npy": array})))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.update(rows=[]), "no rows"),
        (lambda text: text.update(rows=text["rows"] * 1000), "more than any network has"),
        (lambda text: text["rows"][1].update(units=0), "row 1 has 0 units"),
        (lambda text: text["rows"][4].update(units=2), "row 4 has 2 units, of 1 that are left"),
        (lambda text: text["rows"].pop(), "hold 8 of 9 units"),
        (lambda text: text["rows"][1].update(kind="layer"), "unknown kind 'layer'"),
        (lambda text: text["rows"][1].update(width=2**40), "or has no width"),
        (lambda text: text["rows"][1].update(coverage=1.2), "where a share from 0 to 1 should be"),
        (lambda text: text["rows"][1].update(receptive_field=[0, 1, 1]), "sees the impossible extent"),
        (lambda text: text["rows"][1].update(step=[0, 1]), "step above 0"),
        (lambda text: text["target"].update(name=3), "where a text should be"),
    ],
)
def test_texts_that_lie_are_refused_in_words(
    whole: bytes, tmp_path: Path, edit: Callable[[Any], Any], words: str
) -> None:
    assert words in refused(tmp_path, with_header(whole, lambda text: (edit(text), text)[1]))


def test_the_graph_and_the_tree_are_written_with_where_they_come_from(tmp_path: Path) -> None:
    pyramid = dataclasses.replace(
        small_pyramid(), clip=dataclasses.replace(small_pyramid().clip, source="/home/me/secret/wave.mp4")
    )
    text = pyramid.write_json(tmp_path / "p.json").read_text()
    graph = json.loads(text)
    assert graph["format"] == "notebook_explain.pyramid"
    assert graph["provenance"]["method"] == "by hand"
    assert [graph[key] for key in ("rows", "nodes", "links")] == [
        pyramid.to_json()[k] for k in ("rows", "nodes", "links")
    ]
    assert "wave.mp4" in text
    assert "secret" not in text
    nested = json.loads(pyramid.write_json(tmp_path / "p.json", nested=True).read_text())
    assert nested["tree"] == pyramid.to_tree()
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]

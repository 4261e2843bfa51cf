"""Saved pyramids: they load as they were saved; damaged files are refused with a reason."""

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


def test_a_pyramid_loads_as_it_was_saved(tmp_path: Path) -> None:
    before = small_pyramid()
    after = ne.load(before.save(tmp_path / "pyramid"))
    assert_same(after, before)
    assert after.prune(0.4) == before.prune(0.4)
    np.testing.assert_array_equal(after.tube("late"), before.tube("late"))


def test_files_without_signs_of_maps_and_remainders_still_load(whole: bytes, tmp_path: Path) -> None:
    newer = ("unit_map_directions", "remainder_known", "unit_remainders")
    old = {name: content for name, content in entries(whole).items() if name.removesuffix(".npy") not in newer}
    assert len(old) == len(entries(whole)) - 3
    path = tmp_path / "old.npz"
    path.write_bytes(packed(old))
    pyramid = ne.load(path)
    assert [unit.map_direction for unit in pyramid.units] == [unit.direction for unit in pyramid.units]
    assert {unit.remainder for unit in pyramid.units} == {None}


def test_values_that_could_not_be_loaded_are_not_saved(tmp_path: Path) -> None:
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
        (column("unit_channels", (1, 1), 0), "a direction other than 1 and -1"),
        (column("unit_scores", (1,), 1.5), "a score outside 0..1"),
        (column("unit_scores", (1,), np.nan), "unit scores are not finite"),
        (column("edge_ends", (3, 0), 9), "a unit that does not exist"),
        (column("edge_ends", (3, 0), 2), "an edge does not lead to a higher row"),
        (column("edge_ends", (3, 1), 4), "an edge does not lead to a higher row"),
        (column("edge_ends", (3, 2), 4), "or an unknown kind"),
        (column("edge_weights", (3, 1), 1.01), "a share above 1"),
        (column("unit_map_directions", (1,), 0), "a direction of its map other than 1 and -1"),
        (column("remainder_known", (1,), 2), "a flag other than 0 and 1"),
        (column("unit_remainders", (1,), np.nan), "unit remainders are not finite"),
        (column("edge_weights", (3, 0), np.inf), "edge weights are not finite"),
        (lambda _: ("unit_scores", npy("(9, 1)", "<f8", bytes(72))), "not a table of 1 columns"),
        (lambda _: ("unit_scores", npy("()", "<f8", bytes(8))), "not a table of 1 columns"),
        (lambda _: ("edge_ends", npy("(11, 3)", "<f8", bytes(264))), "not a table of 3 columns"),
        (lambda _: ("edge_ends", npy("(10, 3)", "<i8", bytes(240))), "its units or edges are incomplete"),
        (lambda _: ("maps_1", npy("(2, 2, 3, 3)", "<f4", bytes(144))), r"row 1 is not a float32 array \(unit"),
        (
            lambda _: ("times_1", npy("(3,)", "<f8", np.arange(3.0).tobytes())),
            "row 1 has 2 rows, but its geometry has 3",
        ),
    ],
)
def test_invalid_tables_are_refused(
    whole: bytes, tmp_path: Path, change: Callable[[bytes], tuple[str, bytes]], words: str
) -> None:
    name, array = change(whole)
    assert re.search(words, refused(tmp_path, packed(entries(whole) | {f"{name}.npy": array})))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.update(rows=[]), "does not hold 1 to 4,096 rows"),
        (lambda text: text.update(rows=text["rows"] * 1000), "does not hold 1 to 4,096 rows"),
        (lambda text: text["rows"][1].update(units=0), "row 1 has 0 units"),
        (lambda text: text["rows"][4].update(units=2), "row 4 has 2 units, but only 1 are left"),
        (lambda text: text["rows"].pop(), "hold 8 of 9 units"),
        (lambda text: text["rows"][1].update(kind="layer"), "unknown kind 'layer'"),
        (lambda text: text["rows"][1].update(width=2**40), "or the width 1099511627776"),
        (lambda text: text["rows"][1].update(coverage=1.2), "expected a number from 0 to 1, got '1.2'"),
        (lambda text: text["rows"][1].update(receptive_field=[0, 1, 1]), "has the impossible receptive field"),
        (lambda text: text["rows"][1].update(step=[0, 1]), "step above 0"),
        (lambda text: text["target"].update(name=3), "expected a string, got '3'"),
    ],
)
def test_invalid_headers_are_refused(whole: bytes, tmp_path: Path, edit: Callable[[Any], Any], words: str) -> None:
    assert words in refused(tmp_path, with_header(whole, lambda text: (edit(text), text)[1]))


def test_json_holds_the_graph_or_the_tree_and_the_provenance(tmp_path: Path) -> None:
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

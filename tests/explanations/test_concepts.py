"""Concepts as values: names, masks, texts, files, JSON."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import ClipConcepts, ConceptCurves, Concepts, Geometry, Refusal
from notebook_explain.explanations.concepts.cells import nearest_cells, over_clip
from notebook_explain.explanations.concepts.concepts import reordered
from tests.example_values import small_concepts, small_tubes
from tests.explanations.equality import assert_same


def test_a_concept_is_found_by_index_and_by_name() -> None:
    concepts = small_concepts()
    assert concepts[1] is concepts.concepts[1]
    assert concepts["concept 3"].index == 2
    assert [concept.index for concept in concepts] == [0, 1, 2]
    for wrong in (3, -1, "ball", True, None):
        with pytest.raises(ValueError, match="0: 'concept 1', 1: 'concept 2'"):
            concepts[wrong]  # type: ignore[index]


def test_a_name_can_be_replaced_and_is_checked() -> None:
    concepts = small_concepts()
    named = concepts.with_name(1, "  leg forward ")
    assert [concept.name for concept in named] == ["concept 1", "leg forward", "concept 3"]
    assert [concept.name for concept in concepts] == ["concept 1", "concept 2", "concept 3"]
    assert named.with_name("leg forward", "ball")["ball"].index == 1
    assert named.with_name(1, "leg forward")[1].name == "leg forward"
    for wrong in ("", "   ", "a" * 81, "two\nlines", "concept 1", "\u202etxt"):
        with pytest.raises(ValueError, match="name "):
            concepts.with_name(1, wrong)
    with pytest.raises(TypeError, match="name must be a string, got 3"):
        concepts.with_name(1, 3)  # type: ignore[arg-type]


def test_a_mask_holds_the_voxels_whose_nearest_cell_belongs_to_the_concept() -> None:
    concepts = small_concepts()
    labels = np.kron(concepts.grids[2, 0], np.ones((3, 4, 4), np.int16))  # 6 x 12 x 12 voxels in 2 x 3 x 3 cells
    for concept in concepts:
        np.testing.assert_array_equal(concepts.mask(concept.index, 2), labels == concept.index)
        assert concepts.mask(concept.index, 2).mean() == pytest.approx(concept.presence[2])
    assert not concepts.mask(2, 0).any()
    with pytest.raises(ValueError, match="clips 0 to 5"):
        concepts.mask(0, 6)


def test_a_mask_of_several_levels_is_their_union() -> None:
    concepts = small_concepts()
    two = dataclasses.replace(concepts, grids=np.repeat(concepts.grids, 2, 1))
    two.grids[0, 1] = 0
    assert two.mask(0, 0).all()


def test_nearest_cells_are_those_of_brute_force() -> None:
    geometry = Geometry(np.array([0.7, 3.1, 4.0]), (-1.0, 2.3), (2.5, 3.0))
    grid, size = (3, 4, 2), (6, 9, 8)
    found = nearest_cells(geometry, grid, size)
    for t, y, x in np.ndindex(size):
        near = [
            np.abs(t - geometry.rows).argmin(),
            np.abs(y - (geometry.origin[0] + geometry.step[0] * np.arange(4))).argmin(),
            np.abs(x - (geometry.origin[1] + geometry.step[1] * np.arange(2))).argmin(),
        ]
        assert np.unravel_index(found[t, y, x], grid) == tuple(near)
    labels = np.arange(24, dtype=np.int16).reshape(1, 3, 4, 2)
    np.testing.assert_array_equal(over_clip(labels, geometry, size)[0], found)


def test_another_order_renumbers_everything_and_keeps_given_names() -> None:
    concepts = small_concepts().with_name(2, "ball")
    turned = reordered(concepts, [2, 0, 1])
    assert [concept.name for concept in turned] == ["ball", "concept 2", "concept 3"]
    assert [concept.index for concept in turned] == [0, 1, 2]
    for new, old in enumerate([2, 0, 1]):
        np.testing.assert_array_equal(turned.grids == new, concepts.grids == old)
        np.testing.assert_array_equal(turned.drops[:, :, new], concepts.drops[:, :, old])
        np.testing.assert_array_equal(turned.evidence[:, new], concepts.evidence[:, old])
        np.testing.assert_array_equal(turned.centres[new], concepts.centres[old])
        assert turned[new].effects == concepts[old].effects
    np.testing.assert_array_equal(turned.grids == -1, concepts.grids == -1)
    np.testing.assert_array_equal(turned.centres[3], concepts.centres[3])


def test_files_hold_everything_and_no_pickle(tmp_path: Path) -> None:
    concepts = small_concepts().with_name(0, "leg <b>forward</b>")
    path = concepts.save(tmp_path / "concepts")
    again = ne.load(path)
    assert isinstance(again, Concepts)
    assert_same(again, concepts)
    with np.load(path, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def test_a_file_of_sixty_clips_has_at_most_twenty_megabytes(tmp_path: Path) -> None:
    concepts = small_concepts(clips=60, time=16, size=64, concepts=3)  # of noise, which does not compress
    grids = np.random.default_rng(0).integers(-1, 10, (60, 1, 8, 8, 8)).astype(np.int16) % 3
    path = dataclasses.replace(concepts, grids=grids, geometry=Geometry.even((8, 8, 8), (16, 64, 64))).save(
        tmp_path / "large.npz"
    )
    assert path.stat().st_size < 20e6


def test_numbers_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    concepts = small_concepts()
    concepts.drops[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="its drops hold values that are not finite"):
        concepts.save(tmp_path / "nan.npz")


def test_json_holds_every_number() -> None:
    concepts = small_concepts()
    found = json.loads(concepts.to_json())
    assert (found["format"], found["version"]) == ("notebook_explain.concepts", 1)
    assert [entry["name"] for entry in found["concepts"]] == ["concept 1", "concept 2", "concept 3"]
    assert found["concepts"][1]["effects"][0]["value"] == concepts[1].effects[0].value
    assert found["concepts"][0]["tcav"]["reason"] == "constant_gradient"
    assert len(found["clips"]) == 6
    assert found["clips"][3]["logit"] == concepts.results[3].logit


def test_sentences_name_the_concepts_beyond_chance() -> None:
    concepts = small_concepts()
    text = concepts.in_words()
    assert "Concepts that the network uses for 'class 0', in 6 clips:" in text
    assert "'concept 1' (" in text
    assert "'concept 2'" not in text, "its q is 0.06"
    none = [dataclasses.replace(c, effects=tuple(dataclasses.replace(e, q=0.2) for e in c.effects)) for c in concepts]
    without = dataclasses.replace(concepts, concepts=tuple(none)).in_words()
    assert without == "No concept of 'class 0' has an effect beyond chance (q at most 0.05) in 6 clips."
    unmeasured = [dataclasses.replace(c, effects=()) for c in concepts]
    assert "not measured" in dataclasses.replace(concepts, concepts=tuple(unmeasured)).in_words()


def test_the_report_lists_every_concept_and_why_a_fraction_is_refused() -> None:
    lines = small_concepts().report().splitlines()
    rows = [line for line in lines if line.startswith("concept ")]
    assert [row[:9] for row in rows[1:]] == ["concept 1", "concept 2", "concept 3"]
    assert "refused" in rows[1]
    assert "0.50" in rows[2]
    assert any("refused: the gradient is the same for every clip" in line for line in lines)


def test_properties_of_a_concept() -> None:
    concept = small_concepts()[0]
    assert concept.effect is concept.effects[0]
    assert concept.effect_of("freeze") is concept.effects[1]
    assert concept.effect_of("grey") is None
    assert concept.density == pytest.approx(concept.evidence / (100 * concept.volume))
    assert concept.tcav is not None
    assert concept.tcav.reason is Refusal.CONSTANT_GRADIENT


def test_the_bar_without_a_model_shares_the_total_effect_by_change() -> None:
    concepts = small_concepts()
    volumes = np.array([concept.volume for concept in concepts])
    for fill in concepts.fills:
        effects = [concept.effect_of(fill) for concept in concepts]
        bar = np.array(concepts.no_model_effects(fill))
        values, changes = np.array([e.value for e in effects]), np.array([e.change for e in effects])
        assert (bar * volumes).sum() == pytest.approx((values * volumes).sum())
        np.testing.assert_allclose(bar / changes, bar[0] / changes[0])
    assert concepts.no_model_effects() == concepts.no_model_effects("blur")
    with pytest.raises(ValueError, match="fill must be one of 'blur', 'freeze'"):
        concepts.no_model_effects("grey")


def test_a_clip_told_in_concepts_adds_up() -> None:
    tubes = small_tubes(targets=1)
    told = ClipConcepts(tubes.clip, tubes.targets[0], ("leg", "ball", "wall"), (1.2, -0.4, 0.01), (0.1, 0.2, 0.7), 0.59)
    assert told.bias + told.remainder + sum(told.contributions) == pytest.approx(tubes.targets[0].logit)
    assert told.in_words() == "class 0 60 %: 'leg' +1.2, 'ball' \u22120.4, the rest +0.6, bias +0.1 = 1.5"


def test_curves_give_areas_and_paired_differences() -> None:
    rng = np.random.default_rng(0)
    likely = rng.random((2, 3, 8, 5)).astype(np.float32)
    likely[0, 0] = likely[0, 1] + 0.25
    curves = ConceptCurves("kick", "change", "blur", (0.1, 0.2, 0.3, 0.4, 0.5), likely, likely, likely[0, 0, :, 0], 20)
    np.testing.assert_allclose(curves.area("remove", "least"), likely[1, 2].mean(-1))
    gap = curves.difference("add", "top", "random")
    assert gap.mean == pytest.approx(0.25, abs=1e-6)
    assert gap.low == pytest.approx(0.25, abs=1e-6)
    assert "add    top" in curves.report()
    with pytest.raises(ValueError, match="order must be one of 'top', 'random', 'least'"):
        curves.area("add", "best")


def test_concepts_survive_pickling_and_are_frozen() -> None:
    concepts = small_concepts()
    assert_same(pickle.loads(pickle.dumps(concepts)), concepts)
    with pytest.raises(dataclasses.FrozenInstanceError):
        concepts.layer = "other"  # type: ignore[misc]

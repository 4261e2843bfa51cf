"""Caveats are strings that carry a code and the arguments that would remove them."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path

import pytest

import notebook_explain as ne
from notebook_explain.explanations import Provenance
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from tests.example_values import small_tubes

SIZE = Caveat("Not specified, assumed: size=112.", CaveatCode.ASSUMED_PREPROCESSING, ("size",))


def test_a_caveat_is_its_sentence() -> None:
    assert SIZE == "Not specified, assumed: size=112."
    assert hash(SIZE) == hash(str(SIZE))
    assert json.dumps([SIZE]) == '["Not specified, assumed: size=112."]'
    assert type(str(SIZE)) is str


def test_a_code_is_given_as_a_member_or_by_its_value() -> None:
    assert Caveat("x", "coarse_map").code is CaveatCode.COARSE_MAP
    assert (Caveat("x").code, Caveat("x").arguments) == (CaveatCode.OTHER, ())
    with pytest.raises(ValueError, match="'coarse' is not a valid CaveatCode"):
        Caveat("x", "coarse")


def test_code_and_arguments_survive_pickle_copy_and_replace() -> None:
    provenance = dataclasses.replace(Provenance("m", caveats=(SIZE,)), model="net")
    again = [
        pickle.loads(pickle.dumps(SIZE)),
        copy.deepcopy(SIZE),
        copy.copy(SIZE),
        provenance.caveats[0],
        dataclasses.asdict(provenance)["caveats"][0],
    ]
    for caveat in again:
        assert isinstance(caveat, Caveat)
        assert (caveat, caveat.code, caveat.arguments) == (SIZE, CaveatCode.ASSUMED_PREPROCESSING, ("size",))


def test_files_and_json_hold_plain_sentences(tmp_path: Path) -> None:
    tubes = small_tubes()
    provenance = dataclasses.replace(tubes.provenance, caveats=(SIZE,))
    loaded = ne.load(dataclasses.replace(tubes, provenance=provenance).save(tmp_path / "tubes")).provenance
    assert loaded == provenance
    assert type(loaded.caveats[0]) is str
    assert Provenance.from_json(provenance.to_json()).caveats == (str(SIZE),)

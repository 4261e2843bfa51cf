"""State of the concept viewer: clips and masks, size, agreement with JavaScript, names, range checks, pages."""

from __future__ import annotations

import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from PIL import Image

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.explanations import Concepts
from notebook_explain.explanations.concepts.cells import over_clip
from notebook_explain.widgets import ConceptViewer
from notebook_explain.widgets import concept_viewer as viewer_module
from notebook_explain.widgets.html import read_data
from notebook_explain.widgets.wire import concepts as wire
from notebook_explain.widgets.wire.clip_sheets import MAX_BYTES, pack_clips
from tests.example_values import small_concepts, small_tubes
from tests.widgets.concept_examples import EXAMPLES, example_curves, make, many_concepts, unmeasured, within_chance
from tests.widgets.test_examples import assert_same

JS = Path(__file__).parents[2] / "js"


def sheet_frames(state: dict[str, Any], clip: int) -> np.ndarray:
    """Cut the JPEG of a clip into its frames: a second implementation of the layout."""
    with Image.open(io.BytesIO(state["frames"][clip])) as image:
        page = np.asarray(image.convert("RGB")).astype(int)
    (height, width), (down, across) = state["sheet"]["size"], state["sheet"]["tile"]
    places = [divmod(frame, state["sheet"]["columns"]) for frame in range(state["size"][0])]
    return np.stack([page[y * down : y * down + height, x * across : x * across + width] for y, x in places])


def test_the_committed_examples_are_up_to_date() -> None:
    written = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert_same(written, json.loads(json.dumps(make())), "python -m tests.widgets.concept_examples")


def test_each_clip_of_an_exemplar_travels_once_with_all_its_frames() -> None:
    concepts = many_concepts()
    state = wire.state(concepts)
    shown = [clip["index"] for clip in state["clips"]]
    wanted = {clip for concept in concepts for clip in concept.exemplars[: wire.EXEMPLARS]}
    assert sorted(shown) == sorted(wanted)
    assert len(state["frames"]) == len(state["masks"]) == len(shown)
    for position, clip in enumerate(shown):
        frames = sheet_frames(state, position)
        assert frames.shape == concepts.clips[clip].frames.shape
        assert np.abs(frames - concepts.clips[clip].frames).mean() < 3, "frames are in their places"


def test_a_mask_is_the_grid_of_its_clip() -> None:
    concepts = many_concepts()
    state = wire.state(concepts)
    for clip, data in zip(state["clips"], state["masks"], strict=True):
        codes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(state["grid"]["shape"])
        np.testing.assert_array_equal(codes.astype(int) - 1, concepts.grids[clip["index"]])
        labels = over_clip(codes.astype(np.int16) - 1, concepts.geometry, concepts.clips[0].size)
        np.testing.assert_array_equal((labels == 5).any(0), concepts.mask(5, clip["index"]))


def test_numbers_of_a_row_are_those_of_the_concept() -> None:
    concepts = many_concepts()
    state = wire.state(concepts)
    for concept, row in zip(concepts, state["rows"], strict=True):
        clips = [state["clips"][clip]["index"] for clip in row["exemplars"]]
        assert tuple(clips) == concept.exemplars[: wire.EXEMPLARS]
        assert row["shares"] == [concept.presence[clip] for clip in clips]
        assert row["evidences"] == [float(concepts.evidence[clip, concept.index]) for clip in clips]
        for f, effect in enumerate(concept.effects):
            assert {name: row["effects"][f][name] for name in ("value", "low", "high", "q")} == {
                "value": effect.value,
                "low": effect.low,
                "high": effect.high,
                "q": effect.q,
            }
            assert row["effects"][f]["bar"] == concepts.no_model_effects(effect.fill)[concept.index]
            assert row["drops"][f] == [float(concepts.drops[f, clip, concept.index]) for clip in clips]
        assert row["present"] == sum(share > 0 for share in concept.presence)


def test_the_fills_come_with_their_questions() -> None:
    questions = [fill["question"] for fill in wire.state(small_concepts())["fills"]]
    assert questions == ["What if it were not there?", "What if it stood still?"]
    assert wire.state(unmeasured(small_concepts()))["fills"] == []


@pytest.mark.parametrize("size", [64, 224])
def test_sixty_clips_fit_in_the_output_of_a_cell(size: int) -> None:
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 255, (16, 12, 12, 3), np.uint8)
    big = [np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC)) for frame in smooth]
    clips = [Clip(np.roll(np.stack(big), shift, axis=2)) for shift in range(60)]
    frames, sheet = pack_clips([clip.frames for clip in clips])
    assert sum(map(len, frames)) <= MAX_BYTES
    assert max(sheet["size"]) >= min(size, 64)


def test_python_and_javascript_declare_the_same_traits() -> None:
    text = (JS / "src" / "concepts" / "traits.js").read_text()
    block = re.search(r"@typedef \{Object\} ConceptViewerState(.*?)\*/", text, re.S)
    assert block
    kinds = {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}
    names = {name for name in ConceptViewer.class_trait_names(sync=True) if not name.startswith("_")}
    assert set(kinds) == names - {"layout", "tabbable", "tooltip"}
    expected = {traitlets.Float: "number", traitlets.Bool: "boolean", traitlets.Unicode: "string"}
    for name, kind in kinds.items():
        simple = expected.get(type(ConceptViewer.class_traits(sync=True)[name]))
        assert kind == simple if simple else any(word in kind for word in ("[]", "Record")), name


def test_curves_travel_as_means_with_intervals() -> None:
    curves = example_curves()
    state = wire.curves_state(curves)
    for line in state["lines"]:
        found = curves.intervals(line["direction"], line["order"])
        assert line["mean"] == [one.mean for one in found]
        assert all(low < mean < high for low, mean, high in zip(line["low"], line["mean"], line["high"], strict=True))
    np.testing.assert_allclose(np.mean(state["lines"][0]["mean"]), curves.area("add", "top").mean(), rtol=1e-5)
    assert len(state["lines"]) == 6
    assert wire.curves_state(None) == {}
    one_clip = wire.curves_state(example_curves(clips=1))
    assert one_clip["lines"][0]["low"] == [None] * 5


def test_curves_of_another_class_and_other_things_are_refused() -> None:
    concepts = small_concepts()
    assert viewer_module.initial_state(concepts, curves=example_curves())["curves"]["clips"] == 8
    with pytest.raises(ValueError, match="these curves are of 'jog', but the concepts are of 'class 0'"):
        concepts.view(curves=example_curves("jog"))
    with pytest.raises(TypeError, match=r"curves must be ConceptCurves, .* got list"):
        concepts.view(curves=[1])


# The widget


def test_the_view_opens_in_the_order_of_python() -> None:
    viewer = ConceptViewer(small_concepts(), title="why")
    assert (viewer.sort_by, viewer.max_q, viewer.min_presence) == ("blur", 1.0, 0.0)
    assert (viewer.selected, viewer.playing, viewer.title) == ([], True, "why")
    assert viewer.names == ["concept 1", "concept 2", "concept 3"]
    viewer.close()
    assert viewer_module.initial_state(unmeasured(small_concepts()))["sort_by"] == "fraction"


def test_names_that_were_typed_are_those_of_its_concepts_and_are_saved(tmp_path: Path) -> None:
    viewer = small_concepts().view()
    assert isinstance(viewer, ConceptViewer)
    viewer.set_state({"names": ["<b>leg</b>", "concept 1", "ball"]})  # as the browser sends it; two names are exchanged
    assert [concept.name for concept in viewer.concepts] == ["<b>leg</b>", "concept 1", "ball"]
    assert viewer.explanations[0]["ball"].index == 2
    again = ne.load(viewer.concepts.save(tmp_path / "named.npz"))
    assert isinstance(again, Concepts)
    assert [concept.name for concept in again] == ["<b>leg</b>", "concept 1", "ball"]
    assert again.view().names == ["<b>leg</b>", "concept 1", "ball"]
    page = read_data(again.to_html(tmp_path / "named.html").read_text(encoding="utf-8"))
    assert page["widgets"][0]["state"]["names"][0] == "<b>leg</b>"
    viewer.close()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("names", ["a", "b"], "a name for each of 3 concepts, got 2"),
        ("names", ["a", "a", "b"], "'a' belongs to another concept"),
        ("names", ["a", " ", "b"], "1 to 80 printable letters"),
        ("names", ["a", "b\u202ec", "d"], "1 to 80 printable letters"),
        ("names", ["a", "b" * 81, "d"], "1 to 80 printable letters"),
        ("sort_by", "grey", "one of 'blur', 'freeze', 'evidence', 'change'"),
        ("max_q", 1.5, "max_q must lie in 0..1"),
        ("min_presence", -0.1, "min_presence must lie in 0..1"),
        ("selected", [0], r"selected must be \[concept, clip\]"),
        ("selected", [3, 0], r"got \[3, 0\]"),
        ("selected", [2, 0], "one of its first 4 exemplars"),  # it does not occur there
        ("playing", 2, "playing"),
    ],
)
def test_values_that_cannot_be_shown_are_refused(name: str, value: Any, message: str) -> None:
    concepts = small_concepts()
    with pytest.raises(traitlets.TraitError, match=message):
        concepts.view(**{name: value})
    viewer = concepts.view()
    before = getattr(viewer, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    viewer.close()


def test_an_unknown_first_value_is_refused() -> None:
    with pytest.raises(TypeError, match="view has no 'threshold'; it takes names, sort_by"):
        small_concepts().view(threshold=0.4)


def test_what_is_selected_can_be_observed() -> None:
    concepts = small_concepts()
    viewer, seen = concepts.view(), []
    viewer.observe(lambda change: seen.append(change.new), "selected")
    clip = concepts[1].exemplars[0]
    viewer.set_state({"selected": [1, clip]})
    viewer.set_state({"selected": []})
    assert seen == [[1, clip], []]
    viewer.close()


# Pages and cells


def test_a_page_holds_the_complete_state_and_no_path(tmp_path: Path) -> None:
    concepts = many_concepts()
    path = concepts.to_html(tmp_path / "page.html", sort_by="freeze", max_q=0.05)
    text = path.read_text(encoding="utf-8")
    state = read_data(text)["widgets"][0]["state"]
    names = {name for name in ConceptViewer.class_trait_names(sync=True) if not name.startswith("_")}
    assert set(state) == names - {"layout", "tabbable", "tooltip"}
    assert (state["sort_by"], state["max_q"]) == ("freeze", 0.05)
    assert "Which concepts does the network use for 'class 0'?" in text.replace("&#x27;", "'")
    assert "9 clips" not in text, "the view counts them, once"


def test_a_cell_shows_a_page_with_a_picture_and_words_beside_it() -> None:
    bundle = small_concepts()._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"].count("<iframe") == 1
    assert data["image/png"]
    assert data["text/plain"] == repr(small_concepts())
    for described in ("alt", "title"):
        (words,) = re.findall(rf'{described}="([^"]*)"', data["text/html"])
        assert words.count("6 clips") == 1


def test_a_page_shows_tubes_and_concepts_one_below_the_other(tmp_path: Path) -> None:
    path = ne.to_html([small_tubes(), within_chance(small_concepts())], tmp_path / "both.html")
    found = [widget["module"] for widget in read_data(path.read_text(encoding="utf-8"))["widgets"]]
    assert found == ["tube_viewer", "concept_viewer"]

"""Visualizations as values: files, JSON, texts, speed of the flow."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.clip import Clip
from notebook_explain.explanations import Facet, Neighbour, Synthesis, Verdict, Visualization
from notebook_explain.explanations.io import visualization as io
from tests.example_values import small_visualization
from tests.explanations.equality import assert_same
from tests.explanations.test_hostile_files import entries, npy, packed, refused, with_header


def changed(**fields: Any) -> Visualization:
    """Return the example with other values of its first made clip."""
    made = small_visualization()
    return replace(made, syntheses=(replace(made[0], **fields), *made.syntheses[1:]))


def alone(one: Synthesis) -> Visualization:
    """Return a made clip without real clips."""
    made = small_visualization()
    one = replace(one, real_scores=np.zeros(0, np.float32), neighbours=(), facet=None)
    return replace(made, syntheses=(one,), clips=(), labels=())


def test_files_hold_everything_and_no_pickle(tmp_path: Path) -> None:
    made = small_visualization()
    path = made.save(tmp_path / "made")
    again = ne.load(path)
    assert isinstance(again, Visualization)
    assert_same(again, made)
    assert again[0].flow is not None
    assert again[0].flow.dtype == np.float16
    with np.load(path, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def test_files_hold_made_clips_without_real_clips_previews_or_classes(tmp_path: Path) -> None:
    size = small_visualization()[0].clip.size
    bare = replace(
        small_visualization()[0],
        curve=np.zeros(0, np.float32),
        previews=np.zeros((0, *size, 3), np.uint8),
        preview_steps=(),
        best=(),
        start_best=(),
        control=(),
        verdicts=(Verdict("Other", (), (), None),),
        motion=None,
        is_moved=False,
    )
    made = alone(bare)
    assert_same(ne.load(made.save(tmp_path / "made.npz")), made)


def test_files_hold_the_values_of_clips_that_are_no_colours(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(6, 12, 12, 2)).astype(np.float32)
    clip = Clip.from_array(values, channels="flow", fps=8)
    made = changed(clip=clip, start=Clip.from_array(values[:1], channels="flow"))
    assert_same(ne.load(made.save(tmp_path / "made.npz")), made)


def test_a_file_of_ten_made_and_twenty_real_clips_has_at_most_twenty_five_megabytes(tmp_path: Path) -> None:
    made = small_visualization(clips=20, time=16, size=64)  # of noise, which does not compress
    steps = tuple(range(8))
    one = replace(made[0], preview_steps=steps, previews=np.repeat(made[0].previews[-1:], 8, 0))
    labels = tuple("kick" for _ in made.clips)
    path = replace(made, syntheses=(one,) * 10, labels=labels).save(tmp_path / "large.npz")
    assert path.stat().st_size < 25e6


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"score": float("nan")}, "a score is not finite"),
        ({"restarts": (1.0, float("inf"))}, "a score is not finite"),
        ({"curve": np.full(10, np.nan, np.float32)}, "its curve is not an array of 10 finite float32 numbers"),
        ({"real_scores": np.zeros(3, np.float32)}, "its real_scores is not an array of 4 finite float32 numbers"),
        ({"flow": np.full((6, 12, 12, 2), np.inf, np.float16)}, "its flow is not a float16 array of finite numbers"),
        ({"flow": np.zeros((6, 12, 11, 2), np.float16)}, "its flow is not a float16 array"),
        ({"flow": np.zeros((6, 12, 12, 2), np.float32)}, "its flow is not a float16 array"),
        ({"previews": np.zeros((3, 6, 12, 11, 3), np.uint8)}, "its previews are not a uint8 array"),
        ({"previews": np.zeros((2, 6, 12, 12, 3), np.uint8)}, "one for each step"),
        ({"preview_steps": (0, 5, 11)}, "the steps of its previews do not rise"),
        ({"preview_steps": (5, 5, 10)}, "the steps of its previews do not rise"),
        ({"start": Clip(np.zeros((1, 12, 13, 3), np.uint8))}, "its start has another height or width"),
        ({"neighbours": (Neighbour(4, 1.0),)}, "clips that the file does not hold"),
        ({"neighbours": (Neighbour(-1, 1.0),)}, "clips that the file does not hold"),
        ({"neighbours": (Neighbour(0, -1.0),)}, "a distance, its motion or its seconds are negative"),
        ({"motion": -0.5}, "a distance, its motion or its seconds are negative"),
        ({"facet": Facet(0, 2, (9,), 0.5, 1.0, True)}, "clips that the file does not hold"),
        ({"facet": Facet(2, 2, (), 0.5, 1.0, True)}, "the number of its facet or the cosine is out of range"),
        ({"facet": Facet(0, 2, (), 1.5, 1.0, True)}, "the number of its facet or the cosine is out of range"),
        ({"facet": Facet(0, 2, (), 0.5, -1.0, True)}, "the spread of its facet is negative"),
        ({"best": (("kick", 1.5),)}, r"a probability lies outside 0..1"),
        ({"verdicts": (Verdict("Other", (), (("kick", float("nan")),), None),)}, r"a probability lies outside 0..1"),
        ({"name": "k" * 1001}, "a name has more than 1000 letters"),
        ({"objective": "k" * 1001}, "a name has more than 1000 letters"),
        ({"best": (("k" * 1001, 0.5),)}, "a name has more than 1000 letters"),
        ({"name": " "}, "its name has no printable letters"),
        ({"best": (("kick", 0.5),) * 1001}, "a list has more than 1,000 entries"),
    ],
)
def test_what_could_not_be_read_is_not_saved(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"this explanation cannot be saved: made clip .*{words}"):
        changed(**fields).save(tmp_path / "made.npz")
    assert not list(tmp_path.iterdir())


def test_a_file_has_at_most_as_many_clips_as_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = small_visualization()
    with pytest.raises(ValueError, match="it holds 201 made clips and 4 real clips; a file holds 1 to 200 made"):
        replace(made, syntheses=(made[0],) * 201).save(tmp_path / "made.npz")
    with pytest.raises(ValueError, match="it holds 0 made clips"):
        replace(made, syntheses=()).save(tmp_path / "made.npz")
    with pytest.raises(ValueError, match="it has 3 labels for 4 clips"):
        replace(made, labels=made.labels[:3]).save(tmp_path / "made.npz")
    data = made.save(tmp_path / "made.npz").read_bytes()
    monkeypatch.setattr(io, "MAX_CLIPS", 3)
    assert "at most 3 real clips" in refused(tmp_path, data)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.update(syntheses=[]), "it holds 0 made clips"),
        (lambda text: text["labels"].pop(), "it has 3 labels for 4 clips"),
        (lambda text: text["labels"].__setitem__(0, 7), "expected a string, got '7'"),
        (lambda text: text.update(layer="x" * 1001), "a label or its layer has more than 1000 letters"),
        (lambda text: text["syntheses"][0].update(more=1), "a made clip has the wrong fields"),
        (lambda text: text["syntheses"][0].update(score="3"), "expected a finite number, got '3'"),
        (lambda text: text["syntheses"][0].update(is_moved=1), "expected true or false, got '1'"),
        (lambda text: text["syntheses"][0].update(preview_steps=[0, 10, 5]), "do not rise"),
        (lambda text: text["syntheses"][0]["best"].__setitem__(0, ["kick", 2]), "a probability lies outside 0..1"),
        (lambda text: text["syntheses"][0]["neighbours"][0].update(clip=99), "clips that the file does not hold"),
        (lambda text: text["syntheses"][0]["neighbours"][0].update(place=1), "a neighbour has the wrong fields"),
        (lambda text: text["syntheses"][0]["verdicts"][0].update(names_target=1), "expected true or false"),
        (lambda text: text["syntheses"][0]["verdicts"][0].pop("model"), "a verdict has the wrong fields"),
        (lambda text: text["syntheses"][1]["facet"].update(count=0), "the number of its facet"),
        (lambda text: text["syntheses"][1].update(has_flow=True), "damaged"),
        (lambda text: text["syntheses"][0]["start"].update(step=[0, 1]), "both values must be positive"),
    ],
)
def test_invalid_headers_are_refused(tmp_path: Path, edit: Callable[[Any], Any], words: str) -> None:
    data = small_visualization().save(tmp_path / "made.npz").read_bytes()
    assert words in refused(tmp_path, with_header(data, lambda text: (edit(text), text)[1]))


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("made0_flow", npy("(6, 12, 12, 2)", "<f2", np.full(1728, np.nan, np.float16).tobytes()), "its flow is not"),
        ("made0_flow", npy("(6, 12, 12, 2)", "<f4", bytes(4 * 1728)), "its flow is not a float16 array"),
        ("made0_flow", npy("(100000, 100000)", "<f2", bytes(10)), "holds a different number of bytes"),
        ("made0_previews", npy("(3, 6, 12, 12)", "|u1", bytes(3 * 864)), "its previews are not a uint8 array"),
        ("made0_curve", npy("(2, 5)", "<f4", bytes(40)), "its curve is not"),
        ("made0_curve", npy("(100001,)", "<f4", bytes(400_004)), "its curve is not an array of 100,000 finite"),
        ("made0_real_scores", npy("(5,)", "<f4", bytes(20)), "its real_scores is not an array of 4"),
        ("made0_clip_frames", npy("(6, 12, 12, 3)", "<f2", bytes(6 * 864)), "frames must be uint8"),
        ("made0_start_frames", npy("(1, 9, 12, 3)", "|u1", bytes(324)), "its start has another height or width"),
        ("clip3_frames", npy("(6, 12, 12, 3)", "|O", bytes(100)), "not an array of plain numbers"),
        ("clip3_times", npy("(6,)", "<f8", np.full(6, np.nan).tobytes()), "the clip's times are not finite"),
    ],
)
def test_invalid_arrays_are_refused(tmp_path: Path, name: str, array: bytes, words: str) -> None:
    data = small_visualization().save(tmp_path / "made.npz").read_bytes()
    assert f"{name}.npy" in entries(data)
    assert words in refused(tmp_path, packed(entries(data) | {f"{name}.npy": array}))


def test_visualizations_survive_pickling() -> None:
    made = small_visualization()
    assert_same(pickle.loads(pickle.dumps(made)), made)


def test_json_holds_every_number() -> None:
    made = small_visualization()
    found = json.loads(made.to_json())
    assert (found["format"], found["version"], found["layer"]) == ("notebook_explain.visualization", 1, "blocks.3")
    assert found["clips"][2] == {"name": "clip2.mp4", "label": "punch"}
    first, second = found["syntheses"]
    assert (first["name"], first["score"], first["best_real"], first["ratio"]) == ("kick", 3.0, 2.0, 1.5)
    assert first["verdicts"][0]["best"] == [["kick", 0.9], ["punch", 0.1]]
    assert first["neighbours"] == [{"clip": 1, "distance": 1.5}, {"clip": 0, "distance": 2.0}]
    assert second["facet"]["members"] == [2, 3]
    assert found["provenance"]["caveats"] == ["A caveat."]


def test_json_names_no_folders(tmp_path: Path) -> None:
    made = small_visualization()
    clips = tuple(replace(clip, source=f"/home/me/secret/{clip.source}") for clip in made.clips)
    start = replace(made[0].start, source="/home/me/secret/photo.jpg")
    knobs = {"clips": "/home/me/secret/clips", "start": "/home/me/secret/photo.jpg"}
    made = replace(
        made,
        clips=clips,
        syntheses=(replace(made[0], start=start), made[1]),
        provenance=replace(made.provenance, knobs=knobs),
    )
    text = made.to_json()
    assert "secret" not in text
    assert "clip2.mp4" in text
    assert json.loads(text)["syntheses"][0]["start"] == {"name": "photo.jpg", "frames": 1}


def test_one_made_clip_is_described_in_whole_sentences() -> None:
    made = small_visualization()
    text = replace(made, syntheses=made.syntheses[:1]).in_words()
    for words in (
        "Made for 'kick': score 3, 1.5 × the best of 4 real clips; the start alone scores −1.",
        "The network calls it 'kick' (90 %), and the start alone 'punch' (10 %).",
        "Under a random flow of the same size, the network calls the start 'punch' (10 %).",
        "Another network (Other, 10 parameters) calls it 'kick' (90 %), and with its frames shuffled 'punch' (10 %).",
        "The nearest real clip, called 'kick', is 1.5 × as far away as a real clip typically is from its nearest.",
        "It moves 0.8 × as much as a typical real clip.",
    ):
        assert words in text
    assert "No other network" not in text
    text = replace(made, syntheses=made.syntheses[1:]).in_words()
    assert "No other network was asked." in text
    assert "It is nearest to its own facet (cosine 0.97, 0.9 × as far from its mean as its 2 clips)." in text


def test_a_network_without_classes_calls_nothing_anything() -> None:
    made = small_visualization()
    one = replace(made[0], best=(), start_best=(), control=(), verdicts=())
    made = replace(made, syntheses=(one,), labels=("",) * 4)
    assert "The network calls" not in made.in_words()
    assert "The nearest real clip is 1.5 × as far" in made.in_words()
    assert "called" not in made.report()
    assert "No other network was asked." in made.report()


def test_a_clip_that_no_gradient_reached_is_said_to_be_its_start() -> None:
    made = changed(is_moved=False)
    assert "No gradient reached the canvas, so the clip is its start." in made.in_words()
    assert "No gradient reached" in replace(made, syntheses=made.syntheses[:1]).in_words()
    assert "No gradient reached" not in small_visualization().in_words()


def test_comparisons_without_real_clips_or_with_none_above_zero() -> None:
    made = small_visualization()
    assert "score 3, no real clips were given" in alone(made[0]).in_words()
    assert alone(made[0])[0].ratio is None
    below = replace(made[0], real_scores=np.full(4, -2, np.float32))
    text = replace(made, syntheses=(below, made[1])).in_words()
    assert "score 3, the best of 4 real clips has −2;" in text
    several = replace(made, syntheses=(alone(made[0])[0],) * 2, clips=(), labels=())
    assert several.in_words().startswith("2 made clips; no real clips were given. 'kick': score 3; called 'kick'")


def test_several_made_clips_get_a_sentence_each() -> None:
    assert small_visualization().in_words() == (
        "2 made clips, compared with 4 real clips. "
        "'kick': score 3, 1.5 × the best of 4 real clips; called 'kick' (90 %), by another network 'kick' (90 %). "
        "'facet 1 of 2': score 3, 1.5 × the best of 4 real clips; called 'kick' (90 %)."
    )


def test_the_report_has_a_row_for_each_made_clip_and_no_empty_column() -> None:
    made = small_visualization()
    lines = made.report().splitlines()
    header, first, second = lines[2:5]
    at = {name: header.index(name) for name in ("score", "best real", "others say", "cosine", "steps", "seconds")}
    assert first[at["score"] :].startswith("3 ")
    assert first[at["best real"] :].startswith("2 ")
    assert first[at["others say"] :].startswith("'kick' (90 %)")
    assert second[at["others say"] :].startswith(" ")
    assert second[at["cosine"] :].startswith("0.97")
    assert second[at["steps"] :].startswith("10 ")
    assert "A caveat." in lines
    assert "Other networks: Other, 10 parameters." in lines
    assert "cosine" not in replace(made, syntheses=made.syntheses[:1]).report()
    assert "others say" not in replace(made, syntheses=made.syntheses[1:]).report()


def test_the_speed_of_a_flow_is_the_distance_between_frames() -> None:
    flow = np.zeros((6, 12, 12, 2), np.float16)
    flow[2:, 4, 5] = (3, 4)  # one pixel jumps by 5 pixels from the second frame to the third
    flow[4:, 4, 5] = (3, 3)
    tubes = changed(flow=flow)[0].speed()
    expected = np.zeros((6, 12, 12), np.float32)
    expected[2, 4, 5], expected[4, 4, 5] = 5, 1
    np.testing.assert_array_equal(tubes.volume("speed", 0), expected)
    assert tubes.clip.size == (6, 12, 12)
    assert tubes.targets[0].name == "kick"
    flow[0, 0, 0], flow[1:, 0, 0] = (0, 0), (0, 2)
    assert changed(flow=flow)[0].speed().volume("speed", 0)[:2, 0, 0].tolist() == [2, 2], "the first frame repeats"


def test_the_speed_of_one_frame_is_zero_and_other_canvases_have_none() -> None:
    still = small_visualization(time=1)
    assert still[0].speed().volume("speed", 0).max() == 0
    with pytest.raises(ValueError, match="'facet 1 of 2' was made without a flow; only a Flow canvas has a speed"):
        still[1].speed()


def test_made_clips_are_found_by_index_and_by_name() -> None:
    made = small_visualization()
    assert made["kick"] is made[0] is made[-2]
    for wrong in ("clap", 2, -3, True):
        with pytest.raises(ValueError, match="is not among 0: 'kick', 1: 'facet 1 of 2'"):
            made[wrong]

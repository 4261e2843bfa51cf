"""Values, binary heads, labels and regions in words, files, figures, pages and viewers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain import display
from notebook_explain.explanations import BlockReport, Pyramid, TargetResult, Tubes
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.text import colour_legend, quoted_target, sides_of, verdict_of
from notebook_explain.figures.video.frames import clip_sequence
from notebook_explain.figures.video.render import _caption_text
from notebook_explain.widgets import tube_viewer
from tests.example_values import small_pyramid, small_report, small_tubes

VALUE = TargetResult("value", 0, "", 55.64, None, bias=50.0, kind="regression", unit="ms")
NAMED = replace(VALUE, name="ESV", logit=-3.0, unit="ml")
TWO_NAMES = TargetResult("fake", 1, "", 1.4, 0.8, kind="binary", top5=(("fake", 0.8), ("real", 0.2)))
ONE_NAME = TargetResult("fake", 0, "", -4.0, 0.02, kind="binary", top5=(("fake", 0.02),))
LABEL = TargetResult(
    "run", 0, "", 1.4, 0.8, kind="multilabel", top5=(("run", 0.8), ("talk", 0.7)), region="frames 2 to 3"
)
RESULTS = {"value": VALUE, "named": NAMED, "two names": TWO_NAMES, "one name": ONE_NAME, "label": LABEL}


def tubes_of(*results: TargetResult) -> Tubes:
    return replace(small_tubes(targets=len(results)), targets=results)


@pytest.mark.parametrize(
    ("result", "words", "sides"),
    [
        (VALUE, "55.6 ms", ("raises", "lowers")),
        (NAMED, "'ESV' \u22123 ml", ("raises", "lowers")),
        (TWO_NAMES, "'fake' 80 %, ahead of 'real' 20 %", ("for 'fake'", "for 'real'")),
        (ONE_NAME, "'fake' 2.0 %", ("for", "against")),
        (LABEL, "'run' 80 %, in frames 2 to 3", ("for", "against")),
    ],
)
def test_verdicts_and_sides(result: TargetResult, words: str, sides: tuple[str, str]) -> None:
    assert verdict_of(result) == words
    assert sides_of(result) == sides
    assert tubes_of(result).in_words().startswith(f"{words}. ")


def test_a_value_is_described_by_what_raises_and_what_lowers_it() -> None:
    volume = np.zeros((2, 6, 4, 4), np.float32)
    volume[:, 1, 0, 0], volume[:, 4, 3, 3] = 2.0, -1.0
    first = small_tubes().layers[0]
    tubes = replace(tubes_of(VALUE, NAMED), layers=(replace(first, values=volume),))
    words = tubes.in_words(threshold=0.1)
    assert words.startswith("55.6 ms. Raised by ")
    raised, lowered = words.removeprefix("55.6 ms. ").split(" Lowered by ")
    assert "at upper left" in raised
    assert raised.endswith("of the evidence that raises it.")
    assert "at lower right" in lowered
    assert lowered.endswith("of the evidence that lowers it.")
    assert "that lowers 'ESV'." in tubes.in_words(threshold=0.1, target=1)
    assert "Most" not in words
    most = replace(tubes, layers=(replace(first, values=-volume),)).in_words(threshold=0.1)
    assert " Most of the evidence lowers it. Lowered by " in most


@pytest.mark.parametrize("name", RESULTS)
def test_every_kind_is_saved(name: str, tmp_path: Path) -> None:
    result = RESULTS[name]
    assert ne.load(tubes_of(result).save(tmp_path / "t")).targets == (result,)
    pyramid: Pyramid = replace(small_pyramid(), target=result)
    assert ne.load(pyramid.save(tmp_path / "p")).target == result
    report: BlockReport = replace(small_report(), target=result)
    assert ne.load(report.save(tmp_path / "b")).target == result


def test_a_file_of_classes_is_written_as_before(tmp_path: Path) -> None:
    """Files of older versions have none of the new fields, and load as classes."""
    path = small_tubes().save(tmp_path / "t")
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes())
    assert set(header["targets"][0]) == {"name", "index", "head", "logit", "probability", "bias", "against", "top5"}
    assert ne.load(path).targets[0].kind == "classes"


def test_only_a_probability_can_be_low() -> None:
    assert [str(text) for text in caveats(tubes_of(ONE_NAME))] == ["The model gives 'fake' only 2.0 %."]
    assert not caveats(tubes_of(VALUE))
    rare = replace(LABEL, probability=0.05, top5=(("talk", 0.9), ("run", 0.05)))
    assert [str(text) for text in caveats(tubes_of(rare))] == ["The model gives 'run' only 5.0 %."]  # no first choice


@pytest.mark.parametrize(
    ("name", "legend"),
    [
        ("value", "orange: raises it, blue: lowers it"),
        ("two names", "orange: for 'fake', blue: for 'real'"),
        ("one name", "orange: for it, blue: against it"),
        ("label", "orange: for it, blue: against it"),
    ],
)
def test_figures_captions_and_pages_say_what_colours_mean(name: str, legend: str, tmp_path: Path) -> None:
    result = RESULTS[name]
    tubes = tubes_of(result)
    assert colour_legend(result) == legend
    (axes,) = [axes for axes in tubes.figure().axes if axes.get_legend() is not None]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(sides_of(result))
    caption = _caption_text(tubes, clip_sequence(tubes.clip, 200), None, 0, 0.15)
    assert caption[0].text.startswith(f"{legend}, from 15 %")
    page = tubes.to_html(tmp_path / "t.html").read_text(encoding="utf-8").replace("&#x27;", "'")
    place = f" in {result.region}" if result.region else ""
    question = f"Why {verdict_of(result)}?" if result.kind == "regression" else f"Why {result.name!r}{place}?"
    assert f"<title>{question}</title>" in page
    report = replace(small_report(), target=result)
    printed = "\n".join(text.get_text() for text in report.figure().texts).replace("\n", " ")
    assert legend[1:] in printed
    figure = replace(small_pyramid(), target=result).figure()
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    assert legend in " ".join(str(text.get_text()) for text in texts).replace("\n", " ")  # type: ignore[attr-defined]


def test_reports_and_pyramids_speak_of_values() -> None:
    report = replace(small_report(), target=VALUE)
    assert report.in_words().startswith("55.6 ms. Value: 55.64 ms.")
    pyramid = replace(small_pyramid(), target=NAMED)
    words = pyramid.in_words()
    assert words.startswith("'ESV' \u22123 ml. ")
    assert "carry evidence that raises 'ESV'." in words
    kernel = pyramid.in_words(1)
    assert "of the positive evidence that raises 'ESV'." in kernel
    assert "raises the value." in kernel
    assert "class" not in words + kernel + pyramid.in_words(0) + pyramid.in_words(row=0)
    assert quoted_target(VALUE) == "the value"


def test_viewers_subtract_values_but_not_differences() -> None:
    other = replace(NAMED, name="EDV", index=1)
    difference = replace(NAMED, name="EDV − ESV", against=0, against_name="ESV")
    tubes = tubes_of(NAMED, other, difference)
    state = tube_viewer.initial_state(tubes, against="EDV")
    assert state["against"] == 1
    assert state["targets"][0] == {
        **{"name": "ESV", "against": None, "logit": -3.0, "probability": None, "rival": None, "best": []},
        **{"kind": "regression", "value": "\u22123 ml"},
    }
    with pytest.raises(ValueError, match="is a difference of classes"):
        tube_viewer.initial_state(tubes, against="EDV − ESV")
    assert "kind" not in tube_viewer.initial_state(small_tubes())["targets"][0]
    assert display.embed(tubes_of(VALUE)).html

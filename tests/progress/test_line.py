"""The line of progress: what it says, when it appears, and whom it belongs to."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain import _progress
from notebook_explain._progress import line as lines
from notebook_explain._warn import warn
from notebook_explain.explanations import Progress
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import on_shadow
from notebook_explain.models.layer_progress import layer_hooks
from tests import zoo
from tests.progress.slow_net import SPECIFIED, SlowNet
from tests.zoo.attention_nets import JointTransformer

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = ne.Clip(np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8))


class Recorder:
    """Display that keeps what is drawn."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.fractions: list[float | None] = []
        self.events: list[str] = []

    def show(self, text: str, fraction: float | None) -> None:
        self.texts.append(text)
        self.fractions.append(fraction)
        self.events.append("show")

    def hide(self) -> None:
        self.events.append("hide")

    def close(self) -> None:
        self.events.append("close")


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(lines, "find_display", lambda: recorder)
    return recorder


def steps(pause: float) -> Iterator[Progress]:
    yield Progress("pass", 1, 1, 0.0)
    for done in range(1, 5):
        time.sleep(pause)
        yield Progress("rows", done, 4, done * pause, f"row {done}")


def test_a_stream_shows_its_stage_and_the_elapsed_time_after_a_delay(display: Recorder) -> None:
    assert run_with_progress(steps(0.3), "pyramid") == "row 4"
    assert "s pyramid: rows 1 of 4" in display.texts[0]
    assert float(display.texts[0].split()[0]) == pytest.approx(0.5, abs=0.4)
    assert display.fractions[0] == 0.25
    assert display.events[-1] == "close"


def test_short_work_shows_nothing(display: Recorder) -> None:
    assert run_with_progress(steps(0.0), "pyramid") == "row 4"
    assert display.events == ["close"]


@pytest.mark.parametrize("error", [ValueError("out of luck"), KeyboardInterrupt()])
def test_an_error_or_an_interrupt_is_raised_and_the_line_is_removed(display: Recorder, error: BaseException) -> None:
    def fails() -> Iterator[Progress]:
        yield Progress("pass", 1, 1, 0.0)
        raise error

    with pytest.raises(type(error)):
        run_with_progress(fails(), "pyramid")
    assert display.events == ["close"]
    assert _progress.active() is None
    assert "notebook_explain progress" not in [thread.name for thread in threading.enumerate()]


def test_work_within_work_is_a_part_of_its_line(display: Recorder) -> None:
    with _progress.working("tubes", delay=9) as outer:
        assert outer is not None
        _progress.stage("target", 1, 2)
        with _progress.working("reading a.mp4") as inner:
            assert inner is outer
            assert "tubes: reading a.mp4" in outer.text()
            _progress.stage("frames", 30)
            assert "tubes: frames 30" in outer.text()
        assert outer.text().endswith("s tubes: target 1 of 2")
        outer.start -= 125
        assert outer.text().startswith("2 min 05 s tubes")


def test_other_threads_do_not_see_the_line(display: Recorder) -> None:
    found: list[Any] = []
    with _progress.working("tubes", delay=9) as line:
        thread = threading.Thread(target=lambda: found.append(_progress.active()))
        thread.start()
        thread.join()
        assert _progress.active() is line
    assert found == [None]


def test_a_warning_is_printed_while_the_line_is_hidden(display: Recorder) -> None:
    def show(*_: Any) -> None:
        display.events.append("warning")

    with _progress.working("adapting", delay=9) as line, warnings.catch_warnings():
        assert line is not None
        warnings.simplefilter("always")
        warnings.showwarning = show
        line.draw()
        warn("no size")
    assert display.events == ["show", "hide", "warning", "close"]


def test_a_display_that_fails_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Recorder):
        def show(self, text: str, fraction: float | None) -> None:
            raise OSError("closed")

        def close(self) -> None:
            raise OSError("closed")

    monkeypatch.setattr(lines, "find_display", Broken)
    with _progress.working("tubes", delay=0):
        time.sleep(0.1)


def test_layers_of_a_pass_are_reported_forward_and_backward(display: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[tuple[str, int, int]] = []
    monkeypatch.setattr(lines.Line, "reach_layer", lambda self, *layer: reached.append(layer))
    model = ne.adapt(SlowNet(), **SPECIFIED)
    reached.clear()
    ne.SaliencyTubes()(model, CLIP)
    assert [layer for direction, *layer in reached if direction == "forward"][:9] == [[k, 9] for k in range(1, 10)]
    backward = [layer for direction, *layer in reached if direction == "backward"]
    assert backward == [[k, 9] for k in range(9, 1, -1)]  # down to the first layer that is explained


def test_modules_that_never_run_are_not_counted_after_the_first_pass(
    display: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[tuple[str, int, int]] = []
    monkeypatch.setattr(lines.Line, "reach_layer", lambda self, *layer: reached.append(layer))
    net = SlowNet()
    net.unused = nn.Linear(2, 2)
    model = ne.adapt(net, **SPECIFIED)
    reached.clear()
    ne.SaliencyTubes()(model, CLIP)
    assert {count for direction, _, count in reached if direction == "backward"} == {9}


def test_hooks_are_removed_after_an_error_too(display: Recorder) -> None:
    net = SlowNet()
    with _progress.working("tubes", delay=9) as line:
        assert line is not None
        with pytest.raises(ValueError, match=r"\d hooks"), layer_hooks(net, line):
            raise ValueError(f"{max(_slots(net)) or 'no'} hooks")
    assert max(_slots(net)) == 0


def test_without_a_listener_there_are_no_hooks() -> None:
    hooks: list[list[int]] = []
    net = SlowNet()
    on_shadow(net, lambda shadow: hooks.append(_slots(shadow)))
    assert max(hooks[0]) == 0


def _slots(net: nn.Module) -> list[int]:
    return [
        len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks) for part in net.modules()
    ]


EXPLAINERS = {
    "tubes": ne.SaliencyTubes(),
    "tubes, compared with float64": ne.SaliencyTubes(check_rounding=True),
    "pyramid": ne.FeaturePyramid(depth=4),
    "pyramid by pre-activations": ne.FeaturePyramid(depth=4, contribution="preactivation"),
}


@pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
@pytest.mark.parametrize("kind", ["plain", "with hooks", "cannot be copied"])
def test_results_are_the_same_and_the_model_is_unchanged_while_someone_listens(
    monkeypatch: pytest.MonkeyPatch, explainer: Any, kind: str
) -> None:
    clip = zoo.random_clip(8, 32)
    net = zoo.ZOO["residual"].make()
    if kind == "with hooks":
        net.layer2.register_forward_hook(lambda _, __, output: output * 0.5)
    if kind == "cannot be copied":
        net.lock = threading.Lock()
    before = _slots(net)
    model = ne.adapt(net, keep_hooks=True, **STATED)
    alone = explainer(model, clip, 1)
    random = torch.get_rng_state()

    recorder = Recorder()
    monkeypatch.setattr(lines, "find_display", lambda: recorder)
    watched_model = ne.adapt(net, keep_hooks=True, **STATED)
    watched = explainer(watched_model, clip, 1)
    assert recorder.events.count("close") == 2
    assert _slots(net) == before
    assert torch.equal(random, torch.get_rng_state())
    if isinstance(alone, ne.explanations.Tubes):
        for a, b in zip(alone.layers, watched.layers, strict=True):
            np.testing.assert_array_equal(a.values, b.values)
    else:
        assert (alone.units, alone.edges) == (watched.units, watched.edges)


@pytest.mark.parametrize("name", ["residual", "cls_token", "tsm", "slowfast", "reused_relu"])
def test_other_networks_give_the_same_maps_while_someone_listens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    entry = zoo.ZOO[name]
    maps = []
    for display in (None, Recorder()):
        monkeypatch.setattr(lines, "find_display", lambda display=display: display)
        model = ne.adapt(entry.make(), **{**STATED, "frames": entry.frames, "layout": entry.layout})
        maps.append(ne.SaliencyTubes()(model, zoo.random_clip(entry.frames, entry.size), 0))
    for a, b in zip(*(tubes.layers for tubes in maps), strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def _read(model: ne.VideoModel, folder: Any) -> Any:
    video = ne.SaliencyTubes()(model, CLIP).to_video(folder / "a.webm")
    return ne.Clip.read(video)


LONG_WORK = {
    "reading a.webm": _read,
    "attention maps": lambda model, folder: ne.AttentionMaps()(
        ne.adapt(zoo.seeded(JointTransformer), **STATED), zoo.random_clip(8, 32)
    ),
    "block signals": lambda model, folder: ne.BlockSignals()(
        ne.adapt(zoo.seeded(zoo.BLOCKS["class regularization"]), **STATED), zoo.random_clip(8, 32)
    ),
    "adapting SlowNet": lambda model, folder: ne.adapt(SlowNet(), **SPECIFIED),
    "prediction": lambda model, folder: model(CLIP),
    "saliency tubes": lambda model, folder: ne.SaliencyTubes()(model, CLIP),
    "pyramid": lambda model, folder: ne.FeaturePyramid()(model, CLIP),
    "writing a.gif": lambda model, folder: ne.SaliencyTubes()(model, CLIP).to_gif(folder / "a.gif"),
    "writing a.webm": lambda model, folder: ne.SaliencyTubes()(model, CLIP).to_video(folder / "a.webm"),
    "writing a.html": lambda model, folder: ne.SaliencyTubes()(model, CLIP).to_html(folder / "a.html"),
    "drawing the figure": lambda model, folder: ne.SaliencyTubes()(model, CLIP).figure(),
}


@pytest.mark.parametrize("name", LONG_WORK)
def test_long_work_names_itself(display: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, name: str) -> None:
    names: list[str] = []
    create = lines.Line.__init__
    monkeypatch.setattr(
        lines.Line,
        "__init__",
        lambda self, *args: names.append(args[0]) or create(self, *args),  # type: ignore[func-returns-value]
    )
    LONG_WORK[name](ne.adapt(SlowNet(), **SPECIFIED), tmp_path)
    assert names[-1] == name

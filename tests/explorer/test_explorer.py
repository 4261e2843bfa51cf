"""The explorer from Python and from a view: answers, history, errors, and what stays as it was."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

import notebook_explain as ne
from notebook_explain import edits
from notebook_explain.explorer import Explorer
from notebook_explain.widgets import html
from notebook_explain.widgets.wire.pyramid import state as pyramid_state
from notebook_explain.widgets.wire.tubes import state as tubes_state
from tests.explorer.views import FRAMES, LABELS, SIZE, FakeView, SmallNet, small_clip, small_model

HIDE = edits.Occlude(box=(2, 2, 10, 12), frames=(1, 5))


@pytest.fixture
def explorer() -> Iterator[Explorer]:
    explorer = Explorer(small_model(), small_clip(), "left", method="saliency_tubes")
    explorer.wait()
    yield explorer
    explorer.close()
    SmallNet.hook = None  # type: ignore[attr-defined]


@pytest.fixture
def view(explorer: Explorer) -> FakeView:
    return FakeView(explorer)


def _alone(explorer: Explorer, given: Any = ()) -> Any:
    """Return the scores of an edited clip and network, computed with torch alone."""
    model, clip = edits.edited_model(explorer.model, given), edits.edited_clip(explorer.clip, given)
    return model(clip).heads[0]


class TestFromPython:
    def test_the_first_step_is_what_the_network_says_without_edits(self, explorer: Explorer) -> None:
        alone = _alone(explorer)
        assert explorer.before == explorer.after
        np.testing.assert_allclose(explorer.after["logits"], alone.logits, rtol=1e-5)
        np.testing.assert_allclose(explorer.after["probabilities"], alone.probabilities, rtol=1e-5)
        assert (explorer.step, len(explorer.history), explorer.target) == (0, 1, LABELS.index("left"))
        assert explorer.words == f"left {100 * alone.probabilities[1]:.0f} %"
        expected = ne.SaliencyTubes()(explorer.model, explorer.clip, "left")
        assert explorer.tubes["maps"] == tubes_state(expected)["maps"]

    def test_edits_give_the_numbers_that_they_give_alone(self, explorer: Explorer) -> None:
        given = [HIDE, edits.Reverse(), edits.Ablate("first", channels=(0, 3))]
        explorer.edits = given
        explorer.wait()
        alone = _alone(explorer, given)
        assert explorer.edits == tuple(given)
        np.testing.assert_allclose(explorer.after["logits"], alone.logits, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(explorer.result.after.head().logits, alone.logits, rtol=1e-4, atol=1e-6)
        model, clip = edits.edited_model(explorer.model, given), edits.edited_clip(explorer.clip, given)
        expected = ne.SaliencyTubes()(model, clip, "left")
        for mine, theirs in zip(explorer.explanation.layers, expected.layers, strict=True):
            np.testing.assert_allclose(mine.values, theirs.values, rtol=1e-4, atol=1e-7)
        assert [entry["words"] for entry in explorer.edit_list] == [edit.in_words() for edit in given]
        assert [edits.from_json(entry["edit"]) for entry in explorer.edit_list] == given

    def test_target_method_and_knobs_follow_traits(self, explorer: Explorer) -> None:
        explorer.target = "right"
        explorer.wait()
        assert (explorer.target, explorer.explanation.targets[0].name) == (2, "right")
        explorer.against = 0
        assert explorer.explanation.targets[0].against_name == "still"
        explorer.knobs = {"saliency_tubes": {"pooled": True, "norms": "constant"}}
        assert "pooled" in explorer.explanation.provenance.method
        assert explorer.knobs == {"saliency_tubes": {"pooled": True}}
        explorer.method = "pyramid"
        assert type(explorer.explanation).__name__ == "Pyramid"
        assert explorer.pyramid["rows"] == pyramid_state(explorer.explanation)["rows"]
        assert explorer.tubes, "the tube stays beside the pyramid"

    def test_undo_and_redo_show_steps_again(self, explorer: Explorer) -> None:
        explorer.edits = [HIDE]
        explorer.wait()
        hidden = dict(explorer.after)
        explorer.undo()
        assert (explorer.step, explorer.edits, explorer.after) == (0, (), explorer.before)
        explorer.redo()
        assert (explorer.step, explorer.edits, explorer.after) == (1, (HIDE,), hidden)
        with pytest.raises(ValueError, match=r"there is no step 2; the history has steps 0 to 1"):
            explorer.redo()
        explorer.undo()
        explorer.edits = [edits.Flip()]
        explorer.wait()
        assert [len(step["edits"]) for step in explorer.history] == [0, 1]
        assert explorer.history[1]["edits"][0]["edit"] == {"edit": "Flip"}

    def test_the_code_of_a_step_gives_its_numbers(self, explorer: Explorer) -> None:
        explorer.edits = [HIDE, edits.Ablate("second", channels=(1,))]
        explorer.against = "still"
        variables: dict[str, Any] = {"explorer": explorer}
        exec(explorer.code.removesuffix("\nresult"), variables)
        result = variables["result"]
        np.testing.assert_allclose(result.after.head().logits, explorer.after["logits"], rtol=1e-4, atol=1e-6)
        mine, theirs = explorer.explanation, result.after.explanation
        np.testing.assert_allclose(mine.layers[-1].values, theirs.layers[-1].values, rtol=1e-4, atol=1e-7)

    def test_compare_shows_two_steps(self, explorer: Explorer) -> None:
        explorer.edits = [HIDE]
        widget = explorer.compare(0, 1)
        assert len(widget.explanations) == 2
        assert "step 1" in widget.titles[0]
        widget.close()
        explorer.method = "pyramid"
        with pytest.raises(ValueError, match="has no tubes to compare"):
            explorer.compare(0, 2)

    def test_a_page_shows_the_last_result(self, explorer: Explorer, tmp_path: Any) -> None:
        explorer.edits = [HIDE]
        path = explorer.to_html(tmp_path / "page.html")
        (widget,) = html.read_data(path.read_text())["widgets"]
        assert widget["state"]["after"] == explorer.after
        assert widget["state"]["tubes"]["maps"] == explorer.tubes["maps"]
        assert widget["state"]["history"] == explorer.history

    def test_edits_right_after_the_start_are_the_second_step(self) -> None:
        explorer = Explorer(small_model(), small_clip(), method="saliency_tubes")
        explorer.edits = [HIDE]
        explorer.wait()
        assert [len(step["edits"]) for step in explorer.history] == [0, 1]
        explorer.close()


class TestWrongInput:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ([edits.Drop(frames=(0, FRAMES))], "leaves no frames"),
            ([edits.Occlude(box=(0, 0, SIZE + 4, 4))], "outside|beyond|lies"),
            ([edits.Ablate("first", channels=(99,))], "channel 99"),
            ([edits.Ablate("nowhere")], "nowhere"),
            ("Reverse", "edits"),
        ],
    )
    def test_an_edit_that_does_not_fit_raises_and_nothing_is_lost(
        self, explorer: Explorer, given: Any, message: str
    ) -> None:
        before = dict(explorer.get_state())
        with pytest.raises((ValueError, TypeError), match=message):
            explorer.edits = given
        explorer.wait()
        assert explorer.get_state() == before
        assert explorer.edits == ()

    def test_wrong_arguments_are_one_error(self) -> None:
        model, clip = small_model(), small_clip()
        for arguments, message in (
            ({"target": "up"}, "target"),
            ({"target": 7}, r"0\.\.2"),
            ({"method": "magic"}, "method"),
            ({"head": "noun"}, "head"),
            ({"concepts": 3}, "concepts"),
        ):
            with pytest.raises((ValueError, TypeError), match=message):
                Explorer(model, clip, **arguments)
        assert not any(thread.name == "notebook_explain explorer" for thread in threading.enumerate())

    def test_wrong_traits_are_refused(self, explorer: Explorer) -> None:
        for name, value in (("target", 9), ("target", "up"), ("method", "magic"), ("knobs", {"rise": {"masks": 0}})):
            with pytest.raises((traitlets.TraitError, ValueError)):
                setattr(explorer, name, value)
        assert explorer.wait()

    def test_a_network_that_fails_is_told_by_wait_and_the_step_stays(self, explorer: Explorer) -> None:
        def fail() -> None:
            raise RuntimeError("no memory")

        before = dict(explorer.after)
        SmallNet.hook = staticmethod(fail)  # type: ignore[attr-defined]
        explorer.target = 0
        with pytest.raises(RuntimeError, match="no memory"):
            explorer.wait()
        SmallNet.hook = None  # type: ignore[attr-defined]
        assert "no memory" in explorer.error
        assert (explorer.after, explorer.target) == (before, 1)
        explorer.edits = [HIDE]
        explorer.wait()
        assert explorer.error == ""


class TestFromAView:
    def test_a_settled_request_sends_scores_then_writes_the_traits_then_ends(
        self, explorer: Explorer, view: FakeView
    ) -> None:
        number = view.request([HIDE], target=2)
        assert view.end(number) == {"session": "view", "id": number, "end": "done", "words": ""}
        (part,) = view.parts(number, "probabilities")
        assert part["after"] == explorer.after
        assert (explorer.target, explorer.step, explorer.edits) == (2, 1, (HIDE,))

    def test_a_preview_sends_scores_and_a_frame_and_changes_no_trait(self, explorer: Explorer, view: FakeView) -> None:
        before = dict(explorer.get_state())
        number = view.request([HIDE], settled=False, frame=3)
        view.end(number)
        (part,) = view.parts(number, "probabilities")
        assert part["frame"] == {"$buffer": 0}
        buffers = view.buffers[view.messages.index(part)]
        assert buffers[0][:2] == b"\xff\xd8", "a JPEG"
        np.testing.assert_allclose(part["after"]["logits"], _alone(explorer, [HIDE]).logits, rtol=1e-4, atol=1e-6)
        assert explorer.get_state() == before

    def test_a_disabled_edit_stays_in_the_list_and_does_nothing(self, explorer: Explorer, view: FakeView) -> None:
        entry = {"edit": HIDE.to_json(), "enabled": False}
        rest = {"target": 1, "against": None, "method": "saliency_tubes", "knobs": {}, "wants": ["tubes"], "frame": 0}
        view.end(view.send("request", settled=True, edits=[entry], **rest))
        assert explorer.after == explorer.before
        assert [entry["enabled"] for entry in explorer.edit_list] == [False]

    def test_the_same_request_makes_no_new_step(self, explorer: Explorer, view: FakeView) -> None:
        view.end(view.request([HIDE]))
        view.end(view.request([HIDE], wants=["tubes", "pyramid"]))
        assert len(explorer.history) == 2
        assert explorer.pyramid

    def test_a_newer_request_ends_the_one_in_work(self, explorer: Explorer, view: FakeView) -> None:
        started, release = threading.Event(), threading.Event()

        def wait() -> None:
            started.set()
            release.wait(20)

        SmallNet.hook = staticmethod(wait)  # type: ignore[attr-defined]
        first = view.request([HIDE])
        assert started.wait(20)
        second = view.request([edits.Reverse()])
        third = view.request([edits.Flip()])
        SmallNet.hook = None  # type: ignore[attr-defined]
        release.set()
        assert [view.end(number)["end"] for number in (first, second, third)] == ["superseded", "superseded", "done"]
        assert explorer.edits == (edits.Flip(),)
        assert len(explorer.history) == 2

    def test_cancel_ends_a_long_method_at_its_next_step(self, explorer: Explorer, view: FakeView) -> None:
        number = view.request(method="rise", knobs={"rise": {"masks": 5000}})
        end = time.monotonic() + 20
        while not view.parts(number, "tubes") and time.monotonic() < end:
            time.sleep(0.02)
        assert view.parts(number, "progress")[-1]["total"] > 1
        view.send("cancel", id=number)
        assert view.end(number, 10)["end"] == "cancelled"
        assert (explorer.method, len(explorer.history)) == ("saliency_tubes", 1)

    def test_every_request_ends_once_and_errors_say_why(self, explorer: Explorer, view: FakeView) -> None:
        wrong: list[Callable[[], int]] = [
            lambda: view.request([edits.Ablate("nowhere")]),
            lambda: view.request([edits.Drop(frames=(0, FRAMES))]),
            lambda: view.request(target=9),
            lambda: view.request(method="magic"),
            lambda: view.request(knobs={"rise": {"masks": "many"}}),
            lambda: view.request(wants=["sound"]),
            lambda: view.send("request", settled=True),
            lambda: view.send("step", index=40),
            lambda: view.send("pin", index=-1, pinned=True),
            lambda: view.send("compare", a=0, b=9),
        ]
        for send in wrong:
            number = send()
            assert view.end(number)["end"] == "error"
            assert view.end(number)["words"]
            assert len(view.ends(number)) == 1
        assert (explorer.edits, explorer.error, len(explorer.history)) == ((), "", 1)
        hello = view.send("hello")
        assert view.end(hello)["end"] == "done"

    def test_messages_of_others_and_nonsense_are_left_alone(self, explorer: Explorer, view: FakeView) -> None:
        for content in (None, 3, {}, {"type": "anywidget"}, {"type": "request"}, {"type": "request", "session": "", "id": 1},
                        {"type": "request", "session": "view", "id": "1"}):  # fmt: skip
            explorer._receive(None, content, [])
        explorer.wait()
        assert view.messages == []

    def test_steps_pins_and_comparisons(self, explorer: Explorer, view: FakeView) -> None:
        view.end(view.request([HIDE], target=1))
        view.end(view.send("pin", index=1, pinned=True))
        assert [step["pinned"] for step in explorer.history] == [False, True]
        number = view.send("compare", a=0, b=1)
        view.end(number)
        (part,) = view.parts(number, "compare")
        assert part["state"]["titles"][1].startswith("step 2")
        view.end(view.send("step", index=0))
        assert (explorer.step, explorer.edits) == (0, ())
        view.end(view.request([edits.Flip()], target=1))
        assert [step["pinned"] for step in explorer.history] == [False, True, False], "the pinned step stays"

    def test_two_views_hear_their_own_answers(self, explorer: Explorer, view: FakeView) -> None:
        other = FakeView(explorer, "other")
        first, second = view.request([HIDE], settled=False), other.request([edits.Flip()], settled=False)
        view.end(first), other.end(second)
        assert all(message["session"] == "view" for message in view.messages)
        assert view.parts(first, "probabilities")[0]["after"] != other.parts(second, "probabilities")[0]["after"]


def test_a_thousand_answers_cost_no_memory_of_old_steps(explorer: Explorer) -> None:
    for seed in range(30):
        explorer.edits = [edits.Shuffle(seed=seed)]
        explorer.wait()
    states = [bool(step.answer.states) for step in explorer._conversation.history.steps]
    assert sum(states) <= 18
    assert states[-1]
    explorer._conversation.show(3)
    explorer.wait()
    assert explorer.tubes
    assert explorer.edits == (edits.Shuffle(seed=2),)


def test_the_module_the_gradients_and_the_random_numbers_stay(explorer: Explorer) -> None:
    module = explorer.model.module
    state = {name: value.clone() for name, value in module.state_dict().items()}
    random = torch.get_rng_state()
    explorer.edits = [HIDE, edits.Ablate("first", channels=(0,)), edits.Shuffle(seed=3)]
    explorer.method = "pyramid"
    explorer.wait()
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_closed_explorer_is_freed() -> None:
    explorer = Explorer(small_model(), small_clip())
    explorer.edits = [HIDE]
    explorer.wait()
    explorer.close()
    reference = weakref.ref(explorer)
    del explorer
    gc.collect()
    assert reference() is None


def test_training_between_two_previews_is_seen(explorer: Explorer, view: FakeView) -> None:
    def preview() -> Any:
        number = view.request([HIDE], settled=False)
        view.end(number)
        return view.parts(number, "probabilities")[0]["after"]["logits"]

    first = preview()
    assert preview() == first
    with torch.no_grad():
        explorer.model.module.head.bias.add_(1)
    np.testing.assert_allclose(preview(), np.add(first, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(preview(), _alone(explorer, [HIDE]).logits, rtol=1e-4, atol=1e-6)


def test_training_beside_the_explorer_gives_the_losses_of_training_alone() -> None:
    def losses(explorer: Explorer | None, model: ne.VideoModel) -> list[float]:
        generator = torch.Generator().manual_seed(3)
        videos = torch.randn(12, 2, 3, FRAMES, SIZE, SIZE, generator=generator)
        optimiser = torch.optim.SGD(model.module.parameters(), lr=0.05)
        found = []
        for index, video in enumerate(videos):
            if explorer is not None:
                explorer.edits = [edits.Shuffle(seed=index)]
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model.module(video), torch.tensor([0, 2]))
            loss.backward()
            optimiser.step()
            found.append(loss.item())
            time.sleep(0.01)
        return found

    model = small_model()
    explorer = Explorer(model, small_clip())
    explorer.wait()
    beside = losses(explorer, model)
    explorer.wait()
    explorer.close()
    assert beside == losses(None, small_model())

"""The explorer: edit a clip or its network in the cell; prediction and explanation follow while you watch.

Views send requests (``messages``), a thread answers them beside the cells (``worker``, ``answering``), and every settled
request is a step of the history (``steps``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import traitlets

from notebook_explain._atomic import replacing
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.display import compare as compare_view
from notebook_explain.display import runs
from notebook_explain.explanations import Explanation
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explorer import running_cells
from notebook_explain.explorer.code import variable_of
from notebook_explain.explorer.conversation import Conversation
from notebook_explain.explorer.edit_menu import edit_menu
from notebook_explain.explorer.messages import PYRAMID, TUBES, WANTS
from notebook_explain.explorer.methods import method_of, methods_for
from notebook_explain.explorer.steps import Entry, Question, Step
from notebook_explain.explorer.subject import Subject, scores_state
from notebook_explain.models import VideoModel
from notebook_explain.what_if.edits import Edit, split_edits
from notebook_explain.widgets import base
from notebook_explain.widgets.explorer_view import ExplorerView
from notebook_explain.widgets.wire.common import clip_state

FIRST_WAIT = 30.0  # seconds that a cell waits for the first explanation
_ASKED = ("target", "against", "method", "knobs")


class Explorer(ExplorerView):
    """See a clip, a network, its explanations and what changes them, in one cell that never freezes.

    Everything is computed by a thread beside the cells. Reading `result` or `explanation` waits for it.

    Parameters
    ----------
    module : nn.Module or VideoModel
        Never changed: edits of the network apply to a copy that shares its parameters.
    clip : Clip, path, or array
        As for `explain`. The explorer shows it as the network sees it, and edits count its pixels and frames.
    target : label or index, optional
        Class to explain first; by default the one with the highest score.
    edits : sequence of edits
        The first edits, such as ``[ne.edits.Reverse()]``.
    method : str
        Key of the first method, such as "sharp_tubes", "saliency_tubes", "pyramid" or "occlusion"; `methods` lists them.
    concepts : Concepts, optional
        Offered as a method.
    head : str, optional
        Head of a network that has several; by default the first.
    title : str

    Attributes
    ----------
    model : VideoModel
    clip : Clip
        As the network sees it, without edits.
    concepts : Concepts or None
    target, against : int
        Index of the explained class, and of the class that it is compared with or None. Set them by label or index.
    method : str
    knobs : dict of method to dict of knob to value

    Raises
    ------
    TypeError, ValueError
        Not a model or a clip, an edit that does not fit, or no such class, method or head.
    """

    def __init__(
        self,
        module: Any,
        clip: Any,
        target: Any = None,
        *,
        edits: Any = (),
        method: str = "sharp_tubes",
        concepts: Any = None,
        head: str | None = None,
        title: str = "",
    ) -> None:
        subject = Subject(module, clip, head, concepts)
        methods = methods_for(subject.model, concepts)
        found = method_of(methods, method)
        first = int(subject.head.logits.argmax()) if target is None else subject.index("target", target)
        entries = tuple(Entry(edit) for edit in _edit_list(edits))
        question = Question(entries, first, None, found.key)
        subject.edited(question.edits)  # wrong edits raise here
        self._subject, self._writer = subject, 0  # thread that writes a step
        self._conversation = Conversation(subject, methods, question, self)
        running_cells.watch()
        super().__init__(
            title=title,
            clip_state=clip_state(subject.clip),
            labels=list(subject.head.labels),
            kind=subject.head.kind,
            before=scores_state(subject.head),
            after=scores_state(subject.head),
            target=first,
            method=found.key,
            methods=[each.to_json() for each in methods],
            edit_list=[entry.to_json() for entry in entries],
            edit_kinds=edit_menu(),
            layers=_layer_states(subject.model),
        )
        self.on_msg(self._receive)
        self.observe(self._ask_by_traits, list(_ASKED))
        runs.close_last_run(self)
        self._conversation.ask(question, (TUBES,))

    def __repr__(self) -> str:
        return f"Explorer({self.model!r}, {self.clip!r})"

    @property
    def model(self) -> VideoModel:
        """Return the model without edits."""
        return self._subject.model

    @property
    def clip(self) -> Clip:
        """Return the clip as the network sees it, without edits."""
        return self._subject.clip

    @property
    def concepts(self) -> Any:
        """Return the concepts that were given."""
        return self._subject.concepts

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Return the edits that are switched on; set a list of edits to apply them.

        Raises
        ------
        TypeError, ValueError
            When set: an edit does not fit the clip or the network.
        """
        return self._conversation.question.edits

    @edits.setter
    def edits(self, edits: Any) -> None:
        question = replace(self._conversation.question, entries=tuple(Entry(edit) for edit in _edit_list(edits)))
        self._subject.edited(question.edits)  # wrong edits raise here
        self._ask(question)

    @property
    def explanation(self) -> Any:
        """Return the explanation of the step shown; waits for it."""
        return self._shown().answer.explanation

    @property
    def result(self) -> Any:
        """Return what the edits of the step shown change, as a `WhatIf` with both explanations; waits for it."""
        from notebook_explain.what_if import what_if

        question = self._shown().question
        method = method_of(self._conversation.methods, question.method)
        explainer = (
            method.explainer(**question.values)
            if method.makes in (TUBES, PYRAMID) and isinstance(method.explainer, type)
            else None
        )
        return what_if(self.model, self.clip, question.edits, self._subject.target(question), explainer)

    @property
    def code(self) -> str:
        """Return Python that gives the same numbers as the step shown; waits for it."""
        return self._shown().code

    def undo(self) -> None:
        """Show the step before.

        Raises
        ------
        ValueError
            There is none.
        """
        self._move(-1)

    def redo(self) -> None:
        """Show the next step.

        Raises
        ------
        ValueError
            There is none.
        """
        self._move(1)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is computed; False after ``timeout`` seconds.

        Raises
        ------
        Exception
            What the last request from Python failed with.
        """
        return self._conversation.wait(timeout)

    def compare(self, a: int, b: int) -> Any:
        """Return a viewer of two steps of the history side by side, by index.

        Raises
        ------
        ValueError
            There is no such step, or its explanation is not Tubes.
        """
        self.wait()
        tubes, titles = self._conversation.sides(a, b)
        return compare_view(*tubes, titles=titles, same_clip=False)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write a page that shows the last result without a kernel; what needs the kernel says so.

        Raises
        ------
        OSError
            The folder does not exist.
        """
        from notebook_explain.widgets.html import page

        self._shown()
        path = Path(path)
        with replacing(path) as temporary:
            temporary.write_text(page([self], title or self.heading(), self.notes(), self.page_width), "utf-8")
        return path

    def heading(self) -> str:
        """Return the heading of a page."""
        return self.title or f"What if? {self.clip.name}"

    def notes(self) -> list[str]:
        """Return the lines at the foot of a page: where the explanation comes from."""
        return [line for each in self.explanations for line in provenance_lines(each)]

    def close(self) -> None:
        """End the work, and close the widget."""
        conversation = getattr(self, "_conversation", None)
        if conversation is not None:
            conversation.worker.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self._conversation.worker.wait(FIRST_WAIT)
        return super()._repr_mimebundle_(**options)

    @traitlets.validate(*_ASKED)
    def _check_asked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "method":
            return check_choice(name, value, [method["key"] for method in self.methods] or [value])
        if name == "knobs":
            return self._conversation.checked_knobs(value)
        return value if value is None else base.check_index(name, value, len(self.labels))

    def _ask_by_traits(self, _: Any) -> None:
        if self._writer != threading.get_ident():
            self._ask(replace(self._conversation.question, **{name: getattr(self, name) for name in _ASKED}))

    def _ask(self, question: Question) -> None:
        """Ask, and compute what the views show now."""
        self._conversation.ask(question, tuple(name for name in WANTS if getattr(self, name)) or (TUBES,))

    def _move(self, by: int) -> None:
        self.wait()
        self._conversation.show(self._conversation.history.index + by)
        self.wait()

    def _shown(self) -> Step:
        """Return the step shown, after waiting for it."""
        self.wait()
        step = self._conversation.history.current
        assert step is not None
        return step

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        self._conversation.receive(content)

    # Host of the conversation

    def send_message(self, content: Any, buffers: list[bytes]) -> None:
        """Send a message to the views; nothing after `close`."""
        if self.comm is not None:
            self.send(content, buffers)

    def show_step(self, step: Step) -> None:
        """Write a step into the traits: one message to the views."""
        question, answer = step.question, step.answer
        explanations = (answer.explanation, answer.pyramid)
        self.explanations = tuple(each for each in explanations if isinstance(each, Explanation))[:1]
        self._writer = threading.get_ident()
        try:
            with self.hold_sync():
                self.after = scores_state(answer.scores)
                self.target, self.against, self.method = question.target, question.against, question.method
                self.knobs = {name: dict(values) for name, values in question.knobs.items() if values}
                self.edit_list = [entry.to_json() for entry in question.entries]
                for name in ("tubes", "pyramid", "animation", "figure"):
                    setattr(self, name, dict(answer.states.get(name, {})))
                self.words, self.caveats, self.error = step.words, list(answer.caveats), ""
                self.show_history()
        finally:
            self._writer = 0

    def show_history(self) -> None:
        """Write the history into the traits."""
        history = self._conversation.history
        with self.hold_sync():
            self.history = [step.to_json() for step in history.steps]
            self.step = history.index

    def show_error(self, words: str) -> None:
        """Write an error into its trait; the traits of the step shown come back."""
        step = self._conversation.history.current
        if step is not None:
            self.show_step(step)
        self.error = words

    def variable(self) -> str:
        """Return the name of the notebook's variable that holds this explorer."""
        return variable_of(self)


def _edit_list(edits: Any) -> Sequence[Edit]:
    split_edits(edits)  # raises for anything else
    return [edits] if isinstance(edits, Edit) else list(edits)


def _layer_states(model: VideoModel) -> list[dict[str, Any]]:
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "shape": list(layer.grid),
            "channels": layer.parts[0].layout.channels,
        }
        for layer in model.layers
    ]

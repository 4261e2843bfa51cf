"""The explorer: edit a clip or its network in the cell; prediction and explanation follow while you watch.

Views send requests (``messages``), a thread answers them beside the cells (``worker``, ``answering``), and every settled
request is a step of the history (``steps``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.display import compare as compare_view
from notebook_explain.display import runs
from notebook_explain.explanations import Explanation, Tubes
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explorer import messages, running_cells
from notebook_explain.explorer.answering import Answering
from notebook_explain.explorer.code import code_of, variable_of
from notebook_explain.explorer.edit_menu import edit_menu
from notebook_explain.explorer.messages import TUBES, Message
from notebook_explain.explorer.methods import method_of, methods_for
from notebook_explain.explorer.steps import Answer, Entry, History, Question, Step, change_in_words
from notebook_explain.explorer.subject import Subject, scores_state
from notebook_explain.explorer.worker import DONE, ERROR, Job, Worker
from notebook_explain.models import VideoModel
from notebook_explain.what_if.edits import Edit, from_json, split_edits
from notebook_explain.widgets import compare_viewer
from notebook_explain.widgets.explorer_view import ExplorerView
from notebook_explain.widgets.wire.common import clip_state

FIRST_WAIT = 30.0  # seconds that a cell waits for the first explanation
_ASKED = ("target", "against", "method", "knobs")
_LONGEST = 600  # letters of an error


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
        self._subject, self._methods, self._question = subject, methods, question
        self._lock, self._writing, self._parts = threading.RLock(), 0, 0
        self._history = History()
        self._failure: BaseException | None = None
        self._worker = Worker(running_cells.threads)
        running_cells.watch()
        super().__init__(
            title=title,
            clip_state=clip_state(subject.clip),
            labels=list(subject.head.labels),
            kind=subject.head.kind,
            before=scores_state(subject.before),
            after=scores_state(subject.before),
            target=first,
            method=found.key,
            methods=[each.to_json() for each in methods],
            edit_list=[entry.to_json() for entry in entries],
            edit_kinds=edit_menu(),
            layers=_layer_states(subject.model),
        )
        self.on_msg(self._receive)
        self.observe(self._asked_by_trait, list(_ASKED))
        runs.close_last_run(self)
        self._ask(question, (TUBES,))

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
        """Return the edits that are switched on; set a list of edits to apply them."""
        return self._question.edits

    @edits.setter
    def edits(self, edits: Any) -> None:
        entries = tuple(Entry(edit) for edit in _edit_list(edits))
        self._ask_checked(_with(self._question, entries=entries))

    @property
    def explanation(self) -> Any:
        """Return the explanation of the step shown; waits for it."""
        return self._step().answer.explanation

    @property
    def result(self) -> Any:
        """Return what the edits of the step shown change, as a `WhatIf` with the explanation; waits for it."""
        from notebook_explain.what_if import what_if

        step = self._step()
        return what_if(self.model, self.clip, step.question.edits, target=self._subject.target(step.question))

    @property
    def code(self) -> str:
        """Return Python that gives the same numbers as the step shown; waits for it."""
        return self._step().code

    def undo(self) -> None:
        """Show the step before."""
        self._show_step(self._history.index - 1)

    def redo(self) -> None:
        """Show the next step."""
        self._show_step(self._history.index + 1)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is computed; False after ``timeout`` seconds.

        Raises
        ------
        Exception
            What the last request from Python failed with.
        """
        is_idle = self._worker.wait(timeout)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return is_idle

    def compare(self, a: int, b: int) -> Any:
        """Return a viewer of two steps of the history side by side, by index; waits for what is computed.

        Raises
        ------
        ValueError
            There is no such step, or its explanation is not Tubes.
        """
        self.wait()
        return compare_view(self._tubes_of(a), self._tubes_of(b), titles=self._titles(a, b), same_clip=False)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write a page that shows the last result without a kernel; what needs the kernel says so.

        Raises
        ------
        OSError
            The folder does not exist.
        """
        from notebook_explain.widgets.html import page

        self._step()
        path = Path(path)
        notes = [line for each in self.explanations for line in provenance_lines(each)]
        with replacing(path) as temporary:
            temporary.write_text(page([self], title or self.title or "Explorer", notes, self.page_width), "utf-8")
        return path

    def close(self) -> None:
        """End the work, and close the widget."""
        worker = getattr(self, "_worker", None)
        if worker is not None:
            worker.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        self._worker.wait(FIRST_WAIT)
        return super()._repr_mimebundle_(**options)

    @traitlets.validate("target", "against", "method", "knobs")
    def _check_asked(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "method":
            return check_choice(name, value, [method.key for method in self._methods])
        if name == "knobs":
            return _checked_knobs(self._methods, value)
        return None if value is None and name == "against" else self._subject.index(name, value)

    def set_trait(self, name: str, value: Any) -> None:
        """Set a trait, as traitlets does; classes by label or index."""
        super().set_trait(name, value)

    def _asked_by_trait(self, change: Any) -> None:
        if self._writing == 0 and change["owner"] is self and hasattr(self, "_worker"):
            values = {name: getattr(self, name) for name in _ASKED}
            self._ask(_with(self._question, **values))

    # Requests

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        """Take a message of a view, on the thread that it arrives on; computing is left to the worker."""
        try:
            message = messages.read(content)
        except UsageError as error:
            self._end(content.get("session"), content.get("id"), ERROR, str(error))
            return
        if message is None:
            return
        try:
            self._handle(message)
        except Exception as error:  # exceptions of handlers are seen nowhere
            self._end(message.session, message.id, ERROR, _words(error))

    def _handle(self, message: Message) -> None:
        content = message.content
        if message.type == messages.CANCEL:
            self._worker.cancel(message.session, message.id)
        elif message.type == messages.HELLO:
            self._end(message.session, message.id, DONE, "")
        elif message.type == messages.PIN:
            self._pin(content["index"], content["pinned"])
            self._end(message.session, message.id, DONE, "")
        elif message.type == messages.COMPARE:
            self._submit(message, lambda job: self._send_comparison(message, content["a"], content["b"]))
        elif message.type == messages.STEP:
            index = self._check_step(content["index"])
            self._submit(message, lambda job: self._restore(job, message, index))
        else:
            question = self._question_of(content)
            if content["settled"]:
                self._question = question
                wants = content["wants"]
                self._submit(message, lambda job: self._settle(job, message, question, wants))
            else:
                frame = content["frame"]
                self._submit(message, lambda job: self._answering(job, message, question).preview(frame), False)

    def _question_of(self, content: Mapping[str, Any]) -> Question:
        entries = tuple(Entry(from_json(edit), enabled) for edit, enabled in content["edits"])
        against = None if content["against"] is None else self._subject.index("against", content["against"])
        target = self._subject.index("target", content["target"])
        method = method_of(self._methods, content["method"]).key
        return Question(
            entries, target, None if against == target else against, method, _checked_knobs(self._methods, content["knobs"])
        )

    def _submit(self, message: Message | None, run: Any, is_settled: bool = True) -> Job:
        """Give work to the worker; a request of Python has no message."""
        session, number = ("", 0) if message is None else (message.session, message.id)

        def end(how: str, error: BaseException | None) -> None:
            if how == ERROR:
                self._fail(session, error)
            if message is not None:
                self._end(session, number, how, "" if error is None else _words(error))

        job = Job(session, run, end, is_settled=is_settled, request=number)
        self._worker.submit(job)
        return job

    def _ask(self, question: Question, wants: tuple[str, ...] = ()) -> None:
        self._question = question
        shown = tuple(name for name in messages.WANTS if getattr(self, name)) or (TUBES,)
        self._submit(None, lambda job: self._settle(job, None, question, wants or shown))

    def _ask_checked(self, question: Question) -> None:
        """Ask from Python; an edit that does not fit raises here."""
        self._subject.edited(question.edits)
        self._ask(question)

    def _answering(self, job: Job, message: Message | None, question: Question) -> Answering:
        def send(part: dict[str, Any]) -> None:
            if message is not None:
                self._send({"session": message.session, "id": message.id, **part})

        return Answering(self._subject, self._methods, question, send, job.check)

    def _settle(self, job: Job, message: Message | None, question: Question, wants: tuple[str, ...]) -> None:
        current = self._history.current
        previous = current.answer if current is not None and current.question.is_same(question) else None
        answer = self._answering(job, message, question).answer(wants, previous)
        labels = self._subject.head.labels
        words = change_in_words(labels, self._subject.before, answer.scores, question.target)
        method = method_of(self._methods, question.method)
        code = code_of(question, labels, self._subject.head.name, method, variable_of(self))
        job.check()
        with self._lock:
            self._write(self._history.add(question, answer, words, code))

    def _restore(self, job: Job, message: Message, index: int) -> None:
        step = self._history.steps[index]
        if not step.answer.states:  # an old step, whose answer was dropped
            answer = self._answering(job, message, step.question).answer((TUBES,), None)
            step = self._history.renew(index, answer)
        with self._lock:
            self._history.index, self._question = index, step.question
            self._write(step)

    def _show_step(self, index: int) -> None:
        """Show a step from Python, at once."""
        self.wait()
        message = Message(messages.STEP, "", 0)
        self._submit(None, lambda job: self._restore(job, message, self._check_step(index)))
        self.wait()

    def _check_step(self, index: int) -> int:
        count = len(self._history.steps)
        if not 0 <= index < count:
            raise UsageError(f"there is no step {index}; the history has steps 0 to {count - 1}")
        return index

    # Answers

    def _write(self, step: Step) -> None:
        """Write a step into the traits: one message to the views."""
        question, answer = step.question, step.answer
        explanations = (answer.explanation, answer.pyramid)
        self.explanations = tuple(each for each in explanations if isinstance(each, Explanation))[:1]
        self._writing += 1
        try:
            with self.hold_sync():
                self.after = scores_state(answer.scores)
                self.target, self.against, self.method = question.target, question.against, question.method
                self.knobs = {name: dict(values) for name, values in question.knobs.items() if values}
                self.edit_list = [entry.to_json() for entry in question.entries]
                for name in ("tubes", "pyramid", "animation", "figure"):
                    setattr(self, name, dict(answer.states.get(name, {})))
                self.words, self.caveats = step.words, list(answer.caveats)
                self.history = [self._step_state(each) for each in self._history.steps]
                self.step, self.error = self._history.index, ""
        finally:
            self._writing -= 1

    def _step_state(self, step: Step) -> dict[str, Any]:
        question, scores = step.question, step.answer.scores
        values = scores.logits if scores.probabilities is None else scores.probabilities
        top = int(values.argmax())
        return {
            "id": step.id,
            "words": step.words,
            "edits": [entry.to_json() for entry in question.entries],
            "target": question.target,
            "against": question.against,
            "method": question.method,
            "knobs": {name: dict(given) for name, given in question.knobs.items() if given},
            "code": step.code,
            "pinned": step.pinned,
            "top": [self._subject.head.labels[top], float(values[top])],
        }

    def _pin(self, index: int, pinned: bool) -> None:
        with self._lock:
            self._history.pin(self._check_step(index), pinned)
            self.history = [self._step_state(each) for each in self._history.steps]

    def _fail(self, session: str, error: BaseException | None) -> None:
        """Keep the state before; an error of a request from Python is raised by `wait`."""
        current = self._history.current
        if current is not None:
            self._question = current.question
        if session == "":
            self._failure = error
            with self._lock:
                self.error = "" if error is None else _words(error)

    def _send_comparison(self, message: Message, a: int, b: int) -> None:
        sides = self._tubes_of(a), self._tubes_of(b)
        state = compare_viewer.initial_state(*sides, titles=self._titles(a, b), same_clip=False)
        self._send({"session": message.session, "id": message.id, "part": "compare", "state": state})

    def _tubes_of(self, index: int) -> Tubes:
        explanation = self._history.steps[self._check_step(index)].answer.explanation
        if not isinstance(explanation, Tubes):
            raise UsageError(f"step {index} has no tubes to compare; show it again with a method that makes tubes")
        return explanation

    def _titles(self, a: int, b: int) -> tuple[str, str]:
        return tuple(f"step {index + 1}: {self._history.steps[index].words}" for index in (a, b))  # type: ignore[return-value]

    def _send(self, content: dict[str, Any]) -> None:
        """Send a part; parts count up."""
        self._parts += 1
        plain, buffers = messages.with_buffers({**content, "seq": self._parts})
        if self.comm is not None:
            self.send(plain, buffers)

    def _end(self, session: Any, number: Any, how: str, words: str) -> None:
        if self.comm is not None:
            self.send({"session": session, "id": number, "end": how, "words": words})

    def _step(self) -> Step:
        """Return the step shown, after waiting for it."""
        self.wait()
        current = self._history.current
        assert current is not None
        return current


def _edit_list(edits: Any) -> Sequence[Edit]:
    split_edits(edits)  # raises for anything else
    return [edits] if isinstance(edits, Edit) else list(edits)


def _with(question: Question, **values: Any) -> Question:
    from dataclasses import replace

    return replace(question, **values)


def _checked_knobs(methods: Any, knobs: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(knobs, Mapping) or not all(isinstance(values, Mapping) for values in knobs.values()):
        raise UsageTypeError(f"knobs must be {{method: {{knob: value}}}}, got {knobs!r}")
    checked = {key: method_of(methods, key).values(values) for key, values in knobs.items()}
    return {key: values for key, values in checked.items() if values}


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


def _words(error: BaseException) -> str:
    """Return an error as a sentence for readers; a bug names its class."""
    text = str(error) or type(error).__name__
    text = text if isinstance(error, (UsageError, RuntimeError)) else f"{type(error).__name__}: {text}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"

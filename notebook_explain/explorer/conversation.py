"""Requests of views and of Python: they become jobs of the worker, and settled ones steps of the history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import Tubes
from notebook_explain.explorer import messages, running_cells
from notebook_explain.explorer.answering import Answering
from notebook_explain.explorer.code import code_of
from notebook_explain.explorer.messages import TUBES, Message
from notebook_explain.explorer.methods import Method, method_of
from notebook_explain.explorer.steps import Entry, History, Question, Step, step_words
from notebook_explain.explorer.subject import Subject
from notebook_explain.explorer.worker import DONE, ERROR, Job, Worker
from notebook_explain.what_if.edits import from_json
from notebook_explain.widgets import compare_viewer

PYTHON = ""  # session of requests from Python
LONGEST_ERROR = 600  # letters


class Host(Protocol):
    """Widget that shows the conversation."""

    def send_message(self, content: Any, buffers: list[bytes]) -> None:
        """Send a message to the views."""

    def show_step(self, step: Step) -> None:
        """Show a step."""

    def show_history(self) -> None:
        """Show the history again."""

    def show_error(self, words: str) -> None:
        """Show why a request from Python failed."""

    def variable(self) -> str:
        """Return the name of the variable that code refers to."""


class Conversation:
    """Requests and their answers.

    Parameters
    ----------
    subject : Subject
    methods : tuple of Method
    question : Question
        The first one.
    host : Host

    Attributes
    ----------
    question : Question
        The latest settled one; after an error, that of the step shown.
    history : History
    worker : Worker
    lock : RLock
        Held while the history or the host changes.
    """

    def __init__(self, subject: Subject, methods: tuple[Method, ...], question: Question, host: Host) -> None:
        self.subject, self.methods, self.question = subject, methods, question
        self.history, self.lock = History(), threading.RLock()
        self.worker = Worker(running_cells.threads)
        self._host, self._parts = host, 0
        self._failure: BaseException | None = None

    # Python

    def ask(self, question: Question, wants: tuple[str, ...]) -> None:
        """Ask from Python; the first step of the history comes first."""
        if not self.history.steps:
            self.worker.wait()
        self.question = question
        self._submit(None, lambda job: self._settle(job, None, question, wants))

    def show(self, index: int) -> None:
        """Show a step from Python."""
        self.check_step(index)
        self._submit(None, lambda job: self._restore(job, None, index))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is in work, and raise what the last request from Python failed with; False after a timeout."""
        is_idle = self.worker.wait(timeout)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return is_idle

    # Views

    def receive(self, content: Any) -> None:
        """Take a message of a view, on the thread that it arrives on; computing is left to the worker."""
        try:
            message = messages.read(content)
        except UsageError as error:
            self._end(content["session"], content["id"], ERROR, str(error))
            return
        if message is None:
            return
        try:
            self._handle(message)
        except Exception as error:  # exceptions of handlers are seen nowhere
            self._end(message.session, message.id, ERROR, words_of(error))

    def _handle(self, message: Message) -> None:
        content = message.content
        if message.type == messages.CANCEL:
            self.worker.cancel(message.session, message.id)
        elif message.type == messages.HELLO:
            self._end(message.session, message.id, DONE, "")
        elif message.type == messages.PIN:
            with self.lock:
                self.history.pin(self.check_step(content["index"]), content["pinned"])
                self._host.show_history()
            self._end(message.session, message.id, DONE, "")
        elif message.type == messages.COMPARE:
            a, b = self.check_step(content["a"]), self.check_step(content["b"])
            self._submit(message, lambda job: self._send_comparison(message, a, b))
        elif message.type == messages.STEP:
            index = self.check_step(content["index"])
            self._submit(message, lambda job: self._restore(job, message, index))
        else:
            question, wants, frame = self._question_of(content), content["wants"], content["frame"]
            if content["settled"]:
                self.question = question
                self._submit(message, lambda job: self._settle(job, message, question, wants))
            else:
                self._submit(message, lambda job: self._answering(job, message, question).preview(frame), False)

    def _question_of(self, content: Mapping[str, Any]) -> Question:
        entries = tuple(Entry(from_json(edit), enabled) for edit, enabled in content["edits"])
        target = self.subject.index("target", content["target"])
        against = None if content["against"] is None else self.subject.index("against", content["against"])
        method = method_of(self.methods, content["method"]).key
        knobs = self.checked_knobs(content["knobs"])
        return Question(entries, target, None if against == target else against, method, knobs)

    def checked_knobs(self, knobs: Any) -> dict[str, dict[str, Any]]:
        """Return valid values of knobs, without those that are the default.

        Raises
        ------
        TypeError, ValueError
            No such method or knob, or a value that it does not take.
        """
        if not isinstance(knobs, Mapping) or not all(isinstance(values, Mapping) for values in knobs.values()):
            raise UsageTypeError(f"knobs must be {{method: {{knob: value}}}}, got {knobs!r}")
        checked = {key: method_of(self.methods, key).values(values) for key, values in knobs.items()}
        return {key: values for key, values in checked.items() if values}

    def check_step(self, index: int) -> int:
        """Return the index of a step; ValueError if there is none."""
        count = len(self.history.steps)
        if not 0 <= index < count:
            raise UsageError(f"there is no step {index}; the history has steps 0 to {count - 1}")
        return index

    # Jobs

    def _submit(self, message: Message | None, run: Callable[[Job], None], is_settled: bool = True) -> None:
        session, number = (PYTHON, 0) if message is None else (message.session, message.id)

        def end(how: str, error: BaseException | None) -> None:
            if how == ERROR:
                self._fail(session, error)
            if message is not None:
                self._end(session, number, how, "" if error is None else words_of(error))

        self.worker.submit(Job(session, run, end, is_settled=is_settled, request=number))

    def _answering(self, job: Job, message: Message | None, question: Question) -> Answering:
        def send(part: dict[str, Any]) -> None:
            if message is not None:
                self._send({"session": message.session, "id": message.id, **part})

        return Answering(self.subject, self.methods, question, send, job.check)

    def _settle(self, job: Job, message: Message | None, question: Question, wants: tuple[str, ...]) -> None:
        current = self.history.current
        previous = current.answer if current is not None and current.question.is_same(question) else None
        answer = self._answering(job, message, question).answer(wants, previous)
        words = step_words(self.subject.head, answer.scores, question.target)
        method = method_of(self.methods, question.method)
        code = code_of(question, self.subject.head, method, self._host.variable())
        job.check()
        with self.lock:
            self._host.show_step(self.history.add(question, answer, words, code))

    def _restore(self, job: Job, message: Message | None, index: int) -> None:
        step = self.history.steps[index]
        if not step.answer.states:  # of an old step, dropped
            answer = self._answering(job, message, step.question).answer((TUBES,), None)
            step = self.history.renew(index, answer)
        with self.lock:
            self.history.index, self.question = index, step.question
            self._host.show_step(step)

    def _fail(self, session: str, error: BaseException | None) -> None:
        """Keep the step shown; `wait` raises the error of a request from Python."""
        current = self.history.current
        if current is not None:
            self.question = current.question
        if session == PYTHON:
            self._failure = error
            with self.lock:
                self._host.show_error("" if error is None else words_of(error))

    # Answers

    def sides(self, a: int, b: int) -> tuple[tuple[Tubes, Tubes], tuple[str, str]]:
        """Return the tubes of two steps, and their titles.

        Raises
        ------
        ValueError
            The explanation of a step is not Tubes.
        """
        steps = [self.history.steps[self.check_step(index)] for index in (a, b)]
        for step in steps:
            if not isinstance(step.answer.explanation, Tubes):
                raise UsageError(f"step '{step.words}' has no tubes to compare; show it with a method that makes tubes")
        first, second = (step.answer.explanation for step in steps)
        titles = tuple(f"step {index + 1}: {step.words}" for index, step in zip((a, b), steps, strict=True))
        return (first, second), (titles[0], titles[1])

    def _send_comparison(self, message: Message, a: int, b: int) -> None:
        tubes, titles = self.sides(a, b)
        state = compare_viewer.initial_state(*tubes, titles=titles, same_clip=False)
        self._send({"session": message.session, "id": message.id, "part": "compare", "state": state})

    def _send(self, content: dict[str, Any]) -> None:
        self._parts += 1
        self._host.send_message(*messages.with_buffers({**content, "seq": self._parts}))

    def _end(self, session: str, number: int, how: str, words: str) -> None:
        self._host.send_message({"session": session, "id": number, "end": how, "words": words}, [])


def words_of(error: BaseException) -> str:
    """Return an error as a sentence for readers; a bug names its class."""
    text = str(error) or type(error).__name__
    text = text if isinstance(error, (UsageError, RuntimeError)) else f"{type(error).__name__}: {text}"
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]} …"

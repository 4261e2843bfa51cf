"""Answer a question step by step: scores first, then the explanation as it grows, then the pyramid row by row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from notebook_explain._progress import listening
from notebook_explain.clip import Clip
from notebook_explain.explanations.predictions import HeadPrediction
from notebook_explain.explanations.progress import Progress
from notebook_explain.explorer.messages import PYRAMID, TUBES
from notebook_explain.explorer.methods import Method, method_of
from notebook_explain.explorer.steps import Answer, Question, step_words
from notebook_explain.explorer.subject import Subject, caveats_of, scores_state, states_of
from notebook_explain.explorer.worker import Clock
from notebook_explain.models import VideoModel
from notebook_explain.widgets.wire.common import encode_jpegs

PROGRESS_EVERY, PARTIAL_EVERY = 0.1, 0.4  # seconds
_DEFAULT = {TUBES: "sharp_tubes", PYRAMID: "pyramid"}  # method that makes what a view wants besides

Send = Callable[[dict[str, Any]], None]
Check = Callable[[], None]


@dataclass
class Answering:
    """Work on one question.

    Parameters
    ----------
    subject : Subject
    methods : tuple of Method
    question : Question
    send : function
        Sends a part.
    check : function
        Raises if the work is not wanted any more.
    """

    subject: Subject
    methods: tuple[Method, ...]
    question: Question
    send: Send
    check: Check

    def preview(self, frame: int) -> None:
        """Send the scores, and one frame of the edited clip."""
        model, clip = self.subject.edited(self.question.edits)
        scores = self.subject.preview_scores(model, clip)
        picture = encode_jpegs(clip.frames[min(max(frame, 0), len(clip) - 1)][None])[0]
        self._send_scores(scores, picture)

    def answer(self, wants: tuple[str, ...], previous: Answer | None) -> Answer:
        """Return the answer.

        Parameters
        ----------
        wants : tuple of str
            "tubes", "pyramid": what the view shows, beside what the method makes.
        previous : Answer or None
            To the same question: what it has is not computed again.
        """
        model, clip = self.subject.edited(self.question.edits)
        self.check()
        scores = self.subject.scores(model, clip)
        self._send_scores(scores, None)
        self.check()
        explanation = None if previous is None else previous.explanation
        states = {} if previous is None else dict(previous.states)
        pyramid = None if previous is None else previous.pyramid
        method = method_of(self.methods, self.question.method)
        if explanation is None:
            explanation = self._explain(method, model, clip)
            states |= states_of(explanation)
            pyramid = explanation if method.makes == PYRAMID else pyramid
        shown = [explanation]
        for want in wants:
            if want in states:
                continue
            other = self._explain(method_of(self.methods, _DEFAULT[want]), model, clip)
            states |= states_of(other)
            shown.append(other)
            pyramid = other if want == PYRAMID else pyramid
        known = () if previous is None else previous.caveats
        texts = dict.fromkeys((*self.subject.clip_caveats, *known, *caveats_of(*shown)))
        return Answer(scores, explanation, pyramid, states, tuple(str(text) for text in texts))

    def _explain(self, method: Method, model: VideoModel, clip: Clip) -> Any:
        clock, last, result = Clock(), 0.0, None
        reported = [0.0]

        def report(stage: str, done: int, total: int) -> None:
            self.check()
            now = time.perf_counter()
            if now - reported[0] < PROGRESS_EVERY and done not in (0, total):
                return
            reported[0] = now
            left = clock.left(stage, done, total)
            self.send(
                {"part": "progress", "stage": f"{method.name}: {stage}", "done": done, "total": total, "left": left}
            )

        with listening(report):
            for step in self._steps(method, model, clip):
                report(step.stage, step.done, step.total)
                result = step.partial
                now = time.perf_counter()
                if result is not None and step.done < step.total and now - last >= PARTIAL_EVERY:
                    for part, state in states_of(result).items():
                        self.send({"part": part, "state": state})
                    last = time.perf_counter()
        self.check()
        return result

    def _steps(self, method: Method, model: VideoModel, clip: Clip) -> Iterator[Progress]:
        """Yield the steps of a method; the question's knobs are those of its own method."""
        values = self.question.knobs.get(method.key, {})
        return method.steps(values, model, clip, self.subject.target(self.question))

    def _send_scores(self, scores: HeadPrediction, picture: bytes | None) -> None:
        words = step_words(self.subject.head, scores, self.question.target)
        self.send({"part": "probabilities", "after": scores_state(scores), "words": words, "frame": picture})

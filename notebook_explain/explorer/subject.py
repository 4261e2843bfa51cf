"""Subject of the explorer: a model and a clip, and both with edits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.explanations import BlockReport, Concepts, Pyramid, Target, Tubes, Visualization
from notebook_explain.explanations.predictions import HeadPrediction
from notebook_explain.explanations.text import LONGEST_NAME, percent, short, shortened
from notebook_explain.explorer.steps import Question
from notebook_explain.models import VideoModel, adapt
from notebook_explain.models.kept_shadow import KeptShadow
from notebook_explain.what_if.clip_scores import ClipScorer
from notebook_explain.what_if.edits import Edit, NetworkEdit, edited_clip, edited_model
from notebook_explain.widgets import pyramid_viewer, tube_viewer
from notebook_explain.widgets.wire.common import encode_jpegs

_KEPT = 4  # edited models


class Subject:
    """A model and a clip, as the network sees it.

    Parameters
    ----------
    module : nn.Module or VideoModel
    clip : Clip, path, or array
    head : str, optional
        By default the first one.
    concepts : Concepts, optional

    Attributes
    ----------
    model : VideoModel
    clip : Clip
    head : HeadPrediction
        Classes of the head, and its scores without edits.
    """

    def __init__(self, module: Any, clip: Any, head: str | None = None, concepts: Concepts | None = None) -> None:
        if concepts is not None and not isinstance(concepts, Concepts):
            raise UsageTypeError(f"concepts must be Concepts, from ConceptDiscovery; got {type(concepts).__name__}")
        self.model: VideoModel = module if isinstance(module, VideoModel) else adapt(module)
        self.concepts = concepts
        read, self.clip = self.model.prepare(clip)
        self.clip_caveats = self.model.clip_caveats(read)
        (result,) = ClipScorer(self.model)([self.clip])
        heads = {one.name: one for one in result.heads}
        name = result.heads[0].name if head is None else check_choice("head", head, list(heads))
        self.head: HeadPrediction = heads[name]
        self._models: OrderedDict[tuple[Edit, ...], VideoModel] = OrderedDict()
        self._kept: KeptShadow | None = None

    def index(self, name: str, target: Any) -> int:
        """Return the index of a class that is given by label or index.

        Raises
        ------
        ValueError, TypeError
            There is no such class.
        """
        labels = self.head.labels
        if isinstance(target, str):
            check_choice(name, target, labels)
            return labels.index(target)
        if isinstance(target, bool) or not hasattr(target, "__index__"):
            raise UsageTypeError(f"{name} must be a label or the index of a class, got {target!r}")
        index = int(target)
        if not 0 <= index < len(labels):
            raise UsageError(f"{name} must lie in 0..{len(labels) - 1}, got {index}")
        return index

    def target(self, question: Question) -> Target:
        """Return the target of a question, as explainers take it."""
        target = Target(question.target, self.head.name or None)
        if question.against is None:
            return target
        return target - Target(question.against, self.head.name or None)

    def edited(self, edits: tuple[Edit, ...]) -> tuple[VideoModel, Clip]:
        """Return the model and the clip with edits.

        Raises
        ------
        ValueError, TypeError
            An edit does not fit the clip or the network.
        """
        return self.edited_model(edits), self.model.fit(edited_clip(self.clip, edits))

    def edited_model(self, edits: tuple[Edit, ...]) -> VideoModel:
        """Return the model with those edits that are of the network; the last ones are kept."""
        chosen = tuple(edit for edit in edits if isinstance(edit, NetworkEdit))
        if not chosen:
            return self.model
        if chosen not in self._models:
            self._models[chosen] = edited_model(self.model, chosen)
            while len(self._models) > _KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(chosen)
        return self._models[chosen]

    def scores(self, model: VideoModel, clip: Clip) -> HeadPrediction:
        """Return the scores of the head that is explored, from one pass."""
        self._kept = None
        return self._scores(model, clip, None)

    def preview_scores(self, model: VideoModel, clip: Clip) -> HeadPrediction:
        """Return the scores while a gesture goes on, which shares one shadow of the network until the next `scores`."""
        if self._kept is None or self._kept.model is not model:
            self._kept = KeptShadow(model)
        return self._scores(model, clip, self._kept)

    def _scores(self, model: VideoModel, clip: Clip, on_shadow: KeptShadow | None) -> HeadPrediction:
        (result,) = ClipScorer(model, on_shadow=on_shadow)([clip])
        return next(head for head in result.heads if head.name == self.head.name)


def scores_state(scores: HeadPrediction) -> dict[str, Any]:
    """Return scores as plain values."""

    def numbers(values: Any) -> list[float]:
        return [float(f"{value:.6g}") for value in np.asarray(values, np.float64)]

    found = scores.probabilities
    return {"logits": numbers(scores.logits), "probabilities": None if found is None else numbers(found)}


def states_of(explanation: Any) -> dict[str, dict[str, Any]]:
    """Return the state of the view that shows an explanation, by the trait that holds it."""
    if isinstance(explanation, Tubes):
        return {"tubes": tube_viewer.initial_state(explanation)}
    if isinstance(explanation, Pyramid):
        return {"pyramid": pyramid_viewer.initial_state(explanation)}
    if isinstance(explanation, Visualization):
        return {"animation": _animation_state(explanation)}
    if isinstance(explanation, BlockReport):
        from notebook_explain.figures.blocks.report import report_png

        return {"figure": {"png": report_png(explanation), "text": explanation.in_words()}}
    return {}


def _animation_state(visualization: Visualization) -> dict[str, Any]:
    made = visualization[0]
    rows = [["score", short(made.score)], ["score of the still", short(made.start_score)]]
    rows += [["says the network", _best_words(made.best)]] if made.best else []
    rows += [["of the still alone", _best_words(made.start_best)]] if made.start_best else []
    return {"frames": encode_jpegs(made.clip.frames), "text": visualization.in_words(), "rows": rows}


def _best_words(best: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{shortened(label, LONGEST_NAME)} {percent(share)}" for label, share in best[:3])


def caveats_of(*explanations: Any) -> tuple[str, ...]:
    """Return the caveats of explanations without duplicates."""
    from notebook_explain.explanations.caveats import caveats

    found = [
        text for each in explanations for text in (each.caveats if isinstance(each, Visualization) else caveats(each))
    ]
    return tuple(dict.fromkeys(str(text) for text in found))

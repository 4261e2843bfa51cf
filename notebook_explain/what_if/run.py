"""Predictions and explanations before and after edits of a clip or of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from notebook_explain._errors import UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain.clip import Clip
from notebook_explain.explanations import BlockReport, Provenance, Pyramid, Tubes
from notebook_explain.explanations.what_if.what_if import AppliedEdit, Side, WhatIf
from notebook_explain.models import VideoModel
from notebook_explain.models.content_key import clip_key
from notebook_explain.models.provenance import provenance_of
from notebook_explain.what_if.clip_scores import ClipResult, ClipScorer
from notebook_explain.what_if.edits import Edit, NetworkEdit, edited_clip, edited_model, split_edits

Explainer = Callable[[VideoModel, Any, Any], Any]


def what_if(
    model: VideoModel, clip: Any, edits: Any, target: Any = None, explainer: Explainer | None = None
) -> WhatIf | list[WhatIf]:
    """Return what edits do to the prediction of a network, and to its explanation.

    Parameters
    ----------
    model : VideoModel
        From ``notebook_explain.adapt``. The network is never changed: its edits are made on a copy.
    clip : Clip, path, or uint8 array (time, height, width, 3)
        Edits count in its pixels and frames; it is fitted to the network afterwards. A path is read at the network's size.
    edits : Edit, list of Edit, or list of lists of Edit
        From ``notebook_explain.edits``, applied in order. Several lists share one batch through the network.
    target : None, label, index or Target
        ``None`` is the top class before the edits.
    explainer : explainer, optional
        Such as ``SharpTubes()``; it explains the clip before and after.

    Returns
    -------
    WhatIf, or a list of them
        One for each list of edits.

    Raises
    ------
    TypeError, ValueError
        Something else than a model, a clip, edits or a target; an edit that does not fit the clip or the network.
    ExplainError
        The network fails on the edited clip, or returns NaN for it.

    Examples
    --------
    >>> ne.what_if(model, clip, [ne.edits.Reverse()])
    >>> ne.what_if(model, clip, [[ne.edits.Freeze(k)] for k in range(16)], explainer=ne.SharpTubes())
    """
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    is_list_of_lists = isinstance(edits, (list, tuple)) and bool(edits) and isinstance(edits[0], (list, tuple))
    lists: list[Any] = list(edits) if is_list_of_lists else [edits]
    with working("what if"):
        found = _Run(model, clip, target, explainer).what_ifs(lists)
    return found if is_list_of_lists else found[0]


@dataclass(frozen=True, eq=False)
class _Edited:
    """A list of edits applied: the clip as it is given to an explainer, as the network sees it, and the edits of the network."""

    edits: tuple[Edit, ...]
    clip: Clip
    seen: Clip
    network: tuple[NetworkEdit, ...]


class _Run:
    """One call of `what_if`.

    Attributes
    ----------
    forwards : int
        Number of clips that were run.
    """

    def __init__(self, model: VideoModel, clip: Any, target: Any, explainer: Explainer | None) -> None:
        self.start = time.perf_counter()
        self.model, self.explainer = model, explainer
        self.clip, self.seen = model.prepare(clip)
        self.scorer = ClipScorer(model, target)
        self.forwards = 0
        self.caveats: list[str] = [*model.caveats, *model.clip_caveats(self.clip), *self.clip.caveats]

    def what_ifs(self, lists: Sequence[Any]) -> list[WhatIf]:
        """Return the results of several lists of edits."""
        edited = [self._edited(entries) for entries in lists]
        stage("predictions")
        before, results = self._results(edited)
        explained = self._explain(self.model, self.clip) if self.explainer is not None else None
        first = Side(self.seen, before.heads, before.target, explained)
        found = []
        for index, (one, result) in enumerate(zip(edited, results, strict=True)):
            if self.explainer is not None:
                stage("explanations", index, len(edited))
            after = Side(one.seen, result.heads, result.target, self._explanation(one, explained))
            found.append(WhatIf(tuple(map(_applied, one.edits)), first, after, self._provenance(one)))
        return found

    def _edited(self, entries: Any) -> _Edited:
        of_clip, of_network = split_edits(entries)
        ordered = (entries,) if isinstance(entries, Edit) else tuple(entries)
        clip = edited_clip(self.clip, of_clip)
        changing = tuple(edit for edit in of_network if not edit.changes_nothing)
        return _Edited(ordered, clip, self.seen if clip is self.clip else self.model.fit(clip), changing)

    def _results(self, edited: Sequence[_Edited]) -> tuple[ClipResult, list[ClipResult]]:
        """Return the results without edits and with each list; equal clips in equal networks are run once."""
        clips: dict[tuple[NetworkEdit, ...], dict[str, Clip]] = {(): {clip_key(self.seen): self.seen}}
        keys = [(one.network, clip_key(one.seen)) for one in edited]
        for one, (network, key) in zip(edited, keys, strict=True):
            clips.setdefault(network, {})[key] = one.seen
        found: dict[tuple[tuple[NetworkEdit, ...], str], ClipResult] = {}
        for network, by_key in clips.items():
            scorer = self.scorer if not network else ClipScorer(edited_model(self.model, network), self.scorer.target)
            results = scorer(list(by_key.values()))
            found.update({(network, key): result for key, result in zip(by_key, results, strict=True)})
            self.forwards += scorer.forwards
            self.caveats += scorer.caveats
        return found[(), clip_key(self.seen)], [found[key] for key in keys]

    def _explain(self, model: VideoModel, clip: Clip) -> Tubes | Pyramid | BlockReport:
        assert self.explainer is not None
        explanation = self.explainer(model, clip, self.scorer.target)
        if not isinstance(explanation, (Tubes, Pyramid, BlockReport)):
            raise UsageTypeError(
                f"explainer must explain one clip, as SharpTubes(), FeaturePyramid() and BlockSignals() do; it returned "
                f"{type(explanation).__name__}"
            )
        return explanation

    def _explanation(
        self, one: _Edited, explained: Tubes | Pyramid | BlockReport | None
    ) -> Tubes | Pyramid | BlockReport | None:
        if explained is None or (not one.network and one.clip is self.clip):
            return explained
        return self._explain(edited_model(self.model, one.network), one.clip)

    def _provenance(self, one: _Edited) -> Provenance:
        knobs = {"edits": [edit.in_words() for edit in one.edits]}
        return provenance_of(self.model, "What if", knobs, self.start, self.caveats, forwards=self.forwards)


def _applied(edit: Edit) -> AppliedEdit:
    return AppliedEdit(edit.to_json(), edit.in_words(), repr(edit), edit.of)

"""Scores of many clips, or of one as fast as one forward pass: logits and probabilities of every class of every head."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import HeadPrediction, Target, TargetResult
from notebook_explain.models import VideoModel
from notebook_explain.models.batch_scores import BatchScores
from notebook_explain.models.heads import Head
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.target_resolution import head_label, result_in, score_in

BATCH, BATCH_ELSEWHERE = 8, 32  # most clips in a pass, on a CPU and on other devices
MEMORY = 2**30  # bytes of a pass on a CPU; on CUDA half of what is free
TENSORS = 4  # of the largest size that a pass holds at once: input, output, a shortcut, and room to work
LEAST_TOGETHER = 6  # clips for which it pays to find out whether the network takes a batch
TOP = 5
_UNRESOLVED = Target(0)
Floats = NDArray[np.float32]


class HeadScores(NamedTuple):
    """Scores of one head for one clip.

    Attributes
    ----------
    logits : float32 array (class,)
    probabilities : float32 array (class,) or None
        None for values of a regression.
    """

    logits: Floats
    probabilities: Floats | None


@dataclass(frozen=True, eq=False)
class ClipResult:
    """Scores of one clip.

    Attributes
    ----------
    heads : tuple of HeadPrediction
    target : TargetResult
    """

    heads: tuple[HeadPrediction, ...]
    target: TargetResult


@dataclass(frozen=True)
class _Passes:
    """Facts about the passes of a network.

    Attributes
    ----------
    largest : int
        Bytes of the largest output of a module for one clip.
    needs_graph : bool
        Only gradients tell which of the returned tensors holds logits.
    is_together : bool or None
        The network keeps the clips of a batch apart; None if that is not yet known.
    """

    largest: int
    needs_graph: bool
    is_together: bool | None

    def batch(self, device: torch.device) -> int:
        """Return the number of clips in a pass that fit into memory."""
        most = BATCH if device.type == "cpu" else BATCH_ELSEWHERE
        memory = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else MEMORY
        return max(1, min(most, memory // (TENSORS * max(1, self.largest))))


OnShadow = Callable[[Callable[[nn.Module], Any]], tuple[Any, tuple[str, ...]]]
_known: weakref.WeakKeyDictionary[Any, _Passes] = weakref.WeakKeyDictionary()


class ClipScorer:
    """Scores clips with one model, all heads and one target.

    Parameters
    ----------
    model : VideoModel
    target : None, label, index or Target
        ``None`` is the top class of the first clip.
    on_shadow : function, optional
        Runs a function on a shadow of the model, such as a `KeptShadow`; by default `VideoModel.on_shadow`.

    Attributes
    ----------
    target : Target or None
        Resolved, after the first clip.
    caveats : dict of str to None
        Of the passes so far.
    """

    def __init__(self, model: VideoModel, target: Any = None, on_shadow: OnShadow | None = None) -> None:
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(f"give one target at a time, got {target!r}")
        self.model, self._given = model, target
        self._on_shadow: OnShadow = on_shadow or model.on_shadow
        self.target: Target | None = None
        self.caveats: dict[str, None] = {}
        self._heads: tuple[HeadPrediction, ...] = ()  # of some clip: names, labels and kinds
        self._result: TargetResult | None = None  # of some clip: name, kind and region
        self._labelled: dict[str, Head] = {}  # heads of some clip
        self._batch = BatchScores(model, [_UNRESOLVED], self._read)

    @property
    def forwards(self) -> int:
        """Number of clips that were run."""
        return self._batch.forwards

    def __call__(self, clips: Sequence[Clip]) -> list[ClipResult]:
        """Return the results of clips that fit (`VideoModel.fit`), in order.

        Raises
        ------
        ExplainError
            The network fails, or returns no class scores or NaN.
        """
        rows, caveats = self._on_shadow(lambda shadow: self._rows(shadow, clips))
        self.model.check_labels(self._labelled)
        self.caveats.update(dict.fromkeys(caveats))
        return [self._result_of(row) for row in rows]

    def _rows(self, shadow: nn.Module, clips: Sequence[Clip]) -> Floats:
        reference, prepare = reference_parameter(shadow), self.model.preprocessing.tensor
        found = []
        try:
            with torch.inference_mode(False), torch.no_grad():

                def videos(chosen: Sequence[Clip]) -> torch.Tensor:
                    return torch.cat([prepare(clip, reference.device, reference.dtype) for clip in chosen])

                most = self._find_passes(shadow, videos(clips[:2]), len(clips)).batch(reference.device)
                for first in range(0, len(clips), most):
                    rows = self._batch(shadow, videos(clips[first : first + most]))
                    found.append(rows[:, 0].float().cpu().numpy())
        except (ExplainError, UsageError):
            raise
        except Exception as error:
            raise ExplainError(f"the network fails on this clip: {error}") from error
        return np.concatenate(found)

    def _find_passes(self, shadow: nn.Module, videos: torch.Tensor, count: int) -> _Passes:
        """Find out how the network is run; copies of it that differ in edits of channels only need not be tried again."""
        key = self.model if self.model.layer_trace is None else self.model.layer_trace
        known, batch = _known.get(key), self._batch
        if known is None:
            with _largest_output(shadow) as largest:
                batch.probe_output(shadow, videos[:1])
            known = _Passes(largest[0], batch.needs_graph, None)
        if known.is_together is None and count >= LEAST_TOGETHER:
            batch.probe(shadow, videos[:2])
            known = replace(known, needs_graph=batch.needs_graph, is_together=batch.is_together)
        _known[key] = known
        batch.needs_graph, batch.is_together = known.needs_graph, bool(known.is_together)
        return known

    def _read(self, heads: Mapping[str, Head], _: Target) -> torch.Tensor:
        """Return the score of the target, its probability, and logits and probabilities of all heads in one row."""
        if self.target is None or self._result is None:
            (self.target,) = self.model.resolve(heads, self._given)
            self._result = result_in(self.model.labels, heads, self.target)
            self._heads = tuple(_template(self.model, name, head) for name, head in heads.items())
            self._labelled = dict(heads)
        target = self.target
        probabilities = heads[str(target.head)].probabilities(target)
        own = torch.zeros(()) if probabilities is None else probabilities[0, int(target.label)]
        score = score_in(heads, target).detach().float()
        row = [torch.stack([score, own.to(score)])]
        for head in heads.values():
            row.append(head.logits[0].detach().float())
            found = head.probabilities()
            row += [] if found is None else [found[0].float()]
        return torch.cat(row)

    def _result_of(self, row: Floats) -> ClipResult:
        assert self._result is not None
        heads, first = [], 2
        for head in self._heads:
            count = len(head.labels)
            logits, first = row[first : first + count], first + count
            probabilities = None
            if head.probabilities is not None:
                probabilities, first = row[first : first + count], first + count
            heads.append(replace(head, logits=logits, probabilities=probabilities))
        own = next(head for head in heads if head.name == self._result.head)
        result = replace(
            self._result,
            logit=float(row[0]),
            probability=None if self._result.probability is None else float(row[1]),
            top5=() if own.probabilities is None or self._result.region else own.top(TOP),
        )
        return ClipResult(tuple(heads), result)


@contextmanager
def _largest_output(shadow: nn.Module) -> Iterator[list[int]]:
    """Yield a list with the bytes of the largest tensor that a module returns in this context."""
    largest = [0]

    def note(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            largest[0] = max(largest[0], output.nbytes)

    handles = [module.register_forward_hook(note) for module in shadow.modules()]
    try:
        yield largest
    finally:
        for handle in handles:
            handle.remove()


def _template(model: VideoModel, name: str, head: Head) -> HeadPrediction:
    logits = head.logits.detach().float()[0].cpu().numpy()
    labels = tuple(head_label(model.labels, name, head, index) for index in range(len(logits)))
    return HeadPrediction(name, labels, logits, None if head.link == "none" else logits, head.kind, head.unit)


def scores(model: VideoModel, clips: Sequence[Clip]) -> list[dict[str, HeadScores]]:
    """Return what a model says of each clip, in batches where the network keeps the clips of a batch apart.

    One clip costs one forward pass. The first call runs the network once more, or for many clips a few times more, to find
    out how it takes them; edits of channels need not be tried again.

    Parameters
    ----------
    model : VideoModel
        As it was adapted, or as `edits.edited_model` returns it.
    clips : sequence of Clip
        They are fitted to the network.

    Returns
    -------
    list of dict
        For each clip, `HeadScores` by name of the head; the name of an only head is "".

    Raises
    ------
    TypeError, ExplainError
        Not a model or clips; the network fails, or its output holds no class scores, or NaN.
    """
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    fitted = [model.fit(clip) for clip in clips]
    found = ClipScorer(model)(fitted) if fitted else []
    return [{head.name: HeadScores(head.logits, head.probabilities) for head in result.heads} for result in found]

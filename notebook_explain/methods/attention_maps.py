"""Attention maps: which tokens of a clip attention passes on to the class scores, for transformers.

Where the class is read from a class token, the score does not depend on the other tokens that the last block returns,
and gradient x activation is 0 there. Attention shows instead which tokens were read. There are two rules, both for one clip
and all of its attention calls A_1 ... A_n:

* ``"rollout"``: R = product of (A_k + I) / 2, with A_k the mean over heads. The same for every class.
* ``"gradient"``: R <- R + mean over heads of relu(d score / d A_k * A_k) R. Specific to the class, and positive only. What
  each token passes on without any attention (the identity in R) is left out.

The map is the row of R that the class scores read: of the class token, or the mean of the rows that the head pools. It lies
on the tokens that enter the first attention. A cell is 1 where it gets as much as if all relevance were spread evenly over
the tokens; the mean of the map is the relevance that reaches tokens with a position. Fused attention is recomputed.

References: Abnar, Zuidema: Quantifying Attention Flow in Transformers, ACL 2020, arXiv:2005.00928 (rollout). Chefer, Gur,
Wolf: Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers, ICCV 2021,
arXiv:2103.15679 (gradient, the rule of self-attention).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from notebook_explain._errors import ExplainError, UsageError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_choice
from notebook_explain.explanations import LayerMap, Target, TargetResult, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import ATTENTION, RELEVANCE
from notebook_explain.explanations.text import percent
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.models import Layer, Recording, VideoModel, score_of
from notebook_explain.models.attention import AttentionRecorder, Relevance, relevance_of
from notebook_explain.models.origins import remember
from notebook_explain.models.regions import has_any_region

Rule = Literal["gradient", "rollout"]
RULES: tuple[Rule, ...] = ("gradient", "rollout")
_METHODS = {
    "rollout": "Attention rollout (does not depend on the class)",
    "gradient": "Gradient-weighted attention (positive part)",
}
_ROLLOUT = (
    "Attention rollout shows which tokens attention reads, whatever the class: every class has the same map. It ignores "
    "what is read from them, so it is no evidence for or against a class, and does not add up to the score."
)
_GRADIENT = (
    "Gradient-weighted attention shows tokens whose attention raises the score, to first order. It has no negative part, so "
    "evidence against the class is missing, and it does not add up to the score."
)
_MERGED = (
    "Convolutions, poolings or linear layers merge tokens before the score; all merged tokens count alike, "
    "whatever their weights."
)
_ELSEWHERE = (
    "{} of the relevance stays on tokens without a position, such as a class token or padding, and is not shown."
)
_NO_REGION = "AttentionMaps has no map of a region or a moment; leave out where= and frames=, or use SaliencyTubes"
_NO_ATTENTION = (
    "no attention was found in the forward pass of {} (scaled_dot_product_attention, nn.MultiheadAttention, or a product "
    "with a softmax); use SaliencyTubes"
)


@dataclass(frozen=True)
class AttentionMaps:
    """Show which tokens of a clip attention passes on to a model's score.

    Attributes
    ----------
    rule : "gradient" or "rollout"
        Gradient-weighted attention is specific to a class and positive only; attention rollout is the same for every class.
    """

    rule: Rule = "gradient"

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, RULES)

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip, under a line of progress where that takes a while.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``; a network with attention.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` is the top class. Several targets share the forward pass.

        Returns
        -------
        Tubes
            With one map, at the resolution of the tokens that enter the first attention; never negative, without a gap.

        Raises
        ------
        TypeError, ValueError
            An unknown target or rule, or an argument that is not a model or a clip.
        ExplainError
            The network has no attention, or its tokens cannot be followed to the class scores.
        """
        with working("attention maps"):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> Tubes:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        recorder = AttentionRecorder()

        def compute(
            recording: Recording,
        ) -> tuple[tuple[Target, ...], tuple[TargetResult, ...], Layer, list[Relevance]]:
            targets = model.resolve(recording.heads, target)
            if any(map(has_any_region, targets)):
                raise UsageError(_NO_REGION)
            layer = _first_tokens(model, recorder)
            relevances = self._relevances(model, recorder, layer, recording, targets)
            return targets, model.results(recording, targets), layer, relevances

        (resolved, targets, layer, relevances), pass_caveats = model.run(seen, (), compute, recorder.watch)
        values = np.stack([(part.cells * part.cells.numel()).cpu().numpy() for part in relevances]).astype(np.float32)
        kind = ATTENTION if self.rule == "rollout" else RELEVANCE
        name = "attention rollout" if self.rule == "rollout" else "gradient-weighted attention"
        caveats = [*model.caveats, *model.clip_caveats(clip), *pass_caveats, *self._caveats(relevances)]
        backwards = len(targets) if self.rule == "gradient" else 0
        made = provenance(_METHODS[self.rule], self, model, start, backwards, caveats)
        tubes = Tubes(seen, targets, (LayerMap(name, kind, values, layer.geometry),), made)
        remember(tubes, model, self, resolved)
        return tubes

    def _relevances(
        self,
        model: VideoModel,
        recorder: AttentionRecorder,
        layer: Layer,
        recording: Recording,
        targets: Sequence[Target],
    ) -> list[Relevance]:
        """Return the relevance of the layer's tokens for each target."""
        weights = [call.weights.detach() for call in recorder.calls]
        heads = [(str(target.head), recording.heads[str(target.head)].outputs.shape[1]) for target in targets]

        def run(head: tuple[str, int], multipliers: Sequence[torch.Tensor]) -> Relevance:
            assert recorder.shadow is not None
            return relevance_of(recorder.shadow, model.preprocessing, layer, multipliers, head, self.rule == "gradient")

        stage("relevance")
        # Without the class: the rollout, or what tokens pass on without attention.
        shared = weights if self.rule == "rollout" else [weight.new_zeros(()).expand_as(weight) for weight in weights]
        by_head = {head: run(head, shared) for head in dict.fromkeys(heads)}
        if self.rule == "rollout":
            return [by_head[head] for head in heads]
        relevances = []
        for index, (target, head) in enumerate(zip(targets, heads, strict=True), 1):
            if len(targets) > 1:
                stage("target", index, len(targets))
            multipliers = _gradient_weights(recorder, score_of(recording, target), target is targets[-1])
            found = run(head, multipliers)
            relevances.append(replace(found, cells=found.cells - by_head[head].cells))
        return relevances

    def _caveats(self, relevances: Sequence[Relevance]) -> list[Caveat]:
        texts = [_ROLLOUT if self.rule == "rollout" else _GRADIENT]
        elsewhere = 1 - min(float(part.cells.sum()) for part in relevances)
        if self.rule == "rollout" and elsewhere > 0.0005:
            texts.append(_ELSEWHERE.format(percent(elsewhere)))
        if any(part.merges_tokens for part in relevances):
            texts.append(_MERGED)
        return [Caveat(text, CaveatCode.ATTENTION) for text in texts]


def _first_tokens(model: VideoModel, recorder: AttentionRecorder) -> Layer:
    """Return the last of the model's layers that was complete before the first attention call."""
    if not recorder.calls:
        raise ExplainError(_NO_ATTENTION.format(type(model.module).__name__))
    before = [layer for layer in model.layers if (layer.ref.module, layer.ref.call) in recorder.finished]
    if not before:
        raise ExplainError(
            f"no layer with positions comes before the first attention, in {recorder.calls[0].module!r}; use SaliencyTubes"
        )
    return before[-1]


def _gradient_weights(recorder: AttentionRecorder, score: torch.Tensor, last: bool) -> list[torch.Tensor]:
    """Return relu(gradient of the score * probabilities) for each attention call."""
    weights = [call.weights for call in recorder.calls]
    differentiable = [weight for weight in weights if weight.requires_grad]
    found = (
        torch.autograd.grad(score, differentiable, retain_graph=not last, allow_unused=True) if differentiable else ()
    )
    gradients = iter(found)
    products = []
    for weight in weights:
        gradient = next(gradients) if weight.requires_grad else None
        products.append(torch.zeros_like(weight) if gradient is None else (gradient * weight.detach()).clamp_min_(0))
    return products

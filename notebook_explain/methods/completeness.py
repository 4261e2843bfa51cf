"""Test whether maps add up to the score, by evaluating the network.

The map of a layer adds up to the score if the rest of the network is affine in the layer's values: score = sum of evidence +
constant. The constant is the score of the same clip with zeros at the layer. It is compared with the gap,
the score minus the sum of evidence. If both are equal, the map is complete and the constant replaces the classifier's bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from notebook_explain.explanations import ExplainError, LayerMap, Target, TargetResult
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.reliability import EmptyCause, Reliability
from notebook_explain.explanations.text import short
from notebook_explain.models import POOLING_INPUT, Layer, Recording, score_of
from notebook_explain.models.recording import Evidence

COMPLETE = 1e-3  # largest relative error of a sum that is exact but for rounding
# Largest errors of a map and of a score, in units of the last place. Evidence below them is rounding noise.
MAP_ERROR, SCORE_ERROR = 256, 64
LARGEST_MAP_ERROR, LARGEST_SCORE_ERROR = 0.05, 0.002  # in half precision

_NOT_AFFINE = (
    "The evidence for {name!r} at {layers} adds up to {total} and zeros there give {constant}, but the score is "
    "{score}: what follows is not linear, so no map adds up to the score exactly."
)
_UNTESTED = "The evidence for {name!r} at {layers} adds up to {total}, but the score is {score}."


def rounding_bound(evidence: Evidence, logits: torch.Tensor, dtype: torch.dtype) -> float:
    """Return the largest sum of absolute evidence that rounding alone could leave, in units of the score.

    Parameters
    ----------
    evidence : Evidence
    logits : tensor
        Of the head, for the scale of the score.
    dtype : torch.dtype
        Precision of the pass.
    """
    eps = torch.finfo(dtype).eps
    of_map = min(MAP_ERROR * eps, LARGEST_MAP_ERROR) * evidence.magnitude
    of_score = min(SCORE_ERROR * eps, LARGEST_SCORE_ERROR) * float(logits.detach().abs().max())
    return max(of_map, of_score)


def empty_cause(evidence: Evidence, is_reached: bool, bound: float) -> EmptyCause:
    """Return why a map has no evidence above rounding."""
    if not is_reached:
        return EmptyCause.NO_GRADIENT
    if evidence.elsewhere > bound:
        return EmptyCause.TOKENS
    return EmptyCause.CANCELS if evidence.magnitude > bound else EmptyCause.NO_EFFECT


@dataclass(frozen=True)
class Totals:
    """Contribution of the final layers to one score, and the constant that remains.

    Attributes
    ----------
    evidence : float
        Sum over all final layers.
    scale : float
        Sum of absolute evidence, to which errors are relative.
    constant : float or None
        Score with zeros at these layers; None if it was not needed or could not be computed.
    """

    evidence: float
    scale: float
    constant: float | None = None

    def is_complete(self, result: TargetResult) -> bool:
        """Return whether the evidence and the constant, or the classifier's bias, add up to the score."""
        rest = result.logit - self.evidence
        # If the classifier comes before the pooling, the map contains its bias and nothing is left.
        constants = (0.0, result.bias or 0.0) if self.constant is None else (self.constant,)
        tolerance = COMPLETE * max(abs(result.logit), self.scale)
        return min(abs(rest - constant) for constant in constants) <= tolerance


def final_layers(layers: Sequence[Layer], has_evidence: Sequence[Sequence[bool]]) -> list[int]:
    """Return the indices of the inputs of global pooling; without any, of the last layer with evidence.

    Parameters
    ----------
    layers : sequence of Layer
    has_evidence : sequence of bool for each layer, one per target
    """
    pooled = [index for index, layer in enumerate(layers) if layer.kind == POOLING_INPUT]
    if pooled:
        return pooled
    alive = [index for index, values in enumerate(has_evidence) if any(values)]
    return alive[-1:] or [len(layers) - 1]


def with_tested_constants(
    recording: Recording,
    layers: Sequence[Layer],
    totals: Sequence[Totals],
    targets: Sequence[Target],
    results: Sequence[TargetResult],
) -> tuple[Totals, ...]:
    """Evaluate the network with zeros at the final layers, if a score is not explained without this.

    Parameters
    ----------
    recording : Recording
    layers : sequence of Layer
        The final ones.
    totals : sequence of Totals, one per target
    targets, results : sequences of Target and TargetResult

    Returns
    -------
    tuple of Totals
        With constants if the network was evaluated.
    """
    if all(total.is_complete(result) for total, result in zip(totals, results, strict=True)):
        return tuple(totals)
    try:
        heads = recording.rerun([part.ref for layer in layers for part in layer.parts])
        rerun = replace(recording, heads=heads)
        constants = [float(score_of(rerun, target).detach()) for target in targets]
    except (ExplainError, KeyError, IndexError):  # zeros lead to NaN or to another form of output
        return tuple(totals)
    return tuple(
        replace(total, constant=constant) if np.isfinite(constant) else total
        for total, constant in zip(totals, constants, strict=True)
    )


def with_constant(result: TargetResult, total: Totals) -> TargetResult:
    """Return a result whose bias is the tested constant, if there is one and the evidence is complete."""
    is_tested = total.constant is not None and total.is_complete(result)
    return replace(result, bias=total.constant) if is_tested else result


def completeness_caveats(
    names: Sequence[str], totals: Sequence[Totals], results: Sequence[TargetResult]
) -> list[Caveat]:
    """Return a caveat for each target whose evidence at the final layers does not add up to the score."""
    layers = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    caveats = []
    for total, result in zip(totals, results, strict=True):
        if not total.is_complete(result):
            text = (_UNTESTED if total.constant is None else _NOT_AFFINE).format(
                name=result.name,
                layers=layers,
                total=short(total.evidence),
                constant=short(total.constant or 0.0),
                score=short(result.logit),
            )
            caveats.append(Caveat(text, CaveatCode.INCOMPLETE_MAP))
    return caveats


def reliability(
    means: Sequence[float],
    causes: Sequence[EmptyCause | None],
    bounds: Sequence[float],
    results: Sequence[TargetResult],
) -> Reliability:
    """Return the reliability of one layer.

    Parameters
    ----------
    means : sequence of float, one per target
        Contribution of the layer's cells to each score.
    causes : sequence of EmptyCause or None
    bounds : sequence of float
        `rounding_bound` of each map.
    results : sequence of TargetResult
    """
    explained = np.array([_explained(mean, result) for mean, result in zip(means, results, strict=True)], np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, rounding = np.array(means) / explained, np.array(bounds) / np.abs(explained)
    share[np.abs(explained) < 1e-9] = np.nan
    return Reliability(share.astype(np.float32), tuple(causes), rounding.astype(np.float32))


def _explained(mean: float, result: TargetResult) -> float:
    """Return the score without the head's constant; with it, if the map includes the constant."""
    includes_constant = abs(result.logit - mean) <= COMPLETE * max(abs(result.logit), abs(mean))
    return result.logit if includes_constant else result.logit - (result.bias or 0.0)


def with_agreement(layer: LayerMap, exact: LayerMap) -> LayerMap:
    """Return a map whose reliability says how well it agrees with the same map in float64: their cosine similarity."""
    if layer.reliability is None:
        return layer
    pairs = zip(layer.values.astype(np.float64), exact.values.astype(np.float64), strict=True)
    scales = [(float((a * b).sum()), float(np.linalg.norm(a) * np.linalg.norm(b))) for a, b in pairs]
    agreement = np.array([product / scale if scale > 0 else np.nan for product, scale in scales], np.float32)
    return replace(layer, reliability=replace(layer.reliability, agreement=agreement))

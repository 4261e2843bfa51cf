"""Maps of evidence at the layers of a recorded pass: gradient times activation, with gaps and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._progress import stage
from notebook_explain.explanations import LayerMap, Target, TargetResult
from notebook_explain.explanations.caveats import Caveat
from notebook_explain.explanations.reliability import EmptyCause
from notebook_explain.methods import completeness, pathways
from notebook_explain.models import POOLING_INPUT, Layer, Recording, VideoModel, score_of


@dataclass(frozen=True, eq=False)
class ExplainedPass:
    """Maps, results and caveats from the passes through the network.

    Attributes
    ----------
    maps : tuple of LayerMap
    targets : tuple of TargetResult
    caveats : list of Caveat
    constant_norms : tuple of str
        Norms whose statistics were held constant.
    forwards : int
    resolved : tuple of Target
    final : tuple of int
        Indices of the maps that add up to the score, where it can be added up.
    """

    maps: tuple[LayerMap, ...]
    targets: tuple[TargetResult, ...]
    caveats: list[Caveat]
    constant_norms: tuple[str, ...]
    forwards: int
    resolved: tuple[Target, ...]
    final: tuple[int, ...]


def explain_pass(
    model: VideoModel,
    recording: Recording,
    target: Any,
    *,
    pooled: bool = False,
    layers: Sequence[Layer] | None = None,
    keep_graph: bool = False,
) -> ExplainedPass:
    """Compute the maps of one recorded pass, and run another where completeness needs it.

    Parameters
    ----------
    model : VideoModel
    recording : Recording
    target : None, label, index, Target, or a list of these
    pooled : bool
        Average the gradient of each channel over positions first.
    layers : sequence of Layer, optional
        Some of the recorded layers; all by default.
    keep_graph : bool
        Keep the recording's graph for further backward passes.
    """
    layers = recording.layers if layers is None else layers
    targets = model.resolve(recording.heads, target)
    results = model.results(recording, targets)
    columns = []
    for index, resolved in enumerate(targets, 1):
        if len(targets) > 1:
            stage("target", index, len(targets))
        score, logits = score_of(recording, resolved), recording.heads[str(resolved.head)].logits
        is_last = resolved is targets[-1] and not keep_graph
        gradients = recording.backward(score, last=is_last, layers=layers)
        columns.append([_cells(recording, layer, gradients, logits, pooled) for layer in layers])
    rows = list(zip(*columns, strict=True))
    final = completeness.final_layers(layers, [[cells.cause is None for cells in row] for row in rows])
    totals = [
        completeness.Totals(
            sum(column[index].contribution for index in final), sum(column[index].scale for index in final)
        )
        for column in columns
    ]
    chosen = [layers[index] for index in final]
    stage("completeness")
    tested = completeness.with_tested_constants(recording, chosen, totals, targets, results)
    results = tuple(completeness.with_constant(*pair) for pair in zip(results, tested, strict=True))
    caveats = completeness.completeness_caveats([layer.name for layer in chosen], tested, results)
    forwards = 1 + any(total.constant is not None for total in tested)
    maps = _maps_of_layers(layers, rows, results)
    return ExplainedPass(maps, results, caveats, recording.constant_norms, forwards, tuple(targets), tuple(final))


@dataclass(frozen=True, eq=False)
class _Cells:
    """Evidence of one layer for one target: the map (0 if nothing is above rounding), and what its reliability needs."""

    values: NDArray[np.float32]
    contribution: float
    scale: float
    bound: float
    cause: EmptyCause | None


def _cells(recording: Recording, layer: Layer, gradients: Any, logits: torch.Tensor, pooled: bool) -> _Cells:
    evidence = recording.evidence(layer, gradients, pooled=pooled)
    bound = completeness.rounding_bound(evidence, logits, recording.dtype)
    values = evidence.values.cpu().numpy().astype(np.float32)
    scale = float(np.abs(values).sum(dtype=np.float64))
    cause = None
    if scale <= bound:
        is_reached = any(part.ref in gradients for part in layer.parts)
        cause = completeness.empty_cause(evidence, is_reached, bound)
        values = np.zeros_like(values)
    return _Cells(values * values.size, float(values.sum(dtype=np.float64)), scale, bound, cause)


def _maps_of_layers(
    layers: Sequence[Layer], rows: Sequence[Sequence[_Cells]], targets: Sequence[TargetResult]
) -> tuple[LayerMap, ...]:
    """Return maps with their gaps and reliability; the gap of parallel pathways is that of their sum."""
    logits = np.array([target.logit for target in targets], np.float64)
    means = [np.array([cells.contribution for cells in row], np.float64) for row in rows]
    stages: dict[Any, Any] = {}
    keys = [_stage(layer) for layer in layers]
    for key, mean in zip(keys, means, strict=True):
        stages[key] = stages.get(key, 0) + mean
    return tuple(
        LayerMap(
            layer.name,
            layer.kind,
            np.stack([cells.values for cells in row]),
            layer.geometry,
            layer.pathway,
            (logits - stages[key]).astype(np.float32),
            completeness.reliability(mean.tolist(), [c.cause for c in row], [c.bound for c in row], targets),
        )
        for layer, row, mean, key in zip(layers, rows, means, keys, strict=True)
    )


def _stage(layer: Layer) -> Any:
    if layer.pathway is None:
        return layer.name
    return POOLING_INPUT if layer.kind == POOLING_INPUT else (layer.ref.module, layer.ref.call)


def with_combined(maps: Sequence[LayerMap], targets: Sequence[TargetResult]) -> tuple[LayerMap, ...]:
    """Add the sum of all pathways, if there are several."""
    ends = [layer for layer in maps if layer.kind == POOLING_INPUT]
    if len(ends) < 2:
        return tuple(maps)
    combined = pathways.combine(ends)
    means = combined.values.mean(axis=(1, 2, 3), dtype=np.float64)
    parts = [end.reliability for end in ends if end.reliability is not None]
    causes = [None if any(part.empty[k] is None for part in parts) else parts[-1].empty[k] for k in range(len(targets))]
    explained = [abs(target.logit - (target.bias or 0.0)) for target in targets]
    bounds = [float(sum(part.rounding[k] for part in parts)) * explained[k] for k in range(len(targets))]
    return (*maps, replace(combined, reliability=completeness.reliability(means.tolist(), causes, bounds, targets)))

"""Saliency tubes: evidence for a class at every position of a clip, at every layer, from one forward and one backward pass.

At the tensor A that enters global average pooling before a linear classifier U, b::

    tube(t, y, x) = sum_c U[class, c] * A[c, t, y, x]        mean(tube) + b[class] = logit[class]

without ReLU, signed, exact. There, U = N * d logit / d A (N = number of voxels). The local product ::

    tube(t, y, x) = N * sum_c (d logit / d A[c, t, y, x]) * A[c, t, y, x]

is the same at this layer, where the paper defines tubes, and extends them to every other layer. Its mean is the
contribution of the layer's positions to the logit, comparable across layers; its difference from the logit is reported as
``gap``, and whether it adds up is tested (``completeness``). ``pooled=True`` averages the gradient over positions first, as
Grad-CAM does.

In front of a norm that divides by a statistic of its own input, the product is zero, because the norm does not change when
its input is scaled. The statistics are therefore held constant by default (``models.constant_norms``).

A network with several pathways has one more map, their sum (``pathways``). Signals per frame that modules report
(``layers``) are recorded in the same pass: `Tubes.frame_signals`.

Reference: Stergiou, Kapidis, Kalliatakis, Chrysoulas, Veltkamp, Poppe: Saliency Tubes: Visual Explanations for
Spatio-Temporal Convolutions, ICIP 2019, arXiv:1902.01078.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_choice
from notebook_explain.explanations import LayerMap, TargetResult, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.reliability import EmptyCause
from notebook_explain.methods import completeness, pathways
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.models import POOLING_INPUT, Layer, Recording, VideoModel, score_of
from notebook_explain.models.constant_norms import CONSTANT, NORMS


@dataclass(frozen=True)
class SaliencyTubes:
    """Explain a model's score by its sources in space and time.

    Attributes
    ----------
    layers : tuple of str, optional
        Names of layers; by default ``model.layers`` (stem, blocks, input of global pooling).
    pooled : bool
        Weight channels by their gradient averaged over positions (Grad-CAM) instead of position by position.
    norms : "constant" or "differentiated"
        Whether the standard deviation, root mean square or vector norm that a norm divides by is held constant, so that
        evidence passes through LayerNorm, RMSNorm, GroupNorm and L2 normalisation, or differentiated like the rest of the
        network. Without such norms both are the same.
    check_rounding : bool
        Repeat the passes in float64 and report how well each map agrees with it (``LayerMap.reliability.agreement``).
    """

    layers: tuple[str, ...] | None = None
    pooled: bool = False
    norms: str = CONSTANT
    check_rounding: bool = False

    def __post_init__(self) -> None:
        check_choice("norms", self.norms, NORMS)
        if self.layers is not None:
            given: Any = self.layers
            if isinstance(given, str) or not isinstance(given, (list, tuple)):
                raise UsageTypeError(
                    f"layers must be a list of layer names, got {given!r}; "
                    "the model is passed in the call: SaliencyTubes()(model, clip)"
                )
            if not all(isinstance(name, str) for name in given):
                raise UsageTypeError(f"layers must be names (str), got {given!r}; model.layers lists them")
            object.__setattr__(self, "layers", tuple(given))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip, under a line of progress where that takes a while.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` is the top class. Several targets share the forward pass.

        Returns
        -------
        Tubes

        Raises
        ------
        TypeError, ValueError
            An unknown layer or target, or an argument that is not a model or a clip.
        ExplainError
            No gradient reaches a layer.
        """
        with working("saliency tubes"):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> Tubes:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        layers = model.select(self.layers)
        recorder = SignalRecorder(model)

        def compute(recording: Recording) -> _Pass:
            return self._compute(model, recording, target)

        result, pass_caveats = model.run(seen, layers, compute, recorder.hooks, norms=self.norms)
        if self.check_rounding:
            stage("comparison with float64")
            result = self._with_agreement(
                result, lambda: model.run(seen, layers, compute, norms=self.norms, dtype=torch.float64)[0]
            )
        layers, frame_signals = recorder.layers_at_selected_frames(layers), recorder.frame_signals()
        maps = [
            replace(layer_map, geometry=layer.geometry) for layer_map, layer in zip(result.maps, layers, strict=True)
        ]
        caveats = [*recorder.model_caveats, *model.clip_caveats(clip), *pass_caveats, *recorder.caveats]
        origin = provenance(
            self._method(result), self, model, start, len(result.targets), [*caveats, *result.caveats], result.forwards
        )
        return Tubes(seen, result.targets, _with_combined(maps, result.targets), origin, frame_signals)

    def _compute(self, model: VideoModel, recording: Recording, target: Any) -> _Pass:
        """Return maps, results and caveats from one recorded pass, and from another where completeness needs it."""
        targets = model.resolve(recording.heads, target)
        results = model.results(recording, targets)
        columns = []
        for index, resolved in enumerate(targets, 1):
            if len(targets) > 1:
                stage("target", index, len(targets))
            score, logits = score_of(recording, resolved), recording.heads[str(resolved.head)].logits
            gradients = recording.backward(score, last=resolved is targets[-1])
            columns.append([_cells(recording, layer, gradients, logits, self.pooled) for layer in recording.layers])
        rows = list(zip(*columns, strict=True))
        final = completeness.final_layers(recording.layers, [[cells.cause is None for cells in row] for row in rows])
        totals = [
            completeness.Totals(
                sum(column[index].contribution for index in final), sum(column[index].scale for index in final)
            )
            for column in columns
        ]
        chosen = [recording.layers[index] for index in final]
        stage("completeness")
        tested = completeness.with_tested_constants(recording, chosen, totals, targets, results)
        results = tuple(completeness.with_constant(*pair) for pair in zip(results, tested, strict=True))
        caveats = completeness.completeness_caveats([layer.name for layer in chosen], tested, results)
        has_rerun = any(total.constant is not None for total in tested)
        return _Pass(
            _layer_maps(recording.layers, rows, results), results, caveats, recording.constant_norms, 1 + has_rerun
        )

    def _with_agreement(self, result: _Pass, repeat: Callable[[], _Pass]) -> _Pass:
        """Return a result with the agreement of its maps with those in float64, or a caveat if these cannot be computed."""
        try:
            exact = repeat()
        except (RuntimeError, TypeError, NotImplementedError) as error:
            text = f"The maps could not be compared with float64, because the network does not run in it ({str(error)[:120]})."
            return replace(result, caveats=[*result.caveats, Caveat(text, CaveatCode.OTHER)])
        maps = tuple(completeness.with_agreement(*pair) for pair in zip(result.maps, exact.maps, strict=True))
        return replace(result, maps=maps, forwards=result.forwards + exact.forwards)

    def _method(self, result: _Pass) -> str:
        details = ["gradients pooled as in Grad-CAM"] if self.pooled else []
        details += ["statistics of norms held constant"] if result.constant_norms else []
        return "Saliency tubes" + (f" ({'; '.join(details)})" if details else "")


@dataclass(frozen=True, eq=False)
class _Pass:
    """Maps, results and caveats from the passes through the network."""

    maps: tuple[LayerMap, ...]
    targets: tuple[TargetResult, ...]
    caveats: list[Caveat]
    constant_norms: tuple[str, ...]
    forwards: int


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


def _layer_maps(
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


def _with_combined(maps: Sequence[LayerMap], targets: Sequence[TargetResult]) -> tuple[LayerMap, ...]:
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

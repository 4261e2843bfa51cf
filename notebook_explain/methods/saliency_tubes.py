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
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from notebook_explain._progress import stage, working
from notebook_explain._validation import check_choice
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.methods import completeness
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import check_layers, prepare_clip, provenance
from notebook_explain.methods.last_layer import maps_at_selected_frames
from notebook_explain.methods.layer_maps import ExplainedPass, explain_pass
from notebook_explain.models import Recording, VideoModel
from notebook_explain.models.constant_norms import CONSTANT, NORMS
from notebook_explain.models.origins import remember


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
        object.__setattr__(self, "layers", check_layers(self.layers, "SaliencyTubes"))

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

        def compute(recording: Recording) -> ExplainedPass:
            return explain_pass(model, recording, target, pooled=self.pooled)

        result, pass_caveats = model.run(seen, layers, compute, recorder.hooks, norms=self.norms)
        if self.check_rounding:
            stage("comparison with float64")
            result = self._with_agreement(
                result, lambda: model.run(seen, layers, compute, norms=self.norms, dtype=torch.float64)[0]
            )
        maps, frame_signals = maps_at_selected_frames(recorder, layers, result), recorder.frame_signals()
        caveats = [*recorder.caveats_of(clip, pass_caveats), *result.caveats]
        origin = provenance(self._method(result), self, model, start, len(result.targets), caveats, result.forwards)
        tubes = Tubes(seen, result.targets, maps, origin, frame_signals)
        remember(tubes, model, self, result.resolved)
        return tubes

    def _with_agreement(self, result: ExplainedPass, repeat: Callable[[], ExplainedPass]) -> ExplainedPass:
        """Return a result with the agreement of its maps with those in float64, or a caveat if these cannot be computed."""
        try:
            exact = repeat()
        except (RuntimeError, TypeError, NotImplementedError) as error:
            text = f"The maps could not be compared with float64, because the network does not run in it ({str(error)[:120]})."
            return replace(result, caveats=[*result.caveats, Caveat(text, CaveatCode.OTHER)])
        maps = tuple(completeness.with_agreement(*pair) for pair in zip(result.maps, exact.maps, strict=True))
        return replace(result, maps=maps, forwards=result.forwards + exact.forwards)

    def _method(self, result: ExplainedPass) -> str:
        details = ["gradients pooled as in Grad-CAM"] if self.pooled else []
        details += ["statistics of norms held constant"] if result.constant_norms else []
        return "Saliency tubes" + (f" ({'; '.join(details)})" if details else "")

"""Sharp tubes: signed evidence at the resolution of the clip, whose values add up to the score without the bias.

1. One forward pass. The last layer's map has the exact evidence of each of its cells (``saliency_tubes``).
2. Two backward passes, from the score and from its negative, through gates (``gates``) and guided ReLUs (``guided_relu``),
   give gradients at the clip.
3. Each is read out as a map f of detail (``readout``): where the gradient is large, something moves, and colours agree.
4. The evidence for the class is redistributed by the one, the evidence against it by the other (``redistribution``).

The sums are exact, whatever f is. *Where* within a few cells evidence is drawn is decided by f: it follows what the gates let
through, and is no measured effect of single voxels.

The rule is this project's own; docs/explanation/sharp-tubes.md describes it and its limits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_choice
from notebook_explain.explanations import Geometry, LayerMap, TargetResult, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import DETAIL
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import check_layers, prepare_clip, provenance
from notebook_explain.methods.guided_relu import GuidedReLU
from notebook_explain.methods.last_layer import exact_map, last_layers, maps_at_selected_frames
from notebook_explain.methods.layer_maps import ExplainedPass, explain_pass
from notebook_explain.methods.sharp_tubes.gates import Gate, gated_gradient, gates
from notebook_explain.methods.sharp_tubes.readout import ReadOut
from notebook_explain.methods.sharp_tubes.redistribution import sharp_map
from notebook_explain.models import Layer, Recording, VideoModel, score_of
from notebook_explain.models.constant_norms import CONSTANT, NORMS
from notebook_explain.models.origins import remember

NAME = "sharp map"
NO_DETAIL = (
    "There is no sharp map: no gradient of the score reaches the clip, so that only the maps of layers can be shown."
)


@dataclass(frozen=True)
class SharpTubes:
    """Explain a model's score at the resolution of the clip, with the exact coarse tubes of its layers beside it.

    Attributes
    ----------
    conserve : bool
        Redistribute the exact evidence of the last layer, so that the map is signed and adds up to the score without its
        bias. False gives the positive map of detail itself, which has no unit.
    layers : tuple of str, optional
        Names of layers whose coarse maps are added; by default ``model.layers``. The last layer is always among them.
    norms : "constant" or "differentiated"
        How evidence passes through norms, as for `SaliencyTubes`.
    guided : bool
        In the two backward passes, let ReLUs pass on positive gradients only, as guided backpropagation does. Networks
        without ReLU have the same map with and without it.
    """

    conserve: bool = True
    layers: tuple[str, ...] | None = None
    norms: str = CONSTANT
    guided: bool = True

    def __post_init__(self) -> None:
        for name in ("conserve", "guided"):
            if not isinstance(getattr(self, name), bool):
                raise UsageTypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        check_choice("norms", self.norms, NORMS)
        object.__setattr__(self, "layers", check_layers(self.layers, "SharpTubes"))

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
            The coarse maps from input to output, then the sharp map, which is shown first.

        Raises
        ------
        TypeError, ValueError
            An unknown layer or target, or an argument that is not a model or a clip.
        ExplainError
            No gradient reaches a layer.
        """
        with working("sharp tubes"):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> Tubes:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        shown = self._shown(model)
        recorded = model.select([layer.name for layer in (*model.layers, *shown)])
        recorder, relus = SignalRecorder(model), GuidedReLU() if self.guided else None

        @contextmanager
        def around(shadow: nn.Module) -> Iterator[None]:
            with recorder.hooks(shadow), relus or nullcontext():
                yield

        def compute(recording: Recording) -> tuple[ExplainedPass, list[torch.Tensor] | None]:
            result = explain_pass(model, recording, target, layers=shown, keep_graph=True)
            ends = [shown[index] for index in result.final]
            cuts = [layer for layer in recorded if layer in model.layers or layer in ends]
            with relus.guided() if relus else nullcontext():
                return result, self._gradients(recording, result, gates(cuts, ends))

        (result, gradients), pass_caveats = model.run(seen, recorded, compute, around, norms=self.norms)
        maps, frame_signals = maps_at_selected_frames(recorder, shown, result), recorder.frame_signals()
        caveats = [*recorder.caveats_of(clip, pass_caveats), *result.caveats]
        backwards = len(result.targets)
        if gradients is None:
            caveats.append(Caveat(NO_DETAIL, CaveatCode.NO_GRADIENT))
        else:
            stage("read-out")
            maps = (*maps, self._sharp_map(exact_map(maps, result), ReadOut(seen.frames), gradients, result.targets))
            backwards += len(gradients)
        method = "Sharp tubes" if self.conserve else "Sharp tubes (positive map of detail)"
        method += " (statistics of norms held constant)" if result.constant_norms else ""
        origin = provenance(method, self, model, start, backwards, caveats, result.forwards)
        tubes = Tubes(seen, result.targets, maps, origin, frame_signals)
        remember(tubes, model, self, result.resolved)
        return tubes

    def _shown(self, model: VideoModel) -> tuple[Layer, ...]:
        """Return the chosen layers and those that the score is read from; without a pooling, all layers."""
        if self.layers is None:
            return model.layers
        return model.select([*self.layers, *(layer.name for layer in last_layers(model))])

    def _gradients(
        self, recording: Recording, result: ExplainedPass, chosen: Mapping[Layer, Gate]
    ) -> list[torch.Tensor] | None:
        """Return the gated gradients for each target, those of the negated score in between; None without any."""
        signs = (1, -1) if self.conserve else (1,)
        found: list[torch.Tensor] = []
        for number, target in enumerate(result.resolved, 1):
            for sign in signs:
                stage("gated backward pass", len(found) + 1, len(signs) * len(result.resolved))
                is_last = number == len(result.resolved) and sign == signs[-1]
                gradient = gated_gradient(recording, sign * score_of(recording, target), chosen, last=is_last)
                if gradient is None:
                    return None
                found.append(gradient)
        return found

    def _sharp_map(
        self, source: LayerMap, read_out: ReadOut, gradients: list[torch.Tensor], targets: Sequence[TargetResult]
    ) -> LayerMap:
        """Return the map at the resolution of the clip.

        Parameters
        ----------
        source : LayerMap
            The exact coarse map whose evidence is redistributed.
        read_out : ReadOut
        gradients : list of tensor (channel, time, height, width)
            Of each target, and of its negated score.
        targets : sequence of TargetResult
        """
        details = read_out(torch.stack(gradients)).numpy()
        if self.conserve:
            return sharp_map(NAME, source, details, targets)
        size = (details.shape[1], details.shape[2], details.shape[3])
        return LayerMap(NAME, DETAIL, details, Geometry.even(size, size))

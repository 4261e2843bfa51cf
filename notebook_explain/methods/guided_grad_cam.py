"""Guided Grad-CAM: the gradient at the clip through guided ReLUs, times the Grad-CAM of the last layer.

1. Grad-CAM of the tensor A that enters global pooling: relu(sum_c w_c A_c), with w_c the gradient of the score averaged over
   positions; stretched over the clip.
2. Guided backpropagation: the gradient of the score at the clip, where every ReLU also drops negative gradients.
3. The map is blur(norm over the channels of (guided gradient * Grad-CAM)), positive and without a unit.

Two changes are this project's own: ``read_out`` reads the product out as `SharpTubes` does, and ``signed`` redistributes the
exact evidence of the last layer by two such maps, from the score and from its negative.

References: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization, ICCV 2017, arXiv:1610.02391. Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for
Simplicity: The All Convolutional Net, ICLR 2015 workshop, arXiv:1412.6806 (guided backpropagation).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.geometry import stretch
from notebook_explain.explanations.layer_map import DETAIL
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.methods.guided_relu import GuidedReLU
from notebook_explain.methods.last_layer import exact_map, last_layers, maps_at_selected_frames
from notebook_explain.methods.layer_maps import ExplainedPass, explain_pass
from notebook_explain.methods.sharp_tubes.readout import BLUR, ReadOut, blurred, pixel_scale
from notebook_explain.methods.sharp_tubes.redistribution import sharp_map
from notebook_explain.models import Recording, VideoModel, score_of
from notebook_explain.models.constant_norms import CONSTANT, DIFFERENTIATED
from notebook_explain.models.origins import remember

NAME = "guided Grad-CAM"
_NO_GRADIENT = (
    "There is no guided Grad-CAM: no gradient of the score reaches the clip, so only the maps of layers are shown."
)


@dataclass(frozen=True)
class GuidedGradCAM:
    """Explain a model's score by guided Grad-CAM, at the resolution of the clip.

    Attributes
    ----------
    read_out : bool
        Read the map out as `SharpTubes` does: where the gradient is large, something moves, and colours agree.
    signed : bool
        Redistribute the exact evidence of the last layer by the map, for and against the class, so that it adds up to the
        score without its bias. False gives the published map, which is positive and has no unit.
    """

    read_out: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        for name in ("read_out", "signed"):
            if not isinstance(getattr(self, name), bool):
                raise UsageTypeError(f"{name} must be True or False, got {getattr(self, name)!r}")

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
            The coarse maps of the last layer, then the map at the resolution of the clip, which is shown first.

        Raises
        ------
        TypeError, ValueError
            An unknown target, or an argument that is not a model or a clip.
        ExplainError
            No gradient reaches the last layer.
        """
        with working("guided Grad-CAM"):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> Tubes:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        layers, recorder, relus = last_layers(model), SignalRecorder(model), GuidedReLU()

        @contextmanager
        def around(shadow: nn.Module) -> Iterator[None]:
            with recorder.hooks(shadow), relus:
                yield

        def compute(recording: Recording) -> tuple[ExplainedPass, ExplainedPass, list[torch.Tensor] | None]:
            pooled = explain_pass(model, recording, target, pooled=True, keep_graph=True)
            shown = explain_pass(model, recording, target, keep_graph=True) if self.signed else pooled
            return shown, pooled, self._gradients(recording, pooled, relus)

        norms = CONSTANT if self.signed else DIFFERENTIATED
        (shown, pooled, gradients), pass_caveats = model.run(seen, layers, compute, around, norms=norms)
        maps, frame_signals = maps_at_selected_frames(recorder, layers, shown), recorder.frame_signals()
        caveats = [*recorder.caveats_of(clip, pass_caveats), *shown.caveats, *relus.caveats()]
        backwards = len(shown.targets) * (2 if self.signed else 1) + len(gradients or [])
        if gradients is None:
            caveats.append(Caveat(_NO_GRADIENT, CaveatCode.NO_GRADIENT))
        else:
            stage("read-out")
            source, cam = exact_map(maps, shown), exact_map(maps_at_selected_frames(recorder, layers, pooled), pooled)
            details = self._details(seen, torch.stack(gradients), cam)
            if self.signed:
                maps = (*maps, sharp_map(NAME, source, details, shown.targets))
            else:
                maps = (*maps, LayerMap(NAME, DETAIL, details, Geometry.even(seen.size, seen.size)))
        made = provenance(self._method(), self, model, start, backwards, caveats, shown.forwards)
        tubes = Tubes(seen, shown.targets, maps, made, frame_signals)
        remember(tubes, model, self, shown.resolved)
        return tubes

    @property
    def _signs(self) -> tuple[int, ...]:
        return (1, -1) if self.signed else (1,)

    def _gradients(self, recording: Recording, result: ExplainedPass, relus: GuidedReLU) -> list[torch.Tensor] | None:
        """Return the guided gradients (channel, time, height, width) of each target, and of its negated score in between.

        None if no gradient reaches the clip.
        """
        scores = [sign * score_of(recording, target) for target in result.resolved for sign in self._signs]
        found: list[torch.Tensor] = []
        for number, score in enumerate(scores, 1):
            stage("guided backward pass", number, len(scores))
            with relus.guided():
                (gradient,) = torch.autograd.grad(
                    score, [recording.video], retain_graph=number < len(scores), allow_unused=True
                )
            if gradient is None:
                return None  # type: ignore[unreachable]  # of an input that is not used
            found.append(gradient[0].detach().float().cpu())
        return found

    def _details(self, clip: Clip, gradients: torch.Tensor, cam: LayerMap) -> NDArray[np.float32]:
        """Return the maps of detail, float32 (map, time, height, width), in the order of the gradients."""
        stretched = torch.from_numpy(stretch(cam.values, cam.geometry, clip.size))
        cams = torch.stack([(sign * one).clamp_min(0) for one in stretched for sign in self._signs])
        products = gradients * cams[:, None]
        if self.read_out:
            return ReadOut(clip.frames)(products).numpy()
        details: NDArray[np.float32] = blurred(products.norm(dim=1), BLUR * pixel_scale(clip.frames)).numpy()
        return details

    def _method(self) -> str:
        details = [
            *(["read out by movement and colour"] if self.read_out else []),
            *(["evidence of the last layer redistributed"] if self.signed else []),
        ]
        return "Guided Grad-CAM" + (f" ({'; '.join(details)})" if details else "")

"""Attributions of captum: any of its methods, computed on a video model and shown like every other explanation.

Captum gets a module that returns the score of the target for normalised clips (clip, channel, time, height, width). Its result is
summed over channels. Where captum defines completeness (a convergence delta), the values add up to the score minus that of
the baseline: they are evidence, scaled so that their mean is this difference. Other attributions have a scale of their own.

Reference: Kokhlikyan et al.: Captum: A unified and generic model interpretability library for PyTorch, 2020,
arXiv:2009.07896. Each attribution's own reference is in captum's documentation.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain.explanations import Geometry, LayerMap, Target, TargetResult, Tubes
from notebook_explain.explanations.caveats import Caveat
from notebook_explain.explanations.layer_map import RELEVANCE
from notebook_explain.explanations.text import short
from notebook_explain.methods.captum_arguments import check_arguments, find_attribution, plain, split_arguments
from notebook_explain.methods.common import prepare_clip
from notebook_explain.models import Layer, Recording, VideoModel
from notebook_explain.models.batch_scores import BatchScores
from notebook_explain.models.origins import remember
from notebook_explain.models.provenance import provenance_of
from notebook_explain.models.rng import LocalRandomness

_EVIDENCE = (
    "The values of captum's {name} for {target!r} add up to {total}: the score minus that of its baseline, up to captum's error "
    "of {delta}."
)
_RELEVANCE = (
    "This is captum's {name}, summed over channels: it has a scale of its own and need not add up to the score, so it is "
    "shown as relevance, not as evidence."
)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Captum:
    """Explain a model's score by an attribution of captum: ``Captum(IntegratedGradients, n_steps=20)``.

    Install captum with ``pip install 'notebook_explain[captum]'``.

    Parameters
    ----------
    attribution_class : class, str or function
        A class of ``captum.attr``, its name, or a function that takes the module and returns an attribution, such as
        ``lambda module: NoiseTunnel(Saliency(module))``. A function for an attribution of a layer takes the layer too.
    layer : str, optional
        Name of a layer, for attributions of a layer.
    **arguments
        Of the attribution's constructor and of its ``attribute``. Tensors are in the units of the network's input, (1,
        channel, time, height, width), in which 0 is the mean that is subtracted. ``internal_batch_size`` is 8 by default.

    Raises
    ------
    TypeError, ValueError
        No attribution of captum; an argument that it does not take, or one that is missing.
    ExplainError
        Captum is not installed.
    """

    attribution_class: Any
    layer: str | None
    arguments: dict[str, Any]

    def __init__(self, attribution_class: Any, *, layer: str | None = None, **arguments: Any) -> None:
        found = find_attribution(attribution_class)
        if layer is not None and not isinstance(layer, str):
            raise UsageTypeError(f"layer must be the name of a layer (str), got {layer!r}")
        check_arguments(found, layer, arguments)
        object.__setattr__(self, "attribution_class", found)
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "arguments", arguments)

    def __repr__(self) -> str:
        layer = {} if self.layer is None else {"layer": self.layer}
        settings = [f"{key}={value!r}" for key, value in {**layer, **plain(self.arguments)}.items()]
        return f"Captum({', '.join([self.name, *settings])})"

    @property
    def name(self) -> str:
        """Name of the attribution."""
        return str(getattr(self.attribution_class, "__name__", type(self.attribution_class).__name__))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip, under a line of progress where that takes a while.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` is the top class.

        Returns
        -------
        Tubes
            With one signed map: of the layer, or at the resolution of the clip.

        Raises
        ------
        TypeError, ValueError
            An unknown layer or target, or an argument that is not a model or a clip.
        ExplainError
            Captum cannot compute this attribution for the network.
        """
        with working(self.name):
            return self._explain(model, clip, target)

    def _explain(self, model: VideoModel, clip: Any, target: Any) -> Tubes:
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        layer = None if self.layer is None else _hookable(model.layer(self.layer))
        shadows: list[nn.Module] = []

        @contextmanager
        def around(shadow: nn.Module) -> Iterator[None]:
            shadows.append(shadow)
            yield

        def compute(
            recording: Recording,
        ) -> tuple[tuple[Target, ...], tuple[TargetResult, ...], list[_Attribution], int, int]:
            targets = model.resolve(recording.heads, target)
            video = recording.video.detach()
            _compute_out_of_place(shadows[-1])
            found, forwards, backwards = [], 1, 0
            for number, resolved in enumerate(targets, 1):
                stage("target", number, len(targets))
                module = ScoreModule(model, shadows[-1], resolved, video)
                found.append(self._attribute(module, video, layer))
                forwards, backwards = forwards + module.scores.forwards, backwards + module.backwards
            return targets, model.results(recording, targets), found, forwards, backwards

        (resolved, targets, found, forwards, backwards), pass_caveats = model.run(seen, (), compute, around)
        geometry = Geometry.even(seen.size, seen.size) if layer is None else layer.geometry
        shown = self._map(found, targets, geometry, layer)
        caveats = [*model.caveats, *model.clip_caveats(clip), *pass_caveats, *self._caveats(found, targets)]
        knobs = {"attribution_class": self.name, "layer": self.layer, "arguments": plain(self.arguments)}
        made = provenance_of(
            model, f"{self.name} (captum)", knobs, start, caveats, forwards=forwards, backwards=backwards
        )
        tubes = Tubes(seen, targets, (shown,), made)
        remember(tubes, model, self, resolved)
        return tubes

    def _attribute(self, module: ScoreModule, video: torch.Tensor, layer: Layer | None) -> _Attribution:
        """Return the attribution for one target, summed over channels."""
        at = [] if layer is None else [module.network.get_submodule(str(layer.ref.module))]
        try:
            with _quiet(), _local_numpy(), LocalRandomness():
                for_class, for_call = split_arguments(self.attribution_class, self.arguments, video)
                attribution = self.attribution_class(module, *at, **for_class)
                has_delta = attribution.has_convergence_delta() and attribution.multiplies_by_inputs
                more = {"return_convergence_delta": True} if has_delta else {}
                result = attribution.attribute(video.clone(), **for_call, **more)
        except (ExplainError, UsageError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:
            raise ExplainError(f"captum cannot compute {self.name} for this network: {error}") from error
        values, delta = result if has_delta else (result, None)
        values = values[0] if isinstance(values, (tuple, list)) and len(values) == 1 else values
        if not isinstance(values, torch.Tensor):
            raise ExplainError(f"captum's {self.name} returned {type(values).__name__}, not one tensor")
        return _Attribution(
            self._cells(values.detach(), video, layer), None if delta is None else float(delta.abs().max())
        )

    def _cells(self, values: torch.Tensor, video: torch.Tensor, layer: Layer | None) -> NDArray[np.float32]:
        """Return an attribution summed over channels, at the clip's voxels or the layer's cells."""
        wanted = tuple(video.shape) if layer is None else layer.layout.shape
        channel = 1 if layer is None else layer.layout.channel - 1
        is_summed = values.ndim == len(wanted) and values.shape[channel] == 1
        fits = [
            length == other or (index == channel and is_summed)
            for index, (length, other) in enumerate(zip(values.shape, wanted, strict=False))
        ]
        if values.ndim != len(wanted) or not all(fits):
            raise ExplainError(
                f"captum's {self.name} returned values of shape {tuple(values.shape)}, but {wanted} was expected "
                f"({'the clip' if layer is None else f'layer {layer.name!r}'}); its map has no position in the clip"
            )
        if not torch.isfinite(values).all():
            raise ExplainError(f"captum's {self.name} returned values that are not finite")
        if layer is None:
            cells = values.double().sum(1)[0]
        else:
            values = values.double()
            full = values if not is_summed else values.expand(wanted) / wanted[channel]
            cells = layer.layout.to_volume(full).sum(1)[0]
        return cells.cpu().numpy().astype(np.float32)

    def _map(
        self, found: list[_Attribution], targets: tuple[TargetResult, ...], geometry: Geometry, layer: Layer | None
    ) -> LayerMap:
        values = np.stack([one.values for one in found])
        name = self.name if layer is None else f"{layer.name} ({self.name})"
        pathway = None if layer is None else layer.pathway
        if any(one.delta is None for one in found):
            return LayerMap(name, RELEVANCE, values, geometry, pathway)
        totals = values.sum(axis=(1, 2, 3), dtype=np.float64)
        gap = np.array([result.logit for result in targets]) - totals
        return LayerMap(name, "named", values * values[0].size, geometry, pathway, gap.astype(np.float32))

    def _caveats(self, found: list[_Attribution], targets: tuple[TargetResult, ...]) -> list[Caveat]:
        return [
            Caveat(_RELEVANCE.format(name=self.name))
            if one.delta is None
            else Caveat(
                _EVIDENCE.format(
                    name=self.name,
                    target=result.name,
                    total=short(float(one.values.sum(dtype=np.float64))),
                    delta=short(one.delta),
                )
            )
            for one, result in zip(found, targets, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class _Attribution:
    """Values (time, height, width) of one target, and the error of their sum where captum states one."""

    values: NDArray[np.float32]
    delta: float | None


class ScoreModule(nn.Module):
    """Module that returns the score (clip,) of one target for normalised clips, as captum takes it.

    Parameters
    ----------
    model : VideoModel
    network : nn.Module
        Shadow of the model's module.
    target : Target
        A resolved one.
    video : float tensor (1, channel, time, height, width)
        The clip; with its reverse, it shows how the network takes a batch.
    """

    def __init__(self, model: VideoModel, network: nn.Module, target: Target, video: torch.Tensor) -> None:
        super().__init__()
        self.network, self.backwards = network, 0
        self.scores = BatchScores(model, [target])
        self.scores.probe(network, torch.cat([video, video.flip(2)]))

    def forward(self, videos: torch.Tensor) -> torch.Tensor:
        """Return the scores of clips (clip, channel, time, height, width)."""
        score = self.scores(self.network, videos)[:, 0]
        if score.requires_grad:
            score.register_hook(self._count)  # type: ignore[no-untyped-call]
        return score

    def _count(self, _: torch.Tensor) -> None:
        self.backwards += 1


def _hookable(layer: Layer) -> Layer:
    """Return a layer whose tensor is the only one that its module returns."""
    if len(layer.parts) > 1 or layer.ref.module is None or layer.name != layer.ref.module:
        raise ExplainError(
            f"captum cannot attribute to layer {layer.name!r}: it must be the only output of a module that runs once"
        )
    return layer


def _compute_out_of_place(shadow: nn.Module) -> None:
    """Let no module of a shadow overwrite its input, which captum's hooks keep."""
    for part in shadow.modules():
        if getattr(part, "inplace", None) is True:
            part.inplace = False  # type: ignore[assignment]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence captum's remarks about hooks and gradients that it sets and removes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"captum\.")
        warnings.filterwarnings("ignore", module=r"torch\.nn\.modules\.module")
        yield


@contextmanager
def _local_numpy() -> Iterator[None]:
    """Give captum numpy's global generator with a fixed seed, and restore its state."""
    state = np.random.get_state()  # noqa: NPY002  captum draws from it
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002

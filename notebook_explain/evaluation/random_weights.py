"""Models with random weights: what a map looks like that owes nothing to training.

Copies of the user's network are re-initialised; the network itself is never touched. A module with ``reset_parameters`` is
reset as when it was built; other parameters are shuffled, so that they keep their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain._validation import check_int
from notebook_explain.models import VideoModel, shadow_of
from notebook_explain.models.rng import LocalRandomness


@dataclass(frozen=True)
class WithRandomWeights:
    """An explainer that explains a copy of the model with random weights.

    A map that looks as good with random weights shows the method or the clip, and not what the model has learned.

    Attributes
    ----------
    explainer : explainer
    seed : int
        Of the weights.
    """

    explainer: Callable[..., Any]
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.explainer, type) or not callable(self.explainer):
            raise UsageTypeError(f"explainer must be an explainer, such as SaliencyTubes(); got {self.explainer!r}")
        object.__setattr__(self, "seed", check_int("seed", self.seed, least=0))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Any:
        """Return the explanation of the random copy; parameters and errors are those of the explainer."""
        return self.explainer(with_random_weights(model, seed=self.seed), clip, target)


def with_random_weights(model: VideoModel, modules: Sequence[str] | None = None, *, seed: int = 0) -> VideoModel:
    """Return a model whose network is a copy with random weights, in all modules or in some.

    Parameters
    ----------
    model : VideoModel
    modules : sequence of str, optional
        Dotted names of the modules to re-initialise; all by default.
    seed : int
        The same seed gives a module the same weights, whichever others are re-initialised.

    Raises
    ------
    ExplainError
        The network cannot be copied.
    """
    try:
        copy = shadow_of(model.module, copy_parameters=True, keep_hooks=model.keep_hooks)
    except Exception as error:
        raise ExplainError(
            f"random weights need a copy of the network, and {type(model.module).__name__} cannot be copied ({error})"
        ) from error
    names = parametrised_modules(copy)
    chosen = set(names if modules is None else modules)
    with torch.inference_mode(False), torch.no_grad():
        for index, name in enumerate(names):
            if name in chosen:
                _randomise(copy.get_submodule(name), seed * 100_003 + index)
    return replace(model, module=copy)


def parametrised_modules(network: nn.Module) -> list[str]:
    """Return the names of the modules that have parameters of their own, in the order in which they were registered."""
    return [name for name, part in network.named_modules() if next(part.parameters(recurse=False), None) is not None]


def stages_from_head(model: VideoModel) -> list[tuple[str, list[str]]]:
    """Return the parts of a network with their parametrised modules, from the classifier to the stem.

    A part is a layer of ``model.layers``, or a module at the top of the network that is in none of them.
    """
    layers = sorted({str(layer.ref.module) for layer in model.layers if layer.ref.module}, key=len, reverse=True)

    def part_of(name: str) -> str:
        inside = next((layer for layer in layers if name == layer or name.startswith(f"{layer}.")), None)
        return inside or name.partition(".")[0] or "network"

    stages: list[tuple[str, list[str]]] = []
    for name in reversed(parametrised_modules(model.module)):
        if not stages or stages[-1][0] != part_of(name):
            stages.append((part_of(name), []))
        stages[-1][1].append(name)
    return stages


def _randomise(module: nn.Module, seed: int) -> None:
    reset = getattr(module, "reset_parameters", None)
    with LocalRandomness(seed):
        if callable(reset):
            reset()
        else:
            _shuffle(module.parameters(recurse=False))


def _shuffle(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        order = torch.randperm(parameter.numel(), device=parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))

"""Find captum's attributions by name, and check the arguments that they are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import torch

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError

INTERNAL_BATCH = 8  # clips in a pass, where captum would run all steps of a path at once
_OURS = {
    "inputs": "the clip is passed in the call: explainer(model, clip, target)",
    "target": "the target is passed in the call: explainer(model, clip, target)",
    "additional_forward_args": "bind other inputs of the network with adapt(inputs=...)",
    "return_convergence_delta": "the delta is always reported, as a caveat",
    "attribute_to_layer_input": "name the layer before",
}
_MODULES = {"forward_func", "model", "layer", "device_ids"}  # of constructors
_UNITS, _TEXT = "Neuron", ("LLM", "RemoteLLM", "DataLoader", "LimeBase")  # attributions of units, and of other data
_BASES = ("Attribution", "GradientAttribution", "PerturbationAttribution", "LayerAttribution")


def find_attribution(given: Any) -> Callable[..., Any]:
    """Return a class of captum.attr, given that or its name, or a function as it is.

    Raises
    ------
    TypeError, ValueError
        No class of captum that attributes a score; similar names are listed.
    ExplainError
        Captum is not installed.
    """
    attr = _captum()
    if isinstance(given, str):
        if not hasattr(attr, given):
            similar = get_close_matches(given, attr.__all__, 5, 0.5)
            listed = (
                f"; similar names: {', '.join(similar)}" if similar else ", which has for example IntegratedGradients"
            )
            raise UsageError(f"attribution_class {given!r} is not in captum.attr{listed}")
        given = getattr(attr, given)
    if not isinstance(given, type):
        if callable(given):
            return given  # type: ignore[no-any-return]
        raise UsageTypeError(
            f"attribution_class must be a class of captum.attr, its name, or a function that takes the module, got {given!r}"
        )
    if not issubclass(given, attr.Attribution):
        raise UsageTypeError(f"attribution_class must be an attribution of captum.attr, got {given.__name__}")
    if given is attr.NoiseTunnel:
        raise UsageError(
            "NoiseTunnel wraps another attribution; pass a function, such as "
            "Captum(lambda module: NoiseTunnel(Saliency(module)), nt_samples=8)"
        )
    if given.__name__.startswith(_UNITS):
        raise UsageError(f"{given.__name__} explains a unit, and Captum explains the score of a target")
    if given.__name__.startswith(_TEXT) or given in (getattr(attr, name) for name in _BASES):
        raise UsageError(f"{given.__name__} cannot explain the score of a clip; choose another class of captum.attr")
    return given


def check_arguments(attribution: Callable[..., Any], layer: str | None, arguments: Mapping[str, Any]) -> None:
    """Raise UsageError unless an attribution takes these arguments, and no other one is missing."""
    for name, advice in _OURS.items():
        if name in arguments:
            raise UsageError(f"{name} is not an argument of Captum: {advice}")
    if not isinstance(attribution, type):
        return
    name, of_class, of_call = attribution.__name__, _parameters(attribution), _parameters(attribution.attribute)  # type: ignore[attr-defined]
    takes_layer = "layer" in of_class
    if takes_layer and layer is None:
        raise UsageError(f"{name} attributes to a layer: pass layer='name'; list(model.layers) shows the layers")
    if layer is not None and not takes_layer:
        raise UsageError(f"{name} attributes to the clip and takes no layer; leave out layer={layer!r}")
    known = {**of_class, **of_call}
    hidden = {*_MODULES, *_OURS}
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values()):
        for given in arguments:
            if given not in known or given in hidden:
                listed = ", ".join(key for key in known if key not in hidden and key != "kwargs")
                raise UsageError(f"{name} takes no argument {given!r}; it takes {listed or 'none'}")
    missing = [
        key
        for key, parameter in known.items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        and key not in hidden
        and key not in arguments
    ]
    if missing:
        raise UsageError(f"{name} needs {', '.join(f'{key}=' for key in missing)}; pass it to Captum")


def split_arguments(
    attribution: Callable[..., Any], arguments: Mapping[str, Any], video: torch.Tensor
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of a constructor and those of ``attribute``, with tensors on the device of the clip."""
    moved = {name: _like(value, video) for name, value in arguments.items()}
    if not isinstance(attribution, type):
        return {}, moved
    of_class = _parameters(attribution)
    for_class = {name: value for name, value in moved.items() if name in of_class}
    for_call = {name: value for name, value in moved.items() if name not in of_class}
    if "internal_batch_size" in _parameters(attribution.attribute):  # type: ignore[attr-defined]
        for_call.setdefault("internal_batch_size", INTERNAL_BATCH)
    return for_class, for_call


def plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers and strings as they are, tensors by their shape, other objects by name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, torch.Tensor):
        return f"tensor {tuple(value.shape)}"
    return getattr(value, "__name__", type(value).__name__)


def _captum() -> ModuleType:
    try:
        import captum.attr
    except ImportError as error:
        raise ExplainError(
            "Captum needs the package captum, which is not installed; run: pip install 'notebook_explain[captum]'"
        ) from error
    attr: ModuleType = captum.attr
    return attr


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    found = dict(inspect.signature(function).parameters)
    found.pop("self", None)
    return found


def _like(value: Any, video: torch.Tensor) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(video) if value.is_floating_point() else value.to(video.device)
    if isinstance(value, (tuple, list)):
        return type(value)(_like(entry, video) for entry in value)
    return value

"""Caveats of every explanation of a network: guesses, unknown positions, held inputs, and what its modules report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import join_names
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.bound_inputs import BoundInputs, held_caveat
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.unsure_positions import position_caveats

_EVEN = Caveat(
    "The positions of this network's cells in the clip could not be measured (it uses an operation through which positions "
    "cannot be followed); the clip is divided evenly instead.",
    CaveatCode.ASSUMED_POSITIONS,
)


def model_caveats(network: nn.Module, preprocessing: Preprocessing, trace: LayerTrace | None) -> tuple[str, ...]:
    """Return caveats of every explanation of a network: guesses, unknown positions, and those that its modules report."""
    caveats = [assumption_caveat(preprocessing)] if preprocessing.assumed else []
    if trace is None:
        caveats.append(_EVEN)
    else:
        caveats += position_caveats(trace.mixtures, trace.unplaced)
    caveats += [_module_caveat(part) for part in network.modules() if isinstance(getattr(part, "caveat", None), str)]
    return tuple(dict.fromkeys(caveats))


def held_inputs_caveat(network: nn.Module, preprocessing: Preprocessing, inputs: BoundInputs) -> tuple[Caveat, ...]:
    """Return a caveat that names the inputs which do not depend on the clip, as one call shows."""
    reference = reference_parameter(network)
    with torch.inference_mode(False), torch.enable_grad(), LocalRandomness():
        clip = torch.zeros((1, preprocessing.channels, *preprocessing.shape), device=reference.device)
        arranged = preprocessing.arrange(clip.to(reference.dtype).requires_grad_().clone())
        return held_caveat(inputs.held(network, arranged))


def _module_caveat(module: Any) -> Caveat:
    """Return the caveat that a module reports; modules name its kind as ``caveat_code``."""
    return Caveat(module.caveat, getattr(module, "caveat_code", CaveatCode.MODULE))


def assumption_caveat(p: Preprocessing) -> Caveat:
    """Return the caveat that names what was guessed."""
    height, width = p.size
    values: dict[str, Any] = {
        "size": height if height == width else p.size,
        "frames": p.frames,
        "channels": p.channels,
        "mean": _rounded(p.mean),
        "std": _rounded(p.std),
        "layout": p.layout,
    }
    guesses = ", ".join(f"{name} {values[name]!r}" for name in p.assumed)
    text = (
        f"Not specified, assumed: {guesses}. If the guess is wrong, so is the explanation; pass "
        f"{join_names([f'{name}=' for name in p.assumed], 'and')} to ne.adapt() or ne.explain()."
    )
    return Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, p.assumed)


def _rounded(values: Sequence[float]) -> float | tuple[float, ...]:
    """Return rounded numbers; one number if all channels share it, unless they are colours."""
    rounded = tuple(round(value, 3) for value in values)
    return rounded[0] if len(set(rounded)) == 1 and len(rounded) != 3 else rounded

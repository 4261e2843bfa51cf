"""Check that explaining a network leaves no trace: parameters, buffers, gradients, modes, hooks and random states."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn


def state_of(net: nn.Module) -> dict[str, Any]:
    """Return copies of everything that an explanation could change."""
    return {
        "tensors": {name: (id(value), value._version, value.detach().clone()) for name, value in _tensors(net).items()},
        "gradients": {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in net.named_parameters()},
        "training": {name: part.training for name, part in net.named_modules()},
        "hooks": {name: _hooks(part) for name, part in net.named_modules()},
        "random": (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()),  # type: ignore[index] # noqa: NPY002
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


def traces(before: Any, after: Any) -> list[str]:
    """Return the names of what differs between two states."""
    return [name for name in before if not _is_same(before[name], after[name])]


def _tensors(net: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


def _hooks(part: nn.Module) -> list[list[int]]:
    return [list(value) for name, value in sorted(vars(part).items()) if name.endswith("_hooks")]


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, torch.Tensor):
        return before.dtype == after.dtype and torch.equal(before, after)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_is_same(before[key], after[key]) for key in before)
    if isinstance(before, (tuple, list)):
        return len(before) == len(after) and all(map(_is_same, before, after))
    return bool(before == after)

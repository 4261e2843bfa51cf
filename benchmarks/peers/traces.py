"""Traces that a call leaves behind in a user's module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state(module: nn.Module) -> dict[str, Any]:
    """Return copies of everything that a call may change, by the name that the table shows."""
    return {
        "hooks": [len(getattr(part, kind)) for part in module.modules() for kind in _HOOKS],
        "train mode": [part.training for part in module.modules()],
        ".grad": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "parameters": [p.detach().clone() for p in module.parameters()],
        "buffers": [buffer.clone() for buffer in module.buffers()],
        "random numbers": [torch.get_rng_state()],
    }


def left_behind(module: nn.Module, run: Callable[[], Any]) -> tuple[str, ...]:
    """Run something and return the names of what it changed in a module."""
    before = state(module)
    run()
    after = state(module)
    return tuple(name for name in before if not _same(before[name], after[name]))


def left_behind_in_training(module: nn.Module, run: Callable[[], Any]) -> tuple[str, ...]:
    """Do the same in the middle of training: train mode, accumulated gradients, one frozen parameter.

    The module is in eval mode without gradients afterwards; its buffers are put back.
    """
    kept = [buffer.clone() for buffer in module.buffers()]
    first = next(module.parameters())
    module.train()
    first.requires_grad_(False)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    try:
        return left_behind(module, run)
    finally:
        first.requires_grad_(True)
        module.eval().zero_grad()
        with torch.no_grad():
            for buffer, value in zip(module.buffers(), kept, strict=True):
                buffer.copy_(value)


def _same(before: list[Any], after: list[Any]) -> bool:
    if len(before) != len(after):
        return False
    return all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a is b or a == b
        for a, b in zip(before, after, strict=True)
        if not (a is None and b is None)
    )

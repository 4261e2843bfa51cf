"""A shadow that serves several passes: copying a small network takes as long as running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from notebook_explain.models.bound_inputs import bound_to, inputs_of
from notebook_explain.models.checkpointing import no_checkpointing
from notebook_explain.models.shadow import reference_parameter, shadow_of
from notebook_explain.models.video_model import VideoModel

Result = TypeVar("Result")


class KeptShadow:
    """Run functions on one shadow of a model, for as long as the parameters and buffers of its module stay the same.

    Where anything goes wrong, a new shadow serves that call, as in `VideoModel.on_shadow`. Changes of other attributes of the
    module are not noticed: keep it for a gesture, not for a session.

    Parameters
    ----------
    model : VideoModel
    """

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self._shadow: nn.Module | None = None
        self._versions: list[tuple[int, int, int]] = []

    def __call__(self, compute: Callable[[nn.Module], Result]) -> tuple[Result, tuple[str, ...]]:
        """Return what a function of a shadow returns, and caveats."""
        try:
            result = self._run(compute)
        except Exception:  # a module that cannot be copied, or an error that a new shadow tells better
            self._shadow = None
            return self.model.on_shadow(compute)
        if _versions(self.model.module) == self._versions:
            return result, ()
        return self.model.on_shadow(compute)

    def _run(self, compute: Callable[[nn.Module], Result]) -> Result:
        module, versions = self.model.module, _versions(self.model.module)
        if self._shadow is None or versions != self._versions:
            self._shadow, self._versions = shadow_of(module, keep_hooks=self.model.keep_hooks), versions
        inputs = inputs_of(module) if self.model.inputs is None else self.model.inputs
        with no_checkpointing(), torch.autocast(reference_parameter(self._shadow).device.type, enabled=False):
            return bound_to(inputs, compute)(self._shadow)


def _versions(module: nn.Module) -> list[tuple[int, int, int]]:
    """Return what changes when a parameter or a buffer does."""
    tensors = (*module.parameters(), *module.buffers())
    return [(id(each), each.data_ptr(), -1 if each.is_inference() else each._version) for each in tensors]

"""A model with a copy of its parameters, for work that takes many passes."""

from __future__ import annotations

from dataclasses import replace

from notebook_explain.models.shadow import shadow_of
from notebook_explain.models.video_model import VideoModel


def frozen(model: VideoModel) -> VideoModel:
    """Return the model with a copy of its parameters, so that training meanwhile changes nothing.

    A module that cannot be copied stays itself, and is guarded in every pass.
    """
    try:
        module, _ = model.on_shadow(lambda shadow: shadow_of(shadow, copy_parameters=True, keep_hooks=model.keep_hooks))
    except Exception:  # whatever a module raises that cannot be copied
        return model
    return replace(model, module=module)

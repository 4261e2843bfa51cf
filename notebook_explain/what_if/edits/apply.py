"""Apply edits: those of the clip to a clip, those of the network to a copy of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.layers.swap import exchange
from notebook_explain.models import VideoModel
from notebook_explain.models.recording import dense
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter, shadow_of
from notebook_explain.what_if.edits.base import ClipEdit, Edit
from notebook_explain.what_if.edits.network import NetworkEdit, Swap


def split_edits(edits: Any) -> tuple[tuple[ClipEdit, ...], tuple[NetworkEdit, ...]]:
    """Return the edits of the clip and those of the network, each in order.

    Parameters
    ----------
    edits : Edit, or iterable of Edit

    Raises
    ------
    TypeError
        Something else than edits.
    """
    entries = [edits] if isinstance(edits, Edit) else edits
    if not isinstance(entries, Iterable) or isinstance(entries, (str, bytes, dict)):
        raise UsageTypeError(f"edits must be a list of edits such as [edits.Reverse()], got {edits!r}")
    found = list(entries)
    for entry in found:
        if not isinstance(entry, (ClipEdit, NetworkEdit)):
            advice = f"; write {entry.__name__}()" if isinstance(entry, type) and issubclass(entry, Edit) else ""
            raise UsageTypeError(
                f"an edit must be one of notebook_explain.edits, such as edits.Reverse(); got {entry!r}{advice}"
            )
    clip = tuple(edit for edit in found if isinstance(edit, ClipEdit))
    return clip, tuple(edit for edit in found if isinstance(edit, NetworkEdit))


def edited_clip(clip: Clip, edits: Any) -> Clip:
    """Return a clip with the edits of a list that are of the clip, in order; those of the network are left out.

    Raises
    ------
    TypeError, ValueError
        An edit does not fit the clip.
    """
    for edit in split_edits(edits)[0]:
        clip = edit(clip)
    return clip


def edited_model(model: VideoModel, edits: Any) -> VideoModel:
    """Return a model with the edits of a list that are of the network; those of the clip are left out.

    The result runs a copy of the network, which shares its parameters; the network itself is not changed. It works with every
    explainer, and a caveat names the edits. Without edits of the network, the model itself is returned.

    Raises
    ------
    TypeError, ValueError
        The network has no such layer or channel, cannot be copied, or does not run with what was swapped.
    """
    chosen = split_edits(edits)[1]
    if not chosen:
        return model
    copied = _with_swaps(model, _copied(model), [edit for edit in chosen if isinstance(edit, Swap)])
    for edit in chosen:
        if not isinstance(edit, Swap):
            edit.apply_to(copied)
    words = "; ".join(edit.in_words() for edit in chosen)
    caveat = Caveat(f"The network was edited: {words}.", CaveatCode.EDITED)
    return replace(copied, keep_hooks=True, caveats=(*copied.caveats, caveat))


def _copied(model: VideoModel) -> nn.Module:
    try:
        return shadow_of(model.module, keep_hooks=model.keep_hooks)
    except Exception as error:
        raise UsageError(
            f"edits of the network need a copy of it, but {type(model.module).__name__} cannot be copied ({error}); remove the "
            "attribute that cannot be copied, such as a lock or a generator, or edit the clip only"
        ) from error


def _with_swaps(model: VideoModel, module: nn.Module, swaps: Sequence[Swap]) -> VideoModel:
    """Return the model of a copied module, in which modules are exchanged."""
    if not swaps:
        return replace(model, module=module)
    for swap in swaps:
        module = exchange(module, swap.exchange).model
    try:
        replace(model, module=module).on_shadow(lambda shadow: _run_once(model, shadow))
    except Exception as error:
        words = "; ".join(swap.in_words() for swap in swaps)
        raise UsageError(
            f"the network does not run {words} ({error}); swap a module for one that takes and returns tensors of the same shape"
        ) from error
    return model.with_module(module)


def _run_once(model: VideoModel, shadow: nn.Module) -> None:
    reference, p = reference_parameter(shadow), model.preprocessing
    with torch.inference_mode(False), torch.no_grad(), LocalRandomness():
        shadow(dense(p.arrange(torch.zeros((1, p.channels, *p.shape), device=reference.device, dtype=reference.dtype))))

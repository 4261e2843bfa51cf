"""Test whether a network's forward hooks change its output, by one pass on noise with copies of the hooks and one without."""

from __future__ import annotations

import torch
from torch import nn

from notebook_explain._warn import warn
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import on_shadow, reference_parameter, shadow_of


def hook_caveat(network: nn.Module, preprocessing: Preprocessing) -> tuple[Caveat, ...]:
    """Return a caveat, and issue it as a warning, unless the user's forward hooks leave the output unchanged."""
    changed = _hooks_change_output(network, preprocessing)
    if changed is False:
        return ()
    verb = "change" if changed else "may change"
    text = (
        f"This network has forward hooks that {verb} its output. They are left out, so the explanation is of the network "
        "without them; pass keep_hooks=True to ne.adapt() or ne.explain() to explain it with them."
    )
    caveat = Caveat(text, CaveatCode.FORWARD_HOOKS, ("keep_hooks",))
    warn(Caveat(f"{type(network).__name__}: {text}", caveat.code, caveat.arguments))
    return (caveat,)


def _hooks_change_output(network: nn.Module, p: Preprocessing) -> bool | None:
    """Compare the output for noise with and without copies of the user's hooks; None if no copy of the network runs."""

    def run(shadow: nn.Module) -> list[torch.Tensor]:
        reference = reference_parameter(shadow)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn((1, p.channels, *p.shape), generator=generator).to(reference.device, reference.dtype)
        with torch.no_grad(), LocalRandomness():
            return [tensor for _, tensor in tensors(shadow(p.arrange(noise)))]

    try:
        shadow_of(network)  # without a copy, the hooks themselves would run
        with_hooks, without = (on_shadow(network, run, keep_hooks=keep)[0] for keep in (True, False))
    except Exception:
        return None
    return _differ(with_hooks, without)


def _differ(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    """Return whether two passes gave different tensors; differences by rounding do not count."""
    if [x.shape for x in a] != [x.shape for x in b]:
        return True
    return not all(
        torch.allclose(x, y, rtol=1e-5, atol=1e-6 * float(y.abs().max()) if y.numel() else 0.0, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )

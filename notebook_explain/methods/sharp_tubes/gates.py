"""Backward passes in which units and positions that do not support the score pass on no gradient.

Cuts h_1 .. h_L are the outputs of a network's blocks. At a cut with activation A, a gradient g arrives; the evidence of a
position is e = sum_c g_c A_c, and r = relu(e) / max relu(e). The gradient that is passed on is ::

    L (the last cut) : g r
    L-1              : g [g A > 0] sqrt(r)
    earlier          : g [g A > 0]

ReLUs between the cuts pass on positive gradients only, too (``guided_relu``).

A network with several pathways has a chain of cuts, and a maximum, for each pathway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import torch

from notebook_explain.models import Layer, Recording
from notebook_explain.models.layouts import Layout
from notebook_explain.models.merged_calls import LayerPart

_TINY = 1e-30


class Gate(Enum):
    """Rule of a cut, by its position in its chain."""

    LAST = "last"
    BEFORE_LAST = "before last"
    EARLIER = "earlier"


def gates(cuts: Sequence[Layer], ends: Sequence[Layer]) -> dict[Layer, Gate]:
    """Return the gate of each layer that lies on a chain.

    Parameters
    ----------
    cuts : sequence of Layer
        From input to output.
    ends : sequence of Layer
        The last cut of each chain, among ``cuts``.
    """
    distance: dict[Layer, int] = {}
    for end in ends:
        before = [cut for cut in cuts[: cuts.index(end)] if cut not in ends]
        chain = [cut for cut in before if len(ends) == 1 or cut.pathway in (None, end.pathway)]
        stages = list(dict.fromkeys(_stage(cut) for cut in reversed(chain)))
        for cut in chain:
            steps = 1 + stages.index(_stage(cut))
            distance[cut] = min(steps, distance.get(cut, steps))
        distance[end] = 0
    by_distance = {0: Gate.LAST, 1: Gate.BEFORE_LAST}
    return {cut: by_distance.get(distance[cut], Gate.EARLIER) for cut in cuts if cut in distance}


def _stage(layer: Layer) -> Any:
    """Return what the tensors of one module's call share: they are at the same distance from the end."""
    return (layer.ref.module, layer.ref.call) if layer.ref.module is not None else layer.name


def gated_gradient(
    recording: Recording, score: torch.Tensor, chosen: Mapping[Layer, Gate], *, last: bool
) -> torch.Tensor | None:
    """Return the gradient of a score at the normalised clip, after every gate has taken its part.

    Parameters
    ----------
    recording : Recording
    score : scalar tensor
        Negate it for the evidence against a class.
    chosen : dict of Layer to Gate
        As `gates` returns it.
    last : bool
        Free the graph.

    Returns
    -------
    float tensor (channel, time, height, width), or None if no gradient reaches the clip
    """
    peaks = _peaks(recording, score, [layer for layer, gate in chosen.items() if gate is Gate.LAST])
    handles: list[Any] = []
    try:
        for layer, gate in chosen.items():
            for part in layer.parts:
                output = recording.outputs.get(part.ref)
                if output is not None and output.requires_grad:
                    handles.append(
                        output.register_hook(  # type: ignore[no-untyped-call]
                            _hook(gate, part.layout, output, peaks.get(part.ref))
                        )
                    )
        (found,) = torch.autograd.grad(score, [recording.video], retain_graph=not last, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return None if found is None else found[0].detach()


def _peaks(recording: Recording, score: torch.Tensor, ends: Sequence[Layer]) -> dict[Any, torch.Tensor]:
    """Return the largest positive evidence of each last cut, over all of its tensors."""
    gradients = recording.backward(score, last=False, layers=ends)
    peaks: dict[Any, torch.Tensor] = {}
    for layer in ends:
        parts = [part for part in layer.parts if part.ref in gradients]
        if parts:
            largest = [_evidence(part, gradients[part.ref], recording.outputs[part.ref]).max() for part in parts]
            peaks.update(dict.fromkeys((part.ref for part in parts), torch.stack(largest).max()))
    return peaks


def _evidence(part: LayerPart, gradient: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return part.layout.channel_sums(gradient.float() * output.detach().float())


def _hook(
    gate: Gate, layout: Layout, output: torch.Tensor, peak: torch.Tensor | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    activation = output.detach()  # the hook must not hold the graph that holds it

    def through(gradient: torch.Tensor) -> torch.Tensor:
        products = gradient * activation
        if gate is Gate.EARLIER:
            return _where_positive(products, gradient)
        evidence = layout.channel_sums(products.float()).clamp_min(0)
        fraction = evidence / (evidence.max() if peak is None else peak).clamp_min(_TINY)
        if gate is Gate.LAST:
            return gradient * fraction.to(gradient.dtype)
        return _where_positive(products, gradient * fraction.sqrt().to(gradient.dtype))

    return through


def _where_positive(products: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient where products are above 0, else 0, by the backward pass of a ReLU: a sixth of the time of where."""
    passed: torch.Tensor = torch.ops.aten.threshold_backward(gradient, products, 0)
    return passed

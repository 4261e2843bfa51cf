"""Rules for recurrent layers: each output lies at the step of its input; a final state depends on all steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from notebook_explain.models.positions.extents import TIME, extent
from notebook_explain.models.positions.lineage import union
from notebook_explain.models.positions.merging import contract, expanded
from notebook_explain.models.positions.tensor import PositionTensor, map_fields, position_tensors, rule


@rule("lstm", "gru", "rnn_tanh", "rnn_relu")
def _recurrent(x: PositionTensor, *args: Any) -> tuple[PositionTensor, ...]:
    """Return the outputs of all steps, and the final states of each layer and direction."""
    packed = (
        isinstance(args[0], torch.Tensor) and not args[0].is_floating_point()
    )  # lengths of the sequences come first
    states, layers = args[packed], args[3 + packed]
    bidirectional, batch_first = bool(args[6 + packed]), not packed and bool(args[7])
    hidden = states if isinstance(states, (list, tuple)) else [states]
    directions = 1 + bidirectional
    mean = contract(x, x.ndim - 1)
    seen = union(x.lineage.seen, extent(x, TIME))
    output = _with_seen(expanded(mean, (*mean.shape[:-1], directions * hidden[0].shape[-1])), seen)
    step_axis = 1 if batch_first else 0
    last = contract(mean, step_axis)
    last = PositionTensor.from_fields(map_fields(last, lambda field: field.movedim(step_axis, 0)), last)
    final = [_with_seen(expanded(last, (directions * layers, *state.shape[1:])), seen) for state in hidden]
    return (output, *final)


@rule("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", any_argument=True)
def _recurrent_step(x: Any, states: Any, *_: Any) -> Any:
    """Return the new state, or two of them, at the position of the input; without one, of the old state."""
    old = list(states) if isinstance(states, (list, tuple)) else [states]
    moved = position_tensors((x, old))
    new = []
    for state in old:
        mean = contract(moved[0], moved[0].ndim - 1)
        seen = None
        for part in moved:
            seen = union(seen, part.lineage.seen or extent(part, TIME))
        step = PositionTensor.from_fields(expanded(mean, (*mean.shape[:-1], state.shape[-1])).fields, *moved)
        new.append(_with_seen(step, seen))
    return tuple(new) if isinstance(states, (list, tuple)) else new[0]


def _with_seen(x: PositionTensor, seen: tuple[float, float] | None) -> PositionTensor:
    x.lineage = replace(x.lineage, seen=seen)
    return x

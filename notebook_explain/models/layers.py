"""Layers that an explanation can show: which tensor, in what layout, and where its cells lie in the clip.

`default_layers` chooses from a `LayerTrace` the stem, the outputs of blocks and the input of global pooling;
`named_layer` finds any module's output by name. Everything follows from measured positions and from how modules nest,
so it does not depend on the architecture.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, TracedOutput
from notebook_explain.models.layouts import Layout, measure
from notebook_explain.models.positions.tensor import PositionTensor

MAX_LAYERS = 16
POOLING_INPUT = "pooling input"


@dataclass(frozen=True, eq=False)
class Layer:
    """A tensor of the network that can be explained.

    Attributes
    ----------
    name : str
        Dotted name of the module, with "#2" for its second call and "[1]" for the second of several tensors.
    kind : str
        "stem", "block", `POOLING_INPUT` or "named".
    ref : TensorRef
        How to find the tensor in a pass.
    layout : Layout
    geometry : Geometry
        Clip frames and pixels that the cells stand for.
    pathway : int or None
        Index of the pathway, in networks with several.
    caveats : tuple of str
        What readers of this layer's map must know about its positions, as sentences.
    """

    name: str
    kind: str
    ref: TensorRef
    layout: Layout
    geometry: Geometry
    pathway: int | None = None
    caveats: tuple[str, ...] = ()

    @property
    def grid(self) -> tuple[int, int, int]:
        """(time, height, width) in cells."""
        return self.layout.grid

    @property
    def place(self) -> TensorRef:
        """Old name of `ref`."""
        return self.ref

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.kind}, {'x'.join(map(str, self.grid))})"


def default_layers(trace: LayerTrace) -> tuple[Layer, ...]:
    """Return the stem, block outputs and the input of global pooling, from input to output: at most 16, plus poolings."""
    chosen = _thin_out(_blocks(trace))
    pool_inputs = {id(tensor) for _, tensor in trace.pools}
    layers: list[Layer] = []
    listed: set[int] = set()
    for output in chosen:
        is_first = (output.ref.module, output.ref.call) == (chosen[0].ref.module, chosen[0].ref.call)
        kind = "stem" if is_first and output is not chosen[-1] else "block"
        if id(output.tensor) in pool_inputs:
            kind = POOLING_INPUT
            listed.add(id(output.tensor))
        layer = _output_layer(trace, output, kind)
        if layer is not None:
            layers.append(layer)
    for number, (call, tensor) in enumerate(trace.pools, start=1):
        if id(tensor) in listed:
            continue
        source = next((output for output in reversed(trace.outputs) if output.tensor is tensor), None)
        if source is not None:
            layer = _output_layer(trace, source, POOLING_INPUT)
        else:
            name = POOLING_INPUT if len(trace.pools) == 1 else f"{POOLING_INPUT} {number}"
            layer = _measured_layer(trace, name, POOLING_INPUT, TensorRef(None, call), tensor)
        if layer is not None:
            layers.append(layer)
    return _with_pathways(layers)


def named_layer(trace: LayerTrace, name: str) -> Layer:
    """Return any module's output by its dotted name ("#2" for its second call, "[1]" for the second of several tensors).

    Raises
    ------
    ValueError
        There is no such module; it did not run; the name stands for several tensors; positions in its output are merged;
        or its axes are not time, height, width and channels.
    """
    matches = [output for output in trace.outputs if layer_name(output, trace) == name]
    if matches:
        layer = _output_layer(trace, matches[0], "named")
        if layer is None:
            raise UsageError(
                f"layer {name!r} returns {tuple(matches[0].tensor.shape)}, whose axes are not time, height, width and one "
                "of channels; choose a layer that contains it"
            )
        return layer
    module = name.split("#")[0].split("[")[0]
    variants = [layer_name(output, trace) for output in trace.outputs if output.ref.module == module]
    if variants:
        raise UsageError(f"layer {name!r} stands for several tensors; choose one of {', '.join(variants)}")
    if module in trace.modules and module:
        ran = trace.calls.get(module, 0)
        reason = "its output has no separate positions left" if ran else "it does not run in the forward pass"
        raise UsageError(f"layer {name!r} cannot be explained: {reason}; list(model.layers) shows layers that can")
    names = [layer_name(output, trace) for output in trace.outputs]
    similar = difflib.get_close_matches(name, names, 5, 0.4) or names[:8]
    raise UsageError(
        f"layer {name!r} is not in this model; similar names: {', '.join(similar)} (model.layers lists the default ones)"
    )


def layer_name(output: TracedOutput, trace: LayerTrace) -> str:
    """Return the module's name, with "#2" if it is called again and "[1]" if it returns several tensors."""
    ref = output.ref
    call = f"#{ref.call + 1}" if trace.calls.get(str(ref.module), 1) > 1 else ""
    path = "".join(f"[{key}]" for key in ref.path) if trace.has_several_outputs(ref) else ""
    return f"{ref.module}{call}{path}"


def _output_layer(trace: LayerTrace, output: TracedOutput, kind: str) -> Layer | None:
    path = output.ref.path
    is_parallel = len(path) == 1 and isinstance(path[-1], int) and trace.has_several_outputs(output.ref)
    pathway = path[-1] if is_parallel else None
    return _measured_layer(trace, layer_name(output, trace), kind, output.ref, output.tensor, pathway)


def _measured_layer(
    trace: LayerTrace, name: str, kind: str, ref: TensorRef, tensor: PositionTensor, pathway: int | None = None
) -> Layer | None:
    measured = measure(tensor, trace.size)
    if measured is None:
        return None
    layer = Layer(name, kind, ref, *measured, pathway)
    seen = tensor.lineage.seen
    is_final = seen is not None and len(layer.geometry.rows) == 1 and trace.calls.get(str(ref.module), 1) == 1
    return _as_final_state(layer, *seen) if seen is not None and is_final else layer


def _as_final_state(layer: Layer, first: float, last: float) -> Layer:
    """Return a layer that a recurrent state enters alone: it has seen many frames, and lies at none of them."""
    geometry = replace(layer.geometry, rows=np.array([(first + last) / 2]))
    text = (
        f"Layer {layer.name!r} holds one state that was computed from frames {first + 1:.0f} to {last + 1:.0f}: its map shows "
        "where the evidence lies but cannot tell when, and is drawn over the whole clip."
    )
    return replace(layer, geometry=geometry, caveats=(Caveat(text, CaveatCode.ASSUMED_POSITIONS),))


def _with_pathways(layers: list[Layer]) -> tuple[Layer, ...]:
    """Number the pathways if there are several pooling inputs, which are the ends of parallel pathways."""
    ends = [layer for layer in layers if layer.kind == POOLING_INPUT]
    if len(ends) < 2:
        return tuple(layers)
    pathways = {id(layer): index for index, layer in enumerate(ends)}
    return tuple(replace(layer, pathway=pathways.get(id(layer), layer.pathway)) for layer in layers)


def _blocks(trace: LayerTrace) -> list[TracedOutput]:
    """Return outputs of the topmost modules that compute something; containers and trunks are replaced by their children."""
    computing = {name for name, module in trace.modules.items() if _has_weights(module)}
    inside = {name: sum(other.startswith(f"{name}.") for other in computing) for name in trace.modules if name}
    trunks = {name for name, count in inside.items() if count > 0.6 * len(computing)}

    def is_container(name: str) -> bool:
        module = trace.modules[name]
        if name in trunks or isinstance(module, (nn.ModuleList, nn.ModuleDict)):
            return True
        nested = any(any(True for _ in child.children()) for child in module.children())
        return isinstance(module, nn.Sequential) and nested

    by_module: dict[str, list[TracedOutput]] = defaultdict(list)
    for output in trace.outputs:
        by_module[str(output.ref.module)].append(output)
    pool_calls = frozenset(call for call, _ in trace.pools)
    chosen: list[TracedOutput] = []
    for name in by_module:
        parents = [name[:i] for i in range(len(name)) if name[i] == "."]
        if is_container(name) or not all(is_container(parent) for parent in parents if parent in trace.modules):
            continue
        if inside[name] or name in computing:
            chosen.extend(output for output in by_module[name] if not output.tensor.pool_calls & pool_calls)
    return _after_activation(trace, chosen)


def _has_weights(module: nn.Module) -> bool:
    return any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))


def _after_activation(trace: LayerTrace, chosen: list[TracedOutput]) -> list[TracedOutput]:
    """Replace the output of a bare convolution by that of the norm and activation that follow it."""
    order = {id(output): index for index, output in enumerate(trace.outputs)}
    result = []
    for output in chosen:
        index = order[id(output)]
        if not any(True for _ in output.module.children()):
            while index + 1 < len(trace.outputs) and _continues(trace.outputs[index], trace.outputs[index + 1]):
                index += 1
        result.append(index)
    return [trace.outputs[index] for index in sorted(set(result))]


def _continues(before: TracedOutput, after: TracedOutput) -> bool:
    """Return whether a module is the norm or activation of its predecessor: a sibling without weights or pooling."""
    is_leaf = not any(True for _ in after.module.children())
    siblings = str(before.ref.module).rpartition(".")[0] == str(after.ref.module).rpartition(".")[0]
    pools = "Pool" in type(after.module).__name__ or "Dropout" in type(after.module).__name__
    return (
        is_leaf
        and siblings
        and not pools
        and not _has_weights(after.module)
        and before.tensor.shape == after.tensor.shape
    )


def _thin_out(chosen: list[TracedOutput]) -> list[TracedOutput]:
    """Keep at most 16: the first and the last, the last of the later stages, and as many others as fit, evenly spaced."""
    if len(chosen) <= MAX_LAYERS:
        return chosen
    last_of_stage = {str(output.ref.module).rpartition(".")[0]: index for index, output in enumerate(chosen)}
    stage_ends = [index for index in sorted({*last_of_stage.values(), len(chosen) - 1}) if index > 0]
    required = [0, *stage_ends[-(MAX_LAYERS - 1) :]]
    others = [index for index in range(len(chosen)) if index not in required]
    room = MAX_LAYERS - len(required)
    extra = [others[int(k * len(others) / room)] for k in range(room)] if others and room else []
    return [chosen[index] for index in sorted({*required, *extra})]

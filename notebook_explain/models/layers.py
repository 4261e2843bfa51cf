"""The layers of a network that an explanation can stand on: where they are, how their output lies, what stands for what.

One pass of ``PositionTensor`` through the shadow finds, for an unmodified module: every module's outputs in order of
execution, which of them still tell places apart, the stem, the blocks, and the tensor that enters the global pooling,
also when the pooling is a plain function call (``x.mean((2, 3, 4))``).
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass

from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, TracedOutput
from notebook_explain.models.layouts import Layout, measure
from notebook_explain.models.positions.tensor import PositionTensor

MOST_LAYERS = 16
POOLING_INPUT = "pooling input"


@dataclass(frozen=True, eq=False)
class Layer:
    """A tensor of the network that can be explained: name, kind, place, layout, geometry."""

    name: str
    kind: str
    place: TensorRef
    layout: Layout
    geometry: Geometry
    pathway: int | None = None

    @property
    def grid(self) -> tuple[int, int, int]:
        """(time, height, width) in cells."""
        return self.layout.grid

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.kind}, {'x'.join(map(str, self.grid))})"


def default_layers(found: LayerTrace) -> tuple[Layer, ...]:
    """Stem, block outputs and the input of global pooling, from input to output, at most 16."""
    chosen = _thin(_blocks(found))
    layers: list[Layer] = []
    inputs = {id(tensor): index for index, (_, tensor) in enumerate(found.pools)}
    named: set[int] = set()
    for emission in chosen:
        first = emission.place.module == chosen[0].place.module and emission.place.call == chosen[0].place.call
        kind = "stem" if first and emission is not chosen[-1] else "block"
        if id(emission.tensor) in inputs:
            kind = POOLING_INPUT
            named.add(id(emission.tensor))
        layer = _layer(found, emission, kind)
        if layer is not None:
            layers.append(layer)
    for at, (index, tensor) in enumerate(found.pools):
        if id(tensor) in named:
            continue
        source = next((e for e in reversed(found.emissions) if e.tensor is tensor), None)
        if source is not None:
            layer = _layer(found, source, POOLING_INPUT)
        else:
            name = POOLING_INPUT if len(found.pools) == 1 else f"{POOLING_INPUT} {at + 1}"
            layer = _make(found, name, POOLING_INPUT, TensorRef(None, index), tensor)
        if layer is not None:
            layers.append(layer)
    return _with_pathways(layers)


def named_layer(found: LayerTrace, name: str) -> Layer:
    """Any module's output by its dotted name ("#2" for its second call, "[1]" for the second of several tensors).

    Raises
    ------
    ValueError
        No such module; it never ran; it ran several times; its output has no places, or axes that are not understood.
    """
    matches = [e for e in found.emissions if layer_name(e, found) == name]
    if matches:
        layer = _layer(found, matches[0], "named")
        if layer is None:
            raise UsageError(
                f"layer {name!r} emits {tuple(matches[0].tensor.shape)}, whose axes are not time, height, width and one of "
                "channels; choose a layer around it"
            )
        return layer
    module = name.split("#")[0].split("[")[0]
    variants = [layer_name(e, found) for e in found.emissions if e.place.module == module]
    if variants:
        raise UsageError(f"layer {name!r} stands for several tensors; choose one of {', '.join(variants)}")
    if module in found.modules and module:
        ran = found.calls.get(module, 0)
        why = "its output has no places left in it" if ran else "it does not run in the forward pass"
        raise UsageError(f"layer {name!r} cannot be explained: {why}; list(model.layers) shows layers that can")
    every = [layer_name(e, found) for e in found.emissions]
    near = difflib.get_close_matches(name, every, 5, 0.4) or every[:8]
    raise UsageError(
        f"layer {name!r} is not in this model; near it are {', '.join(near)} (model.layers lists the usual ones)"
    )


def layer_name(emission: TracedOutput, found: LayerTrace) -> str:
    """Name of an emission: the module's, "#2" where it is called again, "[1]" where it emits several tensors."""
    place = emission.place
    again = f"#{place.call + 1}" if found.calls.get(str(place.module), 1) > 1 else ""
    which = "".join(f"[{key}]" for key in place.path) if found.several(place) else ""
    return f"{place.module}{again}{which}"


def _layer(found: LayerTrace, emission: TracedOutput, kind: str) -> Layer | None:
    path = emission.place.path
    parallel = len(path) == 1 and isinstance(path[-1], int) and found.several(emission.place)
    pathway = path[-1] if parallel else None
    return _make(found, layer_name(emission, found), kind, emission.place, emission.tensor, pathway)


def _make(
    found: LayerTrace, name: str, kind: str, place: TensorRef, tensor: PositionTensor, pathway: int | None = None
) -> Layer | None:
    measured = measure(tensor, found.size)
    return None if measured is None else Layer(name, kind, place, *measured, pathway)


def _with_pathways(layers: list[Layer]) -> tuple[Layer, ...]:
    """Several pooling inputs are the ends of parallel pathways."""
    ends = [layer for layer in layers if layer.kind == POOLING_INPUT]
    if len(ends) < 2:
        return tuple(layers)
    number = {id(layer): at for at, layer in enumerate(ends)}
    return tuple(
        Layer(layer.name, layer.kind, layer.place, layer.layout, layer.geometry, number.get(id(layer), layer.pathway))
        for layer in layers
    )


def _blocks(found: LayerTrace) -> list[TracedOutput]:
    """The topmost modules that compute something and still have places: containers and trunks are looked into."""
    computing = {name for name, module in found.modules.items() if _own_weights(module)}
    inside = {name: sum(other.startswith(f"{name}.") for other in computing) for name in found.modules if name}
    trunks = {name for name, count in inside.items() if count > 0.6 * len(computing)}

    def opened(name: str) -> bool:
        module = found.modules[name]
        if name in trunks or isinstance(module, (nn.ModuleList, nn.ModuleDict)):
            return True
        nested = any(any(True for _ in child.children()) for child in module.children())
        return isinstance(module, nn.Sequential) and nested

    by_module: dict[str, list[TracedOutput]] = defaultdict(list)
    for emission in found.emissions:
        by_module[str(emission.place.module)].append(emission)
    behind = frozenset(call for call, _ in found.pools)
    chosen: list[TracedOutput] = []
    for name in by_module:
        parents = [name[:at] for at in range(len(name)) if name[at] == "."]
        if opened(name) or not all(opened(parent) for parent in parents if parent in found.modules):
            continue
        if inside[name] or name in computing:
            chosen.extend(emission for emission in by_module[name] if not emission.tensor.pooled & behind)
    return _after_activation(found, chosen)


def _own_weights(module: nn.Module) -> bool:
    return any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))


def _after_activation(found: LayerTrace, chosen: list[TracedOutput]) -> list[TracedOutput]:
    """A bare convolution is shown after the norm and activation that follow it, before the next thing that computes."""
    order = {id(emission): at for at, emission in enumerate(found.emissions)}
    result = []
    for emission in chosen:
        at = order[id(emission)]
        if not any(True for _ in emission.module.children()):
            while at + 1 < len(found.emissions) and _follows(found.emissions[at], found.emissions[at + 1]):
                at += 1
        result.append(at)
    return [found.emissions[at] for at in sorted(set(result))]


def _follows(before: TracedOutput, after: TracedOutput) -> bool:
    leaf = not any(True for _ in after.module.children())
    siblings = str(before.place.module).rpartition(".")[0] == str(after.place.module).rpartition(".")[0]
    pools = "Pool" in type(after.module).__name__ or "Dropout" in type(after.module).__name__
    return (
        leaf and siblings and not pools and not _own_weights(after.module) and before.tensor.shape == after.tensor.shape
    )


def _thin(chosen: list[TracedOutput]) -> list[TracedOutput]:
    """At most 16: the first and the last, the last of the later stages, then as many of the others as fit, evenly."""
    if len(chosen) <= MOST_LAYERS:
        return chosen
    last = {str(emission.place.module).rpartition(".")[0]: at for at, emission in enumerate(chosen)}
    stages = [at for at in sorted({*last.values(), len(chosen) - 1}) if at > 0]
    must = [0, *stages[-(MOST_LAYERS - 1) :]]
    others = [at for at in range(len(chosen)) if at not in must]
    room = MOST_LAYERS - len(must)
    extra = [others[int(k * len(others) / room)] for k in range(room)] if others and room else []
    return [chosen[at] for at in sorted({*must, *extra})]

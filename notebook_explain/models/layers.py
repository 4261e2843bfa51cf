"""The layers of a network that an explanation can stand on: where they are, how their output lies, what stands for what.

One pass of ``Coordinates`` through the shadow finds, for an unmodified module: every module's outputs in order of
execution, which of them still tell places apart, the stem, the blocks, and the tensor that enters the global pooling,
also when the pooling is a plain function call (``x.mean((2, 3, 4))``).
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.explanations import Geometry
from notebook_explain.models.layouts import Layout, is_volume, measure, spread
from notebook_explain.models.positions.tensor import Coordinates

MOST_LAYERS = 16
MOST_NESTED = 4  # structures within structures of what a module returns
POOLING_INPUT = "pooling input"
_POOLING = frozenset(
    {"mean", "sum", "amax", "max", "logsumexp"}
    | {
        f"{kind}_pool{n}d"
        for kind in ("avg", "max", "soft", "adaptive_avg", "adaptive_max", "adaptive_soft")
        for n in (1, 2, 3)
    }
)


@dataclass(frozen=True)
class Place:
    """How to find one tensor again while the network runs.

    Attributes
    ----------
    module : str or None
        Dotted name of the module that emits it; ``None`` for the input of a pooling call.
    call : int
        Which call of the module, from 0; or which pooling call of the whole pass.
    path : tuple
        Keys and indices into what the module emits, () for a tensor.
    """

    module: str | None
    call: int
    path: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Layer:
    """A tensor of the network that can be explained: name, kind, place, layout, geometry."""

    name: str
    kind: str
    place: Place
    layout: Layout
    geometry: Geometry
    pathway: int | None = None

    @property
    def grid(self) -> tuple[int, int, int]:
        """(time, height, width) in cells."""
        return self.layout.grid

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.kind}, {'x'.join(map(str, self.grid))})"


@dataclass(frozen=True, eq=False)
class Emission:
    """A tensor with places that a module emitted during the pass of coordinates."""

    place: Place
    module: Any  # nn.Module; None once the survey is slim
    tensor: Coordinates


@dataclass(frozen=True, eq=False)
class Survey:
    """Everything one pass of coordinates found."""

    size: tuple[int, int, int]
    emissions: tuple[Emission, ...]
    pools: tuple[tuple[int, Coordinates], ...]  # call and input of each pooling that the output lies behind
    modules: dict[str, Any]  # nn.Module by dotted name; None once the survey is slim
    calls: dict[str, int]

    def slim(self) -> Survey:
        """Without the modules of the shadow, which has done its work."""
        emissions = tuple(replace(emission, module=None) for emission in self.emissions)
        return replace(self, emissions=emissions, modules=dict.fromkeys(self.modules))

    def several(self, place: Place) -> bool:
        """Whether the call of a module emitted several tensors with places."""
        same = [e for e in self.emissions if (e.place.module, e.place.call) == (place.module, place.call)]
        return len(same) > 1


class PoolCalls(TorchFunctionMode):
    """Count calls that may pool, so that one of them can be found again: ``seen(index, input, result)`` after each."""

    def __init__(self, seen: Callable[[int, Any, Any], None]) -> None:
        super().__init__()
        self.count, self.seen = 0, seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "").strip("_") in _POOLING and args and isinstance(args[0], torch.Tensor):
            index, self.count = self.count, self.count + 1
            self.seen(index, args[0], result)
        return result


def survey(shadow: nn.Module, inputs: Any, size: tuple[int, int, int]) -> Survey:
    """Run coordinates through a shadow (its hooks are this function's to use).

    Raises
    ------
    Exception
        Whatever the network raises on an input of this shape.
    """
    emissions: list[Emission] = []
    calls: dict[str, int] = defaultdict(int)
    pools: dict[int, Coordinates] = {}
    modules = dict(shadow.named_modules())

    def hook(name: str) -> Callable[..., None]:
        def remember(module: nn.Module, _: Any, output: Any) -> None:
            call, calls[name] = calls[name], calls[name] + 1
            for path, tensor in tensors(output):
                if isinstance(tensor, Coordinates) and is_volume(tensor):
                    emissions.append(Emission(Place(name, call, path), module, tensor))

        return remember

    def pooled(index: int, value: Any, result: Any) -> None:
        if (
            isinstance(value, Coordinates)
            and isinstance(result, Coordinates)
            and not value.pooled
            and _collapses(value, result)
        ):
            pools[index] = value
            result.pooled |= {index}

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items() if name]
    try:
        with torch.no_grad(), PoolCalls(pooled):
            output = shadow(inputs)
    finally:
        for handle in handles:
            handle.remove()
    ends = frozenset().union(*(t.pooled for _, t in tensors(output) if isinstance(t, Coordinates)))
    return Survey(size, tuple(emissions), tuple((i, pools[i]) for i in sorted(ends)), modules, dict(calls))


def tensors(
    output: Any, path: tuple[Any, ...] = (), within: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], torch.Tensor]]:
    """Every tensor in what a module returned, with the path to it (keys, places, and ``Attribute`` of objects)."""
    if isinstance(output, torch.Tensor):
        yield path, output
        return
    if id(output) in within or len(path) > MOST_NESTED:  # it holds itself, or is no output at all
        return
    if isinstance(output, dict):
        steps = list(output.items())
    elif isinstance(output, (list, tuple)):
        steps = list(enumerate(output))
    elif hasattr(output, "__dict__") and not isinstance(output, (type, nn.Module)):  # an object of the network's own
        steps = [(Attribute(name), value) for name, value in vars(output).items()]
    else:
        return
    for step, value in steps:
        yield from tensors(value, (*path, step), (*within, id(output)))


class Attribute(str):
    """A step of a path that is an attribute of an object, not a key."""


def _collapses(before: Coordinates, after: Coordinates) -> bool:
    """Whether a pooling call ends height and width (a window of at least half of both counts: I3D's stride-1 pooling)."""
    (_, y, x), (_, below, beside) = spread(before), spread(after)
    return (y > 0 or x > 0) and below <= y / 2 and beside <= x / 2


def default_layers(found: Survey) -> tuple[Layer, ...]:
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
            layer = _make(found, name, POOLING_INPUT, Place(None, index), tensor)
        if layer is not None:
            layers.append(layer)
    return _with_pathways(layers)


def named_layer(found: Survey, name: str) -> Layer:
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
            raise ValueError(
                f"layer {name!r} emits {tuple(matches[0].tensor.shape)}, whose axes are not time, height, width and one of "
                "channels; choose a layer around it"
            )
        return layer
    module = name.split("#")[0].split("[")[0]
    variants = [layer_name(e, found) for e in found.emissions if e.place.module == module]
    if variants:
        raise ValueError(f"layer {name!r} stands for several tensors; choose one of {', '.join(variants)}")
    if module in found.modules and module:
        ran = found.calls.get(module, 0)
        why = "its output has no places left in it" if ran else "it does not run in the forward pass"
        raise ValueError(f"layer {name!r} cannot be explained: {why}; list(model.layers) shows layers that can")
    every = [layer_name(e, found) for e in found.emissions]
    near = difflib.get_close_matches(name, every, 5, 0.4) or every[:8]
    raise ValueError(
        f"layer {name!r} is not in this model; near it are {', '.join(near)} (model.layers lists the usual ones)"
    )


def layer_name(emission: Emission, found: Survey) -> str:
    """Name of an emission: the module's, "#2" where it is called again, "[1]" where it emits several tensors."""
    place = emission.place
    again = f"#{place.call + 1}" if found.calls.get(str(place.module), 1) > 1 else ""
    which = "".join(f"[{key}]" for key in place.path) if found.several(place) else ""
    return f"{place.module}{again}{which}"


def _layer(found: Survey, emission: Emission, kind: str) -> Layer | None:
    path = emission.place.path
    parallel = len(path) == 1 and isinstance(path[-1], int) and found.several(emission.place)
    pathway = path[-1] if parallel else None
    return _make(found, layer_name(emission, found), kind, emission.place, emission.tensor, pathway)


def _make(
    found: Survey, name: str, kind: str, place: Place, tensor: Coordinates, pathway: int | None = None
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


def _blocks(found: Survey) -> list[Emission]:
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

    by_module: dict[str, list[Emission]] = defaultdict(list)
    for emission in found.emissions:
        by_module[str(emission.place.module)].append(emission)
    behind = frozenset(call for call, _ in found.pools)
    chosen: list[Emission] = []
    for name in by_module:
        parents = [name[:at] for at in range(len(name)) if name[at] == "."]
        if opened(name) or not all(opened(parent) for parent in parents if parent in found.modules):
            continue
        if inside[name] or name in computing:
            chosen.extend(emission for emission in by_module[name] if not emission.tensor.pooled & behind)
    return _after_activation(found, chosen)


def _own_weights(module: nn.Module) -> bool:
    return any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))


def _after_activation(found: Survey, chosen: list[Emission]) -> list[Emission]:
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


def _follows(before: Emission, after: Emission) -> bool:
    leaf = not any(True for _ in after.module.children())
    siblings = str(before.place.module).rpartition(".")[0] == str(after.place.module).rpartition(".")[0]
    pools = "Pool" in type(after.module).__name__ or "Dropout" in type(after.module).__name__
    return (
        leaf and siblings and not pools and not _own_weights(after.module) and before.tensor.shape == after.tensor.shape
    )


def _thin(chosen: list[Emission]) -> list[Emission]:
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

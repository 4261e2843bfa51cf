"""Layers that an explanation can show: which tensors, in what layout, and where their cells lie in the clip.

`default_layers` chooses from a `LayerTrace` the stem, the outputs of blocks and the inputs of global pooling;
`named_layer` finds any module's output by name. Everything follows from measured positions and from how modules nest,
so it does not depend on the architecture.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.block_outputs import block_outputs, thin_out
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, TracedOutput
from notebook_explain.models.layouts import Layout, measure
from notebook_explain.models.merged_calls import Cells, Grid, LayerPart, are_neighbours, limit_to_call, merge
from notebook_explain.models.positions.tensor import PositionTensor

POOLING_INPUT = "pooling input"


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of the network that can be explained: one tensor of a pass, or those of several calls of a module.

    Attributes
    ----------
    name : str
        Dotted name of the module, with "#2" for its second call and "[1]" for the second of several tensors. Calls that
        see different parts of the clip are one layer, without "#".
    kind : str
        "stem", "block", `POOLING_INPUT` or "named".
    parts : tuple of LayerPart
        Tensors of the layer.
    grid : (time, height, width) in cells
    geometry : Geometry
        Clip frames and pixels that the cells stand for.
    pathway : int or None
        Index of the pathway, in networks with several.
    state_frames : (first, last) or None
        Clip frames from which a recurrent state was computed that the layer holds alone, for all times.
    """

    name: str
    kind: str
    parts: tuple[LayerPart, ...]
    grid: Grid
    geometry: Geometry
    pathway: int | None = None
    state_frames: tuple[float, float] | None = None

    @property
    def ref(self) -> TensorRef:
        """Reference to the layer's first tensor."""
        return self.parts[0].ref

    @property
    def layout(self) -> Layout:
        """Layout of the layer's first tensor."""
        return self.parts[0].layout

    @property
    def place(self) -> TensorRef:
        """Old name of `ref`."""
        return self.ref

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.kind}, {'x'.join(map(str, self.grid))})"


_Source = tuple[PositionTensor, TensorRef]


def default_layers(trace: LayerTrace) -> tuple[Layer, ...]:
    """Return the stem, block outputs and inputs of global pooling, from input to output: at most 16, plus poolings."""
    groups = thin_out(_group_calls(trace, block_outputs(trace)))
    ends = _ends(trace)
    end_of = {id(tensor): index for index, end in enumerate(ends) for tensor in end.tensors}
    layers: list[Layer | None] = []
    listed: set[int] = set()
    first = None if not groups else (groups[0][0].ref.module, groups[0][0].ref.call)
    for group in groups:
        end = next((end_of[id(output.tensor)] for output in group if id(output.tensor) in end_of), None)
        if end is not None:
            if end not in listed:
                layers.append(_end_layer(trace, ends, end, group))
            listed.add(end)
            continue
        is_first = (group[0].ref.module, group[0].ref.call) == first
        layers.append(_output_layer(trace, group, "stem" if is_first and group is not groups[-1] else "block"))
    layers += [_end_layer(trace, ends, end, ()) for end in range(len(ends)) if end not in listed]
    return tuple(layer for layer in layers if layer is not None)


def named_layer(trace: LayerTrace, name: str) -> Layer:
    """Return any module's output by its dotted name ("#2" for its second call, "[1]" for the second of several tensors).

    The name without "#" stands for all calls, if these see different parts of the clip.

    Raises
    ------
    ValueError
        There is no such module; it did not run; the name stands for several tensors; positions in its output are merged;
        or its axes are not time, height, width and channels.
    """
    groups = [group for group in _group_calls(trace, trace.outputs) if _group_name(trace, group) == name]
    groups += [[output] for output in trace.outputs if layer_name(output, trace) == name]
    if groups:
        layer = _output_layer(trace, groups[0], "named")
        if layer is None:
            raise UsageError(
                f"layer {name!r} returns {tuple(groups[0][0].tensor.shape)}, whose axes are not time, height, width and "
                "one of channels; choose a layer that contains it"
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


def relocated_layer(trace: LayerTrace, layer: Layer) -> Layer | None:
    """Return the same layer with the geometry that another trace of the network gives it; None if it has none there."""
    outputs = {output.ref: output.tensor for output in trace.outputs}
    pool_inputs = dict(trace.pools)
    sources = []
    for part in layer.parts:
        tensor = pool_inputs.get(part.ref.call) if part.ref.module is None else outputs.get(part.ref)
        if tensor is None:
            return None
        sources.append((tensor, part.ref))
    return _measured_layer(
        trace, layer.name, layer.kind, sources, layer.pathway, is_exclusive=layer.parts[0].is_exclusive
    )


def layer_name(output: TracedOutput, trace: LayerTrace) -> str:
    """Return the module's name, with "#2" if it is called again and "[1]" if it returns several tensors."""
    ref = output.ref
    call = f"#{ref.call + 1}" if trace.calls.get(str(ref.module), 1) > 1 else ""
    return f"{ref.module}{call}{_path_name(trace, ref)}"


def _path_name(trace: LayerTrace, ref: TensorRef) -> str:
    return "".join(f"[{key}]" for key in ref.path) if trace.has_several_outputs(ref) else ""


def _group_name(trace: LayerTrace, group: Sequence[TracedOutput]) -> str:
    first = group[0]
    return layer_name(first, trace) if len(group) == 1 else f"{first.ref.module}{_path_name(trace, first.ref)}"


def _group_calls(trace: LayerTrace, outputs: Sequence[TracedOutput]) -> list[list[TracedOutput]]:
    """Group the calls of one module that see different parts of the clip; leave other outputs single."""
    by_module: dict[tuple[str | None, tuple[object, ...]], list[TracedOutput]] = defaultdict(list)
    for output in outputs:
        by_module[output.ref.module, output.ref.path].append(output)
    groups: list[list[TracedOutput]] = []
    for members in by_module.values():
        is_single = len(members) == 1 or str(members[0].ref.module) in trace.chained
        measured = [] if is_single else [measure(output.tensor, trace.size) for output in members]
        grids, geometries = [m[0].grid for m in measured if m], [m[1] for m in measured if m]
        if (
            len(grids) == len(members)
            and are_neighbours(grids, geometries, trace.size)
            and merge(grids, geometries, trace.size)
        ):
            groups.append(members)
        else:
            groups += [[output] for output in members]
    order = {id(output): index for index, output in enumerate(outputs)}
    return sorted(groups, key=lambda group: order[id(group[-1])])


def _output_layer(trace: LayerTrace, group: Sequence[TracedOutput], kind: str) -> Layer | None:
    ref = group[0].ref
    is_parallel = len(ref.path) == 1 and isinstance(ref.path[-1], int) and trace.has_several_outputs(ref)
    pathway = ref.path[-1] if is_parallel else None
    sources = [(output.tensor, output.ref) for output in group]
    return _measured_layer(trace, _group_name(trace, group), kind, sources, pathway)


def _measured_layer(
    trace: LayerTrace,
    name: str,
    kind: str,
    sources: Sequence[_Source],
    pathway: int | None = None,
    *,
    is_exclusive: bool = False,
) -> Layer | None:
    """Return the layer made of some tensors; None if one has no understandable axes or they do not lie on one grid."""
    found = [(ref, measure(tensor, trace.size)) for tensor, ref in sources]
    measured = [(ref, *pair) for ref, pair in found if pair is not None]
    if not measured or len(measured) < len(sources):
        return None
    refs, layouts, geometries = zip(*measured, strict=True)
    if len(refs) == 1:
        grid, geometry, cells = _limited(trace, refs[0], layouts[0], geometries[0])
        part = LayerPart(refs[0], layouts[0], cells, is_exclusive)
        layer = Layer(name, kind, (part,), grid, geometry, pathway)
        seen = sources[0][0].lineage.seen
        is_final = len(geometry.rows) == 1 and trace.calls.get(str(refs[0].module), 1) == 1
        if seen is None or not is_final:
            return layer
        # It has seen many frames and lies at none of them.
        in_the_middle = replace(geometry, rows=np.array([sum(seen) / 2]))
        return replace(layer, geometry=in_the_middle, state_frames=seen)
    merged = merge([layout.grid for layout in layouts], geometries, trace.size)
    if merged is None:
        return None
    parts = tuple(
        LayerPart(ref, layout, cells, is_exclusive) for ref, layout, cells in zip(refs, layouts, merged[2], strict=True)
    )
    return Layer(name, kind, parts, merged[0], merged[1], pathway)


def state_caveats(layers: Sequence[Layer]) -> list[Caveat]:
    """Return a caveat for the layers that hold one recurrent state of many frames."""
    by_frames: dict[tuple[float, float], list[str]] = defaultdict(list)
    for layer in layers:
        if layer.state_frames is not None:
            by_frames[layer.state_frames].append(layer.name)
    caveats = []
    for (first, last), names in by_frames.items():
        listed = ", ".join(map(repr, names[:2])) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
        subject = f"Layer {listed} holds one state" if len(names) == 1 else f"Layers {listed} hold one state each"
        text = (
            f"{subject}, computed from frames {first + 1:.0f} to {last + 1:.0f}: the map shows where the evidence lies but "
            "cannot tell when, and is drawn over the whole clip."
        )
        caveats.append(Caveat(text, CaveatCode.ASSUMED_POSITIONS))
    return caveats


def _limited(
    trace: LayerTrace, ref: TensorRef, layout: Layout, geometry: Geometry
) -> tuple[Grid, Geometry, Cells | None]:
    """Return grid, geometry and cells of a tensor; one of several calls is drawn only where it saw the clip."""
    if ref.module is None or trace.calls.get(ref.module, 1) < 2:
        return layout.grid, geometry, None
    others = (o.tensor for o in trace.outputs if o.ref.module == ref.module and o.ref.path == ref.path)
    measured = [m for m in (measure(tensor, trace.size) for tensor in others) if m is not None]
    alike = [other for other_layout, other in measured if other_layout.grid == layout.grid]
    grid, limited, cells = limit_to_call(layout.grid, geometry, alike, trace.size)
    return (layout.grid, geometry, None) if grid == layout.grid else (grid, limited, cells)


@dataclass(frozen=True, eq=False)
class _End:
    """Tensors that enter a global pooling, and the pooling calls of each: one, or those of several calls of a module."""

    tensors: tuple[PositionTensor, ...]
    calls: tuple[tuple[int, ...], ...]
    sources: tuple[TracedOutput | None, ...]


def _ends(trace: LayerTrace) -> list[_End]:
    """Return the ends of the network's parallel pathways: each tensor that enters a global pooling, once."""
    calls: dict[int, list[int]] = defaultdict(list)
    tensors: dict[int, PositionTensor] = {}
    for call, tensor in trace.pools:
        calls[id(tensor)].append(call)
        tensors[id(tensor)] = tensor
    last = {id(output.tensor): output for output in trace.outputs}
    by_source: dict[object, list[int]] = defaultdict(list)
    for key, tensor in tensors.items():
        source = last.get(key)
        by_source[tuple(tensor.shape) if source is None else (source.ref.module, source.ref.path)].append(key)
    ends = []
    for keys in by_source.values():
        source = last.get(keys[0])
        measured = [measure(tensors[key], trace.size) for key in keys]
        grids, geometries = [m[0].grid for m in measured if m], [m[1] for m in measured if m]
        is_chained = source is not None and source.ref.module in trace.chained
        are_one = len(grids) == len(keys) > 1 and not is_chained and are_neighbours(grids, geometries, trace.size)
        is_one = are_one and merge(grids, geometries, trace.size) is not None
        parts = [keys] if is_one else [[key] for key in keys]
        ends += [
            _End(
                tuple(tensors[key] for key in part),
                tuple(tuple(calls[key]) for key in part),
                tuple(last.get(key) for key in part),
            )
            for part in parts
        ]
    return ends


def _end_layer(trace: LayerTrace, ends: Sequence[_End], index: int, chosen: Sequence[TracedOutput]) -> Layer | None:
    """Return the layer of an end; where there are several, each counts only what goes through its own pooling.

    It is named after the outputs chosen for it, else after the last modules that return its tensors.
    """
    end = ends[index]
    sources = list(chosen) or [source for source in end.sources if source is not None]
    has_sources = len(sources) == len(end.tensors)
    name = POOLING_INPUT if len(ends) == 1 else f"{POOLING_INPUT} {index + 1}"
    if has_sources:
        name = _group_name(trace, sources)
    pathway = index if len(ends) > 1 else None
    if len(ends) == 1 and has_sources:
        tensors: list[_Source] = [(source.tensor, source.ref) for source in sources]
        return _measured_layer(trace, name, POOLING_INPUT, tensors, pathway)
    tensors = [
        (tensor, TensorRef(None, call)) for tensor, calls in zip(end.tensors, end.calls, strict=True) for call in calls
    ]
    is_exclusive = len(tensors) > 1 or len(ends) > 1
    return _measured_layer(trace, name, POOLING_INPUT, tensors, pathway, is_exclusive=is_exclusive)

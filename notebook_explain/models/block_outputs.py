"""Choose the outputs of a network's blocks: what is shown by default, from how modules nest."""

from __future__ import annotations

from collections import defaultdict

from torch import nn

from notebook_explain.models.layer_trace import LayerTrace, TracedOutput

MAX_LAYERS = 16


def block_outputs(trace: LayerTrace) -> list[TracedOutput]:
    """Return outputs of the topmost modules that compute something; containers and trunks are replaced by their children."""
    computing = {name for name, module in trace.modules.items() if trace.calls.get(name) and _has_weights(module)}
    inside = {name: sum(other.startswith(f"{name}.") for other in computing) for name in trace.modules if name}
    trunks = {name for name, count in inside.items() if count > 0.6 * len(computing)}

    def is_container(name: str) -> bool:
        module = trace.modules[name]
        # A list of modules has no forward of its own, but a block may be derived from it (DenseNet).
        lists = (nn.ModuleList, nn.ModuleDict)
        if name in trunks or (isinstance(module, lists) and type(module).forward is nn.Module.forward):
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


def thin_out(chosen: list[list[TracedOutput]]) -> list[list[TracedOutput]]:
    """Keep at most 16: the first and the last, the last of the later stages, and as many others as fit, evenly spaced."""
    if len(chosen) <= MAX_LAYERS:
        return chosen
    last_of_stage = {str(group[0].ref.module).rpartition(".")[0]: index for index, group in enumerate(chosen)}
    stage_ends = [index for index in sorted({*last_of_stage.values(), len(chosen) - 1}) if index > 0]
    required = [0, *stage_ends[-(MAX_LAYERS - 1) :]]
    others = [index for index in range(len(chosen)) if index not in required]
    room = MAX_LAYERS - len(required)
    extra = [others[int(k * len(others) / room)] for k in range(room)] if others and room else []
    return [chosen[index] for index in sorted({*required, *extra})]

"""Find where a network cuts the gradient: ``detach``, ``.data``, ``torch.no_grad``, inference mode, quantisation.

Every module's output is noted by its node in autograd's graph. From the score, the graph leads back to some of them; the
cut lies between the last module that it does not lead to and the first one, in order of execution, that it leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from notebook_explain.models.layer_trace import tensors


@dataclass(frozen=True)
class _Output:
    """A module's output: the nodes of its tensors, and whether any of them has a gradient."""

    name: str
    nodes: tuple[Any, ...]
    is_inference: bool

    @property
    def has_graph(self) -> bool:
        return any(node is not None for node in self.nodes)


class GradientFlow:
    """Notes the outputs of a network's modules during a pass."""

    def __init__(self) -> None:
        self.outputs: list[_Output] = []

    def watch(self, shadow: nn.Module) -> list[Any]:
        """Add hooks, before any that replace outputs; returns their handles."""
        return [module.register_forward_hook(self._hook(name)) for name, module in shadow.named_modules() if name]

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            found = [tensor for _, tensor in tensors(output) if tensor.is_floating_point()]
            if found:
                nodes = tuple(tensor.grad_fn for tensor in found)
                self.outputs.append(_Output(name, nodes, any(tensor.is_inference() for tensor in found)))

        return hook

    def cut(self, score: torch.Tensor, unreached: Sequence[str | None]) -> str:
        """Return where the gradient is cut, as the end of a sentence.

        Parameters
        ----------
        score : tensor
            Its graph is followed.
        unreached : sequence of str or None
            Names of modules that no gradient reaches.
        """
        reachable = _reachable(score.grad_fn)
        reached = [any(node in reachable for node in output.nodes) for output in self.outputs]
        start = max((index for index, output in enumerate(self.outputs) if output.name in unreached), default=-1)
        end = next((index for index in range(start + 1, len(reached)) if reached[index]), len(reached))
        return self._between(end)

    def cut_before_output(self) -> str:
        """Return where the gradient is cut if the network's output has no graph at all."""
        return self._between(len(self.outputs))

    def inference_modules(self) -> str:
        """Return the first and the last module that return tensors of inference mode; "" if there are none."""
        names = [output.name for output in self.outputs if output.is_inference]
        return _first_to_last(names) if names else ""

    def _between(self, end: int) -> str:
        """Describe a cut before the output with this index."""
        following = repr(self.outputs[end].name) if end < len(self.outputs) else "the network's output"
        first = end
        while first and not self.outputs[first - 1].has_graph:
            first -= 1
        if first < end:
            return f"what {_first_to_last([output.name for output in self.outputs[first:end]])} returns has no gradient"
        before = repr(self.outputs[end - 1].name) if end else "the input"
        return f"it is cut between {before} and {following}"


def _first_to_last(names: list[str]) -> str:
    return repr(names[0]) if len(set(names)) == 1 else f"{names[0]!r} to {names[-1]!r}"


def _reachable(node: Any) -> set[Any]:
    """Return all nodes that autograd visits from one of them."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting.extend(following for following, _ in node.next_functions)
    return found

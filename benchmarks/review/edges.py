"""Channels that a kernel reaches, by brute force: change its output, hold all other layers, and note which inputs change."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.review.reference import Reference

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose2d, nn.ConvTranspose3d)
CallKey = tuple[str, int]  # dotted name of a module, and the number of its call, from 1
Claims = Callable[[CallKey, int], dict[CallKey, tuple[set[int], set[int]]]]


@dataclass(frozen=True)
class EdgeCheck:
    """Count of channels that change, or do not, when a kernel's output is changed.

    Attributes
    ----------
    confirmed : int
        Edges that are in the graph and change.
    missing : int
        Channels that change but have no edge, and are not said to be unknown.
    unconfirmed : int
        Edges in the graph whose channel did not change for this clip: a dead unit, or a wrong edge.
    kernels : int
        Number of kernels that were changed.
    """

    confirmed: int
    missing: int
    unconfirmed: int
    kernels: int


class BruteForce:
    """Runs the float64 copy with the outputs of all convolutions and linear layers held, except for one kernel.

    The statistics of norms are held too: through them, every channel depends a little on every other.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference, self.net = reference, reference.net
        self.modules = {name: m for name, m in self.net.named_modules() if isinstance(m, _LAYERS)}
        self.statistics = reference.run(constant_norms=True, with_graph=False, modules=()).statistics
        self.outputs: dict[CallKey, Tensor] = {}
        self.inputs = self._run({}, keep=True)

    def kernels(self) -> list[tuple[CallKey, int]]:
        """Return every kernel: the call of its layer and its output channel."""
        return [
            (key, channel)
            for key, output in self.outputs.items()
            for channel in range(output.shape[channel_axis(self.modules[key[0]], output)])
        ]

    def changed(self, key: CallKey, channel: int) -> dict[CallKey, set[int]]:
        """Return, for each layer, the input channels that change with one kernel, up or down."""
        found: dict[CallKey, set[int]] = {}
        output = self.outputs[key]
        axis = channel_axis(self.modules[key[0]], output)
        noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0), dtype=output.dtype)
        for size in (20.0, -20.0):
            changed = output.clone()
            changed.select(axis, channel).add_(size * float(output.std() + 1e-3) * noise.select(axis, channel).abs())
            for other, value in self._run({key: changed}).items():
                before, other_axis = self.inputs[other], channel_axis(self.modules[other[0]], value)
                moved = (value != before).movedim(other_axis, 0).flatten(1).any(1)
                found.setdefault(other, set()).update(moved.nonzero()[:, 0].tolist())
        return found

    def _run(self, changed: dict[CallKey, Tensor], keep: bool = False) -> dict[CallKey, Tensor]:
        calls: dict[str, int] = defaultdict(int)
        inputs: dict[CallKey, Tensor] = {}

        def make_hook(name: str) -> Callable[..., Any]:
            def hook(_: nn.Module, args: Any, output: Tensor) -> Tensor:
                calls[name] += 1
                key = (name, calls[name])
                inputs[key] = args[0].detach().clone()
                if keep:
                    self.outputs[key] = output.detach().clone()
                return changed.get(key, self.outputs[key]).clone()

            return hook

        handles = [module.register_forward_hook(make_hook(name)) for name, module in self.modules.items()]
        try:
            self.reference.run(replay=self.statistics, with_means=True, with_graph=False, modules=())
        finally:
            for handle in handles:
                handle.remove()
        return inputs


def channel_axis(module: nn.Module, tensor: Tensor) -> int:
    """Return the channel axis of a layer's input or output, counted from the end."""
    spatial = {nn.Linear: 0, nn.Conv1d: 1, nn.Conv2d: 2, nn.ConvTranspose2d: 2, nn.Conv3d: 3, nn.ConvTranspose3d: 3}
    return -1 - next(count for kind, count in spatial.items() if isinstance(module, kind))


def _layers_of_clip(reference: Reference, names: set[str]) -> set[CallKey]:
    """Return the calls whose output depends on the clip, and not only on inputs that are held beside it."""
    negative = reference.clip.max() - reference.clip
    first, second = (
        reference.run(with_graph=False, modules=names, clip=clip).outputs for clip in (reference.clip, negative)
    )
    changed = [name for name, output in first.items() if not torch.equal(output, second[name])]
    return {(name.split("#")[0], int(name.split("#")[1].split("[")[0])) for name in changed}


def check_edges(reference: Reference, claims: Claims, known: set[CallKey], kernels: int) -> EdgeCheck:
    """Compare the edges of sampled kernels with brute force.

    Parameters
    ----------
    reference : Reference
    claims : function
        Takes a kernel; returns for each layer the input channels that it is said to reach, and those of unknown source.
    known : set of call keys
        Layers of the graph.
    kernels : int
        Number of kernels to sample.
    """
    force = BruteForce(reference)
    last = list(force.outputs)[-1]  # nothing reads the classifier
    reached = _layers_of_clip(reference, {key[0] for key in known})
    candidates = [kernel for kernel in force.kernels() if kernel[0] in known & reached and kernel[0] != last]
    random.Random(0).shuffle(candidates)
    confirmed = missing = unconfirmed = 0
    for key, channel in candidates[:kernels]:
        claimed = claims(key, channel)
        for other, changed in force.changed(key, channel).items():
            if other in known:
                edges, unknown = claimed.get(other, (set(), set()))
                confirmed += len(edges & changed)
                missing += len(changed - edges - unknown)
                unconfirmed += len(edges - changed)
    return EdgeCheck(confirmed, missing, unconfirmed, len(candidates[:kernels]))

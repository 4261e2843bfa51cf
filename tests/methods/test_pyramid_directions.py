"""Directions of units against finite differences: each kernel's output is raised and lowered in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from tests import zoo
from tests.zoo.wirings import WIRED

SHIFT = 0.05  # of the standard deviation of the output
NOISE = 1e-7  # of the score; smaller effects are rounding errors
PLAIN = [
    name
    for name, entry in zoo.ZOO.items()
    if not entry.traits & {"tokens", "probs", "log_probs", "sigmoid", "no_grad", "channels_last"}
]


def with_mixed_norms(net: nn.Module, seed: int = 0) -> nn.Module:
    """Negate about half of the norms' weights."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            weight = getattr(module, "running_mean", None) is not None and module.weight
            if isinstance(weight, torch.Tensor):
                weight.mul_(torch.where(torch.rand(weight.shape, generator=g) < 0.5, -1.0, 1.0))
    return net


def smooth(activation: type[nn.Module]) -> nn.Module:
    return zoo.seeded(
        lambda: nn.Sequential(
            *(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), activation()),
            *(nn.Conv3d(8, 12, 3, 2, 1), nn.BatchNorm3d(12), activation()),
            *(nn.Conv3d(12, 12, 3, padding=1), nn.BatchNorm3d(12), activation()),
            *(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(12, 4)),
        )
    )


NETS: dict[str, Callable[[], tuple[Any, ...]]] = {}
for _name in PLAIN:
    _entry = zoo.ZOO[_name]
    NETS[f"{_name}, mixed norms"] = lambda entry=_entry: (
        with_mixed_norms(entry.make()),
        *(entry.layout, entry.frames, entry.size),
    )
for _name, _make in WIRED.items():
    _small = ("BCTHW", 4, 16) if _name == "flattening" else ("BCTHW", 8, 16)
    NETS[f"wired, {_name}"] = lambda make=_make, small=_small: (with_mixed_norms(zoo.seeded(make)), *small)
for _activation in (nn.SiLU, nn.GELU):
    NETS[_activation.__name__] = lambda activation=_activation: (
        with_mixed_norms(smooth(activation)),
        *("BCTHW", 8, 16),
    )


def logits_of(output: object) -> torch.Tensor:
    """Return the logits (sample, class) of a network's output, whatever it is wrapped in; several times are averaged."""
    while not isinstance(output, torch.Tensor):
        parts = list(output.values()) if isinstance(output, dict) else [part for part in output if part.ndim < 4]
        output = next(part for part in parts if isinstance(output, dict) or part.shape[1] == zoo.CLASSES)
    return output if output.ndim == 2 else output.mean(-1)


class Shift:
    """Finite differences of a class's logit, in float64, with respect to the outputs of a network's layers."""

    def __init__(self, net: nn.Module, video: torch.Tensor | list[torch.Tensor], label: int) -> None:
        self.net, self.video, self.label = net, video, label

    def logits(self, samples: int) -> torch.Tensor:
        """Run so many copies of the clip in one batch."""

        def copies(part: torch.Tensor) -> torch.Tensor:
            return part.repeat(samples, *[1] * (part.ndim - 1))

        video = [copies(part) for part in self.video] if isinstance(self.video, list) else copies(self.video)
        with torch.no_grad():
            return logits_of(self.net(video))[:, self.label]

    def effects(self, module: str, call: int, channels: list[int]) -> list[float]:
        """Return how much the logit rises if the whole map of each channel is raised, as central differences."""
        layer, count, samples = self.net.get_submodule(module), 0, 2 * len(channels)

        def hook(_: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor | None:
            nonlocal count
            count += 1
            if count - 1 != call:
                return None
            axis = output.ndim - 1 if isinstance(layer, nn.Linear) else 1
            parts = list(output.chunk(samples))  # several entries of the batch per sample where it holds the frames
            for k, channel in enumerate(channels):
                for part, sign in ((2 * k, 1), (2 * k + 1, -1)):
                    one = torch.zeros(output.shape[axis], dtype=output.dtype)
                    one[channel] = sign * SHIFT * float(parts[part].select(axis, channel).std(correction=0))
                    parts[part] = parts[part] + one.view([-1 if k == axis else 1 for k in range(output.ndim)])
            return torch.cat(parts)

        handle = layer.register_forward_hook(hook)
        found = self.logits(samples)
        handle.remove()
        return (found[::2] - found[1::2]).tolist()


def wrong_directions(
    net: nn.Module, layout: object, frames: int, size: int, contribution: str
) -> tuple[list[str], int, int]:
    """Return the kept kernels with a wrong direction; how many have an effect above noise; how many of them the direction -1."""
    model = ne.adapt(net, mean=zoo.MEAN, std=zoo.STD, layout=layout, frames=frames, size=size)
    clip = zoo.random_clip(frames, size)
    pyramid: Pyramid = ne.FeaturePyramid(contribution=contribution, most=5)(model, clip, 1)
    x = model.preprocessing.tensor(ne.Clip(clip), torch.device("cpu"), torch.float64)
    shift = Shift(copy.deepcopy(net).double(), model.preprocessing.arrange(x), 1)
    assert float(shift.logits(1)) == pytest.approx(pyramid.target.logit, rel=1e-4, abs=1e-4)
    modules = {name for name, module in net.named_modules() if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear))}
    wrong, count, lowered = [], 0, 0
    for row in pyramid.rows:
        module, _, call = row.name.partition("#")
        if row.kind != "kernel" or module not in modules:
            continue
        units = [pyramid.units[index] for index in row.units]
        effects = shift.effects(module, int(call or 1) - 1, [unit.channel for unit in units])
        for unit, effect in zip(units, effects, strict=True):
            if abs(effect) <= NOISE * max(1.0, abs(pyramid.target.logit)):
                continue
            count += 1
            lowered += unit.direction < 0
            if (effect > 0) != (unit.direction > 0):
                wrong.append(f"{row.name} {unit.channel}: {effect:.3g}")
    return wrong, count, lowered


@pytest.mark.parametrize("contribution", ["gradient_x_activation", "gradient", "preactivation"])
def test_directions_of_kernels_are_those_of_finite_differences(contribution: str) -> None:
    wrong, count, lowered = [], 0, 0
    for name, make in NETS.items():
        found = wrong_directions(*make(), contribution)
        wrong += [f"{name}: {text}" for text in found[0]]
        count += found[1]
        lowered += found[2]
    assert count > 500
    assert lowered > 50  # units with direction -1
    assert len(wrong) <= 0.02 * count, wrong


def test_the_tube_of_a_row_counts_maps_by_the_sign_of_their_effect() -> None:
    """The norm turns the sign of a kernel: less of its output helps, but more of its map, which is the output of the norm."""
    conv, norm = nn.Conv3d(3, 2, 1), nn.BatchNorm3d(2)
    net = nn.Sequential(conv, norm, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 2)).eval()
    with torch.no_grad():
        conv.weight.fill_(0.5)
        conv.bias.fill_(0.0)
        norm.weight.copy_(torch.tensor([-1.0, 1.0]))
        norm.bias.fill_(2.0)
        net[5].weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    model = ne.adapt(net, mean=0.0, std=1.0, layout="BCTHW", frames=4, size=8)
    pyramid = ne.FeaturePyramid(mass=1.0)(model, zoo.random_clip(4, 8), 0)
    row = pyramid.row("0")
    units = {pyramid.units[index].channel: pyramid.units[index] for index in row.units}
    assert [(units[k].direction, units[k].map_direction) for k in (0, 1)] == [(-1, 1), (1, 1)]
    assert row.maps is not None
    scores = [pyramid.units[index].score for index in row.units]
    expected = sum(score * unit_map for score, unit_map in zip(scores, row.maps, strict=True))
    np.testing.assert_allclose(pyramid.tube("0"), expected, rtol=1e-5)
    turned = next(index for index in row.units if pyramid.units[index] is units[0])
    assert "Lower output before norm and activation favours the class." in pyramid.in_words(turned)

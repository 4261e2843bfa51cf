"""Comparison with other libraries: agreement of maps, traces in a module, times in pairs, and the tools as they are called."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from benchmarks.peers import tools
from benchmarks.peers.__main__ import agreement_of, attempt
from benchmarks.peers.agreement import Agreement, agreement, worst
from benchmarks.peers.tools import OURS, PEERS, Task, Tool
from benchmarks.peers.traces import left_behind, left_behind_in_training
from benchmarks.timing import PairedTimes, paired_times
from tests import zoo


def test_a_multiple_of_a_map_agrees_with_it() -> None:
    reference = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = agreement(1e-3 * reference, reference)
    assert found.cosine == pytest.approx(1)
    assert found.error < 1e-12


def test_opposite_orthogonal_and_blank_maps_do_not_agree() -> None:
    assert agreement([1, -2], [-1, 2]) == Agreement(pytest.approx(-1), pytest.approx(1))
    assert agreement([1, 0], [0, 1]) == Agreement(0, 1)
    assert agreement([0, 0], [0, 1]) == Agreement(0, 1)
    assert agreement([0, 0], [0, 0]) == Agreement(1, 0)


def test_the_error_is_the_sine_of_the_angle_that_the_cosine_gives() -> None:
    found = agreement([1, 1], [3, 0])
    assert found.cosine == pytest.approx(0.5**0.5)
    assert found.error == pytest.approx(0.5**0.5)


def test_maps_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same shape, got \(2,\) and \(1, 2\)"):
        agreement([1, 2], [[1, 2]])


def test_the_worst_layer_counts() -> None:
    assert worst([Agreement(1, 0.1), Agreement(0.5, 0)]) == Agreement(0.5, 0.1)


@pytest.fixture
def module() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 2, 1), nn.BatchNorm3d(2), nn.Dropout(0.5)).eval()


CHANGES = {
    "hooks": lambda net: net[0].register_full_backward_hook(lambda *_: None),
    "train mode": lambda net: net[1].train(not net[1].training),
    ".grad": lambda net: setattr(net[0].bias, "grad", torch.full((2,), 7.0)),
    "requires_grad": lambda net: net[1].weight.requires_grad_(False),
    "parameters": lambda net: net[0].weight.data.add_(1),
    "buffers": lambda net: net[1].running_mean.add_(1),
    "random numbers": lambda net: torch.rand(1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("check", [left_behind, left_behind_in_training])
def test_each_kind_of_trace_is_found_alone(check, change: str, module: nn.Module) -> None:
    assert check(module, lambda: None) == ()
    assert check(module, lambda: CHANGES[change](module)) == (change,)


def test_a_module_in_training_changes_its_own_buffers_and_is_put_back(module: nn.Module) -> None:
    found = left_behind_in_training(module, lambda: module(torch.rand(1, 3, 2, 2, 2)))
    assert found == ("buffers", "random numbers")
    assert not module[1].running_mean.any()
    assert not module.training
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_ratios_are_medians_of_pairs() -> None:
    pairs = tuple(((wall, cpu), (2.0, 1.0)) for wall, cpu in ((2, 1), (6, 5), (100, 3)))
    times = PairedTimes(pairs)
    assert (times.wall, times.cpu, times.cpu_range) == (3, 3, (1, 5))
    assert str(times) == "3.00 (1.00 to 5.00; 3), wall 3.00"


def test_pairs_run_in_turns_until_the_budget_is_spent() -> None:
    calls: list[str] = []
    paired_times(lambda: calls.append("work"), lambda: calls.append("reference"), 2)
    assert calls == ["reference", "work", "reference", "work", "reference"]
    assert len(paired_times(lambda: time.sleep(0.01), lambda: sum(range(1000)), 50, budget=0).pairs) == 1


@pytest.fixture
def task() -> Task:
    model = ne.adapt(zoo.seeded(zoo.ZOO["residual"].make), size=32, frames=8, mean=0.45, std=0.225, layout="BCTHW")
    return Task.of(model, ne.Clip(zoo.random_clip(8, 32)), 1)


@pytest.mark.parametrize("tool", [tool for tool in PEERS if tool.package == "captum"], ids=lambda tool: tool.name)
def test_captum_agrees_with_ours_on_every_layer(tool: Tool, task: Task) -> None:
    assert len(task.layers) > 1
    found = agreement_of(tool, task)
    assert found.cosine > 1 - 1e-5
    assert found.error < 1e-4


def test_the_two_rules_differ(task: Task) -> None:
    pooled, local = (own.maps(task)[0] for own in OURS[:2])
    assert agreement(pooled, local).cosine < 0.99


def test_a_missing_package_is_reported() -> None:
    tool = Tool("none", "no_such_package_here", "none", lambda _: [])
    assert "not importable: No module named 'no_such_package_here'" in tool.unavailable()
    assert OURS[0].unavailable() == ""
    assert OURS[0].version() == ne.__version__


def test_an_empty_torchvision_stands_in_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_No(), *sys.meta_path])
    assert "torchvision cannot be imported" in tools.add_torchvision()
    from torchvision.transforms.functional import resize

    assert resize is None
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


class _No:
    """Finder that finds no torchvision."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "torchvision":
            raise ModuleNotFoundError(name)


def test_an_error_is_a_cell() -> None:
    assert attempt(lambda: "nothing") == "nothing"
    assert attempt(lambda: [][1]) == "IndexError: list index out of range"

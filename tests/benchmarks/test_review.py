"""The review's oracles: they find planted faults, accept what is right, and share no code with the package."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.review import __main__ as command
from benchmarks.review import checks, explained, report
from benchmarks.review.architectures import Architecture
from benchmarks.review.arrangement import arrangements
from benchmarks.review.directions import check_directions
from benchmarks.review.edges import check_edges
from benchmarks.review.geometry import check_geometry
from benchmarks.review.norms import ConstantNorms
from benchmarks.review.products import check_layer, constant_of_head, true_maps
from benchmarks.review.reference import Reference, example_clip


class Net(nn.Module):
    """Convolutions with groups and negative norms, then pooling and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv3d(3, 8, 3, (1, 2, 2), 1), nn.BatchNorm3d(8)
        self.conv2 = nn.Conv3d(8, 12, 3, (2, 2, 2), 1, groups=2)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        return self.fc(F.silu(self.conv2(x)).mean((2, 3, 4)))


NET = Architecture("net", Net, 8, 32)
TARGET = NET.target


@dataclass(frozen=True)
class Positions:
    rows: Any
    origin: tuple[float, float]
    step: tuple[float, float]


@pytest.fixture(scope="module")
def shown() -> tuple[Reference, explained.Shown]:
    net, clip = NET.build(), example_clip(8, 32)
    return Reference(net, NET, clip), explained.explain(net, NET, clip, TARGET)[1]


def test_only_one_file_of_the_review_imports_the_package() -> None:
    importing = set()
    for path in Path(checks.__file__).parent.glob("*.py"):
        names = [
            alias.name if isinstance(node, ast.Import) else str(getattr(node, "module", ""))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        ]
        if any(name.split(".")[0] == "notebook_explain" for name in names):
            importing.add(path.name)
    assert importing == {"explained.py"}


def test_maps_of_a_plain_network_are_right_and_changed_ones_are_not(shown: tuple[Reference, explained.Shown]) -> None:
    reference, tubes = shown
    values = {layer.name: layer.values for layer in tubes.layers}
    true = true_maps(reference.run(), TARGET, values)
    assert len(values) >= 2
    for name, map_ in values.items():
        right = check_layer(name, map_, true[name])
        assert (right.state, right.error < 1e-4) == ("right", True)
        for wrong in (1.01 * map_, map_ + 0.01 * np.abs(map_).max(), np.roll(map_, 1, axis=2), 0 * map_):
            assert check_layer(name, wrong, true[name]).state == "wrong"


def test_noise_and_blank_maps_are_told_from_wrong_ones() -> None:
    """The products at the input of a layer norm, before a mean over its channels, cancel exactly."""

    class Cancelling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv3d(3, 8, 4, 4), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.fc(F.layer_norm(x.movedim(1, -1), (8,), eps=0.0).mean((1, 2, 3)))

    architecture = Architecture("cancelling", Cancelling, 8, 32)
    reference = Reference(architecture.build(), architecture, example_clip(8, 32))
    noise = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32) * 1e-6
    true = true_maps(reference.run(), TARGET, {"conv": noise})["conv"]
    assert true is not None
    assert true.absolute > 1e-2
    assert check_layer("conv", noise, true).state == "noise"
    assert check_layer("conv", 0 * noise, true).state == "blank"
    assert check_layer("conv", 1e6 * noise, true).state == "noise"  # however large it is drawn
    constant = true_maps(reference.run(constant_norms=True), TARGET, {"conv": noise})["conv"]
    assert constant is not None
    assert np.abs(constant.values).max() > 1e-2  # with constant norms there is evidence
    assert check_layer("conv", noise, constant).state == "wrong"


def test_the_constant_of_the_head_completes_the_sum(shown: tuple[Reference, explained.Shown]) -> None:
    reference, tubes = shown
    values = {layer.name: layer.values for layer in tubes.layers}
    (end,) = tubes.ends
    run = reference.run()
    constant = constant_of_head(reference, run, TARGET, [end], true_maps(run, TARGET, values))
    assert constant == pytest.approx(reference.net.get_parameter("fc.bias").tolist()[TARGET])
    assert float(values[end].mean()) + constant == pytest.approx(run.logits.tolist()[TARGET], abs=1e-5)


def test_cells_are_found_where_they_are_and_moved_ones_are_not() -> None:
    net, clip = NET.build(), example_clip(8, 32)
    grid = (4, 8, 8)
    arrangement = next(arrangements((1, 12, 4, 8, 8), grid))

    def error(rows: Any = (0.0, 2.0, 4.0, 6.0), origin: float = 0.0, step: float = 4.0) -> tuple[float, str]:
        positions = Positions(np.array(rows), (origin, 0.0), (step, 4.0))
        reference = Reference(net, NET, clip, torch.float32)
        (check,) = check_geometry(reference, {"conv2": (arrangement, positions)})
        return check.error, check.axis

    assert error()[0] < 0.3
    assert error(origin=4.0)[0] > 0.5
    assert error(rows=(2.0, 4.0, 6.0, 8.0)) == (pytest.approx(1.0, abs=0.4), "time")
    distance, axis = error(origin=14.0, step=0.1)  # all cells drawn in one place
    assert (distance > 10, axis) == (True, "height")


def test_after_upsampling_distances_are_in_cells_of_the_coarsest_layer_before() -> None:
    net, clip = NET.build(), example_clip(8, 32)
    coarse, fine = (next(arrangements(shape, shape[2:])) for shape in ((1, 12, 4, 8, 8), (1, 8, 8, 16, 16)))
    rows = np.arange(0.0, 8.0)
    shifted = Positions(rows, (2.0, 0.0), (2.0, 2.0))  # conv1, one of its cells too low
    before = Positions(rows[::2], (0.0, 0.0), (4.0, 4.0))
    reference = Reference(net, NET, clip, torch.float32)
    (alone,) = check_geometry(reference, {"conv1": (fine, shifted)})
    (_, after) = check_geometry(reference, {"conv2": (coarse, before), "conv1": (fine, shifted)})
    assert after.error == pytest.approx(alone.error / 2)


def test_directions_of_a_linear_network_are_those_of_its_weights_and_flipped_ones_are_wrong() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv3d(3, 8, 3, 2, 1), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv(x).mean((2, 3, 4)))

    architecture = Architecture("linear", Linear, 8, 32)
    reference = Reference(architecture.build(), architecture, example_clip(8, 32))
    weights = reference.net.get_parameter("fc.weight")[TARGET]
    units = [("conv", channel, 1 if weight > 0 else -1) for channel, weight in enumerate(weights.tolist())]
    right = check_directions(reference, TARGET, units)
    assert (right.right, right.tested) == (8, 8)
    assert 0 < right.right_negative == right.negative < 8
    flipped = check_directions(reference, TARGET, [(name, channel, -sign) for name, channel, sign in units])
    assert (flipped.right, flipped.tested) == (0, 8)


def test_edges_of_a_graph_are_confirmed_and_a_dropped_one_is_missing() -> None:
    net, clip = NET.build(), example_clip(8, 32)
    model, _ = explained.explain(net, NET, clip, TARGET)
    claims, known = explained.graph_claims(model)
    reference = Reference(net, NET, clip, torch.float32)
    right = check_edges(reference, claims, known, kernels=10)
    assert (right.missing, right.kernels) == (0, 10)
    assert right.confirmed == 10  # each kernel feeds one channel of what follows

    def without(kernel: tuple[str, int], channel: int) -> dict[tuple[str, int], tuple[set[int], set[int]]]:
        return {key: (set(), unknown) for key, (_, unknown) in claims(kernel, channel).items()}

    assert check_edges(reference, without, known, kernels=10).missing == 10

    def everything(kernel: tuple[str, int], channel: int) -> dict[tuple[str, int], tuple[set[int], set[int]]]:
        return {key: (set(range(8)), set()) for key in known}

    assert check_edges(reference, everything, known, kernels=10).unconfirmed > 0


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer norm": lambda x: F.layer_norm(x, (6,), torch.arange(6.0).double() + 1, torch.ones(6).double()),
    "group norm": lambda x: F.group_norm(x, 2, torch.arange(4.0).double() + 1, torch.ones(4).double()),
    "rms norm": lambda x: F.rms_norm(x, (6,), torch.arange(6.0).double() + 1),
    "normalize": lambda x: F.normalize(x, dim=1),
    "module": nn.LayerNorm(6).double(),
}


@pytest.mark.parametrize("name", NORMS)
def test_constant_norms_give_the_same_values_and_carry_no_gradient_through_the_divisor(name: str) -> None:
    norm = NORMS[name]
    x = torch.randn(3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with ConstantNorms() as mode:
        y = norm(x)
    torch.testing.assert_close(y, norm(x))
    weights = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (held,) = torch.autograd.grad((y * weights).sum(), x)
    (differentiated,) = torch.autograd.grad((norm(x) * weights).sum(), x)
    assert not torch.allclose(held, differentiated)
    # With its statistics replayed, a norm is affine: its derivative is that of finite differences.
    with ConstantNorms(mode.statistics):
        first = norm(x.detach())
    with ConstantNorms(mode.statistics):
        second = norm(x.detach() * 3)
    with ConstantNorms(mode.statistics):
        constant = norm(x.detach() * 0)
    torch.testing.assert_close(second - constant, 3 * (first - constant))


def test_products_through_constant_norms_add_up_to_what_is_not_a_bias() -> None:
    x = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with ConstantNorms():
        score = F.layer_norm(x, (6,))[0, 2]
    (gradient,) = torch.autograd.grad(score, x)
    assert (gradient * x).sum().item() == pytest.approx(score.item())


@dataclass(frozen=True)
class Run:
    status: int
    text: str
    saved: Any


def run_command(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path, *arguments: str) -> Run:
    def missing() -> nn.Module:
        raise ImportError("No module named 'nowhere'")

    entries = {"net": NET, "absent": Architecture("absent", missing, 8, 32)}
    monkeypatch.setattr(command, "ARCHITECTURES", entries)
    path = tmp_path / "review.json"
    status = command.main([*arguments, "--json", str(path)])
    return Run(status, capsys.readouterr().out, json.loads(path.read_text()) if path.exists() else None)


def test_the_command_prints_a_row_each_the_worst_and_what_was_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    run = run_command(monkeypatch, capsys, tmp_path, "--checks", "products", "geometry", "edges")
    assert run.status == 0, run.text
    assert "absent  skipped: No module named 'nowhere'" in run.text
    assert "1 architectures, 1 of them claim completeness; 1 skipped" in run.text
    assert "all goals are met" in run.text
    assert run.saved["skipped"] == ["absent"]
    (row,) = run.saved["rows"]
    assert row["completeness"] < 1e-5
    assert "NaN" not in (tmp_path / "review.json").read_text()
    assert run_command(monkeypatch, capsys, tmp_path, "--only", "absent").status == 1  # nothing was measured
    assert run_command(monkeypatch, capsys, tmp_path, "--only", "unheard of").status == 2


def test_the_command_fails_where_a_goal_is_missed(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    explain = explained.explain

    def tampered(*arguments: Any) -> tuple[Any, explained.Shown]:
        model, shown = explain(*arguments)
        layers = tuple(replace(layer, values=1.1 * layer.values) for layer in shown.layers)
        return model, replace(shown, layers=layers)

    monkeypatch.setattr(explained, "explain", tampered)
    run = run_command(monkeypatch, capsys, tmp_path, "--checks", "products")
    assert run.status == 1
    assert "goals missed: local products, completeness" in run.text
    assert "1e-01!" in run.text


def test_a_goal_of_directions_holds_for_all_rows_together() -> None:
    rows = [checks.Findings("first"), checks.Findings("second")]
    for row, right in zip(rows, (8, 7), strict=True):
        row.directions["gradient"] = checks.DirectionCheck(right, 8, 0, 0)
    lines, is_met = report.summary(rows, [], 10)
    assert not is_met
    assert "directions by gradient: 15 of 16 units right (93.8 %)" in lines
    rows[1].directions["gradient"] = checks.DirectionCheck(8, 8, 0, 0)
    assert report.summary(rows, [], 10)[1]

"""Functions outside torch state what they do to positions; the package of models names none of them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import handle_torch_function, has_torch_function_unary

import notebook_explain as ne
from notebook_explain import layers, models
from notebook_explain.models import layers_at_selected_frames, module_frame_times
from notebook_explain.models.positions.custom_functions import has_position_proxy, selected_frames
from notebook_explain.models.positions.tensor import PositionTensor

SPECIFIED = {"size": 16, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}


def second_moment_pool(x: torch.Tensor, size: int = 2) -> torch.Tensor:
    """Pool the squares of windows without overlap; it dispatches like a function of torch."""
    if has_torch_function_unary(x):
        return handle_torch_function(second_moment_pool, (x,), x, size)
    b, c, t, h, w = x.shape
    return x.square().reshape(b, c, t // size, size, h // size, size, w // size, size).mean((3, 5, 7))


def brightest_frames(x: torch.Tensor) -> torch.Tensor:
    """Keep the brighter half of the frames, in order."""
    if has_torch_function_unary(x):
        return handle_torch_function(brightest_frames, (x,), x)
    order = x[0].mean((0, 2, 3)).argsort(descending=True)
    return x.index_select(2, order[: x.shape[2] // 2].sort()[0])


class Net(nn.Module):
    """Convolution, a function under test, global pooling and a classifier."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.conv, self.act, self.function = nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), function
        self.out, self.fc = nn.Conv3d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.out(self.function(self.act(self.conv(x)))).mean((2, 3, 4)))


@pytest.fixture
def pool_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(x: torch.Tensor, size: int = 2) -> torch.Tensor:
        return F.avg_pool3d(x, size)

    monkeypatch.setattr(second_moment_pool, "position_proxy", proxy, raising=False)


@pytest.fixture
def selection_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool3d(x, (x.shape[2] // 2, *x.shape[3:]))

    monkeypatch.setattr(brightest_frames, "position_proxy", proxy, raising=False)
    monkeypatch.setattr(brightest_frames, "selects_frames", True, raising=False)


@pytest.mark.usefixtures("pool_proxy")
def test_a_position_proxy_gives_the_positions_of_a_function() -> None:
    model = ne.adapt(Net(second_moment_pool), **SPECIFIED)
    assert model.caveats == ()
    geometry = model.layer("out").geometry
    assert geometry.rows.tolist() == [0.5, 2.5, 4.5, 6.5]
    assert (geometry.origin, geometry.step) == ((0.5, 0.5), (2.0, 2.0))


@pytest.mark.usefixtures("pool_proxy")
def test_a_global_pooling_with_a_proxy_is_found_in_a_real_pass() -> None:
    class Pooling(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            doubled = self.act(self.conv(x)) * 2  # no module returns the input of the pooling
            return self.fc(second_moment_pool(doubled, 16).flatten(1))

    model = ne.adapt(Pooling(None), **{**SPECIFIED, "frames": 16})
    assert [layer.kind for layer in model.layers] == ["block", "pooling input"]
    clip = ne.Clip(torch.randint(0, 256, (16, 16, 16, 3), dtype=torch.uint8).numpy())
    tubes = ne.SaliencyTubes()(model, clip, 1)
    assert tubes.layers[-1].grid == (16, 16, 16)
    assert abs(tubes.layers[-1].values).max() > 0


def test_without_a_proxy_the_positions_are_unknown() -> None:
    model = ne.adapt(Net(second_moment_pool), **SPECIFIED)
    assert "could not be measured" in model.caveats[0]
    assert model.layer_trace is None


@pytest.mark.usefixtures("selection_proxy")
def test_selected_frames_replace_the_proxy_of_a_selection() -> None:
    x = PositionTensor.for_clip(8, 4, 4, torch.device("cpu"))

    def times(selected: torch.Tensor) -> list[float]:
        t, _, _ = selected.positions()
        return t.expand(selected.shape)[0, 0, :, 0, 0].tolist()

    evenly = [0.5, 2.5, 4.5, 6.5]
    assert times(brightest_frames(x)) == evenly
    with selected_frames([torch.tensor([0, 1, 6, 7]), torch.tensor([1, 2])]):
        first = brightest_frames(x)
        assert times(first) == [0, 1, 6, 7]
        assert times(brightest_frames(first)) == [1, 6]
        assert times(brightest_frames(x)) == evenly, "no selection is left"
    assert times(brightest_frames(x)) == evenly


@pytest.mark.usefixtures("selection_proxy")
def test_layers_and_modules_lie_at_the_selected_frames() -> None:
    model = ne.adapt(Net(brightest_frames), **SPECIFIED)
    layer, frames = model.layer("out"), [torch.tensor([0, 3, 4, 7])]
    (moved,) = layers_at_selected_frames(model, [layer], frames)
    assert layer.geometry.rows.tolist() == [0.5, 2.5, 4.5, 6.5]
    assert moved.geometry.rows.tolist() == [0, 3, 4, 7]
    times = module_frame_times(model, ["out", "conv"], frames)
    assert times["out", "input"].tolist() == [0, 3, 4, 7]
    assert times["conv", "output"].tolist() == list(range(8))
    with pytest.raises(ValueError, match="layer 'out' has no positions for the frames that the network selected"):
        layers_at_selected_frames(model, [layer], [torch.tensor([0, 3, 4])])


def test_old_names_of_frame_times_are_kept() -> None:
    with pytest.warns(DeprecationWarning, match="use notebook_explain.models.module_frame_times"):
        assert models.moments_of is module_frame_times
    with pytest.warns(DeprecationWarning, match="use notebook_explain.models.layers_at_selected_frames"):
        assert models.placed is layers_at_selected_frames


def test_the_building_blocks_have_proxies() -> None:
    names = [f"{kind}soft_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3)]
    assert all(has_position_proxy(getattr(layers, name)) for name in [*names, "select_frames"])


def test_the_package_of_models_names_no_building_block() -> None:
    words = ("soft_pool", "softpool", "select_frames", "mtnet", "mtconv", "srtg")
    for path in Path(models.__file__).parent.rglob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not [word for word in words if word in path.read_text().lower() or word in names], path

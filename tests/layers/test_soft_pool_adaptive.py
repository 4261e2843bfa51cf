"""Adaptive SoftPool in TorchScript for all sizes, errors of its settings, and the cells of its windows."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from notebook_explain import layers
from notebook_explain.layers.soft_pool.windows import adaptive_window_cells, window_cells
from tests.layers.test_soft_pool import noise

SHAPES = {1: (7,), 2: (7, 6), 3: (5, 6, 7)}
POOLS = {1: layers.AdaptiveSoftPool1d, 2: layers.AdaptiveSoftPool2d, 3: layers.AdaptiveSoftPool3d}


@pytest.mark.parametrize("size", [1, 3, 9, None, "first only"], ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_scripted_module_has_the_same_output_and_gradient(dims: int, size: Any) -> None:
    size = (2, *[None] * (dims - 1)) if size == "first only" else size
    module = POOLS[dims](size, temperature=0.6)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module), file)
    scripted = torch.jit.load(io.BytesIO(file.getvalue()))
    for x in (noise(2, 3, *SHAPES[dims], scale=4), noise(3, *SHAPES[dims]), noise(2, 3, *[4, 3, 8][:dims])):
        leaf, other_leaf = x.clone().requires_grad_(), x.clone().requires_grad_()
        out, expected = scripted(leaf), module(other_leaf)
        torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
        gradient, expected_gradient = (
            torch.autograd.grad(y.square().sum(), x_leaf)[0] for y, x_leaf in ((out, leaf), (expected, other_leaf))
        )
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_scripted_module_has_the_same_output_in_half_precision_and_autocast(dtype: torch.dtype) -> None:
    module, x = layers.AdaptiveSoftPool3d((2, 1, 3)), noise(2, 3, 5, 6, 7).to(dtype)
    scripted = torch.jit.script(module)
    assert scripted(x).dtype == module(x).dtype == dtype
    torch.testing.assert_close(scripted(x), module(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(scripted(x.float()), module(x.float()))
    torch.testing.assert_close(scripted(x.float()), module(x.float()))


@pytest.mark.parametrize("released", ["", "cpu"])
def test_a_scripted_window_without_cells_is_minus_infinity_as_in_max_pooling(released: str) -> None:
    x = noise(1, 2, 2).abs()
    module = layers.SoftPool1d(2, 1, 1, 3, released=released)  # its cells are -1 and 2 of two
    assert torch.equal(torch.jit.script(module)(x), torch.full((1, 2, 1), -float("inf"), dtype=x.dtype))
    assert torch.equal(module(x), torch.nn.functional.max_pool1d(x, 2, 1, 1, 3))


def test_one_compiled_module_accepts_any_length() -> None:
    torch._dynamo.reset()
    module = layers.AdaptiveSoftPool1d(3)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True, dynamic=True)
    for length in (4, 6, 7):
        x = noise(2, 3, length)
        torch.testing.assert_close(compiled(x), module(x))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"output_size": 0}, ValueError, "output_size must be one number or 3, each at least 1"),
        ({"output_size": (2, None)}, ValueError, "output_size must be one number or 3"),
        ({"output_size": (2, 2, 2, 2)}, ValueError, "output_size must be one number or 3"),
        ({"output_size": 1.5}, TypeError, "output_size must be one whole number or 3 of them"),
        ({"temperature": -1.0}, ValueError, "temperature must be positive and finite, got -1.0"),
    ],
)
def test_invalid_settings_raise_in_the_constructor(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        layers.AdaptiveSoftPool3d(**arguments)


def test_cells_of_windows() -> None:
    assert window_cells(5, 3, kernel=3, stride=2, padding=1, dilation=1) == [[-1, 0, 1], [1, 2, 3], [3, 4, -1]]
    assert window_cells(4, 2, kernel=2, stride=3, padding=0, dilation=2) == [[0, 2], [3, -1]]
    assert adaptive_window_cells(5, 3) == [[0, 1, -1], [1, 2, 3], [3, 4, -1]]
    assert adaptive_window_cells(2, 4) == [[0], [0], [1], [1]]

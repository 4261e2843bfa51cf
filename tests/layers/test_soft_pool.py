"""SoftPool and its gradient against loops that follow the definition, at any magnitude and precision."""

from __future__ import annotations

import copy
import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain import layers
from notebook_explain.layers.soft_pool.kernels import CHUNK
from tests.layers import reference

INF = float("inf")
POOLS = {1: layers.soft_pool1d, 2: layers.soft_pool2d, 3: layers.soft_pool3d}
ADAPTIVE = {1: layers.adaptive_soft_pool1d, 2: layers.adaptive_soft_pool2d, 3: layers.adaptive_soft_pool3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def noise(*shape: int, seed: int = 0, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale).to(dtype)


@st.composite
def poolings(draw: st.DrawFn) -> Any:
    dims = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 8 if dims < 3 else 6)) for _ in range(dims))
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(dims))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(dims))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(dims))
    ceil_mode, temperature = draw(st.booleans()), draw(st.sampled_from([0.1, 1.0, 7.0]))
    return shape, (kernel, stride, padding, dilation), ceil_mode, temperature, draw(st.integers(0, 99))


@settings(max_examples=120, deadline=None)
@given(poolings())
def test_values_gradients_and_shapes_follow_the_definition(pooling: Any) -> None:
    shape, windows, ceil_mode, temperature, seed = pooling
    counts = reference.pooled_shape(shape, windows, ceil_mode)
    assume(min(counts) > 0)
    x = noise(2, *shape, seed=seed, scale=3).requires_grad_()
    out = POOLS[len(shape)](x, *windows, ceil_mode, temperature=temperature)
    gradient = noise(*out.shape, seed=seed + 1)
    expected, back = reference.soft_pool(x.detach().numpy(), windows, ceil_mode, temperature, gradient.numpy())
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(torch.autograd.grad(out, x, gradient)[0].numpy(), back, rtol=1e-9, atol=1e-11)
    batch = noise(2, *shape, seed=seed)[None]
    if len(shape) > 1 or not ceil_mode:  # max_pool1d of torch 2.13 keeps windows that begin in the right padding
        assert out.shape == MAX[len(shape)](batch, *windows, ceil_mode=ceil_mode)[0].shape


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), (2, 3, 0, 1)]
)
def test_first_and_second_gradients_are_correct(
    dims: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    x = noise(1, 2, *[5, 6, 5][:dims]).requires_grad_()

    def pool(x: torch.Tensor) -> torch.Tensor:
        return POOLS[dims](x, kernel, stride, padding, dilation, temperature=0.7)

    assert torch.autograd.gradcheck(pool, x)
    if dims < 3:
        assert torch.autograd.gradgradcheck(pool, x)


def test_first_and_second_gradients_of_adaptive_pooling_are_correct() -> None:
    x = noise(1, 2, 3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layers.adaptive_soft_pool3d(x, (2, 3, 1), temperature=2.0), x)
    assert torch.autograd.gradgradcheck(
        lambda x: layers.adaptive_soft_pool3d(x, 1), x[:, :1, :2].detach().requires_grad_()
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(lambda d: st.tuples(*[st.integers(1, 9)] * d)), st.data())
def test_adaptive_windows_are_those_of_torch(shape: tuple[int, ...], data: st.DataObject) -> None:
    counts = tuple(data.draw(st.integers(1, length + 2)) for length in shape)
    x = noise(2, *shape)
    out = ADAPTIVE[len(shape)](x, counts, temperature=0.5)
    np.testing.assert_allclose(out.numpy(), reference.adaptive_soft_pool(x.numpy(), counts, 0.5), rtol=1e-10)


def test_adaptive_pooling_takes_none_for_an_axis_and_pools_everything_by_default() -> None:
    x = noise(2, 3, 4, 6, 6)
    assert layers.AdaptiveSoftPool3d((None, 3, 2))(x).shape == (2, 3, 4, 3, 2)
    weights = x.flatten(2).softmax(2)
    torch.testing.assert_close(layers.AdaptiveSoftPool3d()(x).flatten(2)[..., 0], (weights * x.flatten(2)).sum(2))


def test_large_windows_that_tile_give_the_same_result() -> None:
    x = noise(2, 3, 8, 10, 15).requires_grad_()
    tiling = layers.soft_pool3d(x, (4, 5, 5))
    not_tiling = layers.soft_pool3d(x, (4, 5, 5), (4, 5, 6))
    torch.testing.assert_close(tiling[..., 0], not_tiling[..., 0])
    out, back = reference.soft_pool(
        x[0].detach().numpy(), [(4, 5, 5)] * 2 + [(0,) * 3, (1,) * 3], False, 1.0, np.ones((3, 2, 2, 3))
    )
    np.testing.assert_allclose(tiling[0].detach().numpy(), out)
    np.testing.assert_allclose(torch.autograd.grad(tiling[0].sum(), x)[0][0].numpy(), back, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 100.0, 1e4])
def test_results_are_between_average_and_maximum_at_any_magnitude(dtype: torch.dtype, scale: float) -> None:
    x = noise(2, 3, 4, 6, 6, scale=scale).clamp(-6e4, 6e4).to(dtype).requires_grad_()
    out = layers.soft_pool3d(x, 2)
    exact = layers.soft_pool3d(x.detach().double(), 2)
    tolerance = 2.0**-7 if dtype == torch.bfloat16 else 2.0**-10 if dtype == torch.float16 else 1e-5
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), exact, rtol=tolerance, atol=tolerance * scale)
    assert (exact <= F.max_pool3d(x.double(), 2) + 1e-9 * scale).all()
    assert (exact >= F.avg_pool3d(x.double(), 2) - 1e-9 * scale).all()
    gradient = torch.autograd.grad(out.sum(), x)[0].double()
    assert gradient.isfinite().all()
    sums = F.avg_pool3d(gradient, 2) * 8
    torch.testing.assert_close(
        sums, torch.ones_like(sums), atol=8 * tolerance, rtol=0
    )  # adding a constant adds it to the result


def test_gradients_of_a_cell_in_many_windows_are_summed_in_full_precision() -> None:
    x = noise(1, 1, 4, 8, 8, 8, dtype=torch.bfloat16)[0].requires_grad_()
    exact = x.detach().double().requires_grad_()
    half_gradient, gradient = (
        torch.autograd.grad(layers.soft_pool3d(leaf, 3, 1, 1).sum(), leaf)[0] for leaf in (x, exact)
    )
    assert half_gradient.dtype == torch.bfloat16
    torch.testing.assert_close(half_gradient.double(), gradient, rtol=2.0**-8, atol=1e-3)


def test_the_largest_finite_numbers_do_not_overflow() -> None:
    top = torch.finfo(torch.float32).max
    x = torch.tensor([[top, -top, top, -top]])
    torch.testing.assert_close(layers.soft_pool1d(x), torch.tensor([[top, top]]))
    half = torch.full((1, 8), 60000.0, dtype=torch.float16)
    assert torch.equal(layers.soft_pool1d(half, 8), half[:, :1])


def test_cells_of_minus_infinity_are_ignored_and_nan_is_not_hidden() -> None:
    inf = float("inf")
    x = torch.tensor([[1.0, -inf, 2.0, float("nan")]], requires_grad=True)
    out = layers.soft_pool1d(x)
    assert out[0, 0] == 1
    assert out[0, 1].isnan()
    assert torch.autograd.grad(out[0, 0], x)[0][0, :2].tolist() == [1, 0]


def test_single_cells_and_constants_are_unchanged_and_order_within_a_window_does_not_matter() -> None:
    x = noise(2, 3, 4, 4, 4)
    assert torch.equal(layers.soft_pool3d(x, 1), x)
    torch.testing.assert_close(
        layers.soft_pool3d(torch.full((1, 2, 4, 4, 4), 3.3), 2), torch.full((1, 2, 2, 2, 2), 3.3)
    )
    torch.testing.assert_close(
        layers.soft_pool1d(x[0, 0, 0]), layers.soft_pool1d(x[0, 0, 0].view(4, 2, 2).flip(2).flatten(1))
    )


def test_low_temperature_is_max_pooling_and_high_temperature_is_average_pooling() -> None:
    x = noise(2, 3, 4, 4, 4)
    torch.testing.assert_close(layers.soft_pool3d(x, 2, temperature=1e-4), F.max_pool3d(x, 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(layers.soft_pool3d(x, 2, temperature=1e5), F.avg_pool3d(x, 2), atol=1e-3, rtol=0)


def test_chunks_and_memory_order_do_not_change_the_result() -> None:
    x = noise(3, 5, 8, 128, 128, dtype=torch.float32)
    assert x[:, :, ::2, ::2, ::2].numel() > 6 * CHUNK
    whole = layers.soft_pool3d(x, 2)
    parts = torch.stack([torch.stack([layers.soft_pool3d(c[None], 2)[0] for c in clip]) for clip in x])
    torch.testing.assert_close(whole, parts)
    last = x.contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    out = layers.soft_pool3d(last, 2)
    assert out.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(out, whole, rtol=0, atol=1e-6)
    leaf = x.clone().requires_grad_()
    gradient = noise(*whole.shape, dtype=torch.float32)
    torch.testing.assert_close(
        torch.autograd.grad(out, last, gradient)[0], torch.autograd.grad(layers.soft_pool3d(leaf, 2), leaf, gradient)[0]
    )


def test_only_the_input_is_saved_for_the_backward_pass() -> None:
    x = noise(1, 2, 4, 6, 6).requires_grad_()
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        layers.soft_pool3d(x, 3, 2, 1)
        layers.adaptive_soft_pool3d(x, (2, 3, 3))
        layers.adaptive_soft_pool3d(x, (3, 4, 4))
        layers.adaptive_soft_pool3d(x, 1)
    assert [t.data_ptr() for t in kept] == [x.data_ptr()] * 4


@pytest.mark.parametrize("shape", [(1, 65, 128, 128), (1, 1, 65, 128, 128), (3, 33, 64, 64)])
def test_only_channels_are_split_into_chunks(shape: tuple[int, ...]) -> None:
    """Without a batch axis, the axis after the first leaf is pooled."""
    x = noise(*shape, dtype=torch.float32).requires_grad_()
    assert x.numel() / 8 > CHUNK
    for pool in (lambda x: layers.soft_pool3d(x, 3, 2, 1), lambda x: layers.adaptive_soft_pool3d(x, (7, 9, 11))):
        alone = pool(x.detach().reshape(-1, 1, *shape[-3:])).reshape(pool(x).shape)
        torch.testing.assert_close(pool(x), alone)
        gradient = torch.randn_like(alone)
        back = torch.autograd.grad(pool(x), x, gradient)[0]
        leaf = x.detach()[..., :1, :, :, :].clone().requires_grad_()
        expected = torch.autograd.grad(pool(leaf), leaf, gradient[..., :1, :, :, :])[0]
        torch.testing.assert_close(back[..., :1, :, :, :], expected)


def test_a_forward_and_backward_pass_needs_little_more_memory_than_the_gradient() -> None:
    from benchmarks.blocks import peak_bytes

    x = noise(1, 64, 16, 56, 56, dtype=torch.float32).requires_grad_()
    size, gradient = x.numel() * 4, torch.ones(1, 64, 8, 28, 28)
    assert peak_bytes(lambda: F.avg_pool3d(x.detach(), 2)) == size / 8
    assert peak_bytes(lambda: layers.soft_pool3d(x.detach(), 2)) < 0.25 * size  # the result is an eighth
    assert peak_bytes(lambda: torch.autograd.grad(layers.soft_pool3d(x, 2), x, gradient)) < 1.4 * size
    for counts in ((5, 9, 9), (4, 7, 7)):  # windows of different lengths, and of equal lengths
        gradient = torch.ones(1, 64, *counts)
        adaptive = partial(layers.adaptive_soft_pool3d, output_size=counts)
        assert peak_bytes(lambda adaptive=adaptive: adaptive(x.detach())) < 0.25 * size
        peak = peak_bytes(lambda adaptive=adaptive, g=gradient: torch.autograd.grad(adaptive(x), x, g))
        assert peak < 1.4 * size


def test_weights_sum_to_1_and_shares_sum_to_the_result() -> None:
    x = noise(2, 3, 5, 6, 6)
    weights, shares, *_ = layers.soft_pool_weights(x, 3, 2, 1)
    assert weights.shape == (2, 3, 3, 3, 3, 27)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 3, 3, 3, dtype=x.dtype))
    torch.testing.assert_close(shares.sum(-1), layers.soft_pool3d(x, 3, 2, 1))
    assert (weights[:, :, 0, 0, 0].view(2, 3, 3, 3, 3)[:, :, 0] == 0).all()  # padding
    one, *_ = layers.soft_pool_weights(x[0, 0, 0], 2, dims=1)
    torch.testing.assert_close(one[:, 0], x[0, 0, 0, :, :2].softmax(1))


class TestReleased:
    """Behaviour of the released code, which differs from the definition."""

    def test_cpu_shares_one_weight_between_channels_and_has_no_negative_results(self) -> None:
        x = noise(1, 3, 4, 4)
        e = x.exp().sum(1, keepdim=True)
        expected = (F.avg_pool2d(x * e, 2) / F.avg_pool2d(e, 2)).clamp_min(0)
        out = layers.soft_pool2d(x, 2, released="cpu")
        torch.testing.assert_close(out, expected)
        assert (out - layers.soft_pool2d(x, 2)).abs().max() > 0.1

    def test_cpu_with_one_positive_channel_follows_the_definition(self) -> None:
        x = noise(1, 1, 4, 4).abs()
        torch.testing.assert_close(layers.soft_pool2d(x, 2, released="cpu"), layers.soft_pool2d(x, 2))

    def test_cuda_has_a_gradient_with_constant_weights(self) -> None:
        x = noise(1, 2, 8).requires_grad_()
        out = layers.soft_pool1d(x, 2, released="cuda")
        torch.testing.assert_close(out, layers.soft_pool1d(x, 2))
        weights, *_ = layers.soft_pool_weights(x.detach(), 2, dims=1)
        torch.testing.assert_close(torch.autograd.grad(out.sum(), x)[0], weights.flatten(2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be one number or 3, each at least 1; got 0"),
        ({"kernel_size": 2.5}, TypeError, "kernel_size must be one whole number or 3 of them, got 2.5"),
        ({"kernel_size": True}, TypeError, "kernel_size must be one whole number or 3 of them, got True"),
        ({"kernel_size": (2, 2)}, ValueError, "kernel_size must be one number or 3"),
        ({"stride": (1, 0, 1)}, ValueError, "stride must be one number or 3, each at least 1"),
        ({"padding": 2}, ValueError, "padding must be at most half of kernel_size"),
        ({"temperature": 0.0}, ValueError, "temperature must be positive and finite, got 0.0"),
        ({"released": "gpu"}, ValueError, "released must be one of"),
    ],
)
def test_invalid_settings_raise(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        layers.SoftPool3d(**arguments)


def test_invalid_inputs_raise() -> None:
    with pytest.raises(ValueError, match=r"windows of \[9, 9, 9\] are larger than the input \[4, 4, 4\]"):
        layers.soft_pool3d(noise(1, 2, 4, 4, 4), 9)
    with pytest.raises(ValueError, match="expected 4 axes"):
        layers.SoftPool3d()(noise(4, 4))
    with pytest.raises(TypeError, match=r"expected a floating-point tensor, got torch.int64; convert with x.float\(\)"):
        layers.SoftPool3d()(torch.ones(1, 1, 2, 2, 2, dtype=torch.long))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_per_sample_gradients_work_with_vmap() -> None:
    x = noise(4, 2, 4, 4, 4)
    each = torch.func.vmap(torch.func.grad(lambda one: layers.soft_pool3d(one, 2).square().sum()))(x)
    leaf = x.clone().requires_grad_()
    torch.testing.assert_close(each, torch.autograd.grad(layers.soft_pool3d(leaf, 2).square().sum(), leaf)[0])


class RecordedNames(TorchFunctionMode):
    """Names of the torch functions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def test_overrides_of_torch_functions_see_one_pooling() -> None:
    x = noise(2, 3, 4, 6, 6)
    with RecordedNames() as recorded:
        pooled = layers.soft_pool3d(x, 2, 1, 1, 1, True, 0.3), layers.adaptive_soft_pool3d(x, 2, 0.3)
    assert recorded.names == ["soft_pool3d", "adaptive_soft_pool3d"]
    assert torch.equal(pooled[0], layers.soft_pool3d(x, 2, 1, 1, 1, True, 0.3))
    assert torch.equal(pooled[1], layers.adaptive_soft_pool3d(x, 2, 0.3))


def test_a_module_pools_like_its_function_and_its_repr_lists_the_settings() -> None:
    x = noise(2, 3, 5, 6, 6)
    module = layers.SoftPool3d((1, 3, 3), 2, (0, 1, 1), ceil_mode=True, temperature=0.5)
    out = layers.soft_pool3d(x, (1, 3, 3), 2, (0, 1, 1), 1, True, temperature=0.5)
    assert out.shape[3:] == (4, 4)
    assert torch.equal(module(x), out)
    torch.testing.assert_close(module.explain(x).shares.sum(-1), out)
    assert repr(module) == (
        "SoftPool3d(kernel_size=(1, 3, 3), stride=(2, 2, 2), padding=(0, 1, 1), ceil_mode=True, temperature=0.5)"
    )
    assert repr(layers.AdaptiveSoftPool2d(1)) == "AdaptiveSoftPool2d(output_size=1)"
    assert not nn.Sequential(module).state_dict()
    assert layers.soft_pool3d.__name__ == "soft_pool3d"
    assert "temperature" in str(layers.soft_pool3d.__doc__)


def plain_soft_pool(x: torch.Tensor, windows: Any, ceil_mode: bool, temperature: Any) -> torch.Tensor:
    """Pool (batch, channel, ...) by loops over windows and plain operations, differentiable by autograd."""
    counts = reference.pooled_shape(tuple(x.shape[2:]), windows, ceil_mode)
    pooled = []
    for index in itertools.product(*map(range, counts)):
        cells = reference.window_cells(tuple(x.shape[2:]), index, windows)
        if not cells:
            pooled.append(torch.full(x.shape[:2], -float("inf"), dtype=x.dtype))
            continue
        values = torch.stack([x[(..., *cell)] for cell in cells], -1)
        pooled.append((values * (values / temperature).softmax(-1)).sum(-1))
    return torch.stack(pooled, -1).unflatten(-1, counts)


DERIVED = [
    (1, (7,), ((3,), (2,), (1,), (1,)), False),
    (1, (7,), ((2,), (2,), (0,), (2,)), True),
    (2, (4, 5), ((3, 2), (2, 2), (1, 0), (1, 1)), True),
    (3, (3, 4, 4), ((2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1)), False),
    (3, (3, 3, 4), ((3, 2, 3), (2, 1, 2), (1, 1, 1), (1, 1, 1)), True),
]


class TestDerivatives:
    """Higher derivatives, forward mode and the temperature's gradient, against autograd through plain operations."""

    @pytest.mark.parametrize(("dims", "shape", "windows", "ceil_mode"), DERIVED)
    def test_forward_mode_hessian_and_temperature(self, dims: int, shape: Any, windows: Any, ceil_mode: bool) -> None:
        x, direction = noise(1, 2, *shape), noise(1, 2, *shape, seed=1)
        temperature, change = torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)

        def pool(x: torch.Tensor, temperature: Any = 0.7) -> torch.Tensor:
            return POOLS[dims](x, *windows, ceil_mode, temperature=temperature)

        def plain(x: torch.Tensor, temperature: Any = 0.7) -> torch.Tensor:
            return plain_soft_pool(x, windows, ceil_mode, temperature)

        close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-11)
        close(torch.func.jvp(pool, (x,), (direction,)), torch.func.jvp(plain, (x,), (direction,)))
        both = (x, temperature), (direction, change)
        close(torch.func.jvp(pool, *both), torch.func.jvp(plain, *both))
        square = lambda f: lambda *inputs: f(*inputs).square().sum()  # noqa: E731
        for argnums in (0, 1):
            for transform in (torch.func.grad, torch.func.jacfwd, torch.func.hessian):
                ours = transform(square(pool), argnums=argnums)(x, temperature)
                close(ours, transform(square(plain), argnums=argnums)(x, temperature))
        ours = torch.func.vmap(pool)(x.expand(3, *x.shape), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64))
        close(ours, torch.stack([plain(x, t) for t in (0.5, 1.0, 2.0)]))

    @pytest.mark.parametrize("counts", [1, (2, 3, 1), (3, 4, 5)])
    def test_adaptive_pooling_has_them_too(self, counts: Any) -> None:
        x = noise(1, 2, 3, 4, 5).requires_grad_()
        temperature = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(
            lambda x, t: layers.adaptive_soft_pool3d(x, counts, t), (x, temperature), check_forward_ad=True
        )
        small = x.detach()[:, :1, :2, :3, :3].requires_grad_()
        assert torch.autograd.gradgradcheck(
            lambda x, t: layers.adaptive_soft_pool3d(x, min(counts, 2) if counts == 1 else (2, 2, 1), t),
            (small, temperature),
        )

    def test_a_temperature_that_is_a_tensor_gets_its_gradient(self) -> None:
        x = noise(1, 2, 5, 5, 4).requires_grad_()
        temperature = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
        for shaped in (temperature, temperature.view(1), temperature.view(1, 1)):
            out = layers.soft_pool3d(x, 3, 2, 1, temperature=shaped)
            assert torch.equal(out, layers.soft_pool3d(x, 3, 2, 1, temperature=0.6))
        assert torch.autograd.gradcheck(
            lambda x, t: layers.soft_pool3d(x, 3, 2, 1, temperature=t), (x, temperature), check_forward_ad=True
        )

    def test_a_module_trains_a_temperature_that_is_a_parameter(self) -> None:
        x = noise(2, 3, 4, 4, 4, dtype=torch.float32)
        for module in (
            layers.SoftPool3d(2, temperature=nn.Parameter(torch.tensor(0.5))),
            layers.AdaptiveSoftPool3d(2, temperature=nn.Parameter(torch.tensor([0.5]))),
        ):
            assert list(module.state_dict()) == ["temperature"]
            assert repr(module).endswith("temperature=0.5)")
            before = module(x).detach().sum()
            slope = torch.autograd.grad(module(x).sum(), module.temperature)[0]
            with torch.no_grad():
                module.temperature += 1e-2
            assert float(slope) == pytest.approx(float(module(x).detach().sum() - before) / 1e-2, rel=0.1)
            torch.testing.assert_close(module.explain(x).shares.sum(-1), module(x))
            copied = copy.deepcopy(module)
            assert copied.temperature is not module.temperature
            torch.testing.assert_close(torch.compile(module, backend="eager")(x), module(x))

    @pytest.mark.parametrize(
        ("temperature", "options", "message"),
        [
            (torch.ones(3), {}, "must hold one floating-point number, got torch.float32 of shape"),
            (torch.tensor(1), {}, "must hold one floating-point number, got torch.int64"),
            (torch.tensor(-1.0), {}, "temperature must be positive and finite, got -1.0"),
            (torch.tensor(1.0), {"released": "cpu"}, "the released code has no temperature that is a tensor"),
        ],
    )
    def test_other_tensors_are_refused(self, temperature: torch.Tensor, options: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            layers.soft_pool3d(noise(1, 2, 4, 4, 4), temperature=temperature, **options)
        with pytest.raises(ValueError, match=r"a number, or an nn.Parameter that is trained with it"):
            layers.SoftPool3d(temperature=torch.tensor(1.0))


class TestInfinities:
    """Windows with infinities are pooled as max pooling pools them, and their gradients are not NaN."""

    X = torch.tensor([[[0.0, 1.0, 2.0, -INF, -INF, -INF, 3.0, INF, INF, 1.0, -INF, INF]]], dtype=torch.float64)

    @pytest.mark.parametrize("temperature", [0.01, 1.0, 1e6])
    @pytest.mark.parametrize("path", ["", "grad", "jvp", "script", "exported"])
    @pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 3, 0), (3, 1, 1), (4, 4, 2), (12, 12, 0)])
    def test_values_are_those_of_max_pooling_where_they_are_infinite(
        self, kernel: int, stride: int, padding: int, path: str, temperature: float
    ) -> None:
        expected = F.max_pool1d(self.X, kernel, stride, padding)
        module = layers.SoftPool1d(kernel, stride, padding, temperature=temperature)
        x = self.X.clone().requires_grad_()
        if path == "jvp":
            out, tangent = torch.func.jvp(module, (self.X,), (torch.ones_like(self.X),))
            one = (expected != -INF).double()  # adding a constant adds it, except to -inf alone
            torch.testing.assert_close(tangent, one)
        elif path == "script":
            out = torch.jit.script(module)(x)
        elif path == "exported":
            out = torch.export.export(module, (self.X,)).module()(self.X)
        else:
            out = module(x)
        assert torch.equal(out.detach().isinf(), expected.isinf())
        assert torch.equal(out.detach()[expected.isinf()], expected[expected.isinf()])
        assert not out.isnan().any()
        if out.requires_grad:
            back = torch.autograd.grad(out, x, torch.ones_like(out), create_graph=path == "grad")[0]
            numbers = torch.arange(12.0)[None, None] + 1
            cells = F.pad(numbers, (padding, padding)).unfold(-1, kernel, stride)[0, 0].long() - 1
            total = torch.zeros(12, dtype=torch.float64)
            for window in cells:
                inside = window[window >= 0]
                values = self.X[0, 0, inside]
                if (values == INF).any():
                    total[inside[values == INF]] += 1 / (values == INF).sum()
                elif (values > -INF).any():
                    kept = inside[values > -INF]
                    leaf = self.X[0, 0, kept].clone().requires_grad_()
                    total[kept] += torch.autograd.grad(((leaf / temperature).softmax(0) * leaf).sum(), leaf)[0]
            torch.testing.assert_close(back[0, 0].detach(), total)

    @pytest.mark.parametrize("counts", [1, 5])
    def test_adaptive_pooling_too(self, counts: int) -> None:
        for x in (self.X, torch.full((1, 2, 12), -INF), torch.full((1, 2, 12), INF)):
            x = x.clone().requires_grad_()
            out, expected = layers.adaptive_soft_pool1d(x, counts), F.adaptive_max_pool1d(x, counts)
            assert torch.equal(out[expected.isinf()], expected[expected.isinf()])
            assert not out.isnan().any()
            assert not torch.autograd.grad(out.sum(), x)[0].isnan().any()

    def test_a_volume_of_minus_infinity(self) -> None:
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            x = torch.full((1, 1, 4, 4, 4), -INF, dtype=dtype, requires_grad=True)
            for pool in (layers.SoftPool3d(2), layers.SoftPool3d(3, 2, 1), layers.SoftPool3d(4)):
                out = pool(x)
                assert (out == -INF).all()
                assert (torch.autograd.grad(out.sum(), x)[0] == 0).all()

    def test_second_derivatives_beside_infinities_are_not_nan(self) -> None:
        temperature = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        x = self.X.clone().requires_grad_()
        out = layers.soft_pool1d(x, 3, 3, 1, temperature=temperature)
        slopes = torch.autograd.grad(out[out.isfinite()].sum(), (x, temperature), create_graph=True)
        total = sum(slope.square().sum() for slope in slopes)
        assert all(back.isfinite().all() for back in torch.autograd.grad(total, (x, temperature)))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_network_with_soft_pooling_is_exported_to_onnx_by_dynamo() -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    evaluator = pytest.importorskip("onnx.reference", reason="onnx is not installed")
    x = noise(2, 3, 5, 6, 7, dtype=torch.float32)
    for pool in (layers.SoftPool3d(3, 2, 1, ceil_mode=True, temperature=0.5), layers.AdaptiveSoftPool3d((3, 4, 2))):
        net = nn.Sequential(nn.Conv3d(3, 4, 3), pool).eval()
        model = torch.onnx.export(net, (x,), dynamo=True, verbose=False).model_proto
        out = evaluator.ReferenceEvaluator(model).run(None, {model.graph.input[0].name: x.numpy()})[0]
        np.testing.assert_allclose(out, net(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_program_has_operations_of_torch_only(strict: bool) -> None:
    x = noise(2, 3, 5, 6, 7, dtype=torch.float32)
    for pool in (layers.SoftPool3d(3, 2, 1), layers.AdaptiveSoftPool3d((3, 4, 2)), layers.AdaptiveSoftPool3d(1)):
        program = torch.export.export(pool, (x,), strict=strict).run_decompositions()
        calls = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
        assert all(call.startswith("aten.") and not call.split(".")[1].endswith("_") for call in calls)
        torch.testing.assert_close(program.module()(x), pool(x))

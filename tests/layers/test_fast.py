"""FAST 3D convolutions: number of weights, receptive field, and equality with their three planes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from notebook_explain import layers


def weights(module: nn.Module) -> int:
    return sum(conv.weight.numel() for conv in module.modules() if isinstance(conv, nn.Conv3d))


def linear(module: layers.FAST3d) -> layers.FAST3d:
    """Remove norms and ReLU, which leaves a chain of convolutions."""
    for name in ("yx", "tx", "ty"):
        plane = getattr(module, name)
        setattr(module, name, nn.Sequential(plane[0]))
        if plane[0].bias is not None:
            nn.init.zeros_(plane[0].bias)
    return module


def test_with_equal_widths_there_are_as_many_weights_as_in_one_convolution() -> None:
    for channels in (8, 64, 100):
        assert layers.matching_width(channels, channels) == channels
        assert weights(layers.FAST3d(channels, channels)) == 27 * channels**2
        assert weights(layers.FAST3d(channels, channels, parallel=True)) == 27 * channels**2
    assert weights(layers.FAST3d(64, 64)) == 110_592
    assert weights(layers.FAST3d(64, 128, width=128)) == 368_640


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([3, 5]), st.sampled_from(["chain", "sum", "concat"]))
def test_the_matching_width_is_the_largest_that_needs_no_more_weights(
    inputs: int, outputs: int, k: int, how: str
) -> None:
    def count(width: int) -> int:
        planes = {"chain": width * width + width * outputs, "sum": 2 * width * outputs, "concat": width * outputs}
        return k**2 * (inputs * width + planes[how])

    width = layers.matching_width(inputs, outputs, k, how != "chain", how if how != "chain" else "sum")
    replaced = k**3 * inputs * outputs
    assert count(width) <= replaced or width == 1
    assert count(width + 1) > replaced


@pytest.mark.parametrize(("parallel", "merge"), [(False, "sum"), (True, "sum"), (True, "concat")])
@pytest.mark.parametrize("stride", [1, 2, (1, 2, 2)])
def test_the_output_has_the_shape_of_the_replaced_convolution(parallel: bool, merge: str, stride: int) -> None:
    x = torch.randn(2, 6, 7, 8, 9)
    out = layers.FAST3d(6, 10, 3, stride, parallel=parallel, merge=merge)(x)
    assert out.shape == nn.Conv3d(6, 10, 3, stride, 1)(x).shape


def test_a_point_reaches_5_x_5_x_5_cells_with_the_three_kernels_convolved() -> None:
    torch.manual_seed(0)
    fast = linear(layers.FAST3d(1, 1, width=1)).double()
    point = torch.zeros(1, 1, 9, 9, 9, dtype=torch.float64)
    point[0, 0, 4, 4, 4] = 1
    response = fast(point)[0, 0]
    reached = (response.abs() > 1e-12).nonzero()
    assert reached.min(0).values.tolist() == [2, 2, 2]
    assert reached.max(0).values.tolist() == [6, 6, 6]
    # Impulse responses are the flipped kernels: convolved with each other, by hand.
    kernel = torch.zeros(1, 1, 5, 5, 5, dtype=torch.float64)
    yx, tx, ty = (getattr(fast, name)[0].weight.detach()[0, 0] for name in ("yx", "tx", "ty"))
    for y, x, t, x2, t2, y2 in torch.cartesian_prod(*[torch.arange(3)] * 6).tolist():
        kernel[0, 0, t + t2, y + y2, x + x2] += yx[0, y, x] * tx[t, 0, x2] * ty[t2, y2, 0]
    torch.testing.assert_close(response[2:7, 2:7, 2:7], kernel[0, 0].flip(0, 1, 2), atol=1e-12, rtol=0)


def test_parallel_planes_read_the_same_input_and_are_summed_or_concatenated() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 5, 6, 7)
    for merge in ("sum", "concat"):
        fast = layers.FAST3d(4, 6, parallel=True, merge=merge).eval()
        space = torch.relu(fast.yx[1](F.conv3d(x, fast.yx[0].weight, None, 1, (0, 1, 1))))
        tx = F.conv3d(space, fast.tx[0].weight, fast.tx[0].bias, 1, (1, 0, 1))
        ty = F.conv3d(space, fast.ty[0].weight, fast.ty[0].bias, 1, (1, 1, 0))
        torch.testing.assert_close(fast(x), tx + ty if merge == "sum" else torch.cat([tx, ty], 1))


def test_one_plane_spans_time_and_x_and_another_spans_time_and_y() -> None:
    fast = layers.FAST3d(4, 4)
    assert [tuple(getattr(fast, name)[0].kernel_size) for name in ("yx", "tx", "ty")] == [
        (1, 3, 3),
        (3, 1, 3),
        (3, 3, 1),
    ]
    assert [len(getattr(fast, name)) for name in ("yx", "tx", "ty")] == [3, 3, 1]
    assert [len(getattr(layers.FAST3d(4, 4, norm=True), name)) for name in ("yx", "tx", "ty")] == [3, 3, 3]
    assert layers.FAST3d(4, 4, bias=False).ty[0].bias is None


class TestLike:
    def test_it_replaces_a_cubic_convolution_with_its_settings(self) -> None:
        fast = layers.FAST3d.like(nn.Conv3d(6, 8, 5, (1, 2, 2), 2, bias=False))
        assert fast is not None
        assert (fast.in_channels, fast.out_channels, fast.kernel_size, fast.stride) == (6, 8, 5, (1, 2, 2))
        assert fast.ty[0].bias is None
        assert weights(fast) <= 125 * 6 * 8

    @pytest.mark.parametrize(
        "module",
        [
            nn.Conv3d(4, 4, 1),
            nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1)),
            nn.Conv3d(4, 4, 3),
            nn.Conv3d(4, 4, 3, padding=1, groups=2),
            nn.Conv3d(4, 4, 3, padding=1, dilation=2),
            nn.Conv3d(4, 4, 3, padding="same"),
            nn.Conv3d(4, 4, 3, padding=1, padding_mode="replicate"),
            nn.Conv2d(4, 4, 3, padding=1),
        ],
        ids=str,
    )
    def test_it_replaces_nothing_else(self, module: nn.Module) -> None:
        assert layers.FAST3d.like(module) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 2}, "kernel_size must be one odd number, got 2"),
        ({"kernel_size": (1, 3, 3)}, "kernel_size must be one odd number"),
        ({"merge": "mean"}, "merge must be one of 'sum', 'concat'; got 'mean'"),
        ({"out_channels": 5, "parallel": True, "merge": "concat"}, "out_channels must be even"),
    ],
)
def test_invalid_settings_raise(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.FAST3d(**{"in_channels": 4, "out_channels": 4, **options})  # type: ignore[arg-type]


def test_a_still_clip_has_plane_evidence_too_so_it_is_not_evidence_of_motion() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(layers.FAST3d(3, 8), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 2)).eval()
    still = torch.rand(2, 3, 1, 16, 16).expand(-1, -1, 8, -1, -1)
    falls = layers.plane_evidence(net, still, 0)
    assert all((fall.abs() > 1e-4).all() for fall in falls.values())

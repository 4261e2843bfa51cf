"""Networks of any number of input channels, held to the test's own arithmetic and to float64 autograd."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode, caveats
from notebook_explain.models import VideoModel
from tests import zoo

RNG = np.random.default_rng(0)
STATED: dict[str, Any] = {"size": 24, "frames": 8, "layout": "BCTHW"}


class Small(nn.Module):
    """Two convolutions and a linear classifier; remembers its last input outside of the module."""

    def __init__(self, channels: int, seen: list[torch.Tensor] | None = None) -> None:
        super().__init__()
        torch.manual_seed(channels)
        self.stem = nn.Conv3d(channels, 6, 3, (1, 2, 2), 1)
        self.conv = nn.Conv3d(6, 8, 3, 2, 1)
        self.fc = nn.Linear(8, 4)
        self.seen = Inputs(seen)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.keep(x)
        return self.fc(self.conv(self.stem(x).relu()).relu().mean((2, 3, 4)))


class Inputs:
    """Keeps what a network and its copies receive."""

    def __init__(self, found: list[torch.Tensor] | None) -> None:
        self.found = found

    def __deepcopy__(self, memo: Any) -> Inputs:
        return self

    def keep(self, x: torch.Tensor) -> None:
        if self.found is not None and type(x) is torch.Tensor and x.requires_grad:
            self.found.append(x.detach().clone())


def values(channels: int, unit: float = 1.0) -> np.ndarray:
    return RNG.normal(0, unit, (8, 24, 24, channels)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 4, 17])
def test_the_first_convolution_gives_the_number_of_channels_and_is_no_guess(channels: int) -> None:
    with pytest.warns(UserWarning, match=r"Not specified, assumed: mean 0.0, std 1.0\."):
        model = ne.adapt(Small(channels), size=24, frames=8)
    p = model.preprocessing
    assert (p.channels, p.layout, p.mean, p.std) == (channels, "BCTHW", (0.0,) * channels, (1.0,) * channels)
    assert p.assumed == ("mean", "std")


def test_three_channels_are_red_green_and_blue_as_before() -> None:
    model = ne.adapt(Small(3), mean=0.5, std=0.5, **STATED)
    assert (model.preprocessing.channels, model.preprocessing.assumed) == (3, ())
    assert "channels" not in repr(model)


def test_a_network_that_takes_any_number_of_channels_has_an_assumed_one() -> None:
    class FirstFour(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Small(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x[:, :4])

    with pytest.warns(UserWarning, match=r"Not specified, assumed: channels 4\."):
        model = ne.adapt(FirstFour(), mean=0, std=1, **STATED)
    assert model.preprocessing.assumed == ("channels",)
    assert ne.adapt(FirstFour(), mean=0, std=1, channels=5, **STATED).preprocessing.assumed == ()


@pytest.mark.parametrize("channels", [1, 2, 4, 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_reach_the_network_to_the_last_bit(channels: int, dtype: torch.dtype) -> None:
    seen: list[torch.Tensor] = []
    mean, std = (RNG.uniform(-500, 500, channels), RNG.uniform(1, 900, channels))
    model = ne.adapt(Small(channels, seen).to(dtype), mean=mean.tolist(), std=std.tolist(), **STATED)
    array = values(channels, 300.0)
    tubes = ne.SaliencyTubes(check_rounding=False)(model, ne.Clip.from_array(array), 1)
    expected = (array - mean.astype(np.float32)) / std.astype(np.float32)
    wanted = torch.from_numpy(expected).permute(3, 0, 1, 2)[None].to(dtype)
    assert seen
    assert all(torch.equal(one, wanted) for one in seen)
    np.testing.assert_array_equal(tubes.clip.values, array)


@pytest.mark.parametrize("channels", [1, 2, 4, 17])
@pytest.mark.parametrize("layout", ["BCTHW", "BTCHW"])
def test_tubes_of_any_number_of_channels_equal_autograd_in_float64(channels: int, layout: str) -> None:
    net, array = Small(channels), values(channels)

    class Swapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x.transpose(1, 2))

    module: nn.Module = net if layout == "BCTHW" else Swapped()
    model = ne.adapt(module, mean=0.25, std=2.0, **{**STATED, "layout": layout})
    tubes = ne.SaliencyTubes(norms="differentiated")(model, ne.Clip.from_array(array), 2)
    prefix = "" if layout == "BCTHW" else "inner."
    for name in ("stem", "conv"):
        expected = gradient_times_output(net, (array.astype(np.float64) - 0.25) / 2.0, name, 2)
        found = tubes_of(model, array, f"{prefix}{name}", 2)
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    assert tubes.layers[0].geometry.step == (2.0, 2.0)


def tubes_of(model: VideoModel, array: np.ndarray, layer: str, target: int) -> np.ndarray:
    explainer = ne.SaliencyTubes(layers=(layer,), norms="differentiated")
    layer_map = explainer(model, ne.Clip.from_array(array), target).layer(layer)
    return np.asarray(layer_map.values[0], np.float64)


def gradient_times_output(net: Small, network_input: np.ndarray, name: str, target: int) -> np.ndarray:
    """Return N * sum over channels of gradient x output, with the test's own hook, in float64."""
    copied = Small(network_input.shape[3]).double()
    copied.load_state_dict(net.state_dict())
    kept: list[torch.Tensor] = []
    copied.get_submodule(name).register_forward_hook(lambda _, __, output: kept.append(output))
    score = copied(torch.from_numpy(network_input).permute(3, 0, 1, 2)[None])[0, target]
    (gradient,) = torch.autograd.grad(score, kept)
    products = (gradient * kept[0]).sum(1)[0].detach().numpy()
    return np.asarray(products * products.size)


def test_every_explainer_works_with_two_channels() -> None:
    model = ne.adapt(Small(2), mean=0, std=1, **STATED)
    clip = ne.Clip.from_array(values(2))
    pyramid = ne.FeaturePyramid()(model, clip, 0)
    assert {row.width for row in pyramid.rows if row.kind == "input"} == {2}
    named = [unit for unit, one in enumerate(pyramid.units) if pyramid.rows[one.row].kind == "input"]
    assert named
    for unit in named:
        assert pyramid.in_words(unit).startswith(f"channel {pyramid.units[unit].channel} of the clip")


def test_attention_follows_any_number_of_channels() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv3d(5, 16, (2, 8, 8), (2, 8, 8))
            self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
            self.fc = nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.patch(x).flatten(2).transpose(1, 2)
            return self.fc((tokens + self.attend(tokens, tokens, tokens)[0]).mean(1))

    model = ne.adapt(Tokens(), mean=0, std=1, **STATED)
    tubes = ne.AttentionMaps(rule="rollout")(model, ne.Clip.from_array(values(5)))
    assert tubes.layers[0].grid == (4, 3, 3)


def test_a_network_of_one_channel_gets_the_grey_of_a_clip_of_colours() -> None:
    seen: list[torch.Tensor] = []
    model = ne.adapt(Small(1, seen), mean=0.5, std=0.25, **STATED)
    frames = zoo.random_clip(8, 24)
    tubes = ne.SaliencyTubes(check_rounding=False)(model, frames, 0)
    grey = (frames.astype(np.float64) @ np.array([0.299, 0.587, 0.114])) / 255
    np.testing.assert_allclose(seen[-1][0, 0].numpy(), (grey - 0.5) / 0.25, atol=1e-6)
    (caveat,) = (caveat for caveat in caveats(tubes) if getattr(caveat, "code", None) == CaveatCode.GREY_INPUT)
    assert "0.299 red + 0.587 green + 0.114 blue" in caveat


def test_grey_frames_reach_a_network_of_one_channel_exactly_and_without_a_caveat() -> None:
    seen: list[torch.Tensor] = []
    model = ne.adapt(Small(1, seen), mean=0, std=1, **STATED)
    grey = RNG.integers(0, 256, (8, 24, 24), np.uint8)
    for clip in (ne.Clip.of(grey, layout="THW"), grey, grey[..., None]):
        tubes = ne.SaliencyTubes(check_rounding=False)(model, clip, 0)
        assert torch.equal(seen[-1][0, 0], torch.from_numpy(grey).float() / 255)
        assert CaveatCode.GREY_INPUT not in {getattr(caveat, "code", None) for caveat in caveats(tubes)}


@pytest.mark.parametrize("channels", [1, 2, 17])
def test_explain_takes_arrays_of_values_as_they_are(channels: int) -> None:
    array = RNG.random((16, 56, 56, channels)).astype(np.float32)
    seen: list[torch.Tensor] = []
    tubes = ne.explain(Small(channels, seen), array, size=56, frames=16, mean=0.5, std=0.5, layout="BCTHW")
    wanted = torch.from_numpy((array - np.float32(0.5)) / np.float32(0.5)).permute(3, 0, 1, 2)[None]
    assert torch.equal(seen[0], wanted)
    np.testing.assert_array_equal(tubes.clip.values, array)
    assert any("The picture shows" in caveat for caveat in caveats(tubes))


def test_how_values_are_shown_is_a_caveat_of_every_explanation() -> None:
    model = ne.adapt(Small(1), mean=0, std=1, **STATED)
    clip = ne.Clip.from_array(values(1)[..., 0], range=(-1000, 400))
    for explanation in (ne.SaliencyTubes()(model, clip, 0), ne.FeaturePyramid()(model, clip, 0)):
        found = caveats(explanation)
        (caveat,) = (one for one in found if getattr(one, "code", None) == CaveatCode.PICTURE)
        assert "in grey, from \u22121000 to 400" in caveat


@pytest.mark.parametrize(
    ("channels", "clip", "message"),
    [
        (
            3,
            ne.Clip.from_array(values(1)),
            r"takes 3 channels, but the clip has values of 1; .*np.repeat\(values, 3, axis=-1\)",
        ),
        (3, ne.Clip.from_array(values(4)), "takes 3 channels, but the clip has values of 4"),
        (2, ne.Clip.from_array(values(17)), "takes 2 channels, but the clip has values of 17"),
        (2, zoo.random_clip(8, 24), r"takes 2 channels, but the clip has three colours .*Clip.from_array\(values\)"),
        (2, np.zeros((8, 24, 24, 2), np.uint8), r"pass Clip.from_array\(values\) to keep 0..255"),
        (3, values(4), r"keep the values with Clip.from_array\("),
    ],
)
def test_a_clip_of_other_channels_is_one_clear_error(channels: int, clip: Any, message: str) -> None:
    model = ne.adapt(Small(channels), mean=0, std=1, **STATED)
    with pytest.raises(ValueError, match=message):
        ne.SaliencyTubes()(model, clip)


def test_a_number_of_channels_that_the_network_does_not_take_is_refused() -> None:
    with pytest.raises(ne.ExplainError, match="ran with none of the inputs tried"):
        ne.adapt(Small(2), mean=0, std=1, channels=5, **STATED)
    with pytest.raises(ValueError, match="channels must be at least 1"):
        ne.adapt(Small(2), channels=0)
    with pytest.raises(TypeError, match="mean must be one number or 2, one for each channel, got"):
        ne.adapt(Small(2), mean=(0.1, 0.2, 0.3), **STATED)
    with pytest.raises(TypeError, match="mean must be one number, got"):
        ne.adapt(Small(1), mean=(0.1, 0.2), **STATED)


def test_the_unit_of_mean_and_std_is_that_of_the_values() -> None:
    with pytest.raises(ValueError, match=r"mean must be in units of 0\.\.1"):
        ne.adapt(Small(3), mean=120, std=60, **STATED)
    model = ne.adapt(Small(3), mean=1350, std=900, channels=3, **STATED)  # reflectances
    ne.SaliencyTubes()(model, ne.Clip.from_array(values(3, 900.0)), 0)
    with pytest.raises(ValueError, match=r"mean must be in units of 0\.\.1"):
        ne.SaliencyTubes()(model, zoo.random_clip(8, 24))
    grey = ne.adapt(Small(1), mean=-600, std=400, **STATED)  # Hounsfield units
    ne.SaliencyTubes()(grey, ne.Clip.from_array(values(1, 400.0)), 0)


def test_networks_of_frames_in_the_batch_axis_have_their_channels_found() -> None:
    class PerFrame(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(6, 8, 3, 2, 1)
            self.more = nn.Conv2d(8, 8, 3, 2, 1)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.more(self.conv(x).relu()).relu().mean((2, 3))).mean(0, keepdim=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ne.adapt(PerFrame(), size=24, frames=8, mean=0, std=1)
    assert (model.preprocessing.channels, model.preprocessing.layout) == (6, "(BT)CHW")


def test_flow_stacked_in_the_channels_by_the_network_counts_the_channels_of_a_frame() -> None:
    class Stacked(nn.Module):
        """A temporal stream: the flow of eight frames in sixteen channels."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(16, 8, 3, 2, 1)
            self.more = nn.Conv2d(8, 8, 3, 2, 1)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.transpose(1, 2).flatten(1, 2)
            return self.fc(self.more(self.conv(x).relu()).relu().mean((2, 3)))

    model = ne.adapt(Stacked(), mean=0, std=1, **STATED)
    assert model.preprocessing.channels == 2


def test_a_norm_over_the_channels_of_the_clip_gives_their_number() -> None:
    model = ne.adapt(nn.Sequential(nn.BatchNorm3d(2), Small(2)), mean=0, std=1, **STATED)
    assert (model.preprocessing.channels, model.preprocessing.assumed) == (2, ())


def test_constants_of_the_network_over_the_channels_do_not_hide_their_number() -> None:
    class Normalises(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Small(5)
            self.register_buffer("mean", torch.arange(5.0).view(1, 5, 1, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x - self.mean)

    model = ne.adapt(Normalises(), mean=0, std=1, **STATED)
    assert (model.preprocessing.channels, model.preprocessing.assumed) == (5, ())


@pytest.mark.parametrize("layout", ["THWC", "CTHW", "TCHW", "BTHWC", "BCTHW", "BTCHW"])
@pytest.mark.parametrize("channels", [1, 2, 17])
def test_arrays_of_values_in_any_layout_are_explained_alike(layout: str, channels: int) -> None:
    model, array = ne.adapt(Small(channels), mean=0, std=1, **STATED), values(channels)
    given = np.ascontiguousarray(
        np.einsum(f"BTHWC->{layout}", array[None]) if "B" in layout else np.einsum(f"THWC->{layout}", array)
    )
    tubes = ne.SaliencyTubes()(model, torch.from_numpy(given), 0)
    np.testing.assert_array_equal(tubes.clip.values, array)


def test_values_that_are_far_from_normalised_have_a_caveat_unless_they_are_stated() -> None:
    hounsfield = ne.Clip.from_array(values(1, 400.0)[..., 0])

    def about_units(clip: ne.Clip, **stated: Any) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ne.adapt(Small(clip.values.shape[3]), **STATED, **stated)  # type: ignore[union-attr]
        return [str(one) for one in model.clip_caveats(clip) if "After mean and std" in one]

    assert hounsfield.values is not None
    (caveat,) = about_units(hounsfield)
    assert f"from {hounsfield.values.min():.4g} to {hounsfield.values.max():.4g}" in caveat
    assert not about_units(hounsfield, mean=0, std=1)
    assert not about_units(hounsfield, mean=-300, std=500)
    colours = ne.Clip.from_array(zoo.random_clip(8, 24))
    assert about_units(colours, mean=0.45, std=0.225)
    assert not about_units(ne.Clip.from_array(zoo.random_clip(8, 24) / 255), mean=0.45, std=0.225)


def test_groups_and_patches_count_whole_channels() -> None:
    class Grouped(nn.Module):
        """Each of four channels has filters of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.net = nn.Conv3d(4, 8, 3, padding=1, groups=4), Small(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(self.stem(x))

    class Patches(nn.Module):
        """Patches of 2 x 8 x 8 values of five channels, unfolded and embedded by a linear layer."""

        def __init__(self) -> None:
            super().__init__()
            self.embed, self.mix, self.fc = nn.Linear(5 * 2 * 8 * 8, 16), nn.Linear(16, 16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch, channels, time, height, width = x.shape
            x = x.view(batch, channels, time // 2, 2, height // 8, 8, width // 8, 8)
            x = x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)
            tokens = self.embed(x)
            return self.fc((tokens + self.mix(tokens)).mean(1))

    for net, channels in ((Grouped(), 4), (Patches(), 5)):
        model = ne.adapt(net, mean=0, std=1, **STATED)
        assert model.preprocessing.channels == channels


def test_the_flow_of_a_stated_number_of_frames_may_be_stacked_in_the_channels() -> None:
    """The temporal stream of a two-stream network: ten frames of flow to the right and down in twenty channels."""
    convolutions = nn.Conv2d(20, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()
    net = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(8, 3))
    flow = RNG.normal(size=(10, 24, 24, 2)).astype(np.float32)
    with pytest.warns(UserWarning, match=r"assumed: layout 'B\(TC\)HW'"):
        model = ne.adapt(net, size=24, frames=10, mean=0, std=1)
    assert (model.preprocessing.channels, model.preprocessing.layout) == (2, "B(TC)HW")
    tubes = ne.SaliencyTubes()(model, flow, 1)
    with torch.no_grad():
        scores = net(torch.from_numpy(flow).permute(0, 3, 1, 2).reshape(1, 20, 24, 24))
    assert tubes.targets[0].logit == pytest.approx(float(scores[0, 1]), abs=1e-5)

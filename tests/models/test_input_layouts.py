"""Layouts of inputs: their grammar, values and positions in them, and explanations in each of them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain._errors import UsageError
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models.input_layouts import arrange, channels_first, check_layout
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from tests import zoo
from tests.zoo.layout_nets import LAYOUT_NETS, LayoutNet

SIZES = {"B": 1, "N": 1, "C": 3, "T": 4, "H": 5, "W": 6}
LAYOUTS = (
    *("BCTHW", "BTCHW", "BTHWC", "BCHWT", "TBCHW", "BNCTHW", "BNTCHW", "(BT)CHW", "B(TC)HW", "B(CT)HW", "(BN)CTHW"),
    *("BT(CHW)", "(BNT)C(HW)", "WHTCB", "HWBTC"),
)
NETS = pytest.mark.parametrize("net", LAYOUT_NETS.values(), ids=list(LAYOUT_NETS))


def expected_index(layout: str, place: dict[str, int]) -> tuple[int, ...]:
    """Return where a value belongs, letter by letter; the last letter in parentheses counts fastest."""
    index: list[int] = []
    merging = False
    for letter in layout:
        if letter in "()":
            merging = letter == "("
            index += [0] if merging else []
        elif merging:
            index[-1] = index[-1] * SIZES[letter] + place[letter]
        else:
            index.append(place[letter])
    return tuple(index)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_value_and_its_position_go_where_the_layout_says(layout: str) -> None:
    video = torch.randn(1, 3, 4, 5, 6)
    values = arrange(video, layout)
    t, y, x = (
        p.expand(values.shape)
        for p in arrange(PositionTensor.for_clip(4, 5, 6, torch.device("cpu")), layout).positions()
    )
    for c, *place in itertools.product(range(3), range(4), range(5), range(6)):
        index = expected_index(layout, {"B": 0, "N": 0, "C": c, **dict(zip("THW", place, strict=True))})
        assert values[index] == video[0, c, place[0], place[1], place[2]]
        assert [float(part[index]) for part in (t, y, x)] == place
    assert values.numel() == video.numel()
    by_channel = channels_first(values, layout, SIZES).movedim(1, 0).flatten(1)
    assert torch.equal(by_channel.sort().values, video[0].flatten(1).sort().values)


@pytest.mark.parametrize("layout", ["BTHW", "BHWT", "TBHW", "BNTHW"])
def test_without_channels_a_network_gets_the_grey_of_three_or_the_only_channel(layout: str) -> None:
    video = torch.rand(1, 3, 4, 5, 6, dtype=torch.float64)
    grey = 0.299 * video[:, 0] + 0.587 * video[:, 1] + 0.114 * video[:, 2]
    for values, source in ((arrange(video, layout), grey), (arrange(video[:, 1:2], layout), video[:, 1])):
        for t, y, x in itertools.product(range(4), range(5), range(6)):
            index = expected_index(layout, {"B": 0, "N": 0, "T": t, "H": y, "W": x})
            assert float(values[index]) == pytest.approx(float(source[0, t, y, x]), abs=1e-12)
    with pytest.raises(ValueError, match="takes one channel, or the grey of three; this input has 2 channels"):
        arrange(video[:, :2], layout)


@pytest.mark.parametrize(
    "layout",
    [
        *("TCHW", "BCTHWW", "(B)TCHW", "((BT))CHW", "(BTCHW", "B)TCHW", "BT)(CHW", "", "bcthw", "BCTHWX", "BCHW"),
        *(5, None, (), (4, 0), (4, 1.5), (True, 2), ["BCTHW"]),
    ],
)
def test_anything_else_is_refused_with_examples(layout: Any) -> None:
    with pytest.raises(UsageError, match=r"layout must be one of BCTHW, BTCHW.*\(BT\)CHW.*BTHW.*\(4, 1\)"):
        check_layout(layout)


def _model_and_tubes(net: LayoutNet, **stated: Any) -> tuple[nn.Module, Any, np.ndarray]:
    module = zoo.seeded(net.make)
    clip = zoo.random_clip(8, 32)
    model = ne.adapt(module, size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, **stated)
    return module, ne.SaliencyTubes(layers=(net.layer,))(model, clip, 2), clip


@NETS
def test_tubes_equal_gradient_times_activation_on_an_input_made_by_hand(net: LayoutNet) -> None:
    _, tubes, clip = _model_and_tubes(net, layout=net.layout)
    reference = zoo.seeded(net.make).double()
    video = (torch.from_numpy(clip).permute(3, 0, 1, 2)[None].double() / 255 - zoo.MEAN) / zoo.STD
    kept: list[torch.Tensor] = []

    def keep(_: nn.Module, __: Any, output: torch.Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    reference.get_submodule(net.layer).register_forward_hook(keep)
    score = reference(net.feed(video)).mean(0)[2]
    score.backward()
    product = (kept[0].grad * kept[0]).detach().sum(1)  # (batch, time, height, width) or (frame, height, width)
    product = product.movedim(-1, 1) if net.layout == "BCHWT" else product
    expected = product.reshape(tubes.layers[0].grid) * product.numel()
    assert tubes.targets[0].logit == pytest.approx(float(score.detach()), abs=1e-4)
    np.testing.assert_allclose(tubes.layers[0].values[0], expected.numpy(), atol=1e-4 * float(expected.abs().max()))


@NETS
def test_the_layout_is_found_and_is_a_guess_where_tests_do_not_decide(net: LayoutNet) -> None:
    model = ne.adapt(zoo.seeded(net.make), size=32, frames=8, mean=0.5, std=0.25, layout=net.layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("notebook_explain.models.adapter.warn", lambda *_: None)
        guessed = ne.adapt(zoo.seeded(net.make), size=32, frames=8, mean=0.5, std=0.25)
    assert guessed.preprocessing.layout == net.layout
    # Grey is a choice, and frames as channels could be in another order.
    is_open = "C" not in net.layout or net.layout == "B(TC)HW"
    assert guessed.preprocessing.assumed == (("layout",) if is_open else ())
    assert [layer.name for layer in guessed.layers] == [layer.name for layer in model.layers]
    assert not any(caveat.code is CaveatCode.INPUT_LAYOUT and caveat.arguments for caveat in model.caveats)


def test_a_clip_in_colour_that_is_seen_in_grey_has_a_caveat() -> None:
    net = LAYOUT_NETS["silhouettes"]
    _, tubes, clip = _model_and_tubes(net, layout="BTHW")
    (caveat,) = (c for c in tubes.provenance.caveats if "gets the clip in grey" in c)
    assert caveat.code is CaveatCode.GREY_INPUT
    model = ne.adapt(zoo.seeded(net.make), size=32, frames=8, mean=0.5, std=0.25, layout="BTHW")
    grey = np.repeat(clip[..., :1], 3, axis=3)
    assert model.clip_caveats(ne.Clip.of(grey)) == ()
    assert model.clip_caveats(ne.Clip.of(clip)) != ()


def test_pyramids_are_the_same_in_every_layout_that_the_network_views_as_frames() -> None:
    module, clip = zoo.seeded(LAYOUT_NETS["segments"].make), zoo.random_clip(8, 32)
    found = []
    for layout in ("BTCHW", "B(TC)HW", "(BT)CHW"):
        model = ne.adapt(module, size=32, frames=8, mean=0.5, std=0.25, layout=layout)
        pyramid = ne.FeaturePyramid()(model, clip, 3)
        found.append((pyramid.units, [edge.contribution for edge in pyramid.edges]))
    for units, contributions in found[1:]:
        assert [(u.row, u.channel) for u in units] == [(u.row, u.channel) for u in found[0][0]]
        assert contributions == pytest.approx(found[0][1], abs=1e-6)
    assert len(found[0][1]) > 5


def test_explanations_keep_the_layout_in_files(tmp_path: Any) -> None:
    for name in ("silhouettes", "frames as channels", "views"):
        net = LAYOUT_NETS[name]
        _, tubes, _ = _model_and_tubes(net, layout=net.layout)
        tubes.save(tmp_path / "tubes.zip")
        loaded = ne.load(tmp_path / "tubes.zip")
        assert loaded.provenance.preprocessing["layout"] == net.layout


def test_preprocessing_returns_channels_first_of_each_pathway() -> None:
    p = Preprocessing(8, 4, (0.5,) * 3, (0.5,) * 3, (2, 1))
    video = torch.randn(1, 3, 4, 8, 8)
    slow, fast = map(p.channels_first, p.arrange(video))
    assert torch.equal(fast, video)
    assert slow.shape == (1, 3, 2, 8, 8)

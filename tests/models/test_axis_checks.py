"""Layouts are tested by what the network does with its axes: contradictions are found, and right layouts raise no alarm."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain._errors import UsageError
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models import input_search
from notebook_explain.models.layout_choice import candidates, check_stated_layout
from notebook_explain.models.preprocessing import Preprocessing
from tests import zoo
from tests.zoo import attention_nets, layout_nets, mixers, recurrent, wirings
from tests.zoo.layout_nets import LAYOUT_NETS
from tests.zoo.review_kinds import REVIEW_KINDS

Maker = Callable[[], nn.Module]
STATED: dict[str, Any] = {"size": 32, "frames": 8, "mean": 0.5, "std": 0.25}


def _right_layouts() -> dict[str, tuple[Maker, Any, int, int]]:
    """Return every network of the zoo that positions can be followed through: how to make it, layout, frames, size."""
    nets: dict[str, tuple[Maker, Any, int, int]] = {}
    for entry in (*zoo.ZOO.values(), *REVIEW_KINDS.values()):
        nets[entry.name] = (entry.make, entry.layout, entry.frames, entry.size)
    tables = (
        mixers.MIXERS,
        mixers.CONTEXTS,
        mixers.ATTENTION,
        mixers.UPSAMPLED,
        recurrent.RECURRENT,
        recurrent.FINAL_STATES,
    )
    nets |= {name: (make, "BCTHW", 8, 32) for table in tables for name, make in table.items()}
    nets |= {name: (make, "BCTHW", 4, 16) for name, make in wirings.WIRED.items() if name != "flattening"}
    nets |= {
        f"wire: {name}": (partial(wirings.Wire, path, len(sources)), "BCTHW", 4, 16)
        for name, (path, sources) in wirings.WIRES.items()
    }
    nets |= {
        f"attention: {form}": (partial(attention_nets.JointTransformer, form), "BCTHW", 8, 32)
        for form in ("explicit", "fused", "einsum", "multihead")
    }
    nets |= {f"layouts: {name}": (net.make, net.layout, 8, 32) for name, net in LAYOUT_NETS.items()}
    nets["weighted frames"] = (partial(layout_nets.WeightedFrames, 8), "BCTHW", 8, 32)
    nets["three weighted frames"] = (partial(layout_nets.WeightedFrames, 3), "BCTHW", 3, 32)
    nets["colour tokens"] = (layout_nets.ColourTokens, "BCTHW", 8, 32)
    nets["grey inside"] = (partial(layout_nets.VolumeNet, lambda x: x.mean(1, keepdim=True), 1), "BCTHW", 8, 32)
    nets["strongest colour"] = (partial(layout_nets.VolumeNet, lambda x: x.amax(1, keepdim=True), 1), "BCTHW", 8, 32)
    nets["three frames"] = (layout_nets.VolumeNet, "BCTHW", 3, 32)
    nets["steps over rows only"] = (partial(layout_nets.VolumeNet, None, 3, (3, 3, 3), (1, 2, 1)), "BCTHW", 8, 32)
    nets["a cube"] = (layout_nets.VolumeNet, "BCTHW", 16, 16)
    nets["a cube, kernels alike"] = (partial(layout_nets.VolumeNet, None, 3, (3, 3, 3), (2, 2, 2)), "BCTHW", 16, 16)
    return nets


RIGHT = _right_layouts()
ROWS = {"layouts: rows": 8, "layouts: pictures": 8}
OPEN = {
    "steps over rows only",
    "weighted frames",
    "three weighted frames",
    "colour tokens",
    "grey inside",
    "strongest colour",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_layouts_raise_no_alarm_and_are_found(name: str) -> None:
    make, layout, frames, size = RIGHT[name]
    net = zoo.seeded(make)
    p = Preprocessing(size, frames, (0.5,) * 3, (0.25,) * 3, layout)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        caveats = check_stated_layout(net, p, keep_hooks=False)
    assert len(caveats) == (name in ROWS)
    if name not in OPEN:
        found = candidates(net, p, keep_hooks=False)
        assert found[0].layout == layout
        assert not found[0].judgement.is_contradicted
        assert found[0].judgement.rows == ROWS.get(name, 1)


def test_there_are_many_right_layouts() -> None:
    assert len(RIGHT) > 180
    assert len({layout for _, layout, _, _ in RIGHT.values()}) >= 10


def _scores(net: nn.Module, video: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return net(video)


def _noise(frames: int = 8, size: int = 32) -> torch.Tensor:
    return torch.randn((1, 3, frames, size, size), generator=torch.Generator().manual_seed(0))


FRAMES_AS_COLOURS: dict[str, tuple[Maker, str, int, str]] = {
    "segments, channels first": (layout_nets.Segments, "BCTHW", 8, "BTCHW"),
    "segments, channel by channel": (layout_nets.Segments, "B(CT)HW", 8, "BTCHW"),
    "three frames of a volume": (layout_nets.VolumeNet, "BTCHW", 3, "BCTHW"),
    "three frames of a mean": (layout_nets.FrameMean, "BCTHW", 3, "BTCHW"),
    "three frames of relations": (partial(layout_nets.FrameRelations, 3), "BCTHW", 3, "BTCHW"),
    "three frames of a gru": (partial(layout_nets.FrameGRU, True), "BCTHW", 3, "BTCHW"),
}


@pytest.mark.parametrize("name", FRAMES_AS_COLOURS)
def test_frames_that_are_taken_for_colours_are_an_error_that_names_the_layout(name: str) -> None:
    make, layout, frames, right = FRAMES_AS_COLOURS[name]
    net = zoo.seeded(make)
    net(ne.adapt(net, **{**STATED, "frames": frames}, layout=right).preprocessing.arrange(_noise(frames)))
    with pytest.raises(UsageError, match=f"layout '.*' contradicts .*with layout '{right}' they combine") as caught:
        ne.adapt(net, **{**STATED, "frames": frames}, layout=layout)
    assert caught.value.arguments == ("layout",)


@pytest.mark.parametrize("pool", ["max", "mean", "lstm"])
def test_colours_that_act_as_frames_are_a_caveat_with_the_measured_numbers(pool: Any) -> None:
    net = zoo.seeded(partial(layout_nets.Silhouettes, pool))
    with pytest.warns(UserWarning, match="treats colours like frames") as caught:
        model = ne.adapt(net, **STATED, layout="(BT)CHW")
    about_colours, about_rows = model.caveats
    assert isinstance(about_colours, Caveat)
    assert (about_colours.code, about_colours.arguments) == (CaveatCode.INPUT_LAYOUT, ("layout",))
    assert len(caught) == 1
    video = _noise()
    scores = [_scores(net, v.transpose(1, 2)[0]) for v in (video, video.roll(1, 1), video.flip(2))]
    changes = [100 * float((other - scores[0]).abs().max() / scores[0].abs().max()) for other in scores[1:]]
    assert (changes[0] < 1e-3) == (pool != "lstm")
    assert f"reversing the frames by {changes[1]:.2g} %" in about_colours
    assert "The network also runs with layout='BTHW'" in about_colours
    assert "8 rows of scores for the 8 frames" in about_rows


def test_silhouettes_are_explained_as_one_clip_of_grey_frames_and_the_layout_is_a_guess() -> None:
    net = zoo.seeded(layout_nets.Silhouettes)
    frames = np.stack([((np.indices((64, 44)).sum(0) % (i + 2)) == 0) * 255 for i in range(16)]).astype(np.uint8)
    with pytest.warns(UserWarning, match="assumed: layout 'BTHW'"):
        tubes = ne.explain(net, ne.Clip.of(frames, layout="THW"), 2, size=(64, 44), frames=16, mean=0, std=1)
    expected = _scores(net, torch.from_numpy(frames)[None].float() / 255)[0, 2]
    assert tubes.targets[0].logit == pytest.approx(float(expected), abs=1e-5)
    assert "layout" in tubes.provenance.preprocessing["assumed"]
    assert tubes.layer("sharp map").grid == (16, 64, 44)
    assert tubes.layers[-2].grid == (16, 16, 11)


@pytest.mark.parametrize(
    ("kernel", "stride", "wrong", "right"),
    [((3, 5, 5), (1, 2, 2), "BCHWT", "BCTHW"), ((5, 5, 3), (2, 2, 1), "BCTHW", "BCHWT")],
)
def test_space_that_is_taken_for_time_in_a_cube_is_a_caveat(
    kernel: tuple[int, ...], stride: tuple[int, ...], wrong: str, right: str
) -> None:
    net = zoo.seeded(partial(layout_nets.VolumeNet, None, 3, kernel, stride))
    cube = {**STATED, "size": 16, "frames": 16}
    with pytest.warns(UserWarning, match="as if an axis of space were time"):
        model = ne.adapt(net, **cube, layout=wrong)
    (caveat,) = model.caveats
    assert f"layout={right!r}" in caveat
    assert "5 frames in steps of 2" in caveat
    assert ne.adapt(net, **cube, layout=right).caveats == ()
    found = ne.adapt(net, **cube)
    assert (found.preprocessing.layout, found.preprocessing.assumed) == (right, ())


def test_the_order_of_axes_that_a_network_treats_alike_is_a_guess() -> None:
    net = zoo.seeded(partial(layout_nets.VolumeNet, None, 3, (3, 3, 3), (2, 2, 2)))
    with pytest.warns(UserWarning, match="assumed: layout 'BCTHW'"):
        model = ne.adapt(net, **{**STATED, "size": 16, "frames": 16})
    assert model.preprocessing.assumed == ("layout",)


@pytest.mark.parametrize(("pool", "odd_axis"), [((1, 1, 1), None), ((1, 2, 2), "T"), ((2, 2, 2), None)])
def test_windows_of_an_axis_of_length_1_count_as_those_of_the_axis_that_is_missing(
    pool: Any, odd_axis: str | None
) -> None:
    class Collapsing(nn.Module):
        """Two strides of 2 leave one of 4 frames, before a pooling over windows."""

        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.Sequential(nn.Conv3d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv3d(8, 8, 3, 2, 1), nn.ReLU())
            self.pool, self.fc = nn.AvgPool3d(pool, pool, ceil_mode=True), nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.pool(self.convs(x)).mean((2, 3, 4)))

    p = Preprocessing(32, 4, (0.5,) * 3, (0.25,) * 3, "BCTHW")
    found = candidates(zoo.seeded(Collapsing), p, keep_hooks=False, layouts=["BCTHW"])
    assert found[0].judgement.odd_axis == odd_axis


@pytest.mark.parametrize(("batch_first", "wrong", "right"), [(True, "TBCHW", "BTCHW"), (False, "BTCHW", "TBCHW")])
def test_frames_that_never_meet_because_they_lie_in_the_batch_have_a_caveat(
    batch_first: bool, wrong: str, right: str
) -> None:
    net = zoo.seeded(partial(layout_nets.FrameGRU, batch_first))
    with pytest.warns(UserWarning, match="FrameGRU: The network returns 8 rows"):
        (caveat,) = ne.adapt(net, **STATED, layout=wrong).caveats
    assert "returns 8 rows of scores for the 8 frames" in caveat
    assert f"With layout={right!r} it returns one row for all frames." in caveat
    assert caveat.arguments == ("layout",)
    assert ne.adapt(net, **STATED, layout=right).caveats == ()


def test_the_first_clip_of_a_batch_is_not_taken_for_the_first_frame() -> None:
    class First(layout_nets.FrameNet):
        """Returns one row for each frame of the first clip."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.features(x[0]))

    model = ne.adapt(zoo.seeded(First), **STATED)
    assert model.preprocessing.layout == "BTCHW"
    (caveat,) = model.caveats
    assert "TBCHW" not in caveat


def test_rows_of_frames_that_meet_are_counted() -> None:
    class Shifted(layout_nets.FrameNet):
        """Each frame is averaged with the one before, so that a frame reaches two rows."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.features(x)
            return self.fc((features + features.roll(1, 0)).relu())

    net = zoo.seeded(Shifted)
    (caveat,) = ne.adapt(net, **STATED, layout="(BT)CHW").caveats
    video = _noise().transpose(1, 2)[0]
    other = video.clone()
    other[0] = video[-1]
    changed = int(((_scores(net, video) - _scores(net, other)).abs().amax(1) > 1e-5).sum())
    assert changed == 2
    assert caveat.endswith("Another first frame changes 2 of the 8 rows.")
    (alone,) = ne.adapt(zoo.seeded(layout_nets.FrameNet), **STATED, layout="(BT)CHW").caveats
    assert alone.endswith("Another first frame changes 1 of the 8 rows: frames never meet in the network.")


def test_frames_that_are_read_as_several_clips_show_how_many_the_network_takes() -> None:
    with pytest.warns(UserWarning, match="assumed: frames 8"):
        model = ne.adapt(zoo.seeded(partial(layout_nets.Segments, 8)), size=32, mean=0.5, std=0.25)
    assert model.preprocessing.frames == 8
    assert model.caveats == tuple(c for c in model.caveats if c.code is CaveatCode.ASSUMED_PREPROCESSING)
    (caveat,) = ne.adapt(
        zoo.seeded(partial(layout_nets.Segments, 8)), **{**STATED, "frames": 16}, layout="BTCHW"
    ).caveats
    assert "returns 2 rows of scores for the 16 frames, one for 8 frames each" in caveat


class WithoutPositions(layout_nets.VolumeNet):
    """Takes (batch, time, channel, height, width), on plain tensors only; frames have no order."""

    def __init__(self) -> None:
        super().__init__(kernel=(1, 5, 5))
        self.conv2 = nn.Conv3d(8, layout_nets.WIDTH, (1, 3, 3), (1, 2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if type(x) is not torch.Tensor:
            raise RuntimeError("not a plain tensor")
        return super().forward(x.transpose(1, 2))


def test_without_positions_colours_that_can_be_exchanged_like_frames_are_found_by_passes_on_noise() -> None:
    net = zoo.seeded(WithoutPositions)
    video = _noise(3)  # as long as there are colours, so that it also runs with the axes exchanged
    torch.testing.assert_close(_scores(net, video), _scores(net, video.roll(1, 1)))
    with pytest.warns(UserWarning, match="assumed: layout 'BTCHW'"):
        model = ne.adapt(net, **{**STATED, "frames": 3})
    assert model.layer_trace is None


def test_a_network_with_an_axis_of_views_is_found_or_the_error_shows_a_wrapper_that_works() -> None:
    net, clip = zoo.seeded(layout_nets.Recognizer), zoo.random_clip(8, 32)
    assert ne.adapt(net, **STATED).preprocessing.layout == "BNCTHW"
    with pytest.raises(ne.ExplainError, match="it runs with layout 'BNCTHW'") as caught:
        ne.adapt(net, **STATED, layout="BCTHW")
    assert input_search.WRAPPER in str(caught.value)
    names: dict[str, Any] = {"torch": torch}
    exec(input_search.WRAPPER, names)  # as a user would paste it
    tubes = ne.explain(names["Wrapped"](net), clip, 2, **STATED, layout="BCTHW")
    video = (torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25
    assert tubes.targets[0].logit == pytest.approx(float(_scores(net, video[:, None])[0, 2]), abs=1e-5)


def test_the_error_if_nothing_runs_says_what_was_tried_and_stops_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ne.ExplainError, match=r"Tried: 16x112x112, .*64x224x224.* in the layouts BCTHW, .*TBCHW"):
        ne.adapt(nn.Linear(7, 3))
    monkeypatch.setattr(input_search, "MAX_SECONDS", 0.0)
    with pytest.raises(
        ne.ExplainError, match=r"Tried: 16x112x112 .* in the layouts BCTHW; \d+ more were left out after 0 s"
    ):
        ne.adapt(nn.Linear(7, 3))


def test_a_guess_in_which_colours_act_as_frames_is_refused_with_a_wrapper() -> None:
    class OnlyFlat(nn.Module):
        """Takes 24 pictures in the batch axis, whatever they are."""

        def __init__(self) -> None:
            super().__init__()
            self.net = layout_nets.FrameNet(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch, first, second, height, width = x.shape
            features = self.net(x.reshape(-1, 1, height, width)).view(batch, first * second, -1)
            return features.square().mean(1)

    with pytest.raises(ne.ExplainError, match=r"treats colours like frames.*clip.mean\(1, keepdim=True\)") as caught:
        ne.adapt(zoo.seeded(OnlyFlat), **STATED)
    assert caught.value.arguments == ("layout",)
    names: dict[str, Any] = {"torch": torch}
    exec(str(caught.value).split("width): ")[1].split("; pass")[0], names)
    model = ne.adapt(names["Wrapped"](zoo.seeded(OnlyFlat)), **STATED, layout="BCTHW")
    assert model.caveats == ()

"""Networks of several inputs: bound inputs equal a wrapper that holds them, and errors name the line that binds them."""

from __future__ import annotations

import copy
import pickle
from collections import UserDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models import BoundInputs, VideoModel
from tests import zoo

STATED: dict[str, Any] = {"size": 24, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 24)
AUDIO = torch.randn(1, 20, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor([5])


class Video(nn.Module):
    """Two convolutions; eight features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 6, 3, (1, 2, 2), 1)
        self.conv = nn.Conv3d(6, 8, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.stem(x).relu()).relu().mean((2, 3, 4))


class Both(nn.Module):
    """Video and audio, by position."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.video, self.audio, self.fc = Video(), nn.Linear(20, 8), nn.Linear(16, 5)

    def scores(self, video: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.cat([self.video(video), self.audio(audio).relu()], 1))

    def forward(self, video: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        return self.scores(video, audio)


class Batch(Both):
    def forward(self, batch: Any) -> torch.Tensor:  # type: ignore[override]
        return self.scores(batch["video"], batch["audio"])


class Got(Both):
    def forward(self, batch: Any) -> torch.Tensor:  # type: ignore[override]
        return self.scores(batch.get("video"), batch.get("audio"))


class Nested(Both):
    def forward(self, inputs: Any, *, scale: float) -> torch.Tensor:  # type: ignore[override]
        return scale * self.scores(inputs["streams"][0], inputs["streams"][1])


class Listed(Both):
    def forward(self, inputs: Any) -> torch.Tensor:  # type: ignore[override]
        video, audio = inputs
        return self.scores(video, audio)


class TextFirst(Both):
    """A text-and-video model; ``attention_mask`` may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 20)

    def forward(  # type: ignore[override]
        self, input_ids: torch.Tensor, pixel_values: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        words = self.words(input_ids)
        words = words.mean(1) if attention_mask is None else (words * attention_mask[..., None]).sum(1)
        return self.scores(pixel_values, words)


class Optional(Both):
    def forward(self, video: torch.Tensor, audio: torch.Tensor | None = None) -> torch.Tensor:  # type: ignore[override]
        return self.scores(video, audio)  # type: ignore[arg-type]


class WithLengths(Both):
    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        assert not lengths.is_floating_point()
        return self.scores(x, AUDIO.to(x.dtype)) / lengths[:, None]


class WritesIntoItsInputs(Both):
    def forward(self, video: torch.Tensor, batch: Any) -> torch.Tensor:  # type: ignore[override]
        batch["audio"] *= 2
        batch["extra"] = 1
        return self.scores(video, batch["audio"])


class Holding(nn.Module):
    """The wrapper that users wrote so far: the oracle."""

    def __init__(self, net: nn.Module, call: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.net, self.call = net, call

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.call(self.net, clip)


def function_of_clip(clip: Any) -> Any:
    return (clip, AUDIO), {}


class ByKeyword(Both):
    def forward(self, *, video: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.scores(video, audio)


class AnyKeyword(Both):
    def forward(self, **batch: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.scores(batch["video"], batch["audio"])


IDS = torch.tensor([[3, 1, 4, 1]])
MASK = torch.tensor([[1, 1, 0, 0]])
CASES: dict[str, tuple[type[Both], Any, Callable[[nn.Module, torch.Tensor], torch.Tensor], set[str]]] = {
    "keyword": (Both, {"audio": AUDIO}, lambda net, clip: net(clip, AUDIO), {"audio"}),
    "position": (Both, (AUDIO,), lambda net, clip: net(clip, AUDIO), {"audio"}),
    "slots": (Both, [ne.CLIP, AUDIO], lambda net, clip: net(clip, AUDIO), {"audio"}),
    "function": (Both, function_of_clip, lambda net, clip: net(clip, AUDIO), {"audio"}),
    "keywords of a function": (
        Both,
        lambda clip: ([], {"audio": AUDIO, "video": clip}),
        lambda net, clip: net(clip, AUDIO),
        {"audio"},
    ),
    "dict": (
        Batch,
        [{"video": ne.CLIP, "audio": AUDIO}],
        lambda net, clip: net({"video": clip, "audio": AUDIO}),
        {"audio"},
    ),
    "dict of a function": (
        Got,
        lambda clip: (({"video": clip, "audio": AUDIO},), {}),
        lambda net, clip: net({"video": clip, "audio": AUDIO}),
        {"audio"},
    ),
    "nested": (
        Nested,
        lambda clip: (({"streams": [clip, AUDIO]},), {"scale": 3.0}),
        lambda net, clip: net({"streams": [clip, AUDIO]}, scale=3.0),
        {"scale"},
    ),
    "list": (Listed, [[ne.CLIP, AUDIO]], lambda net, clip: net([clip, AUDIO]), set()),
    "text first": (TextFirst, {"input_ids": IDS}, lambda net, clip: net(IDS, clip), {"input_ids"}),
    "text first, slots": (
        TextFirst,
        {"pixel_values": ne.CLIP, "input_ids": IDS, "attention_mask": MASK},
        lambda net, clip: net(IDS, clip, MASK),
        {"input_ids", "attention_mask"},
    ),
    "optional": (Optional, {"audio": AUDIO}, lambda net, clip: net(clip, AUDIO), {"audio"}),
    "lengths": (WithLengths, {"lengths": LENGTHS}, lambda net, clip: net(clip, LENGTHS), {"lengths"}),
    "keyword only": (ByKeyword, {"audio": AUDIO}, lambda net, clip: net(video=clip, audio=AUDIO), {"audio"}),
    "any keyword": (
        AnyKeyword,
        {"video": ne.CLIP, "audio": AUDIO},
        lambda net, clip: net(video=clip, audio=AUDIO),
        {"audio"},
    ),
    "other mapping": (
        Got,
        [UserDict({"video": ne.CLIP, "audio": AUDIO})],
        lambda net, clip: net({"video": clip, "audio": AUDIO}),
        {"audio"},
    ),
    "in place": (
        WritesIntoItsInputs,
        {"batch": {"audio": AUDIO}},
        lambda net, clip: net(clip, {"audio": AUDIO.clone()}),
        {"audio"},
    ),
}


def adapted(name: str, **changes: Any) -> tuple[VideoModel, VideoModel]:
    """Return the model with bound inputs, and the wrapper around the same network."""
    kind, inputs, call, _ = CASES[name]
    net = kind()
    stated = {**STATED, **changes}
    return ne.adapt(net, inputs=inputs, **stated), ne.adapt(Holding(net, call), **stated)


@pytest.mark.parametrize("name", CASES)
def test_tubes_equal_those_of_a_wrapper_that_holds_the_other_inputs(name: str) -> None:
    before = AUDIO.clone()
    bound, wrapped = adapted(name)
    layers = ("video.stem", "video.conv")
    one = ne.SaliencyTubes(layers=layers)(bound, CLIP, [0, 3])
    two = ne.SaliencyTubes(layers=tuple(f"net.{layer}" for layer in layers))(wrapped, CLIP, [0, 3])
    assert [target.logit for target in one.targets] == [target.logit for target in two.targets]
    for mine, oracle in zip(one.layers, two.layers, strict=True):
        np.testing.assert_array_equal(mine.values, oracle.values)
        assert (mine.geometry.origin, mine.geometry.step) == (oracle.geometry.origin, oracle.geometry.step)
        np.testing.assert_array_equal(mine.geometry.rows, oracle.geometry.rows)
    assert torch.equal(AUDIO, before)


@pytest.mark.parametrize("name", CASES)
def test_the_held_inputs_are_named_in_a_caveat(name: str) -> None:
    bound, _ = adapted(name)
    held = [caveat for caveat in bound.caveats if getattr(caveat, "code", None) == CaveatCode.HELD_INPUTS]
    names = CASES[name][3]
    assert len(held) == bool(names)
    for caveat in held:
        listed = str(caveat).partition("; ")[2].partition(", which")[0].replace(" and ", ", ").split(", ")
        assert set(listed) == names


@pytest.mark.parametrize("name", ["keyword", "dict", "text first", "list"])
def test_pyramids_equal_those_of_a_wrapper(name: str) -> None:
    bound, wrapped = adapted(name)
    one, two = (ne.FeaturePyramid()(model, CLIP, 1) for model in (bound, wrapped))
    assert [row.name for row in one.rows[1:]] == [row.name.replace("net.", "") for row in two.rows[1:]]
    assert [(unit.row, unit.channel, unit.score) for unit in one.units] == [
        (unit.row, unit.channel, unit.score) for unit in two.units
    ]
    assert [(edge.child, edge.parent, edge.share) for edge in one.edges] == [
        (edge.child, edge.parent, edge.share) for edge in two.edges
    ]
    assert any(row.kind == "input" for row in one.rows)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["keyword", "function", "dict", "text first, slots"])
def test_held_tensors_take_the_precision_of_the_network_and_integers_keep_theirs(name: str, dtype: torch.dtype) -> None:
    kind, inputs, _, _ = CASES[name]
    seen: list[torch.dtype] = []
    net = kind().to(dtype)
    model = ne.adapt(net, inputs=inputs, **STATED)
    tubes = ne.SaliencyTubes()(model, CLIP, 0)
    assert np.isfinite(tubes.layers[0].values).all()
    args, kwargs = BoundInputs(inputs).arguments(net, torch.zeros(1, 3, 8, 24, 24, dtype=dtype))
    for value in (*args, *kwargs.values()):
        parts = value.values() if isinstance(value, dict) else [value]
        seen += [part.dtype for part in parts]
    assert set(seen) <= {dtype, torch.int64}


def test_attention_maps_equal_those_of_a_wrapper() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.patch = nn.Conv3d(3, 16, (2, 8, 8), (2, 8, 8))
            self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
            self.fc, self.audio = nn.Linear(16, 3), nn.Linear(20, 3)

        def forward(self, video: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
            tokens = self.patch(video).flatten(2).transpose(1, 2)
            return self.fc((tokens + self.attend(tokens, tokens, tokens)[0]).mean(1)) + self.audio(audio)

    net = Tokens()
    bound = ne.adapt(net, inputs={"audio": AUDIO}, **STATED)
    wrapped = ne.adapt(Holding(net, lambda module, clip: module(clip, AUDIO)), **STATED)
    for rule in ("rollout", "gradient"):
        one, two = (ne.AttentionMaps(rule=rule)(model, CLIP, 1) for model in (bound, wrapped))  # type: ignore[arg-type]
        np.testing.assert_array_equal(one.layers[0].values, two.layers[0].values)


def test_inputs_made_of_the_clip_are_explained_together() -> None:
    class SlowFast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.slow, self.fast, self.fc = Video(), Video(), nn.Linear(16, 4)

        def forward(self, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
            return self.fc(torch.cat([self.slow(slow), self.fast(fast)], 1))

    net = SlowFast()
    sliced = ne.adapt(net, inputs=lambda clip: ((clip[:, :, ::4], clip), {}), **STATED)
    assert sliced.layer("slow.stem").geometry.rows.tolist() == [0.0, 4.0]
    assert sliced.layer("fast.stem").geometry.rows.tolist() == list(range(8))
    assert sliced.caveats == ()
    pathways = ne.adapt(net, inputs=lambda clip: (tuple(clip), {}), **{**STATED, "layout": (4, 1)})
    assert len(pathways.layer("slow.stem").geometry.rows) == 2
    oracle = ne.adapt(Holding(net, lambda module, clip: module(clip[:, :, ::4], clip)), **STATED)
    one = ne.SaliencyTubes(layers=("slow.conv",))(sliced, CLIP, 2)
    two = ne.SaliencyTubes(layers=("net.slow.conv",))(oracle, CLIP, 2)
    np.testing.assert_array_equal(one.layers[0].values, two.layers[0].values)


def test_nothing_of_the_network_or_of_the_inputs_changes() -> None:
    net, audio = Both().train(), AUDIO.clone().requires_grad_()
    before = copy.deepcopy(net.state_dict())
    model = ne.adapt(net, inputs={"audio": audio}, **STATED)
    ne.SaliencyTubes()(model, CLIP, 0)
    ne.FeaturePyramid()(model, CLIP, 0)
    assert audio.grad is None
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not net._forward_pre_hooks
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_held_tensors_with_a_graph_keep_it() -> None:
    weight = torch.randn(20, 20, requires_grad=True)
    audio = AUDIO @ weight
    model = ne.adapt(Both(), inputs={"audio": audio}, **STATED)
    assert [getattr(caveat, "code", None) for caveat in model.caveats] == [CaveatCode.HELD_INPUTS]
    ne.SaliencyTubes()(model, CLIP, 0)
    audio.sum().backward()
    assert weight.grad is not None


def test_networks_that_cannot_be_copied_take_bound_inputs_and_are_left_as_they_were() -> None:
    class Uncopyable(Both):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("it holds a file")

    net = Uncopyable()
    tubes = ne.SaliencyTubes(layers=("video.stem",))(ne.adapt(net, inputs={"audio": AUDIO}, **STATED), CLIP, 0)
    assert not net._forward_pre_hooks
    oracle = ne.SaliencyTubes(layers=("video.stem",))(adapted("keyword")[0], CLIP, 0)
    np.testing.assert_array_equal(tubes.layers[0].values, oracle.layers[0].values)


def test_hooks_of_the_user_run_with_bound_inputs() -> None:
    net = Both()
    net.video.register_forward_hook(lambda _, __, output: 2 * output)
    net.register_forward_pre_hook(lambda _, args: (args[0] + 1, *args[1:]))
    with pytest.warns(UserWarning, match="forward hooks that change its output"):
        ne.adapt(net, inputs=(AUDIO,), **STATED)
    model = ne.adapt(net, inputs=(AUDIO,), keep_hooks=True, **STATED)
    tubes = ne.SaliencyTubes(check_rounding=True)(model, CLIP, 0)
    video = (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25
    assert tubes.targets[0].logit == pytest.approx(float(net(video, AUDIO)[0, 0].detach()), abs=1e-5)
    assert float(tubes.layers[0].reliability.agreement[0]) > 0.999  # type: ignore[union-attr, index]


def test_models_with_bound_inputs_and_the_slot_survive_copies_and_pickles() -> None:
    assert copy.deepcopy(ne.CLIP) is ne.CLIP
    assert pickle.loads(pickle.dumps(ne.CLIP)) is ne.CLIP
    for given in ([{"video": ne.CLIP, "audio": AUDIO}], function_of_clip):
        again = pickle.loads(pickle.dumps(BoundInputs(given)))
        net = Batch() if isinstance(given, list) else Both()
        args, _ = again.arguments(net, torch.ones(1, 3, 2, 2, 2))
        assert len(args) == (1 if isinstance(given, list) else 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (AUDIO, r"got Tensor; for one tensor, write inputs=\(tensor,\)"),
        ("audio", "got str"),
        (3, "got int"),
        (lambda clip: (clip, AUDIO), r"the function returned \(.*Tensor, Tensor\)"),
        (lambda clip: [clip, AUDIO], "the function returned list"),
        (lambda clip: None, "the function returned NoneType"),
        (lambda clip: ((clip, AUDIO), None), r"the function returned \(tuple, NoneType\)"),
    ],
)
def test_other_forms_of_inputs_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"inputs must be a function .*{message}"):
        ne.adapt(Both(), inputs=inputs, **STATED)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Both, ("video", "audio")),
        (Batch, ("batch", "video", "audio")),
        (Got, ("batch",)),
        (Listed, ("list",)),
        (TextFirst, ("input_ids", "pixel_values")),
        (Optional, ("audio",)),
        (WithLengths, ("x", "lengths")),
        (ByKeyword, ("video", "audio")),
        (AnyKeyword, ("keyword arguments only",)),
    ],
)
def test_the_error_for_several_inputs_names_them_and_a_line_that_works(
    kind: type[Both], named: tuple[str, ...]
) -> None:
    net = kind()
    with pytest.raises(ne.ExplainError) as caught:
        ne.adapt(net, **STATED)
    for name in named:
        assert name in str(caught.value)
    assert caught.value.example in str(caught.value)
    line = caught.value.example.replace("adapt(net, ", "adapt(net, **stated, ")
    if kind in (Got, AnyKeyword):  # which keys it asks for cannot be known
        line = line.replace("ne.CLIP}", "ne.CLIP, 'audio': audio}")
    given = {"audio": AUDIO, "other": AUDIO, "input_ids": IDS, "lengths": LENGTHS}
    model = eval(line, {"ne": ne, "net": net, "stated": STATED, **given})
    assert ne.SaliencyTubes()(model, CLIP, 0).layers


def test_the_error_for_two_pathways_makes_both_of_the_clip() -> None:
    class Pathways(Both):
        def forward(self, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return self.video(slow) + self.video(fast)

    net = Pathways()
    with pytest.raises(ne.ExplainError) as caught:
        ne.adapt(net, **STATED)
    model = eval(caught.value.example.replace("(net, ", "(net, **stated, "), {"ne": ne, "net": net, "stated": STATED})
    assert ne.SaliencyTubes()(model, CLIP, 0).layers


class Skeletons(nn.Module):
    """The first layers of a graph network over 17 joints: batch, coordinate, frame, joint, person."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv, self.fc = nn.BatchNorm1d(2 * 17), nn.Conv2d(2, 8, (3, 1), padding=(1, 0)), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, coordinates, frames, joints, people = x.shape
        x = x.permute(0, 4, 3, 1, 2).reshape(batch * people, joints * coordinates, frames)
        x = self.norm(x).view(batch, people, joints, coordinates, frames)
        x = x.permute(0, 1, 3, 4, 2).reshape(batch * people, coordinates, frames, joints)
        return self.fc(self.conv(x).relu().mean((2, 3)))


class Features(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 4))


@pytest.mark.parametrize(
    ("net", "width"), [(Skeletons(), 34), (Features(), 512), (nn.LSTM(34, 8, batch_first=True), 34)]
)
def test_networks_of_joints_or_features_are_refused_with_what_they_take(net: nn.Module, width: int) -> None:
    with pytest.raises(
        ne.ExplainError, match=f"takes {width} numbers at a time; if these are joints or features"
    ) as caught:
        ne.adapt(net, size=24, frames=8, mean=0, std=1)
    assert caught.value.example == "ne.adapt(torch.nn.Sequential(features, net))"


def test_features_are_explained_together_with_the_network_that_makes_them() -> None:
    class Backbone(nn.Sequential):
        def __init__(self) -> None:
            convolutions = nn.Conv3d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv3d(16, 512, 3, 2, 1), nn.ReLU()
            super().__init__(*convolutions, nn.AdaptiveAvgPool3d(1), nn.Flatten(1))

    model = ne.adapt(nn.Sequential(Backbone(), Features()), **STATED)
    assert ne.SaliencyTubes()(model, CLIP, 0).layers[-1].grid == (2, 6, 6)


def test_inputs_of_a_wrong_shape_are_an_error_with_the_reason_of_the_network() -> None:
    with pytest.raises(ne.ExplainError, match="shapes cannot be multiplied") as caught:
        ne.adapt(Both(), inputs={"audio": torch.randn(1, 7)}, **STATED)
    assert caught.value.example == ""

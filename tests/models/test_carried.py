"""Values carried by a module, a processor or another model: they are taken, their source is named, and arguments win."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.models.carried import carried_by
from tests import zoo
from tests.models import processor_stand_ins as stand_ins

NAMES = ["bow", "clap", "jump", "kick", "wave"]
TIMM = {"input_size": (3, 32, 32), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.1), "crop_pct": 0.5, "num_classes": 5}


def network(**attributes: Any) -> nn.Module:
    net = zoo.ZOO["residual"].make()
    for name, value in attributes.items():
        setattr(net, name, value)
    return net


class Wrapper(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.net = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


# Modules


def test_timms_configuration_of_the_network_is_known() -> None:
    model = ne.adapt(network(pretrained_cfg=TIMM), frames=8, layout="BCTHW")
    p = model.preprocessing
    assert (p.size, p.mean, p.std, p.crop, p.assumed) == ((32, 32), TIMM["mean"], TIMM["std"], "center:64", ())
    assert model.caveats == ()
    assert model.sources == {
        "size": "module.pretrained_cfg.input_size",
        "frames": "argument",
        "mean": "module.pretrained_cfg.mean",
        "std": "module.pretrained_cfg.std",
        "layout": "argument",
        "crop": "module.pretrained_cfg.crop_pct",
    }
    tubes = ne.SaliencyTubes()(model, zoo.random_clip(8, 32), 0)
    assert tubes.provenance.preprocessing["sources"] == model.sources
    assert model(zoo.random_clip(8, 32)).provenance.preprocessing["sources"] == model.sources


def test_a_configuration_of_a_part_is_a_good_guess_but_a_guess() -> None:
    config = SimpleNamespace(image_size=32, num_frames=8, id2label=dict(enumerate(NAMES)))
    with pytest.warns(UserWarning, match=r"assumed: size 32, frames 8, mean \(0.5, 0.4, 0.3\), std \(0.2, 0.3, 0.1\)"):
        model = ne.adapt(Wrapper(network(pretrained_cfg={**TIMM, "input_size": (3, 48, 48)}, config=config)))
    assert model.preprocessing.assumed == ("size", "frames", "mean", "std")
    assert model.sources["frames"] == "module.net.config.num_frames"
    assert model.preprocessing.crop == "center"
    assert model.labels == {}, "the classes of a part need not be those of the network"


@pytest.mark.parametrize(
    "hparams",
    [
        {"class_names": NAMES, "img_size": 32, "num_frames": 8, "mean": [0.5] * 3, "std": 0.25, "lr": 1e-3},
        {"data": {"image_size": (32, 32), "clip_len": 8, "mean": [127.5] * 3, "std": [63.75] * 3}, "classes": NAMES},
        {"labels": dict(enumerate(NAMES)), "crop_size": 32, "frames": 8, "image_mean": 0.5, "image_std": [0.25] * 3},
    ],
)
def test_hyperparameters_of_lightning_are_known(hparams: dict[str, Any]) -> None:
    model = ne.adapt(network(_hparams=hparams))
    p = model.preprocessing
    assert (p.size, p.frames, p.mean, p.std, p.assumed) == ((32, 32), 8, (0.5,) * 3, (0.25,) * 3, ())
    assert model.labels == {"": tuple(NAMES)}
    assert model.sources["labels"].startswith("module.hparams.")


def test_lightnings_property_is_not_called_since_it_changes_the_module() -> None:
    lightning = pytest.importorskip("pytorch_lightning", reason="pytorch_lightning is not installed")

    class Lit(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self, class_names: Any = None, image_size: Any = None, mean: Any = None, std: Any = None) -> None:
            super().__init__()
            self.net = zoo.ZOO["residual"].make()
            if class_names:
                self.save_hyperparameters()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)

    plain = Lit()
    before = set(vars(plain))
    ne.adapt(plain, size=32, frames=8, mean=0.5, std=0.5)
    assert set(vars(plain)) == before
    model = ne.adapt(Lit(NAMES, 32, [0.5] * 3, [0.25] * 3), frames=8)
    assert (model.preprocessing.size, model.preprocessing.mean, model.labels) == (
        (32, 32),
        (0.5,) * 3,
        {"": tuple(NAMES)},
    )


def test_reading_what_a_module_carries_leaves_no_trace() -> None:
    class Counting(nn.Linear):
        calls = 0

        @property
        def hparams(self) -> Any:
            type(self).calls += 1
            return {}

        @property
        def config(self) -> Any:
            raise RuntimeError("not configured")

    net = Counting(1, 1)
    before = dict(vars(net))
    assert carried_by(net).values == {}
    assert vars(net) == before
    assert Counting.calls == 0


@pytest.mark.parametrize(
    "labels",
    [
        {index: f"LABEL_{index}" for index in range(5)},  # Hugging Face's placeholders
        {0: "bow", 2: "clap"},
        {0: 1, 1: 2},
        ["bow", 3],
        "bow",
        [],
        {"verb": NAMES},
        7,
    ],
)
def test_carried_labels_of_another_form_are_left_alone(labels: Any) -> None:
    config = SimpleNamespace(image_size=32, num_frames=8, id2label=labels)
    assert ne.adapt(network(config=config), mean=0.5, std=0.5, layout="BCTHW").labels == {}


def test_carried_labels_are_plain_text_of_limited_length() -> None:
    names = ["\x1b[31mred", "a\nb", "x" * 5000, "<script>", "wave"]
    config = SimpleNamespace(id2label=dict(enumerate(names)))
    labels = ne.adapt(network(config=config), size=32, frames=8, mean=0.5, std=0.5, layout="BCTHW").labels[""]
    assert labels[:2] == (" [31mred", "a b")
    assert len(labels[2]) == 200


@pytest.mark.parametrize(
    "config",
    [
        {"image_size": -3, "num_frames": "8"},
        {"image_size": 10**9, "num_frames": True},
        {"image_size": [1, 2, 3], "num_frames": None},
        {"image_size": {"height": 32}, "num_frames": [8]},
    ],
)
def test_carried_values_of_another_form_are_left_alone(config: dict[str, Any]) -> None:
    assert carried_by(network(config=SimpleNamespace(**config))).values == {}
    assert carried_by(network(_hparams={"mean": [float("nan")] * 3, "std": 1, "size": 0})).values == {}
    assert carried_by(network(_hparams={"mean": 0.5})).values == {}, "a mean belongs to its standard deviation"


def test_carried_values_with_which_the_network_does_not_run_are_given_up() -> None:
    class Fixed(Wrapper):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape == (1, 3, 16, 64, 64)
            return super().forward(x)

    net = Fixed(network())
    net.config = SimpleNamespace(image_size=48, num_frames=6)
    with pytest.raises(ne.ExplainError, match="ran with none of the inputs tried"):
        ne.adapt(net, size=48, frames=6, mean=0.5, std=0.5)
    with pytest.warns(UserWarning, match="assumed: size 64, frames 16. "):
        ne.adapt(net, mean=0.5, std=0.5)
    processor = stand_ins.VideoProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    model = ne.adapt(Wrapper(network()), frames=8, processor=processor)
    assert model.preprocessing.layout == "BCTHW", "the processor makes BTCHW, which a wrapper may change"
    assert (model.sources["layout"], model.sources["size"]) == ("tested", "processor.crop_size")


# Precedence


def test_arguments_win_over_the_processor_and_the_processor_over_the_module() -> None:
    net = network(pretrained_cfg=TIMM, config=SimpleNamespace(num_frames=8, id2label=dict(enumerate(NAMES))))
    processor = stand_ins.VideoProcessor(size={"shortest_edge": 64}, crop_size={"height": 48, "width": 48})
    model = ne.adapt(net, processor=processor, std=0.25, layout="BCTHW")
    p = model.preprocessing
    assert (p.size, p.frames, p.mean, p.std, p.crop) == ((48, 48), 8, (0.5,) * 3, (0.25,) * 3, "center:64")
    assert model.sources == {
        "size": "processor.crop_size",
        "frames": "module.config.num_frames",
        "mean": "processor.image_mean",
        "std": "argument",
        "layout": "argument",
        "crop": "processor.crop_size",
        "labels": "module.config.id2label",
    }
    smaller = ne.adapt(net, processor=processor, size=40, layout="BCTHW")
    assert smaller.preprocessing.crop == "center", "a resize before the crop belongs to its size"
    assert smaller.sources["crop"] == "default"


def test_weights_give_labels_and_preprocessing_in_one_call() -> None:
    with pytest.warns(UserWarning, match="assumed: frames 16. "):
        tubes = ne.explain(
            network(), zoo.random_clip(16, 56), "kick", processor=stand_ins.weights(min_temporal_size=16)
        )
    assert tubes.targets[0].name == "kick"
    assert tubes.provenance.preprocessing["crop"] == "center:64x85"


def test_carried_labels_that_do_not_fit_are_an_error_until_others_or_none_are_stated() -> None:
    clip, weights = zoo.random_clip(8, 56), stand_ins.weights(categories=NAMES[:4])
    with pytest.raises(
        ValueError, match=r"the labels in weights.meta.categories hold 4 names, but the model has 5 classes"
    ):
        ne.adapt(network(), frames=8, processor=weights)(clip)
    assert ne.adapt(network(), frames=8, processor=weights, labels=[])(clip).labels[0] == "class 0"
    assert ne.adapt(network(), frames=8, processor=weights, labels=NAMES)(clip).labels == tuple(NAMES)


class Channels(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv3d(channels, 4, 3), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3, 4)))


@pytest.mark.parametrize("stated", [{}, {"channels": 1}])
def test_a_carried_mean_of_colours_fits_a_network_of_one_channel_if_they_share_it(stated: Any) -> None:
    processor = {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "layout": "BCTHW"}
    p = ne.adapt(Channels(1), frames=8, processor=processor, **stated).preprocessing
    assert (p.channels, p.mean, p.std, p.assumed) == (1, (0.5,), (0.25,), ())
    net = Channels(1)
    net.pretrained_cfg = {**TIMM, "mean": (0.485, 0.456, 0.406)}
    with pytest.warns(UserWarning, match="assumed: mean 0.0, std 1.0"):
        p = ne.adapt(net, frames=8, layout="BCTHW", **stated).preprocessing
    assert (p.channels, p.mean, p.std, p.assumed) == (1, (0.0,), (1.0,), ("mean", "std"))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_carried_mean_has_one_number_or_one_for_each_channel(channels: int) -> None:
    for count in {1, channels}:
        mean, std = [0.1 + 0.1 * index for index in range(count)], [0.5] * count
        processor = {"size": 32, "mean": mean, "std": std, "layout": "BCTHW"}
        p = ne.adapt(Channels(channels), frames=8, processor=processor).preprocessing
        assert p.channels == channels
        assert p.mean == pytest.approx(tuple(mean) * (channels // count))
        assert p.std == (0.5,) * channels
        assert p.assumed == ()


# like and swap


def model_with_everything() -> Any:
    net = network()
    net.fc.register_forward_hook(lambda _, __, output: output * 2)
    return ne.adapt(
        net, size=(32, 40), frames=8, mean=0.4, std=0.2, layout="BCTHW", crop="letterbox", labels=NAMES, keep_hooks=True
    )


def test_a_model_like_another_has_everything_of_it() -> None:
    model = model_with_everything()
    other = ne.adapt(zoo.seeded(zoo.convnets.residual, seed=9), like=model)
    assert other.preprocessing == model.preprocessing
    assert (other.labels, other.keep_hooks, other.caveats) == (model.labels, True, ())
    assert set(other.sources.values()) == {"like: argument"}
    stated = ne.adapt(other.module, like=model, mean=0.5, labels=NAMES[::-1], keep_hooks=False, crop="stretch")
    assert stated.preprocessing == replace(model.preprocessing, mean=(0.5,) * 3, crop="stretch")
    assert (stated.labels, stated.keep_hooks) == ({"": tuple(NAMES[::-1])}, False)
    assert ne.adapt(other.module, like=model, size=48).preprocessing.crop == "letterbox"


class OfTwo(nn.Module):
    """Network of one channel that takes sound beside the clip."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv3d(1, 4, 3), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, sound: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3, 4))) + sound.mean()


def test_a_model_like_another_has_its_channels_inputs_and_outputs() -> None:
    options = {"size": 16, "frames": 4, "mean": 0.5, "std": 0.5, "layout": "BCTHW"}
    model = ne.adapt(OfTwo(), channels=1, inputs=[torch.ones(1, 5)], outputs="regression", unit="%", **options)
    clip = zoo.random_clip(4, 16)
    for other in (ne.adapt(OfTwo(), like=model), ne.layers.swap(model, {nn.Conv3d: lambda old: None}).model):
        assert other.preprocessing == model.preprocessing
        assert other.preprocessing.channels == 1
        assert (other.inputs, other.outputs, other.unit) == (model.inputs, {"": "regression"}, "%")
        np.testing.assert_allclose(other(clip).logits, model(clip).logits, rtol=1e-5)
        assert other(clip).head().unit == "%"
    stated = ne.adapt(OfTwo(), like=model, unit="mm", inputs=[torch.zeros(1, 5)])
    assert stated(clip).head().unit == "mm"
    assert float(stated(clip).logits[0]) == pytest.approx(float(model(clip).logits[0]) - 1, abs=1e-5)


def test_guesses_of_a_model_stay_guesses_without_a_second_warning() -> None:
    with pytest.warns(UserWarning, match="Not specified, assumed: mean"):
        model = ne.adapt(network(), size=32, frames=8, layout="BCTHW")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = ne.adapt(network(), like=model)
    assert other.preprocessing == model.preprocessing
    assert other.preprocessing.assumed == ("mean", "std")
    assert other.caveats == model.caveats
    known = ne.adapt(network(pretrained_cfg={**TIMM, "input_size": (3, 48, 48)}), like=model)
    assert (known.preprocessing.mean, known.preprocessing.size) == (TIMM["mean"], (32, 32))


def test_like_takes_models_only() -> None:
    with pytest.raises(TypeError, match=r"like must be a VideoModel, as adapt\(\) returns it; got Sequential"):
        ne.adapt(network(), like=nn.Sequential())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="processor is a VideoModel; pass it as like="):
        ne.adapt(network(), processor=model_with_everything())


def test_swap_of_a_model_carries_everything_over() -> None:
    model = model_with_everything()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    swapped = ne.layers.swap(model, {nn.ReLU: nn.GELU})
    assert isinstance(swapped.model, ne.VideoModel)
    assert swapped.model.module is not model.module
    assert swapped.model.preprocessing == model.preprocessing
    assert (swapped.model.labels, swapped.model.keep_hooks) == (model.labels, True)
    assert [change.after for change in swapped.changes] == ["GELU"] * len(swapped.changes)
    assert repr(swapped).startswith(f"{type(model.module).__name__}, {len(swapped.changes)} modules exchanged:")
    assert repr(swapped).endswith("the new model is .model")
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    clip = zoo.random_clip(8, 32)
    expected = ne.layers.swap(model.module, {nn.ReLU: nn.GELU}).model
    direct = model.preprocessing.tensor(model.fit(ne.Clip(clip)), torch.device("cpu"), torch.float32)
    torch.testing.assert_close(torch.from_numpy(swapped.model(clip).logits), expected(direct)[0].detach())
    assert ne.SaliencyTubes()(swapped.model, clip, "kick").targets[0].name == "kick"


def test_a_model_like_one_of_three_channels_of_values_keeps_their_unit() -> None:
    net = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(1), nn.Linear(4, 2)).eval()
    first = ne.adapt(net, size=16, frames=4, channels=3, mean=-300, std=500, layout="BCTHW")
    assert ne.adapt(net, like=first).preprocessing == first.preprocessing

"""A network gets what its processor makes: mean, std, size and crop, from attributes and from what the processor does."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models.carried import Carried
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.processors import read_processor
from tests import zoo
from tests.models import processor_stand_ins as stand_ins

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def processed(processor: Any, frames: np.ndarray) -> np.ndarray:
    """Return what a processor makes of frames, as (time, channel, height, width)."""
    with contextlib.suppress(TypeError, AttributeError):
        output = processor(list(frames), return_tensors="pt")
        values = output[next(name for name in output if name.startswith("pixel_values"))]
        return np.asarray(values[0] if values.ndim == 5 else values, np.float64)
    video = processor(torch.from_numpy(frames).permute(0, 3, 1, 2))
    return np.asarray(video if video.shape[0] == len(frames) else video.transpose(0, 1), np.float64)


def ours(found: Carried, frames: np.ndarray) -> np.ndarray:
    """Return what the preprocessing makes of frames."""
    values = {name: found.values[name] for name in ("size", "mean", "std", "crop")}
    p = Preprocessing(frames=len(frames), layout="BCTHW", **values)
    return p.tensor(p.fit(ne.Clip(frames)), torch.device("cpu"), torch.float32)[0].transpose(0, 1).numpy()


def clip_before_the_crop(found: Carried) -> np.ndarray:
    """Return random frames that have the size to which the processor resizes: then no filter makes a difference."""
    crop = found.values["crop"]
    sides = [int(side) for side in crop.partition(":")[2].split("x")] if ":" in crop else found.values["size"]
    return np.random.default_rng(0).integers(0, 256, (4, sides[0], sides[-1], 3), dtype=np.uint8)


def assert_same_input(processor: Any, found: Carried) -> None:
    frames = clip_before_the_crop(found)
    theirs = processed(processor, frames)
    assert ours(found, frames) == pytest.approx(theirs, abs=1e-5 * max(1.0, np.abs(theirs).max()))


PROCESSORS = {
    "VideoMAE": stand_ins.VideoProcessor(),
    "TimeSformer": stand_ins.VideoProcessor(**IMAGENET),
    "ViViT, image processor": stand_ins.VideoProcessor(
        offset=True, rescale_factor=1 / 127.5, size={"shortest_edge": 72}
    ),
    "ViViT, video processor": stand_ins.OffsetInAMethod(rescale_factor=1 / 127.5, size={"shortest_edge": 72}),
    "no offset": stand_ins.VideoProcessor(offset=False, rescale_factor=1 / 127.5, do_normalize=False),
    "V-JEPA 2": stand_ins.VideoProcessor(size={"shortest_edge": 73}, **IMAGENET),
    "DeiT": stand_ins.VideoProcessor(size={"height": 72, "width": 80}),
    "ViT": stand_ins.VideoProcessor(do_center_crop=None, crop_size=None, size={"height": 48, "width": 64}),
    "BEiT": stand_ins.VideoProcessor(do_center_crop=False, size={"height": 64, "width": 64}),
    "LeViT": stand_ins.LargerBeforeTheCrop(),
    "not normalised": stand_ins.VideoProcessor(do_normalize=False),
    "not rescaled": stand_ins.VideoProcessor(do_rescale=False),
    "neither": stand_ins.VideoProcessor(do_rescale=False, do_normalize=None),
    "for 0 to 255": stand_ins.VideoProcessor(
        do_rescale=False, image_mean=[123.675, 116.28, 103.53], image_std=[58.395, 57.12, 57.375]
    ),
    "wider than high": stand_ins.VideoProcessor(crop_size={"height": 48, "width": 64}),
    "torchvision, both sides": stand_ins.VideoClassification(),
    "torchvision, shorter side": stand_ins.VideoClassification((56, 56), (64,)),
    "torchvision, pictures": stand_ins.VideoClassification((56,), (64,)),
    "a function": lambda video: stand_ins.VideoClassification((56, 56), (64,))(video),
}


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
def test_the_network_gets_what_the_processor_makes(processor: Any) -> None:
    found = read_processor(processor)
    assert_same_input(processor, found)
    assert found.caveats == ()


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=PROCESSORS)
def test_a_clip_of_another_size_is_cropped_as_the_processor_does(processor: Any) -> None:
    """On long waves, filters of resizing hardly differ, but a crop that is 2 % too large does."""
    found = read_processor(processor)
    rows, columns = np.mgrid[:150, :210]
    waves = [np.cos(rows / (15 + 3 * frame)) + np.sin(columns / 19 + frame) for frame in range(4)]
    frames = np.repeat(np.round(127.5 + 60 * np.array(waves))[..., None], 3, -1).astype(np.uint8)
    theirs, here = processed(processor, frames), ours(found, frames)
    assert here.shape == theirs.shape
    spread = theirs.std()
    assert np.abs(here - theirs).mean() < 0.02 * spread
    zoomed = ours(Carried({**found.values, "crop": "center:90"}, found.sources), frames)
    assert np.abs(zoomed - theirs).mean() > 0.05 * spread


def test_values_come_from_attributes_where_those_are_right() -> None:
    found = read_processor(stand_ins.VideoProcessor(**IMAGENET))
    assert found.values == {
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "size": (64, 64),
        "crop": "center:64",
        "layout": "BTCHW",
    }
    assert found.sources == {
        "mean": "processor.image_mean",
        "std": "processor.image_std",
        "size": "processor.crop_size",
        "crop": "processor.crop_size",
        "layout": "processor, measured",
    }
    found = read_processor(stand_ins.OffsetInAMethod(rescale_factor=1 / 127.5))
    assert (found.values["mean"], found.sources["mean"]) == ((0.75,) * 3, "processor, measured")


def test_attributes_are_enough_if_the_processor_cannot_be_called() -> None:
    attributes = vars(stand_ins.VideoProcessor(offset=True, rescale_factor=1 / 127.5, size={"shortest_edge": 72}))
    for processor in (attributes, SimpleNamespace(**attributes)):
        found = read_processor(processor)
        assert found.values == {"mean": (0.75,) * 3, "std": (0.25,) * 3, "size": (64, 64), "crop": "center:72"}


@pytest.mark.parametrize("transform", [stand_ins.channels_first, stand_ins.of_a_dict])
def test_a_transform_of_pytorchvideo_is_measured(transform: Any) -> None:
    found = read_processor(transform)
    assert found.values == {
        "mean": (pytest.approx(0.45, abs=1e-6),) * 3,
        "std": (pytest.approx(0.225, abs=1e-6),) * 3,
        "size": (56, 56),
        "frames": 8,
        "layout": "BCTHW",
        "crop": "center:64",
    }
    assert (set(found.sources.values()), found.caveats) == ({"processor, measured"}, ())


def test_a_processor_that_samples_frames_is_measured_without() -> None:
    found = read_processor(stand_ins.SamplesFrames(num_frames=8, rescale_factor=1 / 127.5))
    assert (found.values["frames"], found.values["mean"]) == (8, (0.75,) * 3)
    assert found.sources["frames"] == "processor.num_frames"


def test_a_processor_of_several_kinds_has_one_of_pictures() -> None:
    inner = stand_ins.VideoProcessor(**IMAGENET)
    for part in ("video_processor", "image_processor"):
        assert read_processor(SimpleNamespace(tokenizer=object(), **{part: inner})).values["mean"] == (
            0.485,
            0.456,
            0.406,
        )


def test_weights_of_torchvision_have_labels_and_a_shortest_clip() -> None:
    found = read_processor(stand_ins.weights(min_temporal_size=14))
    assert found.values["labels"] == {"": ("bow", "clap", "jump", "kick", "wave")}
    assert (found.values["size"], found.values["crop"]) == ((56, 56), "center:64x85")
    assert found.values["frames"] == 14
    assert found.hints == {"frames"}, "a minimum is not the number in training"
    assert "frames" not in read_processor(stand_ins.weights(min_temporal_size=1)).values
    assert_same_input(stand_ins.VideoClassification(), found)


def test_a_data_configuration_of_timm_and_a_plain_dict_are_read() -> None:
    config = {"input_size": (3, 224, 192), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1), "crop_pct": 0.875}
    expected = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1), "size": (224, 192)}
    assert read_processor({**config, "crop_mode": "center"}).values == {**expected, "crop": "center:219"}
    assert read_processor({**config, "crop_mode": "squash"}).values == {**expected, "crop": "center:256x219"}
    assert read_processor({**config, "crop_pct": 1.0}).values == expected
    plain = {"size": 112, "mean": 0.45, "std": [57.375] * 3, "frames": 8, "layout": "BCTHW", "labels": ["a", "b"]}
    assert read_processor({**plain, "mean": [114.75] * 3, "crop": "stretch"}).values == {
        "size": (112, 112),
        "mean": (0.45,) * 3,
        "std": (0.225,) * 3,
        "frames": 8,
        "layout": "BCTHW",
        "labels": {"": ("a", "b")},
        "crop": "stretch",
    }


@pytest.mark.parametrize(
    ("processor", "text"),
    [
        (stand_ins.ReversedColours(), "The processor reverses the order of the colours"),
        (stand_ins.VideoProcessor(do_center_crop=False), "resizes the shorter side to 64 pixels and does not crop"),
        (stand_ins.Letterbox(), r"on a test clip, its output differs by \d+(\.\d)? % of the range of colours"),
        (stand_ins.VideoProcessor(do_resize=False), r"on a test clip, its output differs by \d+(\.\d)? %"),
    ],
)
def test_what_cannot_be_followed_is_a_caveat(processor: Any, text: str) -> None:
    with pytest.warns(UserWarning, match="frames 16"):
        model = ne.adapt(zoo.ZOO["residual"].make(), processor=processor, layout="BCTHW")
    (caveat,) = (c for c in model.caveats if getattr(c, "code", None) is CaveatCode.PROCESSOR)
    assert re.search(text, caveat)
    assert caveat in ne.SaliencyTubes()(model, zoo.random_clip(16, 64), 0).provenance.caveats
    assert caveat in model(zoo.random_clip(16, 64)).caveats


@pytest.mark.parametrize("processor", [3, "VideoMAE", {}, {"tokenizer": 1}, object(), len])
def test_what_is_no_processor_is_refused(processor: Any) -> None:
    with pytest.raises(TypeError, match="processor must be an image or video processor of Hugging Face, weights"):
        read_processor(processor)


def test_weights_without_a_member_are_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"got type; pass one of its members, such as .DEFAULT"):
        read_processor(type("R3D_18_Weights", (), {"DEFAULT": None}))


def test_a_processor_that_raises_or_returns_something_else_is_read_by_its_attributes() -> None:
    class Broken(stand_ins.VideoProcessor):
        result: Any = None

        def __call__(self, *_: Any, **__: Any) -> Any:
            if self.result is None:
                raise RuntimeError("no GPU")
            return self.result

    results = (
        None,
        {},
        {"pixel_values": torch.zeros(7)},
        "text",
        {"pixel_values": torch.full((1, 4, 3, 64, 64), np.nan)},
    )
    for result in results:
        found = read_processor(Broken(result=result))
        assert (found.values["size"], found.values["mean"], found.values["crop"]) == ((64, 64), (0.5,) * 3, "center:64")


def test_a_processor_leaves_random_numbers_alone() -> None:
    class Noisy(stand_ins.VideoProcessor):
        def normalized(self, video: torch.Tensor) -> torch.Tensor:
            return super().normalized(video) + 1e-9 * torch.rand_like(video)

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    read_processor(Noisy())
    assert torch.equal(torch.rand(2), expected)


# The packages themselves, where they are installed.


def package(name: str) -> Any:
    """Import a package that needs torchvision, whose CUDA operators this machine may lack."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        global _library
        _library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return pytest.importorskip(name, reason=f"{name} is not installed")


HUGGING_FACE: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {})
        for name in """VideoMAEImageProcessor VideoMAEVideoProcessor TimesformerVideoProcessor VivitImageProcessor
        VivitVideoProcessor VJEPA2VideoProcessor ViTImageProcessor ConvNextImageProcessor CLIPImageProcessor
        DeiTImageProcessor LevitImageProcessor EfficientNetImageProcessor PoolFormerImageProcessor""".split()
    ),
    ("VideoMAEVideoProcessor", {"do_rescale": False}),
    ("VideoMAEVideoProcessor", {"do_normalize": False}),
    ("VideoMAEImageProcessor", {"do_rescale": False, "do_normalize": False}),
    ("VideoMAEImageProcessor", {"size": {"shortest_edge": 128}, "crop_size": {"height": 112, "width": 112}}),
    ("VivitImageProcessor", {"offset": False, "do_normalize": False}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}}),
]


@pytest.mark.parametrize(("name", "options"), HUGGING_FACE, ids=lambda value: value if isinstance(value, str) else "")
def test_processors_of_hugging_face(name: str, options: dict[str, Any]) -> None:
    processor = getattr(package("transformers"), name)(**options)
    found = read_processor(processor)
    assert_same_input(processor, found)
    assert found.caveats == ()


@pytest.mark.parametrize("name", ["R3D_18", "MC3_18", "R2Plus1D_18", "S3D", "MViT_V1_B", "MViT_V2_S", "Swin3D_T"])
def test_weights_of_torchvision(name: str) -> None:
    weights = getattr(package("torchvision.models.video"), f"{name}_Weights").DEFAULT
    for processor in (weights, weights.transforms()):
        found = read_processor(processor)
        assert_same_input(weights.transforms(), found)
        assert found.caveats == ()
    assert read_processor(weights).values["labels"][""] == tuple(weights.meta["categories"])


def test_transforms_of_timm_and_their_configuration_agree() -> None:
    timm = package("timm")
    net = timm.create_model("resnet18")
    config = timm.data.resolve_data_config({}, model=net)
    stated, measured = read_processor(config), read_processor(timm.data.create_transform(**config))
    assert measured.values == {**stated.values, "crop": "center:235"}


_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_labels": 5}
_SIZE = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
_LARGER = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
_PICTURE = {"image_size": 32, "intermediate_size": 64, **_SMALL}
_JEPA = {
    **_SMALL,
    **dict.fromkeys(("pred_hidden_size", "crop_size"), 32),
    **dict.fromkeys(("pred_num_hidden_layers", "num_pooler_layers"), 1),
    **{"patch_size": 8, "frames_per_clip": 8, "pred_num_attention_heads": 4, "pred_num_mask_tokens": 2},
}
MODELS: list[tuple[str, dict[str, Any], str, dict[str, Any], int]] = [
    ("VideoMAE", {"patch_size": 8, "num_frames": 8, **_PICTURE}, "VideoMAEImageProcessor", _SIZE, 32),
    ("Timesformer", {"patch_size": 8, "num_frames": 4, **_PICTURE}, "TimesformerVideoProcessor", _SIZE, 32),
    ("Vivit", {"num_frames": 8, "tubelet_size": [2, 8, 8], **_PICTURE}, "VivitImageProcessor", _LARGER, 36),
    ("Vivit", {"num_frames": 8, "tubelet_size": [2, 8, 8], **_PICTURE}, "VivitVideoProcessor", _LARGER, 36),
    ("VJEPA2", _JEPA, "VJEPA2VideoProcessor", {"crop_size": 32}, 36),
]


@pytest.mark.filterwarnings("error::UserWarning:notebook_explain")
@pytest.mark.parametrize(("name", "config", "kind", "options", "size"), MODELS, ids=[m[0] + m[2] for m in MODELS])
def test_predictions_of_hugging_faces_models(
    name: str, config: dict[str, Any], kind: str, options: dict[str, Any], size: int
) -> None:
    transformers = package("transformers")
    torch.manual_seed(0)
    net = getattr(transformers, f"{name}ForVideoClassification")(
        getattr(transformers, f"{name}Config")(**config)
    ).eval()
    processor = getattr(transformers, kind)(**options)
    model = ne.adapt(net, processor=processor)
    assert (model.preprocessing.assumed, model.caveats, model.labels) == ((), (), {})
    clip = zoo.random_clip(model.preprocessing.frames, size)
    with torch.no_grad():
        direct = net(**processor(list(clip), return_tensors="pt")).logits[0]
    np.testing.assert_allclose(model(clip).logits, direct, atol=1e-6)


def test_predictions_of_a_network_of_torchvision() -> None:
    video = package("torchvision.models.video")
    torch.manual_seed(0)
    net, weights = video.r3d_18().eval(), video.R3D_18_Weights.KINETICS400_V1
    model = ne.adapt(net, processor=weights, frames=4)
    clip = zoo.random_clip(4, 171)[:, :128]
    with torch.no_grad():
        direct = net(weights.transforms()(torch.from_numpy(clip).permute(0, 3, 1, 2))[None])[0]
    np.testing.assert_allclose(model(clip).logits, direct, atol=1e-6)
    assert model(clip).top(1)[0][0] == weights.meta["categories"][int(direct.argmax())]

"""Checkpoints of the released code: same output as the released networks, and errors for those that do not match.

`RELEASED_LOGITS` are outputs of the released networks, in float64, for the weights and clips that `weights` and `clip` make
from seeds. The released code is not needed for this test: names and shapes are listed here.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from notebook_explain import layers
from notebook_explain.layers.released_checkpoints import SRTGResidual

Shape = tuple[int, ...]
DEPTHS, WIDTHS, CLASSES = (2, 1, 1, 1), (64, 128, 256, 512), 4
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
PARTS = {"conv1": "conv1_1", "conv2": "conv1_2", "conv3": "conv2", "conv4": "conv3", "shortcut": "downsample"}

RELEASED_LOGITS = {
    "MTNet": [[-2.51446886, -1.3036991, 0.639245116, -3.58677273], [-1.9089603, -0.562136228, 1.96973808, -4.36529252]],
    "MTNet of 8": [
        [-2.42604187, -1.34852413, 0.696582344, -1.90036603],
        [-2.19388142, -1.32088182, 0.531535632, -1.7351706],
    ],
    "3d, basic": [
        [-0.285238697, -0.318190312, -0.213704926, -0.25441935],
        [-0.282423604, -0.318910636, -0.214496023, -0.252917347],
    ],
    "2+1d, basic": [
        [-0.120969478, -0.288951389, -0.216722003, -0.211672799],
        [-0.115141326, -0.288761793, -0.227068841, -0.227391808],
    ],
    "2+1d, bottleneck": [
        [-0.361224563, -0.0865311733, -0.0220814874, -0.105849868],
        [-0.34947643, -0.0832019678, -0.0090057823, -0.112006465],
    ],
    "depthwise, bottleneck": [
        [-0.353793007, -0.339625522, -0.161680729, -0.236361864],
        [-0.361479292, -0.338070981, -0.156579697, -0.233552255],
    ],
    "3d, basic, gated": [
        [0.114755333, 2.26223654, 6.95303967, 8.50414804],
        [-1.00026556, 1.72786233, 6.00047492, 8.95832386],
    ],
}


def norm(name: str, channels: int, grouped: bool = False) -> dict[str, Shape]:
    last = NORM[:2] if grouped else NORM
    return {f"{name}.{part}": () if part == NORM[4] else (channels,) for part in last}


def recursion(name: str, channels: int, gates: int) -> dict[str, Shape]:
    rows = gates * channels
    shapes: dict[str, Shape] = {}
    for layer in ("l0", "l1"):
        shapes |= {f"{name}.weight_{side}_{layer}": (rows, channels) for side in ("ih", "hh")}
        shapes |= {f"{name}.bias_{side}_{layer}": (rows,) for side in ("ih", "hh")}
    return shapes


def stem_and_classifier(stem: dict[str, Shape]) -> dict[str, Shape]:
    return {**stem, "fc.weight": (CLASSES, WIDTHS[-1]), "fc.bias": (CLASSES,)}


def mtnet(groups: int = 1) -> dict[str, Shape]:
    """Return names and shapes of the released MTNet."""
    shapes = stem_and_classifier({"stem.0.weight": (64, 3, 3, 7, 7), **norm("stem.1", 64)})

    def conv(name: str, inputs: int, outputs: int, kernel: Shape, groups: int = 1, lateral: bool = True) -> None:
        (short, long), (a, b) = ((7 * width // 8, width // 8) for width in (inputs, outputs))
        shapes[f"{name}.conv_short.weight"] = (a, short // (7 if groups > 1 else 1), *kernel)
        shapes[f"{name}.conv_long.weight"] = (b, long, *kernel)
        if lateral:
            shapes[f"{name}.conv_short2long.weight"] = (b, a, 1, 1, 1)
        shapes.update(norm(f"{name}.norm_short", a, groups > 1) | norm(f"{name}.norm_long", b, groups > 1))

    inputs = 64
    for stage, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True), 1):
        for index in range(depth):
            block, narrow, strided = f"layer{stage}.{index}", width // groups, index == 0 and stage > 1
            conv(f"{block}.conv1_1", inputs, narrow, (1, 1, 1))
            conv(f"{block}.conv1_2", narrow, inputs, (1, 1, 1))
            conv(f"{block}.conv2", inputs, narrow, (3, 3, 3), groups)
            conv(f"{block}.conv3", narrow, width, (1, 1, 1) if strided else (1, 3, 3), groups)
            if strided:
                conv(f"{block}.downsample", inputs, width, (1, 1, 1), lateral=False)
            shapes.update(recursion(f"{block}.sr_short.op", 7 * width // 8, 3))
            shapes.update(recursion(f"{block}.sr_long.op", width // 8, 3))
            inputs = width
    return shapes


def srtg(kind: str = "3d", basic: bool = True) -> dict[str, Shape]:
    """Return names and shapes of a released SRTG network with convolutions of kind "3d", "2+1d" or "depthwise"."""
    wide = {"stem.0.weight": (64, 3, 3, 7, 7), **norm("stem.1", 64)}
    parted = {
        "stem.0.weight": (45, 3, 1, 7, 7),
        **norm("stem.1", 45),
        "stem.3.weight": (64, 45, 3, 1, 1),
        **norm("stem.4", 64),
    }
    shapes = stem_and_classifier(parted if kind == "2+1d" else wide)

    def conv(name: str, inputs: int, outputs: int, between: int) -> None:
        if kind == "3d":
            shapes[f"{name}.0.0.weight"] = (outputs, inputs, 3, 3, 3)
        elif kind == "2+1d":
            shapes[f"{name}.0.0.weight"] = (between, inputs, 1, 3, 3)
            shapes.update(norm(f"{name}.0.1", between))
            shapes[f"{name}.0.3.weight"] = (outputs, between, 3, 1, 1)
        else:
            shapes[f"{name}.0.0.weight"] = (outputs, inputs, 1, 1, 1)
            shapes.update(norm(f"{name}.0.1", outputs))
            shapes[f"{name}.0.3.0.weight"] = (outputs, 1, 3, 3, 3)
        shapes.update(norm(f"{name}.1", outputs))

    inputs = 64
    for stage, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True), 1):
        for index in range(depth):
            block, between = f"layer{stage}.{index}", inputs * width * 27 // (inputs * 9 + 3 * width)
            if basic:
                conv(f"{block}.conv1", inputs, width, between)
                conv(f"{block}.conv2", width, width, between)
            else:
                shapes.update({f"{block}.conv1.0.weight": (width, inputs, 1, 1, 1), **norm(f"{block}.conv1.1", width)})
                conv(f"{block}.conv2", width, width, between)
                shapes.update({f"{block}.conv3.0.weight": (width, width, 1, 1, 1), **norm(f"{block}.conv3.1", width)})
            if index == 0 and stage > 1:
                shapes[f"{block}.downsample.0.weight"] = (width, inputs, 1, 1, 1)
                shapes.update(norm(f"{block}.downsample.1", width))
            shapes.update(recursion(f"{block}.sar.lstm", width, 4))
            inputs = width
    return shapes


def weights(shapes: dict[str, Shape], seed: int = 3) -> dict[str, torch.Tensor]:
    """Make reproducible weights: uniform numbers, in the order of the names."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for name in sorted(shapes):
        u = torch.rand(shapes[name], generator=generator)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1)
        elif name.endswith("running_var"):
            state[name] = 0.5 + u / 2
        elif ".sar." in name and u.dim() == 1:
            state[name] = 8 * u - 4  # strong, so that the recursion matters
        elif u.dim() == 1:
            state[name] = u + 0.5 if name.endswith("weight") else (u - 0.5) / 2
        else:
            state[name] = (2 * u - 1) * (6 / math.prod(shapes[name][1:])) ** 0.5
    return state


def clip(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize(
    ("case", "shapes", "options"),
    [
        ("MTNet", mtnet(), {}),
        ("MTNet of 8", mtnet(8), {}),
        ("3d, basic", srtg(), {}),
        ("2+1d, basic", srtg("2+1d"), {}),
        ("2+1d, bottleneck", srtg("2+1d", basic=False), {}),
        ("depthwise, bottleneck", srtg("depthwise", basic=False), {}),
        ("3d, basic, gated", srtg(), {"gate": "closed"}),
    ],
    ids=RELEASED_LOGITS,
)
def test_logits_equal_those_of_the_released_network(
    case: str, shapes: dict[str, Shape], options: dict[str, Any]
) -> None:
    net = layers.released_network(weights(shapes), **options).double()
    x = clip(2, 3, 9, 72, 97) if case.startswith("MTNet") else clip(2, 3, 8, 40, 33)  # the released code pads odd sizes
    with torch.no_grad():
        torch.testing.assert_close(net(x), torch.tensor(RELEASED_LOGITS[case]).double(), rtol=1e-6, atol=1e-8)


def released_name(name: str, blocks: list[str]) -> str:
    """Return the released name of a tensor of our MTNet."""
    if not name.startswith("blocks."):
        return name
    _, index, part, rest = name.split(".", 3)
    if part.startswith("recursion"):
        return f"{blocks[int(index)]}.{part.replace('recursion', 'sr')}.{rest.replace('recursion', 'op')}"
    first, last = rest.rsplit(".", 1)
    known = {"short": "conv_short", "long": "conv_long", "lateral.0": "conv_short2long", "lateral.1": "norm_long"}
    return f"{blocks[int(index)]}.{PARTS[part]}.{known.get(first, first)}.{last}"


@pytest.mark.parametrize(("depths", "groups"), [((1, 2), 1), ((2, 1, 1), 2)])
def test_a_wrapped_checkpoint_of_any_size_round_trips(depths: Any, groups: int) -> None:
    torch.manual_seed(0)
    net = layers.MTNet(3, depths, WIDTHS[: len(depths)], groups).eval()
    state = net.state_dict()
    for name in state:
        if ".lateral.1." in name:
            state[name].copy_(state[name.replace("lateral.1", "norm_long")])
    blocks = [f"layer{stage}.{index}" for stage, depth in enumerate(depths, 1) for index in range(depth)]
    released = {f"module.{released_name(name, blocks)}": tensor.clone() for name, tensor in state.items()}
    before = {name: tensor.clone() for name, tensor in released.items()}
    random_state = torch.get_rng_state()
    loaded = layers.released_network({"epoch": 9, "state_dict": released, "optimizer": {}})
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not loaded.training
    x = torch.randn(2, 3, 8, 64, 64)
    assert torch.equal(net(x), loaded(x))
    nn.init.zeros_(loaded.fc.weight)  # must not write to the checkpoint
    assert all(torch.equal(tensor, before[name]) for name, tensor in released.items())


def test_all_parameters_have_gradients_and_recursions_explain_their_input() -> None:
    net = layers.released_network(weights(srtg()))
    assert isinstance(net, layers.SRTGNet)
    assert [type(block) for block in net.blocks] == [SRTGResidual] * 5
    recursion = net.blocks[1].recursion
    assert (recursion.gate, recursion.channels) == ("none", 64)
    net.train()(torch.randn(2, 3, 8, 40, 33)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert recursion.explain(torch.randn(1, 64, 4, 3, 3)).factor.shape == (1, 64, 4)


SRTG_SHAPES = srtg()
MTNET_SHAPES = mtnet(8)


def without(shapes: dict[str, Shape], *suffixes: str) -> dict[str, Shape]:
    return {name: shape for name, shape in shapes.items() if not name.endswith(suffixes)}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {f"net.{name}": shape for name, shape in MTNET_SHAPES.items()},
            "numbered without gaps, starting at layer1.0; got none, but 'net.fc.bias', .* remove any prefix of the names",
        ),
        ({"conv1.weight": (3,)}, "neither of a released MTNet, with names such as .* got 'conv1.weight'$"),
        (without(SRTG_SHAPES, *(n for n in SRTG_SHAPES if ".sar." in n)), "neither of a released MTNet.* and 83 more$"),
        (without(MTNET_SHAPES, "layer3.0.conv2.norm_long.bias"), "it lacks 'layer3.0.conv2.norm_long.bias'$"),
        (without(MTNET_SHAPES, "fc.bias"), "it lacks 'fc.bias'$"),
        (without(MTNET_SHAPES, "running_var"), "it lacks 'layer1.0.conv1_1.norm_long.running_var', .* and 24 more$"),
        (MTNET_SHAPES | {"head.weight": (2, 2)}, "it has unexpected 'head.weight'$"),
        (MTNET_SHAPES | {"fc.weight": (4, 511)}, r"'fc.weight' has shape \[4, 511\], expected \[4, 512\]"),
        (
            {name.replace("layer1.1.", "layer1.2."): shape for name, shape in MTNET_SHAPES.items()},
            "without gaps, starting at layer1.0; got layer1.0, layer1.2, layer2.0, layer3.0, layer4.0$",
        ),
        (without(SRTG_SHAPES, "layer2.0.conv2.0.0.weight"), "it lacks 'layer2.0.conv2.0.0.weight'$"),
        (
            without(SRTG_SHAPES, "conv2.0.0.weight"),
            r"'layer1.0.conv2.1.weight' has shape \[64\], expected a convolution",
        ),
        (without(SRTG_SHAPES, "conv2.1.weight"), r"the state dict lacks a norm at 'layer1.0.conv\*'"),
        (without(SRTG_SHAPES, "layer2.0.downsample.1.bias"), "it lacks 'layer2.0.downsample.1.bias'$"),
        (without(SRTG_SHAPES, "stem.0.weight", "stem.1.weight"), r"lacks convolutions at 'stem.\*'"),
        (SRTG_SHAPES | {"layer1.1.sar.lstm.bias_hh_l1": (255,)}, r"has shape \[255\], expected \[256\]"),
        (
            SRTG_SHAPES | {"layer4.0.conv2.0.0.weight": (512, 500, 3, 3, 3)},
            r"500, 3, 3, 3\], expected \[512, 512, 3, 3, 3\]",
        ),
    ],
)
def test_mismatched_tensors_are_named_as_in_the_released_code(shapes: dict[str, Shape], message: str) -> None:
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    with pytest.raises(ValueError, match=message):
        layers.released_network(state)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.Linear(1, 1), "expected a state dict of names and tensors, got Linear; load it with torch.load"),
        ({}, "expected a state dict of names and tensors, got dict"),
        ({"state_dict": {"epoch": 3}}, "expected a state dict of names and tensors, got int for 'epoch'"),
        ({"epoch": 3, "model": {}}, "expected a state dict of names and tensors, got int for 'epoch'"),
    ],
)
def test_other_objects_than_state_dicts_raise(given: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        layers.released_network(given)

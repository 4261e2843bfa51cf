"""Occlusion against loops over boxes with torch, on networks whose answer is known, and from large boxes to small ones."""

from __future__ import annotations

from itertools import islice, pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import RELEVANCE
from notebook_explain.methods.box_grid import BoxGrid, Falls, levels_of
from notebook_explain.models.fills import background
from tests import zoo
from tests.models.test_adapt import adapted, clip_for

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
SIZE = (8, 32, 32)
HALVES = {"box": (4, 16, 16), "stride": (4, 16, 16)}
Box = tuple[slice, slice, slice]


def _boxes(box: tuple[int, int, int], stride: tuple[int, int, int]) -> list[Box]:
    """Boxes from every multiple of the stride that leaves room, and at the end of each axis."""
    axes = []
    for length, side, step in zip(SIZE, box, stride, strict=True):
        starts = [start for start in range(length) if start % step == 0 and start + side <= length]
        if starts[-1] + side < length:
            starts.append(length - side)
        axes.append([slice(start, start + side) for start in starts])
    return list(product(*axes))


def _mean_over_boxes(boxes: list[Box], falls: Any) -> np.ndarray:
    """Mean of the falls of the boxes that cover each voxel, by visiting every voxel."""
    values = np.zeros(SIZE)
    for voxel in np.ndindex(SIZE):
        covers = [
            fall
            for box, fall in zip(boxes, falls, strict=True)
            if all(part.start <= k < part.stop for part, k in zip(box, voxel, strict=True))
        ]
        values[voxel] = np.mean(covers)
    return values


def _video() -> torch.Tensor:
    video = (CLIP.astype(np.float32) / 255 - zoo.MEAN).transpose(3, 0, 1, 2) / zoo.STD
    return torch.from_numpy(np.ascontiguousarray(video, np.float32))


class _Linear(nn.Module):
    """Scores that are weighted sums over the clip, and the same with the opposite sign."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(np.asarray(weights, np.float32)))
        self.conv = nn.Conv3d(3, 1, 1, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (self.conv(x)[:, 0] * self.weights).sum((1, 2, 3))
        return torch.stack([score, -score], 1)


@pytest.mark.parametrize("fill", ["blur", "mean", "freeze", "grey"])
def test_on_a_linear_network_it_is_the_closed_form(fill: str) -> None:
    weights = np.random.default_rng(0).normal(size=SIZE)
    box, stride = (3, 10, 16), (2, 9, 7)
    tubes = ne.Occlusion(box=box, stride=stride, fill=fill)(
        ne.adapt(_Linear(weights).eval(), **SPECIFIED), CLIP, [0, 1]
    )
    video = _video()
    hidden = background(video[None], fill, [zoo.MEAN] * 3, [zoo.STD] * 3)[0].expand_as(video)
    change = weights * (video - hidden).mean(0).double().numpy()
    boxes = _boxes(box, stride)
    wanted = _mean_over_boxes(boxes, [change[one].sum() for one in boxes])
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(tubes.layers[0].values[0] / scale, wanted / scale, atol=1e-4)
    np.testing.assert_allclose(tubes.layers[0].values[1], -tubes.layers[0].values[0], atol=1e-4 * scale)
    assert (tubes.layers[0].kind, tubes.layers[0].grid) == (RELEVANCE, SIZE)


@pytest.mark.parametrize(("box", "stride"), [((8, 32, 16), (8, 32, 16)), ((5, 12, 12), (2, 5, 11))])
def test_on_a_network_it_is_the_fall_that_a_loop_over_boxes_finds(box: Any, stride: Any) -> None:
    net = zoo.ZOO["residual"].make()
    tubes = ne.Occlusion(box=box, stride=stride, fill="mean")(ne.adapt(net, **SPECIFIED), CLIP, [1, 0])
    video, boxes = _video(), _boxes(box, stride)
    colour = video.mean((1, 2, 3), keepdim=True)
    falls = []
    with torch.no_grad():
        whole = net(video[None])[0]
        for one in boxes:
            changed = video.clone()
            changed[:, one[0], one[1], one[2]] = colour
            falls.append((whole - net(changed[None])[0]).double().numpy())
    for row, target in enumerate((1, 0)):
        wanted = _mean_over_boxes(boxes, [fall[target] for fall in falls])
        np.testing.assert_allclose(tubes.layers[0].values[row], wanted, atol=2e-3 * np.abs(wanted).max())


def test_it_is_the_occlusion_of_captum() -> None:
    pytest.importorskip("captum")
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    colour = _video().mean((1, 2, 3)).view(1, 3, 1, 1, 1).expand(1, 3, *SIZE)
    box, stride = (4, 16, 16), (2, 8, 8)
    theirs = ne.Captum("Occlusion", sliding_window_shapes=(3, *box), strides=(3, *stride), baselines=colour)
    wanted = theirs(model, CLIP, 1).layers[0].values / 3  # captum gives the fall to each channel, and they are added
    found = ne.Occlusion(box=box, stride=stride, fill="mean")(model, CLIP, 1).layers[0].values
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


def test_a_network_that_reads_one_frame_lights_that_frame_only() -> None:
    weights = np.zeros(SIZE)
    weights[6] = 1
    model = ne.adapt(_Linear(weights).eval(), **SPECIFIED)
    white = np.full((*SIZE, 3), 255, np.uint8)
    values = ne.Occlusion(box=(1, 8, 8), fill="grey")(model, white, 0).layers[0].values[0]
    assert (values[6] > 1).all()
    np.testing.assert_allclose(np.delete(values, 6, axis=0), 0, atol=1e-4)
    frozen = ne.Occlusion(box=(1, 8, 8), fill="freeze")(model, white, 0).layers[0].values[0]
    np.testing.assert_allclose(frozen, 0, atol=1e-3)  # in a clip without movement, freezing hides nothing


def test_the_fall_of_a_difference_is_the_difference_of_the_falls() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    values = (
        ne.Occlusion(**HALVES)(model, CLIP, [ne.Target(1) - ne.Target(0), 1, 0]).layers[0].values.astype(np.float64)
    )
    np.testing.assert_allclose(values[0], values[1] - values[2], atol=1e-5 * np.abs(values).max())


def test_neither_the_batch_nor_the_levels_change_the_result() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    sizes = {"box": (2, 12, 12), "stride": (2, 10, 10)}
    found = [
        ne.Occlusion(**sizes, batch=batch, levels=levels)(model, CLIP, 1)
        for batch, levels in ((1, 1), (5, 2), (100, 3))
    ]
    first = found[0].layers[0].values
    for other in found[1:]:
        np.testing.assert_allclose(other.layers[0].values, first, atol=1e-4 * np.abs(first).max())
    count = 4 * 3 * 3
    assert found[0].provenance.forwards == 1 + count + 5  # and those that find out how a batch is run
    assert found[0].provenance.backwards == 0


def test_the_order_of_the_boxes_does_not_change_a_bit() -> None:
    grid = BoxGrid(SIZE, (3, 10, 12), (2, 7, 5))
    falls = np.random.default_rng(0).normal(size=(grid.count, 2))
    results = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(grid.count)
        part = Falls(grid, 2)
        for first in range(0, grid.count, 7):
            part.add(order[first : first + 7], falls[order[first : first + 7]])
        results.append(part.values(np.full((2, *SIZE), np.nan)))
    assert all(np.array_equal(one, results[0]) for one in results)
    assert np.isfinite(results[0]).all()


def test_boxes_are_inside_the_clip_cover_it_and_keep_their_size() -> None:
    for box, stride in (((3, 10, 12), (2, 7, 5)), ((8, 32, 32), (1, 1, 1)), ((1, 1, 32), (1, 1, 3))):
        grid = BoxGrid(SIZE, box, stride)
        hidden = 1 - grid.visible(np.arange(grid.count)).numpy()
        assert (hidden.sum((1, 2, 3)) == np.prod(box)).all()
        assert hidden.max(0).all()
        assert len({one.tobytes() for one in hidden}) == grid.count == len(_boxes(box, stride))
    grid = BoxGrid(SIZE, (2, 8, 8), (2, 8, 8))
    values = np.zeros((1, *SIZE))
    values[0, 4:6, 8:16, 24:] = -1
    strongest = int(grid.order(values)[0])
    assert not grid.visible(np.array([strongest])).numpy()[0, 4:6, 8:16, 24:].any()


def test_levels_halve_the_box_down_to_the_one_that_was_asked_for() -> None:
    assert [grid.box for grid in levels_of(SIZE, (1, 4, 4), (1, 2, 2), 3)] == [(4, 16, 16), (2, 8, 8), (1, 4, 4)]
    assert [grid.box for grid in levels_of(SIZE, (4, 16, 16), (4, 16, 16), 3)] == [(4, 16, 16)]
    assert [grid.box for grid in levels_of(SIZE, (8, 8, 8), (1, 1, 1), 9)] == [(8, 16, 16), (8, 8, 8)]
    assert all(
        s <= b
        for grid in levels_of(SIZE, (3, 10, 12), (3, 7, 12), 2)
        for s, b in zip(grid.stride, grid.box, strict=True)
    )


def test_a_stream_sharpens_from_large_boxes_to_small_ones() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    sharp, coarse = {"box": (2, 8, 8), "stride": (2, 8, 8)}, HALVES
    steps = list(ne.Occlusion(**sharp, levels=3, batch=4).stream(model, CLIP, 1))[1:]
    assert list(dict.fromkeys(step.box for step in steps)) == [(4, 16, 16), (2, 8, 8)]
    assert all(a.measured < b.measured for a, b in pairwise(steps) if a.box == b.box)
    first_level = [step for step in steps if step.box == (4, 16, 16)]
    assert first_level[-1].measured == steps[-1].measured == 1
    wanted = ne.Occlusion(**coarse, levels=1, batch=4)(model, CLIP, 1).layers[0].values
    np.testing.assert_allclose(first_level[-1].partial.layers[0].values, wanted, atol=1e-5 * np.abs(wanted).max())
    before, after = first_level[-1].partial.layers[0].values[0], steps[len(first_level)].partial.layers[0].values[0]
    changed = before != after
    assert 0 < changed.mean() <= 4 / 64  # four of 64 small boxes, where the large ones are strongest
    assert np.abs(before[changed]).max() == np.abs(before).max()
    texts = [" ".join(step.partial.provenance.caveats) for step in steps]
    assert all("unfinished" in text for text in texts[:-1])
    assert "unfinished" not in texts[-1]


def test_closing_the_stream_cancels_the_rest() -> None:
    net = zoo.ZOO["residual"].make()
    calls = []
    forward = net.avgpool.forward
    net.avgpool.forward = lambda x: (calls.append(len(x)), forward(x))[1]  # the shadow calls it too
    steps = ne.Occlusion(box=(2, 8, 8)).stream(ne.adapt(net, **SPECIFIED), CLIP, 1)
    partial = [step.partial for step in islice(steps, 3)]
    steps.close()
    assert partial[0] is None
    assert partial[-1].layers[0].values.any()
    before = len(calls)
    assert list(steps) == []
    assert len(calls) == before


def test_by_default_boxes_are_a_quarter_of_each_axis_and_overlap_by_half() -> None:
    tubes = ne.Occlusion(batch=64)(ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED), CLIP)
    assert tubes.provenance.forwards == 1 + 5 + 3**3 + 7**3  # boxes of half the clip come first
    codes = {caveat.code: caveat for caveat in tubes.provenance.caveats if isinstance(caveat, Caveat)}
    assert "2 frames × 8 × 8 pixels" in codes[CaveatCode.COARSE_MAP]
    assert "do not add up" in " ".join(tubes.provenance.caveats)


@pytest.mark.parametrize("name", ["slowfast", "features_and_logits", "probs_first", "channels_last", "cls_token"])
def test_it_runs_on_networks_of_other_forms(name: str) -> None:
    model = adapted(name)
    box = tuple(max(1, length // 2) for length in model.preprocessing.shape)
    tubes = ne.Occlusion(box=box, stride=box)(model, clip_for(name), 0)
    assert np.isfinite(tubes.layers[0].values).all()
    assert tubes.layers[0].grid == tubes.clip.size


@pytest.mark.parametrize(
    "wrong",
    [
        {"box": 4},
        {"box": (4, 7)},
        {"box": (0, 7, 7)},
        {"box": (2.5, 7, 7)},
        {"box": "big"},
        {"stride": (0, 1, 1)},
        {"stride": (1, -1, 1)},
        {"stride": (3, 7, 7), "box": (2, 7, 7)},
        {"fill": "black"},
        {"levels": 0},
        {"batch": 0},
    ],
)
def test_wrong_arguments_are_one_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))} "):
        ne.Occlusion(**wrong)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"box": (9, 8, 8)}, r"^box must fit .*\(8, 32, 32\), got \(9, 8, 8\)"),
        ({"box": (8, 8, 33)}, r"^box must fit .* got \(8, 8, 33\)"),
        ({"stride": (3, 8, 8)}, r"^stride must be at most the box \(2, 8, 8\) .* got \(3, 8, 8\)"),
    ],
)
def test_sizes_that_do_not_fit_the_clip_are_one_clear_error(wrong: dict[str, Any], match: str) -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    with pytest.raises(ValueError, match=match):
        ne.Occlusion(**wrong)(model, CLIP, 1)


class _Fragile(nn.Module):
    """Network whose scores are not finite unless the first frame shows the clip."""

    def __init__(self) -> None:
        super().__init__()
        self.net = zoo.ZOO["residual"].make()
        self.register_buffer("frame", _video()[:, 0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        is_whole = (x[:, :, 0] == self.frame).flatten(1).all(1, keepdim=True)
        return self.net(x) / is_whole


@pytest.mark.parametrize(
    "explainer", [ne.Occlusion(**HALVES, fill="mean"), ne.RISE(masks=8)], ids=["occlusion", "RISE"]
)
def test_scores_that_are_not_finite_are_one_clear_error(explainer: Any) -> None:
    model = ne.adapt(_Fragile().eval(), **SPECIFIED)
    with pytest.raises(ne.ExplainError, match=r"^the score is -?(inf|nan) where parts of the clip are hidden"):
        explainer(model, CLIP, 1)

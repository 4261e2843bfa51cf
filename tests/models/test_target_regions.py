"""Targets with a region or a moment: the score of a dense network is the mean of its logits over these cells."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.models.output_cells import Cells
from notebook_explain.models.regions import cell_weights

FRAMES, SIZE = 6, 16
STATED: dict[str, Any] = {"size": SIZE, "frames": FRAMES, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = np.random.default_rng(3).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
INPUT = ((torch.tensor(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25).double()
LABELS = ["background", "lesion", "edge"]


class Dense(nn.Module):
    """A stem with a stride, and class scores for each of its cells: (B, C, T, H, W)."""

    def __init__(
        self, stride: Any = 1, order: tuple[int, ...] = (0, 1, 2, 3, 4), kernel: int = 3, padding: int = 1
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv3d(3, 6, kernel, stride=stride, padding=padding)
        self.head = nn.Conv3d(6, 3, 1)
        self.order = order

    def scores(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(x).permute(self.order)


def assert_explains(net: Any, target: ne.Target, weights: np.ndarray, label: int = 1) -> ne.Tubes:
    """Check a tube and its score against autograd of the weighted mean of the class's logits; ``weights`` as the scores."""
    tubes = ne.SaliencyTubes(layers=("stem",))(ne.adapt(net.eval(), labels=LABELS, **STATED), CLIP, target)
    net = copy.deepcopy(net).double()
    kept: dict[str, Tensor] = {}
    handle = net.stem.register_forward_hook(lambda _, __, out: kept.update(out=out))
    scores = net.scores(INPUT)[0]
    handle.remove()
    share = torch.tensor(weights / weights.sum())
    values = (scores * share).flatten(1).sum(1)
    (gradient,) = torch.autograd.grad(values[label], kept["out"])
    wanted = (gradient * kept["out"]).sum(1)[0].detach().numpy()
    wanted = wanted * wanted.size
    result = tubes.targets[0]
    np.testing.assert_allclose(tubes.layer("stem").values[0], wanted, atol=1e-4 * np.abs(wanted).max())
    assert result.logit == pytest.approx(float(values[label].detach()), abs=1e-5)
    assert result.probability == pytest.approx(float(values.softmax(0)[label].detach()), abs=1e-5)
    assert result.bias == pytest.approx(float(net.head.bias[label].detach()), abs=1e-6)
    assert wanted.mean() + result.bias == pytest.approx(result.logit, abs=1e-4)  # the map is complete
    return tubes


def blob(*shape: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[..., 3:9, 5:12] = True
    if len(shape) == 3:
        mask[: shape[0] // 2] = False
    return mask


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (0, 2, 1, 3, 4), (0, 2, 3, 4, 1)])
def test_a_mask_in_pixels_of_a_network_of_full_resolution(order: tuple[int, ...]) -> None:
    mask = blob(FRAMES, SIZE, SIZE)
    tubes = assert_explains(Dense(order=order), ne.Target("lesion", where=mask), mask.astype(float))
    assert tubes.targets[0].region == "a region of 8.2 % of the clip"
    assert "The network returns one score per voxel; the mean over a region of 8.2 % of the clip is explained." in (
        tubes.provenance.caveats
    )
    assert ", in a region of 8.2 % of the clip. " in tubes.in_words()
    flat = blob(SIZE, SIZE)
    tubes = assert_explains(
        Dense(order=order), ne.Target(1, where=torch.tensor(flat)), np.tile(flat, (FRAMES, 1, 1)) * 1.0
    )
    assert tubes.targets[0].region == "a region of 16 % of the picture"


def test_frames_are_counted_from_0_without_the_end() -> None:
    weights = np.zeros((FRAMES, SIZE, SIZE))
    weights[2:4] = 1
    tubes = assert_explains(Dense(), ne.Target("lesion", frames=(2, 4)), weights)
    assert tubes.targets[0].region == "frames 3 to 4"  # sentences count from 1
    assert ", in frames 3 to 4. " in tubes.in_words()
    weights[:, :3] = weights[:, 9:] = weights[..., :5] = weights[..., 12:] = 0
    tubes = assert_explains(Dense(), ne.Target("lesion", where=blob(SIZE, SIZE), frames=(2, 4)), weights)
    assert tubes.targets[0].region == "frames 3 to 4, a region of 16 % of the picture"


def shares(centres: np.ndarray, length: int) -> np.ndarray:
    """Brute force: each frame or pixel goes to its nearest cell, half to each of two; a cell has the mean of what it got."""
    table = np.zeros((len(centres), length))
    for pixel in range(length):
        distance = np.abs(centres - pixel)
        nearest = np.flatnonzero(distance < distance.min() + 1e-6)
        table[nearest, pixel] = 1 / len(nearest)
    return table / table.sum(1, keepdims=True)


@pytest.mark.parametrize("kernel", [2, 3])
def test_a_cell_of_a_coarse_output_counts_by_its_share_of_the_mask(kernel: int) -> None:
    net = Dense(stride=(1, 2, 2) if kernel == 3 else 2, kernel=kernel, padding=kernel - 2)
    grid = net.scores(INPUT.float()).shape[2:]
    step = [length // cells for length, cells in zip((FRAMES, SIZE, SIZE), grid, strict=True)]
    centres = [np.arange(cells) * size + (0.5 if kernel == 2 else 0) for cells, size in zip(grid, step, strict=True)]
    tables = [shares(centre, length) for centre, length in zip(centres, (FRAMES, SIZE, SIZE), strict=True)]
    mask = blob(FRAMES, SIZE, SIZE)
    weights = np.zeros(grid)
    for t, y, x in np.ndindex(*grid):
        weights[t, y, x] = sum(
            tables[0][t, f] * tables[1][y, r] * tables[2][x, c] for f, r, c in zip(*np.nonzero(mask), strict=True)
        )
    assert_explains(net, ne.Target("lesion", where=mask), weights)
    own = np.random.default_rng(0).random(grid) > 0.6
    assert_explains(net, ne.Target("lesion", where=own), own.astype(float))
    flat = np.random.default_rng(1).random(grid[1:]) > 0.6
    assert_explains(net, ne.Target("lesion", where=flat), np.broadcast_to(flat, grid) * 1.0)
    if kernel == 2:  # time steps of two frames: the third frame is half of the second step
        moment = np.zeros(grid)
        moment[1] = 1
        assert_explains(net, ne.Target("lesion", frames=(2, 3)), moment)


def test_a_small_mask_between_the_centres_of_cells_is_not_lost() -> None:
    net = Dense(stride=(1, 4, 4), kernel=4, padding=0)
    net.stem = nn.Conv3d(3, 6, (1, 4, 4), stride=(1, 4, 4))
    mask = np.zeros((SIZE, SIZE), bool)
    mask[4, 7] = True  # a corner of the cell (1, 1), whose centre is (5.5, 5.5)
    weights = np.zeros((FRAMES, 4, 4))
    weights[:, 1, 1] = 1
    assert_explains(net, ne.Target("lesion", where=mask), weights)


def test_tokens_have_regions_too() -> None:
    """(B, N, C) with time, height and width on one axis."""

    class Tokens(Dense):
        def forward(self, x: Tensor) -> Tensor:
            return self.scores(x).flatten(2).transpose(1, 2)

    mask = blob(FRAMES, SIZE, SIZE)
    assert_explains(
        Tokens(), ne.Target("lesion", where=mask, frames=(4, 6)), (mask & (np.arange(6) >= 4)[:, None, None]) * 1.0
    )


def test_an_output_finer_than_the_clip_takes_the_nearest_pixels() -> None:
    class Upsampled(Dense):
        def forward(self, x: Tensor) -> Tensor:
            return F.interpolate(self.scores(x), scale_factor=(1, 2, 2))

    mask = blob(SIZE, SIZE)
    tubes = ne.SaliencyTubes()(ne.adapt(Upsampled().eval(), **STATED), CLIP, ne.Target(1, where=mask))
    up = F.interpolate(Dense().eval().scores(INPUT.float()), scale_factor=(1, 2, 2))[0, 1]
    wide = np.kron(mask, np.ones((2, 2), bool))
    assert tubes.targets[0].logit == pytest.approx(float(up[:, torch.tensor(wide)].mean().detach()), abs=1e-4)


@pytest.mark.parametrize("up", ["transposed", "trilinear"])
def test_a_mask_of_a_u_net_is_that_of_its_voxels(up: str) -> None:
    class UNet(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Conv3d(6, 6, 3, 2, 1), nn.ConvTranspose3d(6, 6, 2, 2)
            self.mix = nn.Conv3d(12, 6, 3, padding=1)

        def scores(self, x: Tensor) -> Tensor:
            fine = torch.relu(self.stem(x))
            coarse = torch.relu(self.down(fine))
            wide = self.up(coarse) if up == "transposed" else F.interpolate(coarse, scale_factor=2.0, mode="trilinear")
            return self.head(torch.relu(self.mix(torch.cat([fine, wide], 1))))

    net, mask = UNet().eval(), blob(FRAMES, SIZE, SIZE)
    tubes = ne.SaliencyTubes()(ne.adapt(net, labels=LABELS, **STATED), CLIP, ne.Target("edge", where=mask))
    wanted = net(INPUT.float())[0, 2][torch.tensor(mask)].mean().detach()
    assert tubes.targets[0].logit == pytest.approx(float(wanted), abs=1e-5)
    assert any("one score per voxel" in caveat for caveat in tubes.provenance.caveats)


class Frames(nn.Module):
    """Class scores per frame, (B, T, C)."""

    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.fc, self.pooled = nn.Conv3d(3, 6, 3, padding=1), nn.Linear(6, 3), pooled

    def forward(self, x: Tensor) -> Tensor:
        frames = torch.relu(self.stem(x)).mean((3, 4)).transpose(1, 2)
        return self.fc(frames.mean(1) if self.pooled else frames)


def test_scores_per_frame_have_moments() -> None:
    net = Frames().eval()
    model = ne.adapt(net, labels=["run", "jump", "sit"], **STATED)
    tubes = ne.SaliencyTubes()(model, CLIP, ne.Target("jump", frames=(1, 3)))
    assert tubes.targets[0].logit == pytest.approx(float(net(INPUT.float())[0, 1:3, 1].mean().detach()), abs=1e-5)
    assert (
        "The network returns one score per frame; the mean over frames 2 to 3 is explained." in tubes.provenance.caveats
    )
    # No evidence lies outside of the frames that the two scores read.
    assert not tubes.layer("stem").values[0][3:].any()
    change = ne.SaliencyTubes()(model, CLIP, ne.Target("jump", frames=(4, 6)) - ne.Target("jump", frames=(0, 2)))
    scores = net(INPUT.float())[0, :, 1].detach()
    assert change.targets[0].logit == pytest.approx(float(scores[4:].mean() - scores[:2].mean()), abs=1e-5)
    assert change.targets[0].region == "frames 5 to 6 against frames 1 to 2"
    same = ne.Target("jump", frames=(1, 3)) - "run"
    assert same.against == ne.Target("run", frames=(1, 3))


def test_regions_that_a_model_does_not_have_are_clear_errors() -> None:
    tubes, dense = ne.SaliencyTubes(), ne.adapt(Dense().eval(), **STATED)
    per_frame, pooled = (ne.adapt(Frames(pooled).eval(), **STATED) for pooled in (False, True))
    mask = blob(SIZE, SIZE)
    with pytest.raises(ValueError, match="one score per clip, so there is no region to choose"):
        tubes(pooled, CLIP, ne.Target(1, where=mask))
    with pytest.raises(ValueError, match="one score per clip"):
        tubes(pooled, CLIP, ne.Target(1, frames=(0, 2)))
    with pytest.raises(ValueError, match="where= cannot be used with this model: it returns one score per frame"):
        tubes(per_frame, CLIP, ne.Target(1, where=mask))
    with pytest.raises(ValueError, match=r"frames \(2, 9\) lie outside the clip, which has frames 0 to 5"):
        tubes(dense, CLIP, ne.Target(1, frames=(2, 9)))
    with pytest.raises(ValueError, match=r"where is 5x5, but the clip that the network sees has 6x16x16"):
        tubes(dense, CLIP, ne.Target(1, where=np.ones((5, 5), bool)))
    late = np.zeros((FRAMES, SIZE, SIZE), bool)
    late[5] = True
    with pytest.raises(ValueError, match=r"no cell .* lies in the region of the target"):
        tubes(dense, CLIP, ne.Target(1, where=late, frames=(0, 2)))
    with pytest.raises(ValueError, match=r"where is empty: none of its 256 values is True"):
        ne.Target(1, where=np.zeros((SIZE, SIZE), bool))
    with pytest.raises(TypeError, match=r"where must be a bool array .*; got float64 \(16, 16\)"):
        ne.Target(1, where=np.ones((SIZE, SIZE)))
    with pytest.raises(TypeError, match=r"frames must be two whole numbers"):
        ne.Target(1, frames=(1.5, 2))  # type: ignore[arg-type]
    for wrong in ((3, 3), (-1, 2), (4, 2)):
        with pytest.raises(ValueError, match=r"frames must be \(first, end\) with 0 <= first < end"):
            ne.Target(1, frames=wrong)
    with pytest.raises(ValueError, match="compared with itself"):
        tubes(dense, CLIP, ne.Target(1, frames=(0, 2)) - ne.Target(1, frames=(0, 2)))


def test_pyramids_of_a_region_are_by_gradient() -> None:
    class Deep(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.mid = nn.Conv3d(6, 6, 3, padding=1)

        def scores(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.mid(torch.relu(self.stem(x)))))

    net, mask = Deep().eval(), blob(FRAMES, SIZE, SIZE)
    model, target = ne.adapt(net, labels=LABELS, **STATED), ne.Target("lesion", where=mask)
    pyramid = ne.FeaturePyramid()(model, CLIP, target)
    activation = torch.relu(net.double().mid(torch.relu(net.stem(INPUT))))[0]
    inside = activation[:, torch.tensor(mask)].mean(1)
    effect = (net.head.weight[1, :, 0, 0, 0] * inside).detach().numpy()
    row = next(row for row in pyramid.rows if row.name == "mid")
    scores = {
        pyramid.units[unit].channel: pyramid.units[unit].score for unit in row.units if pyramid.units[unit].score > 0
    }
    wanted = effect.clip(0) / effect.clip(0).sum()
    assert scores
    for channel, score in scores.items():
        assert score == pytest.approx(wanted[channel], abs=1e-4)
    with pytest.raises(ValueError, match="only contributions by gradient have a region"):
        ne.FeaturePyramid(contribution="preactivation")(model, CLIP, target)
    with pytest.raises(ValueError, match="AttentionMaps has no map of a region"):
        _attention_of_a_region()


def _attention_of_a_region() -> None:
    class Attending(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            maps = torch.relu(self.stem(x))[..., ::4, ::4]
            tokens = maps.flatten(2).transpose(1, 2)
            mixed = (tokens + self.attention(tokens, tokens, tokens)[0]).transpose(1, 2).reshape(maps.shape)
            return self.head(mixed)

    ne.AttentionMaps()(ne.adapt(Attending().eval(), **STATED), CLIP, ne.Target(1, frames=(0, 2)))


def test_a_target_with_a_region_is_a_plain_value() -> None:
    mask = blob(FRAMES, SIZE, SIZE)
    one, other = ne.Target("lesion", where=mask, frames=[1, 3]), ne.Target("lesion", where=mask.copy(), frames=(1, 3))  # type: ignore[arg-type]
    assert one == other
    assert len({one, other, ne.Target("lesion")}) == 2
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(one)).where), mask)
    assert "Mask(6x16x16, 126 True)" in repr(one)


def test_cells_without_a_position_have_no_weight() -> None:
    cells = Cells((np.array([np.nan, 0.0, 1, 2]), None, None), (3, 4, 4), "frame")
    np.testing.assert_allclose(cell_weights(ne.Target(0, frames=(0, 2)), cells), [0, 0.5, 0.5, 0])

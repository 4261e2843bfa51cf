"""Scores per frame, per position and per view: the axis of the classes is measured, whatever its length."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode

FRAMES, SIZE = 5, 16
STATED: dict[str, Any] = {"size": SIZE, "frames": FRAMES, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = np.random.default_rng(3).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
INPUT = ((torch.tensor(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25).double()


class Frames(nn.Module):
    """A convolution, and one vector of class scores (B, T, C) for each frame, arranged by a subclass or a function."""

    def __init__(self, arrange: Any, classes: int = FRAMES, pooled: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv3d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, classes)
        self.arrange, self.pooled = arrange, pooled

    def scores(self, x: Tensor) -> Tensor:
        maps = torch.relu(self.stem(x)).movedim(1, -1)  # (B, T, H, W, channel)
        return self.fc(maps.mean((2, 3)) if self.pooled else maps)

    def forward(self, x: Tensor) -> Any:
        return self.arrange(self.scores(x))


def oracle(net: Frames, label: int, weights: Tensor | None = None) -> tuple[np.ndarray, float]:
    """Return gradient x activation at the stem, as a map, and the score: the mean of a class over all other axes.

    The scores are always taken as (B, T, ..., C), before the network arranges them; in float64, by a hook of our own.
    """
    net = copy.deepcopy(net).double()
    kept: dict[str, Tensor] = {}
    handle = net.stem.register_forward_hook(lambda _, __, out: kept.update(out=out))
    scores = net.scores(INPUT)[0, ..., label]
    handle.remove()
    score = scores.mean() if weights is None else (scores * weights).sum() / weights.sum()
    (gradient,) = torch.autograd.grad(score, kept["out"])
    product = (gradient * kept["out"]).sum(1)[0]
    return (product * product.numel()).detach().numpy(), float(score.detach())


def assert_explains(net: Frames, label: int, **options: Any) -> ne.Tubes:
    """Check tubes, score and name of a class against the oracle."""
    tubes = ne.SaliencyTubes(layers=("stem",))(ne.adapt(net.eval(), **STATED, **options), CLIP, label)
    wanted, score = oracle(net, label)
    result = tubes.targets[0]
    assert result.logit == pytest.approx(score, abs=1e-5)
    np.testing.assert_allclose(tubes.layer("stem").values[0], wanted, atol=1e-4 * np.abs(wanted).max())
    return tubes


ARRANGED = {
    "(B, T, C)": lambda scores: scores,
    "(B, C, T)": lambda scores: scores.transpose(1, 2),
    "(T, B, C)": lambda scores: scores.transpose(0, 1),
    "(B*T, C)": lambda scores: scores.flatten(0, 1),
    "a tuple": lambda scores: (scores, {"losses": None}),
    "a dict": lambda scores: {"logits": scores},
    "(B, T, C, 1)": lambda scores: scores[..., None],
}


@pytest.mark.parametrize("form", ARRANGED)
@pytest.mark.parametrize("classes", [FRAMES, 3, 7])
def test_scores_per_frame_are_found_in_any_order(form: str, classes: int) -> None:
    tubes = assert_explains(Frames(ARRANGED[form], classes), 2, labels=list("abcdefg")[:classes])
    assert [str(caveat) for caveat in tubes.provenance.caveats if caveat.code == CaveatCode.SCORE] == [
        "The network returns one score per frame; their mean is explained."
    ]


@pytest.mark.parametrize("order", [(0, 4, 1, 2, 3), (0, 1, 2, 3, 4), (0, 1, 4, 2, 3), (0, 2, 3, 4, 1)])
def test_dense_scores_are_found_in_any_order(order: tuple[int, ...]) -> None:
    net = Frames(lambda scores: scores.permute(order), FRAMES, pooled=False)
    tubes = assert_explains(net, 1, labels=list("abcde"))
    assert "The network returns one score per voxel; their mean is explained." in tubes.provenance.caveats


def test_an_output_as_long_as_the_picture_is_high_is_not_taken_for_classes() -> None:
    net = Frames(lambda scores: scores.movedim(-1, 1), SIZE, pooled=False)
    assert_explains(net, 11, labels=[f"part {k}" for k in range(SIZE)])


def test_strided_dense_scores_are_per_position_and_means_over_time_per_pixel() -> None:
    class Strided(Frames):
        def scores(self, x: Tensor) -> Tensor:
            return self.fc(torch.relu(self.stem(x))[..., ::2, ::2].movedim(1, -1))

    tubes = assert_explains(Strided(lambda scores: scores.movedim(-1, 1), 4), 1)
    assert "The network returns one score per position; their mean is explained." in tubes.provenance.caveats
    flat = Frames(lambda scores: scores.mean(1).movedim(-1, 1), 4, pooled=False)
    tubes = assert_explains(flat, 1)
    assert "The network returns one score per pixel; their mean is explained." in tubes.provenance.caveats


@pytest.mark.parametrize("classes", [3, 4])
def test_the_classifier_distinguishes_views_of_the_whole_clip_from_classes(classes: int) -> None:
    """(B, N, C) with as many views as classes: no position changes along either axis."""

    class Views(Frames):
        def scores(self, x: Tensor) -> Tensor:
            views = [x, x.flip(-1), x.flip(-2)]
            pooled = torch.stack([torch.relu(self.stem(view)).mean((2, 3, 4)) for view in views], 1)
            return self.fc(pooled)

    net = Views(lambda scores: scores, classes).eval()
    tubes = ne.SaliencyTubes()(ne.adapt(net, **STATED), CLIP, 2)
    assert tubes.targets[0].logit == pytest.approx(float(net.double().scores(INPUT)[0, :, 2].mean().detach()), abs=1e-5)
    assert "The network returns one score per view; their mean is explained." in tubes.provenance.caveats


@pytest.mark.parametrize("classes", [FRAMES, 3])
def test_after_a_layer_over_time_the_axis_is_a_guess(classes: int) -> None:
    """Positions are mixed, and the layer's rows run along time: labels decide, and a caveat says that it is a guess."""

    class Mixed(Frames):
        def __init__(self) -> None:
            super().__init__(None, classes)
            self.mix = nn.Linear(FRAMES, FRAMES)

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(self.scores(x).transpose(1, 2)).transpose(1, 2)

    net = Mixed().eval()
    tubes = ne.explain(net, CLIP, 1, list("abcde")[:classes], **STATED)
    assert any("could not be measured; axis" in text for text in tubes.provenance.caveats)
    if classes != FRAMES:
        assert tubes.targets[0].logit == pytest.approx(float(net(INPUT.float())[..., 1].mean().detach()), abs=1e-5)
    assert "The network returns one score per time step (or view); their mean is explained." in tubes.provenance.caveats


def test_a_network_that_ends_in_a_transposed_convolution_returns_classes_of_voxels() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 6, 3, 2, 1), nn.ReLU(), nn.ConvTranspose3d(6, 4, 4, 2, 1))
    stated = {**STATED, "frames": 6}
    clip = np.random.default_rng(3).integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8)
    tubes = ne.SaliencyTubes()(ne.adapt(net.eval(), **stated), clip, 2)
    x = (torch.tensor(clip).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25
    assert tubes.targets[0].logit == pytest.approx(float(net(x)[0, 2].mean().detach()), abs=1e-5)
    assert any("one score per voxel" in caveat for caveat in tubes.provenance.caveats)


def test_one_value_per_frame_is_one_output() -> None:
    for arrange in (lambda scores: scores, lambda scores: scores[..., 0], lambda scores: scores[0, :, 0]):
        tubes = assert_explains(Frames(arrange, 1), 0, outputs="regression")
        assert tubes.targets[0].name == "value"
        assert "The network returns one value per frame; their mean is explained." in tubes.provenance.caveats


def test_an_axis_that_cannot_be_measured_is_a_caveat() -> None:
    class Opaque(Frames):
        def forward(self, x: Tensor) -> Tensor:
            if type(x) is not Tensor:
                raise TypeError("only plain tensors")
            return self.scores(x).softmax(-1).log() * 2

    tubes = ne.explain(Opaque(None, FRAMES).eval(), CLIP, 0, **STATED)
    assert any("could not be measured; axis 1 is taken" in text for text in tubes.provenance.caveats)


def test_rows_of_the_classifier_name_the_axis_where_positions_are_unknown() -> None:
    class Opaque(Frames):
        def forward(self, x: Tensor) -> Tensor:
            if type(x) is not Tensor:
                raise TypeError("only plain tensors")
            return self.scores(x)

    net = Opaque(None, FRAMES).eval()
    tubes = ne.explain(net, CLIP, 2, **STATED)
    assert tubes.targets[0].logit == pytest.approx(float(net.double().scores(INPUT)[0, :, 2].mean().detach()), abs=1e-5)
    assert not [caveat for caveat in tubes.provenance.caveats if caveat.code == CaveatCode.ASSUMED_OUTPUTS]

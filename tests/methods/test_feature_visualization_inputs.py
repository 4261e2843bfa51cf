"""Input of feature visualization: stills, sets, folders, networks of pictures; one clear error for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.clip import Clip
from tests.methods.visualization_networks import PICTURES, GaborNet, TinyNet, clips, grating, tiny_model

RNG = np.random.default_rng(0)
STILL = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def quick(**knobs: Any) -> ne.FeatureVisualization:
    return ne.FeatureVisualization(**{"steps": 3, "restarts": 2, **knobs})


def picture_model() -> ne.VideoModel:
    return ne.adapt(GaborNet(), **PICTURES)


def pictures(count: int = 4) -> list[Any]:
    return [grating(angle, seed) for seed in range(count) for angle in (0, 2)]


# Stills


def test_a_still_of_another_size_is_fitted_as_clips_are() -> None:
    model = tiny_model()
    (made,) = quick(canvas=ne.Flow(still=STILL))(model, None, 1)
    assert made.start.frames.shape == (1, 12, 12, 3)
    fitted = Clip(STILL[None]).resized((12, 12), model.preprocessing.crop)
    assert np.array_equal(made.start.frames, fitted.frames)
    assert made.best_real is None


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1)])
def test_a_grey_still_is_a_picture(shape: tuple[int, ...]) -> None:
    grey = RNG.integers(0, 256, shape, np.uint8)
    (made,) = quick(canvas=ne.Flow(still=grey))(tiny_model(), None, 1)
    assert np.ptp(made.start.frames, axis=-1).max() == 0


def test_stills_from_files(tmp_path: Path) -> None:
    for name, picture in (("colour.png", STILL), ("grey.png", STILL[..., 0])):
        Image.fromarray(picture).save(tmp_path / name)
        (made,) = quick(canvas=ne.Flow(still=tmp_path / name))(tiny_model(), None, 1)
        assert made.start.frames.shape == (1, 12, 12, 3)
    (tmp_path / "letter.txt").write_text("Dear all")
    with pytest.raises((ValueError, OSError), match=r"letter\.txt"):
        quick(canvas=ne.Flow(still=tmp_path / "letter.txt"))(tiny_model(), None, 1)
    with pytest.raises(FileNotFoundError, match=r"nothing\.png.*pass the path of a picture"):
        quick(canvas=ne.Flow(still=str(tmp_path / "nothing.png")))(tiny_model(), None, 1)


def test_stills_that_are_no_pictures() -> None:
    values = Clip.from_array(RNG.normal(size=(1, 12, 12, 3)).astype(np.float32))
    with pytest.raises(ValueError, match="picture of colours; this one holds values"):
        quick(canvas=ne.Flow(still=values))(tiny_model(), None, 1)
    with pytest.raises(TypeError, match="a still must be a path, a Clip or an array"):
        quick(canvas=ne.Flow(still=3))(tiny_model(), None, 1)
    with pytest.raises(ValueError, match="give real clips, or a still"):
        quick()(tiny_model(), None, 1)
    with pytest.raises(ValueError, match="real clips; give clips, or use Pixels"):
        quick(canvas=ne.Spectrum())(tiny_model(), None, 1)


# Sets of clips


def test_one_clip() -> None:
    for one in (clips(1)[0], Clip(clips(1)[0]), clips(1)):
        (made,) = quick()(tiny_model(), one, 1)
        assert len(made.real_scores) == 1
        assert made.neighbours == ()
        assert np.isfinite(made.score)


def test_a_set_of_one_class() -> None:
    result = quick()(tiny_model(), clips(6), 0)
    assert result[0].best_real == result[0].real_scores.max()
    assert len(result.clips) == 6


def test_an_iterator_is_read_once() -> None:
    read = []

    def given() -> Any:
        for one in clips(5):
            read.append(1)
            yield one

    result = quick(facets=2)(tiny_model(), given())
    assert len(read) == len(result.clips) == 5


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for label in ("jump", "run"):
        for number in range(3):
            folder = tmp_path / label / f"{number}"
            folder.mkdir(parents=True)
            for index, frame in enumerate(clips(4)[number]):
                Image.fromarray(frame).save(folder / f"{index}.png")
    model = tiny_model(labels=["jump", "run", "walk"])
    assert len(quick()(model, tmp_path, "run").clips) == 3
    assert len(quick(facets=2)(model, tmp_path).clips) == 6
    assert len(quick(objective=ne.objectives.Channel("block", 1))(model, str(tmp_path)).clips) == 6
    with pytest.raises(ValueError, match="no folder for the class 'walk'; it has 'jump', 'run'"):
        quick()(model, tmp_path, "walk")
    with pytest.raises(FileNotFoundError, match="no folder"):
        quick()(model, tmp_path / "nowhere", "walk")


def test_two_clips_and_facets() -> None:
    model = tiny_model()
    with pytest.raises(ValueError, match="need at least 4; got 2"):
        quick(facets="auto")(model, clips(2))
    result = quick(facets=2)(model, clips(2))
    assert sorted(one.facet.members for one in result) == [(0,), (1,)]
    assert all(0 < one.facet.spread < 1e3 for one in result)
    with pytest.raises(ValueError, match="need at least 3; got 2"):
        quick(facets=3)(model, clips(2))
    with pytest.raises(ValueError, match="got 0"):
        quick(facets=2)(model)


def test_clips_that_do_not_differ_form_one_facet() -> None:
    result = quick(facets=2)(tiny_model(), clips(1) * 5)
    assert len(result) == 1
    assert result[0].facet.spread >= 0
    assert any("facets=2" in caveat for caveat in result.caveats)


@pytest.mark.parametrize("given", [5, [3], [clips(1)[0][0]], np.zeros((12, 12, 3), np.uint8)])
def test_no_clips(given: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        quick()(tiny_model(), given, 1)


# Objectives and networks


def test_target_and_facets_together() -> None:
    for knobs in ({"facets": 2}, {"objective": ne.objectives.Logit(1)}):
        with pytest.raises(ValueError, match="leave it out with facets or an objective"):
            quick(**knobs)(tiny_model(), clips(), 1)
    with pytest.raises(ValueError, match="not both"):
        quick(facets=2, objective=ne.objectives.Logit(1))


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (ne.objectives.Channel("layer9", 0), "layer9"),
        (ne.objectives.Channel("block", 8), "channel 8 is out of range; layer 'block' has channels 0 to 7"),
        (ne.objectives.Unit("block", 1, (9, 0, 0)), "outside of layer 'block'"),
        (ne.objectives.Direction("block", (1.0, 2.0)), "made for another network"),
        (ne.objectives.Logit("somersault"), "somersault"),
        (ne.objectives.Logit(7), "7"),
        (ne.objectives.Logit(0) - ne.objectives.Logit("somersault"), "somersault"),
    ],
)
def test_an_objective_of_another_network(objective: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(objective=objective)(tiny_model(labels=["jump", "run", "walk"]), clips(2))


class DeadUnit(TinyNet):
    """Channel 0 of the block is never positive."""

    def __init__(self) -> None:
        super().__init__()
        self.block[0].bias.data[0] = -1e3


@pytest.mark.parametrize("canvas", [ne.Flow(), ne.Spectrum(), ne.Pixels(), ne.Pixels(start="clip")])
def test_a_dead_unit_is_not_moved(canvas: Any) -> None:
    result = quick(objective=ne.objectives.Unit("block", 0), canvas=canvas)(tiny_model(DeadUnit()), clips())
    (made,) = result
    assert not made.is_moved
    assert made.score == made.best_real == 0
    assert any("no gradient reaches" in caveat for caveat in result.caveats)
    assert "is its start" in repr(made) or not made.is_moved


def test_a_rare_unit_starts_from_its_best_real_clip() -> None:
    result = quick(objective=ne.objectives.Unit("block", 1), canvas=ne.Pixels(start="clip"), restarts=1)(
        tiny_model(), clips()
    )
    (made,) = result
    best = result.clips[int(made.real_scores.argmax())]
    assert np.array_equal(made.start.frames, best.frames)
    assert made.start_score == pytest.approx(made.best_real, rel=1e-5)


def test_one_step_moves() -> None:
    (made,) = quick(steps=1)(tiny_model(), clips(), 1)
    assert made.is_moved


class Cut(TinyNet):
    """No gradient reaches the clip."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


def test_a_network_that_cuts_gradients_is_not_moved() -> None:
    result = quick()(tiny_model(Cut()), clips(), 1)
    assert not result[0].is_moved


def test_numbers_that_are_not_finite() -> None:
    net = TinyNet()
    model = tiny_model(net)
    net.fc.weight.data[0, 0] = float("nan")
    with pytest.raises(ne.ExplainError, match="returns NaN for this clip; check its weights"):
        quick()(model, clips(), 0)
    with pytest.raises(ne.ExplainError, match="returns NaN"):
        quick(facets=2)(model, clips())


class FailsAway(TinyNet):
    """Returns NaN far from the mean of the real clips."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.where(x.std() < 0.3, torch.nan, 0.0)


@pytest.mark.parametrize("knobs", [{"canvas": ne.Pixels()}, {"mode": "paper", "facets": 2, "steps": 300}])
def test_numbers_that_are_not_finite_at_a_step(knobs: dict[str, Any]) -> None:
    with pytest.raises(ne.ExplainError, match=r"NaN|nan at step"):
        quick(**knobs)(tiny_model(FailsAway()), clips())


# Networks of pictures


def test_pictures_of_every_kind(tmp_path: Path) -> None:
    given = pictures()
    for index, picture in enumerate(given):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    paths = [tmp_path / f"{index}.png" for index in range(len(given))]
    model, explain = picture_model(), quick(facets=2, canvas=ne.Spectrum())
    wanted = explain(model, given)
    assert [one.clip.frames.shape for one in wanted] == [(1, 24, 24, 3)] * 2
    kinds: dict[str, Any] = {
        "paths": paths,
        "text": [str(path) for path in paths],
        "clips of one frame": [Clip(picture[None]) for picture in given],
        "arrays of one frame": [picture[None] for picture in given],
        "one array": np.stack(given),
        "iterator": iter(given),
        "folder": tmp_path,
    }
    for name, kind in kinds.items():
        found = explain(model, kind)
        assert len(found.clips) == len(given), name
        for one, other in zip(found, wanted, strict=True):
            assert np.array_equal(one.clip.frames, other.clip.frames), name


def test_a_folder_of_pictures_for_each_class(tmp_path: Path) -> None:
    for label, angle in (("lying", 2), ("upright", 0)):
        (tmp_path / label).mkdir()
        for seed in range(3):
            Image.fromarray(grating(angle, seed)).save(tmp_path / label / f"{seed}.png")
    model = ne.adapt(GaborNet(), **PICTURES, labels=["upright", "rising", "lying", "falling"])
    assert len(quick()(model, tmp_path, "lying").clips) == 3
    result = quick(facets=2)(model, tmp_path)
    assert len(result.clips) == 6
    assert sorted(sorted(one.facet.members) for one in result) == [[0, 1, 2], [3, 4, 5]]


def test_a_picture_cannot_flow() -> None:
    with pytest.raises(ValueError, match=r"takes one frame; use canvas=Spectrum\(\)"):
        quick(canvas=ne.Flow()).stream(picture_model(), pictures(), 0)
    with pytest.raises(ValueError, match="takes one frame"):
        ne.animate(picture_model(), STILL, 0)


def test_the_default_canvas_of_pictures_is_a_spectrum_with_a_caveat() -> None:
    result = quick()(picture_model(), pictures(), 2)
    assert result.provenance.knobs["canvas"].startswith("Spectrum(")
    assert any("Spectrum() instead of Flow()" in caveat for caveat in result.caveats)
    assert result[0].flow is None
    assert result[0].motion is None
    stated = quick(canvas=ne.Spectrum())(picture_model(), pictures(), 2)
    assert not any("instead of Flow()" in caveat for caveat in stated.caveats)
    assert quick()(tiny_model(), clips(), 1).provenance.knobs["canvas"] == "Flow()"


@pytest.mark.parametrize("angle", [0, 2])
def test_a_gabor_filter_gets_its_own_wave(angle: int) -> None:
    result = ne.FeatureVisualization(canvas=ne.Spectrum(), steps=60, restarts=2, statistics=0)(
        picture_model(), pictures(), angle
    )
    made = result[0].clip.frames[0].astype(float).mean(-1)
    power = np.abs(np.fft.fft2(made - made.mean())) ** 2
    fy, fx = np.meshgrid(np.fft.fftfreq(24), np.fft.fftfreq(24), indexing="ij")
    along = power[np.abs(fx if angle == 0 else fy) > np.abs(fy if angle == 0 else fx)].sum()
    assert along > 0.8 * power.sum()
    assert result[0].score > 0.9 * result[0].best_real


def test_one_picture() -> None:
    result = quick(canvas=ne.Pixels())(picture_model(), pictures()[0], 1)
    assert len(result.clips) == 1
    with pytest.raises(TypeError, match="a picture must be a path, a Clip or an array"):
        quick()(picture_model(), [3], 1)


def test_a_network_of_pictures_over_clips_takes_flows() -> None:
    net = GaborNet()
    model = ne.adapt(net, **{**PICTURES, "frames": 4})
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 256, (4, 24, 24, 3), np.uint8) for _ in range(4)]
    assert quick()(model, given, 1)[0].flow is not None


def test_a_module_is_no_model() -> None:
    with pytest.raises(TypeError, match=r"adapt"):
        quick()(nn.Linear(2, 2), clips(), 1)


def test_torch_arrays_are_clips() -> None:
    result = quick()(tiny_model(), [torch.from_numpy(one) for one in clips(3)], 1)
    assert len(result.clips) == 3

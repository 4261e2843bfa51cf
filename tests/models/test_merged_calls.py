"""Several calls of one module: one layer where they see different parts of the clip, drawn where they look."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Geometry
from notebook_explain.models.merged_calls import limit_to_call
from tests import zoo
from tests.zoo import Entry
from tests.zoo.review_kinds import REVIEW_KINDS


def _explained(entry: Entry, target: int = 1) -> ne.Tubes:
    model = ne.adapt(
        entry.make(), size=entry.size, frames=entry.frames, layout=entry.layout, mean=zoo.MEAN, std=zoo.STD
    )
    return ne.SaliencyTubes()(model, zoo.random_clip(entry.frames, entry.size), target)


def _evidence_of_calls(entry: Entry, module: str, target: int = 1) -> list[np.ndarray]:
    """Return gradient x activation of each call of a module, by hooks of this test, without scaling."""
    net, calls = entry.make(), []
    net.get_submodule(module).register_forward_hook(lambda *args: calls.append(args[2]))
    score = net(zoo.feed(entry, zoo.random_clip(entry.frames, entry.size)))[0, target]
    gradients = torch.autograd.grad(score, calls)
    return [(g * a).sum(1)[0].detach().numpy() for g, a in zip(gradients, calls, strict=True)]


def test_a_network_called_once_per_frame_is_one_layer_with_a_row_per_frame() -> None:
    entry = REVIEW_KINDS["cnn_per_frame_lstm"]
    tubes = _explained(entry)
    layer = tubes.layer("cnn")
    assert [layer.name for layer in tubes.layers] == ["cnn"]
    np.testing.assert_allclose(layer.geometry.rows, np.arange(8))
    expected = np.stack(_evidence_of_calls(entry, "cnn"))
    np.testing.assert_allclose(layer.values[0] / layer.values[0].size, expected, atol=1e-6)


def test_a_cell_that_two_windows_share_holds_the_sum_of_both() -> None:
    entry = REVIEW_KINDS["overlapping_windows"]
    layer = _explained(entry).layer("trunk.2")
    windows = _evidence_of_calls(entry, "trunk.2")  # of frames 0 to 3, 2 to 5, 4 to 7, with a stride of 2
    np.testing.assert_allclose(layer.geometry.rows, [0, 2, 4, 6])
    expected = np.zeros((4, *windows[0].shape[1:]))
    for first, window in enumerate(windows):
        expected[first : first + 2] += window
    np.testing.assert_allclose(layer.values[0] / layer.values[0].size, expected, atol=1e-6)


def test_crops_lie_where_they_were_cut() -> None:
    entry = REVIEW_KINDS["two_crops"]
    layer = _explained(entry).layer("trunk.2")
    left, right = _evidence_of_calls(entry, "trunk.2")  # columns 0 to 23 and 8 to 31, with a stride of 4
    expected = np.zeros((4, 8, 8))
    expected[..., :6] += left
    expected[..., 2:] += right
    np.testing.assert_allclose(layer.values[0] / layer.values[0].size, expected, atol=1e-6)


def test_views_that_each_see_the_whole_clip_stay_apart() -> None:
    entry = REVIEW_KINDS["mirrored_view"]
    tubes = _explained(entry)
    assert [layer.name for layer in tubes.layers if "trunk.0" in layer.name] == ["trunk.0#1", "trunk.0#2"]
    assert tubes.layer().name == "all pathways"


class Segments(nn.Module):
    """One module sees the first and the last quarter of the clip; the middle is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Sequential(nn.Conv3d(3, 8, 3, 2, 1), nn.ReLU()), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return sum(self.fc(self.body(part).mean((2, 3, 4))) for part in (x[:, :, :4], x[:, :, -4:]))


def test_nothing_is_drawn_where_no_call_looked() -> None:
    entry = Entry("segments", lambda: zoo.seeded(Segments), 16, 32, "BCTHW", True, frozenset())
    tubes = _explained(entry)
    volume = tubes.volume()
    assert np.abs(volume[[0, 2, 12, 14]]).max() > 0
    single = tubes.clip  # the same network, one call at a time
    model = ne.adapt(entry.make(), size=32, frames=16, layout="BCTHW", mean=zoo.MEAN, std=zoo.STD)
    calls = ne.SaliencyTubes(layers=("body#1", "body#2"))(model, single, 1)
    first, second = calls.volume("body#1"), calls.volume("body#2")
    assert np.abs(first[:4]).max() > 0
    assert np.abs(second[12:]).max() > 0
    assert np.abs(first[5:]).max() == 0
    assert np.abs(second[:11]).max() == 0
    for layer, expected in zip(calls.layers, _evidence_of_calls(entry, "body"), strict=True):
        assert float(layer.values[0].mean(dtype=np.float64)) == pytest.approx(float(expected.sum()), abs=1e-5)


class Shared(nn.Module):
    """A block that is applied three times in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv3d(3, 8, 3, 2, 1), nn.Sequential(nn.Conv3d(8, 8, 3, 1, 1), nn.ReLU())
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = self.block(x)
        return self.fc(x.mean((2, 3, 4)))


def test_calls_that_read_one_another_stay_separate_layers() -> None:
    entry = Entry("shared", lambda: zoo.seeded(Shared), 8, 32, "BCTHW", True, frozenset())
    tubes = _explained(entry)
    assert [layer.name for layer in tubes.layers] == ["stem", "block#1", "block#2", "block#3"]
    for layer, expected in zip(tubes.layers[1:], _evidence_of_calls(entry, "block"), strict=True):
        np.testing.assert_allclose(layer.values[0] / layer.values[0].size, expected, atol=1e-6)


def test_layers_have_one_part_unless_their_module_is_called_several_times() -> None:
    parts = defaultdict(set)
    for name in ("residual", "slowfast", "reused_relu"):
        entry = zoo.ZOO[name]
        model = ne.adapt(
            entry.make(), size=entry.size, frames=entry.frames, layout=entry.layout, mean=zoo.MEAN, std=zoo.STD
        )
        parts[name] = {len(layer.parts) for layer in model.layers}
    assert set().union(*parts.values()) == {1}


def test_a_call_that_sees_the_whole_clip_gets_no_empty_rows() -> None:
    """Its own rows give the step, not those of another call between them (the clip played backwards, for example)."""
    forward, backward = (Geometry(np.arange(4.0) * 2 + first, (0, 0), (4, 4)) for first in (0, 1))
    for geometry in (forward, backward):
        grid, limited, _ = limit_to_call((4, 8, 8), geometry, [forward, backward], (8, 32, 32))
        assert grid == (4, 8, 8)
        np.testing.assert_array_equal(limited.rows, geometry.rows)

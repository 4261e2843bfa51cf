"""The bundled network: small, deterministic, trained, and easy to look into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from notebook_explain.models.demo import DemoNet, demo_net
from notebook_explain.models.demo import train as training
from notebook_explain.models.demo.net import FRAMES, LABELS, SIZE, WEIGHTS
from notebook_explain.samples import CLASSES, sample


@pytest.fixture(scope="module")
def net():
    return demo_net()


def test_labels_are_the_classes_of_the_samples():
    assert LABELS == CLASSES


def test_weights_and_network_are_small():
    assert WEIGHTS.stat().st_size <= 700_000
    assert sum(parameter.numel() for parameter in DemoNet().parameters()) < 350_000


def test_the_network_comes_trained_in_float32_and_eval_mode(net):
    assert not any(module.training for module in net.modules())
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert {p.device.type for p in net.parameters()} == {"cpu"}
    assert all(p.requires_grad for p in net.parameters())


def test_the_network_names_at_least_95_percent_of_fresh_clips(net):
    assert training.count_right(net, 1_000_000, 64) >= 0.95 * 64


def test_the_network_holds_its_answer_under_every_label_of_one_scene(net):
    clips = np.stack([sample(label, seed=2_000_000).frames for label in LABELS])
    x = (torch.from_numpy(clips).permute(0, 4, 1, 2, 3).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        assert net(x).argmax(dim=1).tolist() == list(range(len(LABELS)))


def test_the_last_grid_has_8_rows_columns_and_times(net):
    grids = []
    handles = [part.register_forward_hook(lambda *args: grids.append(tuple(args[2].shape))) for part in net.children()]
    try:
        logits = net(torch.zeros(2, 3, FRAMES, SIZE, SIZE))
    finally:
        for handle in handles:
            handle.remove()
    assert grids == [(2, 16, 16, 32, 32), (2, 64, 8, 8, 8), (2, 64, 1, 1, 1), (2, len(LABELS))]
    assert logits.shape == (2, len(LABELS))


def test_what_stands_still_has_no_say(net):
    x, _ = training.batch(3_000_000, 2)
    picture = torch.randn(2, 3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(net(x + picture), net(x), rtol=1e-3, atol=1e-3)


def test_the_network_has_a_grouped_and_a_depthwise_convolution(net):
    groups = {m.groups / m.in_channels for m in net.modules() if isinstance(m, nn.Conv3d) and m.groups > 1}
    assert 1.0 in groups
    assert len(groups) == 2


def test_loading_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    demo_net()
    training.fresh_net(0)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


def test_training_again_with_one_seed_gives_the_same_weights(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "HELD_OUT", 8)
    monkeypatch.setattr(training, "BATCH", 4)
    threads = torch.get_num_threads()
    try:
        for name, seed in (("one.pt", "0"), ("two.pt", "0"), ("other.pt", "1")):
            training.main(["--out", str(tmp_path / name), "--steps", "3", "--seed", seed])
    finally:
        torch.set_num_threads(threads)
    one, two, other = (torch.load(tmp_path / n, weights_only=True) for n in ("one.pt", "two.pt", "other.pt"))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    assert {v.dtype for v in one.values() if v.is_floating_point()} == {torch.float16}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.pt", "other.pt", "two.pt"]
    assert "held out: " in capsys.readouterr().out


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"old")

    def cut_off(part, data):
        with part.open("wb") as file:
            file.write(data[:100])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises(OSError, match="disk full"):
        training.save(DemoNet(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("right", "count", "low", "high"), [(500, 500, 0.9924, 1.0), (81, 263, 0.2553, 0.3662)])
def test_the_interval_is_wilsons(right, count, low, high):
    np.testing.assert_allclose(training.interval(right, count), (low, high), atol=1e-4)


def test_the_package_imports_without_a_warning():
    code = "from notebook_explain.models.demo import demo_net; demo_net()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

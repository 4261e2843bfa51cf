"""The bundled network and the second one: small, deterministic, trained, and easy to look into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from notebook_explain.models.demo import FRAMES, LABELS, SIZE, DemoNet, demo_model, demo_net
from notebook_explain.models.demo.weights import WEIGHTS, load, save
from notebook_explain.samples import ACTIONS, single
from scripts.demo_model import data, evaluate, train
from scripts.demo_model.branch_net import BranchNet


@pytest.fixture(scope="module")
def net():
    return demo_net()


@pytest.fixture(params=["residual", "branches"])
def either(request, net):
    return net if request.param == "residual" else request.getfixturevalue("branch_net")


def test_labels_are_the_actions_of_the_samples():
    assert LABELS == ACTIONS
    assert demo_model().labels == {"": ACTIONS}


def test_weights_and_network_are_small():
    assert WEIGHTS.stat().st_size <= 700_000
    assert sum(parameter.numel() for parameter in DemoNet().parameters()) < 350_000


def test_the_network_comes_trained_in_float32_and_eval_mode(net):
    assert not any(module.training for module in net.modules())
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert {p.device.type for p in net.parameters()} == {"cpu"}
    assert all(p.requires_grad for p in net.parameters())


# The bars over 1,000 clips each are printed by the training and by evaluate.py; here fewer are seen, so less is asked.


def test_the_network_names_fresh_clips_of_one_person(net):
    assert evaluate.right_singles(net, 100, first=1_000_000).sum() >= 94


def test_both_actions_of_two_people_are_on_top(net):
    assert evaluate.both_on_top(net, 100, first=6_000_000).sum() >= 70


def test_the_second_network_knows_its_world_too(branch_net):
    assert evaluate.right_singles(branch_net, 100, first=1_000_000).sum() >= 88
    assert evaluate.both_on_top(branch_net, 100, first=6_000_000).sum() >= 50


def test_most_actions_of_one_scene_are_told_apart(either):
    """The same people in the same room, so that nothing but the action can tell."""
    samples = [single(label, seed=2_000_000) for label in LABELS]
    with torch.no_grad():
        named = either(data.normalised(samples)).argmax(dim=1).tolist()
    assert sum(found == place for place, found in enumerate(named)) >= len(LABELS) - 1


def test_the_last_grid_has_8_rows_columns_and_times(either):
    grids = []
    parts = [part for name, part in either.named_children() if name in ("blocks", "head")]
    handles = [part.register_forward_hook(lambda *args: grids.append(tuple(args[2].shape))) for part in parts]
    try:
        either(torch.zeros(2, 3, FRAMES, SIZE, SIZE))
    finally:
        for handle in handles:
            handle.remove()
    assert grids[0][2:] == (8, 8, 8)
    assert grids[1] == (2, len(LABELS))


def test_what_stands_still_has_no_say(either):
    x = data.normalised(data.singles(3_000_000, 2))
    picture = torch.randn(2, 3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(either(x + picture), either(x), rtol=1e-3, atol=1e-3)


def test_the_network_has_a_grouped_and_a_depthwise_convolution(net):
    groups = {m.groups / m.in_channels for m in net.modules() if isinstance(m, nn.Conv3d) and m.groups > 1}
    assert 1.0 in groups
    assert len(groups) == 2


def test_loading_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    demo_net()
    train.fresh_net("branches", 0)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


def test_training_again_with_one_seed_gives_the_same_weights(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "BATCH", 4)
    monkeypatch.setattr(train, "PAIRS", 1)
    threads = torch.get_num_threads()
    for name, seed in (("one.pt", "0"), ("two.pt", "0"), ("other.pt", "1")):
        train.main(["--out", str(tmp_path / name), "--steps", "3", "--seed", seed, "--clips", "8"])
    assert torch.get_num_threads() == threads
    one, two, other = (torch.load(tmp_path / n, weights_only=True) for n in ("one.pt", "two.pt", "other.pt"))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    assert {v.dtype for v in one.values() if v.is_floating_point()} == {torch.float16}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.pt", "other.pt", "two.pt"]
    said = capsys.readouterr().out
    assert "one person, right" in said
    assert "two people, both on top" in said


def test_weights_that_are_not_bundled_never_replace_those_that_are(capsys):
    before = WEIGHTS.read_bytes()
    with pytest.raises(SystemExit):
        train.main(["--net", "branches", "--steps", "1"])
    assert "--out" in capsys.readouterr().err
    assert WEIGHTS.read_bytes() == before


def test_what_is_trained_on_is_never_measured_on(monkeypatch):
    """Seeds are recorded as they are drawn; the measured ones lie below every training run's."""
    drawn: dict[str, list[int]] = {"train": [], "bars": []}
    for name, module in (("train", train), ("bars", evaluate)):
        for kind in ("singles", "pairs"):
            draw = getattr(data, kind)
            monkeypatch.setattr(
                module,
                kind,
                lambda first, count, draw=draw, name=name: (
                    drawn[name].extend(range(first, first + count)) or draw(first, count)
                ),
            )
    monkeypatch.setattr(train, "BATCH", 10)
    net = train.fresh_net("branches", 0)
    train.train(net, 4, seed=0)
    evaluate.right_singles(net, 4)
    evaluate.both_on_top(net, 4)
    assert len(drawn["train"]) == len(set(drawn["train"])) == 40
    assert len(drawn["bars"]) == len(set(drawn["bars"])) == 8
    assert max(drawn["bars"]) + 1_000_000 < data.HELD_OUT <= min(drawn["train"])


def test_the_right_answer_to_two_people_is_half_and_half():
    samples = data.pairs(7, 3) + data.singles(7, 2)
    right = data.answers(samples)
    assert right.sum(dim=1).tolist() == [1.0] * 5
    assert ((right > 0).sum(dim=1)).tolist() == [2, 2, 2, 1, 1]
    for row, sample in zip(right, samples, strict=True):
        assert {LABELS[place] for place in row.nonzero().flatten().tolist()} == set(sample.labels)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"old")

    def cut_off(part, data):
        with part.open("wb") as file:
            file.write(data[:100])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises(OSError, match="disk full"):
        save(DemoNet(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_weights_of_another_network_are_refused(tmp_path):
    save(BranchNet(), tmp_path / "branches.pt")
    with pytest.raises(RuntimeError, match="state_dict"):
        load(DemoNet, tmp_path / "branches.pt")


@pytest.mark.parametrize(("hits", "count", "low", "high"), [(500, 500, 0.9924, 1.0), (81, 263, 0.2553, 0.3662)])
def test_the_interval_is_wilsons(hits, count, low, high):
    np.testing.assert_allclose(evaluate.Share(hits, count).interval, (low, high), atol=1e-4)


def test_the_package_imports_without_a_warning():
    code = "from notebook_explain.models.demo import demo_net; demo_net()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

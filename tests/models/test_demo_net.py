"""The bundled network and the second one are small, deterministic, trained and easy to inspect."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from notebook_explain.models.demo import FRAMES, LABELS, SIZE, DemoNet, demo_model, demo_net
from notebook_explain.models.demo.weights import WEIGHTS, load, save
from notebook_explain.samples import ACTIONS, single
from scripts.demo_model import NETS, data, evaluate, train
from scripts.demo_model import WEIGHTS as WEIGHTS_OF
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


# Training and evaluate.py print accuracies over 1,000 clips; these tests use fewer clips and lower limits.


@pytest.mark.parametrize(
    ("world", "first", "least"),
    [("single", 1_000_000, 94), ("camera", 3_500_000, 88), ("contrast", 6_000_000, 85), ("moving_pair", 8_500_000, 75)],
)
def test_the_network_classifies_unseen_clips(net, world, first, least):
    assert evaluate.correct(net, world, 100, first).sum() >= least


@pytest.mark.parametrize(
    ("world", "first", "least"),
    [("single", 1_000_000, 95), ("contrast", 6_000_000, 90), ("camera", 3_500_000, 92), ("moving_pair", 8_500_000, 83)],
)
def test_the_second_network_classifies_unseen_clips(branch_net, world, first, least):
    assert evaluate.correct(branch_net, world, 100, first).sum() >= least


def test_a_pair_is_correct_if_both_actions_are_on_top():
    """Use a network that always gives the same two classes."""
    first, second = 2, 5
    logits = torch.zeros(len(LABELS))
    logits[[first, second]] = torch.tensor([2.0, 1.0])
    pairs = data.clips("contrast", 6_000_000, 200)
    wanted = [set(sample.labels) == {LABELS[first], LABELS[second]} for sample in pairs]
    found = evaluate.correct(lambda x: logits.expand(len(x), -1), "contrast", 200, 6_000_000)
    assert found.tolist() == wanted
    assert any(wanted)
    singles = evaluate.correct(lambda x: logits.expand(len(x), -1), "camera", 20, 3_000_000)
    assert singles.tolist() == [seed % len(LABELS) == first for seed in range(20)]


def test_most_actions_of_one_scene_are_distinguished(either):
    """Use the same people in the same room, so that only the action differs."""
    samples = [single(label, seed=2_000_000) for label in LABELS]
    with torch.no_grad():
        predicted = either(data.normalised(samples)).argmax(dim=1).tolist()
    assert sum(found == index for index, found in enumerate(predicted)) >= len(LABELS) - 1


def test_the_last_grid_has_8_rows_columns_and_time_steps(either):
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


def test_static_content_has_no_effect(either):
    x = data.normalised(data.singles(3_000_000, 2))
    picture = torch.randn(2, 3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(either(x + picture), either(x), rtol=1e-3, atol=1e-3)


def test_the_network_has_a_grouped_and_a_depthwise_convolution(net):
    groups = {m.groups / m.in_channels for m in net.modules() if isinstance(m, nn.Conv3d) and m.groups > 1}
    assert 1.0 in groups
    assert len(groups) == 2


def test_loading_does_not_use_the_global_random_state():
    before = torch.get_rng_state()
    demo_net()
    train.fresh_net("branches", 0)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


def test_training_twice_with_one_seed_gives_the_same_weights(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "STILL", {"single": 2, "contrast": 2})
    monkeypatch.setattr(train, "MIX", {"single": 1, "contrast": 1, "camera": 1, "moving_pair": 1})
    threads = torch.get_num_threads()
    for name, seed in (("one.pt", "0"), ("two.pt", "0"), ("other.pt", "1")):
        train.main(["--out", str(tmp_path / name), "--steps", "3", "--seed", seed, "--clips", "8"])
    assert torch.get_num_threads() == threads
    first, second, other = (torch.load(tmp_path / n, weights_only=True) for n in ("one.pt", "two.pt", "other.pt"))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert {v.dtype for v in first.values() if v.is_floating_point()} == {torch.float16}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.pt", "other.pt", "two.pt"]
    printed = capsys.readouterr().out
    assert printed.count("one person, correct") == printed.count("two people, both top 2") == 3
    assert printed.count("the same, moving camera") == 6


def test_each_network_has_a_small_file_of_weights_of_its_own(monkeypatch, tmp_path):
    paths = {name: tmp_path / f"{name}.pt" for name in NETS}
    assert len(set(WEIGHTS_OF.values())) == len(NETS)
    assert WEIGHTS_OF["residual"] == WEIGHTS
    assert WEIGHTS.stat().st_size <= 900_000
    assert WEIGHTS_OF["branches"].stat().st_size <= 400_000
    monkeypatch.setattr(train, "WEIGHTS", paths)
    train.main(["--net", "branches", "--steps", "1", "--clips", "0"])
    assert paths["branches"].is_file()
    assert not paths["residual"].exists()


def test_training_and_evaluation_seeds_are_disjoint(monkeypatch):
    """Record the drawn seeds; those for evaluation are below those of every training run."""
    drawn: dict[str, list[int]] = {"train": [], "evaluate": []}
    for name, module in (("train", train), ("evaluate", evaluate)):
        monkeypatch.setattr(
            module,
            "clips",
            lambda world, first, count, name=name: (
                drawn[name].extend(range(first, first + count)) or data.clips(world, first, count)
            ),
        )
    monkeypatch.setattr(train, "STILL", {"single": 6, "contrast": 4})
    monkeypatch.setattr(train, "MIX", {"single": 1, "contrast": 2, "camera": 3, "moving_pair": 4})
    net = train.fresh_net("branches", 0)
    train.train(net, 4, seed=0)
    evaluate.report(net, "branches", 4)
    assert len(drawn["train"]) == len(set(drawn["train"])) == 40
    assert len(drawn["evaluate"]) == len(set(drawn["evaluate"])) == 16
    assert max(drawn["evaluate"]) + 1_000_000 < data.HELD_OUT <= min(drawn["train"])


def test_the_camera_is_still_at_first_and_then_batches_mix_all_worlds():
    worlds = [Counter(sample.world for sample in batch) for batch in train.batches(4, seed=0)]
    assert worlds == [train.STILL, train.MIX, train.MIX, train.MIX]
    assert sum(train.STILL.values()) == sum(train.MIX.values()) == train.CLIPS
    assert set(train.MIX) == set(evaluate.ROWS) == set(data.EVALUATION_SEEDS)


def test_training_shows_each_clip_and_its_mirror_image_in_other_colours_with_the_same_answer(monkeypatch):
    """Record what the network and the loss get in one step."""
    monkeypatch.setattr(train, "STILL", {"single": 2, "moving_pair": 1})
    net, shown, wanted = train.fresh_net("branches", 0), [], []
    net.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0].clone()))
    loss = train.F.cross_entropy
    monkeypatch.setattr(train.F, "cross_entropy", lambda y, t, **how: wanted.append(t) or loss(y, t, **how))
    train.train(net, 2, seed=0)
    samples = next(train.batches(1, seed=0))
    torch.testing.assert_close(shown[0][:3], data.normalised(samples))
    torch.testing.assert_close(shown[0][3:], data.normalised(samples).flip(1, -1))
    torch.testing.assert_close(wanted[0][:3], data.answers(samples))
    torch.testing.assert_close(wanted[0][3:], wanted[0][:3])


def test_the_answer_for_two_people_is_split_evenly():
    samples = data.pairs(7, 3) + data.singles(7, 2)
    answers = data.answers(samples)
    assert answers.sum(dim=1).tolist() == [1.0] * 5
    assert ((answers > 0).sum(dim=1)).tolist() == [2, 2, 2, 1, 1]
    for row, sample in zip(answers, samples, strict=True):
        assert {LABELS[index] for index in row.nonzero().flatten().tolist()} == set(sample.labels)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"old")

    def write_partly(part, data):
        with part.open("wb") as file:
            file.write(data[:100])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", write_partly)
    with pytest.raises(OSError, match="disk full"):
        save(DemoNet(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_weights_of_another_network_are_refused(tmp_path):
    save(BranchNet(), tmp_path / "branches.pt")
    with pytest.raises(RuntimeError, match="state_dict"):
        load(DemoNet, tmp_path / "branches.pt")


@pytest.mark.parametrize(("hits", "count", "low", "high"), [(500, 500, 0.9924, 1.0), (81, 263, 0.2553, 0.3662)])
def test_the_interval_is_the_wilson_interval(hits, count, low, high):
    np.testing.assert_allclose(evaluate.Share(hits, count).interval, (low, high), atol=1e-4)


def test_the_package_imports_without_a_warning():
    code = "from notebook_explain.models.demo import demo_net; demo_net()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

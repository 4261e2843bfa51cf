"""Checkpoints of training scripts: averaged weights, teachers, prefixes; which weights were taken is reported."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from notebook_explain.models.checkpoints import load_weights


def network() -> nn.Module:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv3d(3, 4, 3), norm=nn.BatchNorm3d(4), pool=nn.AdaptiveAvgPool3d(1), flat=nn.Flatten())
    ).append(nn.Linear(4, 2))


def state(value: float, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return entries that all hold one number, so that a test sees which ones were loaded."""
    return {prefix + name: torch.full_like(entry, value) for name, entry in network().state_dict().items()}


RAW, AVERAGE, OTHER = 1.0, 2.0, 3.0
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(2), "step": torch.ones(())}}, "param_groups": [{"lr": 0.1}]}
FILES: dict[str, tuple[Any, float, str]] = {
    "VideoMAE": ({"model": state(RAW), "model_ema": state(AVERAGE)}, RAW, "'model' of 'model', 'model_ema'"),
    "VideoMAE, EMA first": ({"model_ema": state(AVERAGE), "model": state(RAW)}, RAW, "'model' of 'model', 'model_ema'"),
    "timm": (
        {"epoch": 3, "state_dict": state(RAW), "optimizer": OPTIMIZER, "state_dict_ema": state(AVERAGE), "metric": 0.5},
        RAW,
        "'state_dict' of 'state_dict', 'state_dict_ema'",
    ),
    "only an EMA": ({"ema_state_dict": state(AVERAGE), "step": 7}, AVERAGE, "from 'ema_state_dict'"),
    "an EMA object": (
        {"model": state(RAW), "ema": {"module": state(AVERAGE), "decay": 0.99}},
        RAW,
        "'model' of 'model', 'ema.module'",
    ),
    "an EMA by name": ({"ema": {"shadow": state(AVERAGE), "decay": 0.99}}, AVERAGE, "from 'ema.shadow'"),
    "BasicSR": ({"params_ema": state(AVERAGE), "params": state(RAW)}, RAW, "'params' of 'params', 'params_ema'"),
    "DINO": (
        {
            "student": state(RAW, "module."),
            "teacher": state(OTHER),
            "epoch": 3,
            "dino_loss": {"center": torch.ones(1, 9)},
        },
        OTHER,
        "'teacher' of 'teacher', 'student'",
    ),
    "nested": ({"model": {"state_dict": state(RAW)}, "epoch": 1}, RAW, "from 'model.state_dict'"),
    "Lightning": (
        {
            "state_dict": state(RAW, "model."),
            "hyper_parameters": {"lr": 0.1},
            "optimizer_states": [OPTIMIZER],
            "loops": {"fit_loop": {"state_dict": {}}},
        },
        RAW,
        "from 'state_dict', prefix 'model.' removed",
    ),
    "Lightning with an EMA": (
        {"state_dict": {**state(AVERAGE, "ema_model."), **state(RAW, "model."), "loss.weight": torch.ones(2)}},
        RAW,
        "'state_dict.model' of 'state_dict.model', 'state_dict.ema_model', prefix 'model.' removed, "
        "10 entries without it ignored",
    ),
    "a network with a name of its own": (
        {"state_dict": {**state(RAW, "video_encoder."), "loss.weight": torch.ones(2)}},
        RAW,
        "from 'state_dict', prefix 'video_encoder.' removed, 1 entries without it ignored",
    ),
    "an unusual key": ({"target_encoder": state(RAW), "opt": OPTIMIZER}, RAW, "from 'target_encoder'"),
    "compiled inside DataParallel": (
        {"model": state(RAW, "module._orig_mod.")},
        RAW,
        "from 'model', '_orig_mod.' removed from names, prefix 'module.' removed",
    ),
    "a checkpointed FSDP part": (
        {f"_fsdp_wrapped_module._checkpoint_wrapped_module.{name}": entry for name, entry in state(RAW).items()},
        RAW,
        "'_checkpoint_wrapped_module.' removed from names, '_fsdp_wrapped_module.' removed from names",
    ),
    "torch's AveragedModel": (
        {"n_averaged": torch.ones(()), **state(AVERAGE, "module.")},
        AVERAGE,
        "prefix 'module.' removed, 1 entries without it ignored",
    ),
    "a metric as a tensor": ({"best": torch.ones(()), "model": state(RAW)}, RAW, "from 'model'"),
    "the generator of two networks": (
        {"discriminator": {"conv.bias": torch.ones(4), "out.weight": torch.ones(3)}, "generator": state(RAW)},
        RAW,
        "from 'generator'",
    ),
    "a plain state dict": (state(RAW), RAW, ""),
}


@pytest.mark.parametrize(("content", "value", "words"), FILES.values(), ids=FILES)
def test_the_weights_that_were_taken_are_reported(content: Any, value: float, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    net = network()
    report = load_weights(net, tmp_path / "w.pth")
    assert {float(entry.float().mean()) for entry in net.state_dict().values()} == {value}
    assert report == ", ".join(filter(None, ["w.pth", words]))


@pytest.mark.parametrize(
    ("file", "key", "value", "words"),
    [
        ("VideoMAE", "model_ema", AVERAGE, "'model_ema' of 'model', 'model_ema'"),
        ("VideoMAE", "model", RAW, "'model' of 'model', 'model_ema'"),
        ("an EMA object", "ema", AVERAGE, "'ema.module' of 'model', 'ema.module'"),
        ("an EMA object", "ema.module", AVERAGE, "'ema.module' of 'model', 'ema.module'"),
        ("DINO", "student", RAW, "'student' of 'teacher', 'student', prefix 'module.' removed"),
        ("nested", "model", RAW, "from 'model.state_dict'"),
        ("Lightning", "state_dict", RAW, "from 'state_dict', prefix 'model.' removed"),
    ],
)
def test_weights_are_chosen_by_their_key(file: str, key: str, value: float, words: str, tmp_path: Path) -> None:
    torch.save(FILES[file][0], tmp_path / "w.pth")
    net = network()
    assert load_weights(net, tmp_path / "w.pth", key=key) == f"w.pth, {words}"
    assert float(net.conv.bias.detach()[0]) == value


@pytest.mark.parametrize("key", ["ema_model", "state_dict.ema_model"])
def test_weights_are_chosen_by_their_prefix(key: str, tmp_path: Path) -> None:
    torch.save(FILES["Lightning with an EMA"][0], tmp_path / "w.pth")
    net = network()
    report = load_weights(net, tmp_path / "w.pth", key=key)
    assert float(net.conv.bias.detach()[0]) == AVERAGE
    assert report.startswith("w.pth, 'state_dict.ema_model' of 'state_dict.model', 'state_dict.ema_model', prefix")


def test_an_unknown_key_lists_the_keys(tmp_path: Path) -> None:
    torch.save(FILES["VideoMAE"][0], tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"^w.pth holds no weights under 'ema'; it holds 'model', 'model_ema'$"):
        load_weights(network(), tmp_path / "w.pth", key="ema")
    torch.save(state(RAW), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"under 'ema'; it holds one state dict, without a key$"):
        load_weights(network(), tmp_path / "w.pth", key="ema")


def test_weights_of_a_key_that_do_not_fit_name_the_others(tmp_path: Path) -> None:
    wrong = {**state(RAW), "0.extra": torch.ones(1)}
    torch.save({"model": wrong, "model_ema": state(AVERAGE)}, tmp_path / "w.pth")
    with pytest.raises(
        ValueError,
        match=r"1 unexpected \(0.extra\); the file also holds 'model_ema'; pass key= to load_weights\(\)$",
    ):
        load_weights(network(), tmp_path / "w.pth", key="model")


def test_weights_that_fit_are_taken_before_those_that_do_not(tmp_path: Path) -> None:
    pretraining = {"encoder.conv.weight": torch.ones(3), "decoder.weight": torch.ones(2)}
    torch.save({"model": pretraining, "classifier": state(RAW)}, tmp_path / "w.pth")
    assert load_weights(network(), tmp_path / "w.pth") == "w.pth, from 'classifier'"


def test_dicts_that_hold_themselves_are_searched_once(tmp_path: Path) -> None:
    content: dict[str, Any] = {"model": state(RAW)}
    for index in range(300):
        content[f"self{index}"] = content
    torch.save(content, tmp_path / "w.pth")
    assert load_weights(network(), tmp_path / "w.pth") == "w.pth, from 'model'"

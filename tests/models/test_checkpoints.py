"""Networks built by name, and weights from files that may be wrapped, wrong, damaged or malicious."""

from __future__ import annotations

import argparse
import io
import itertools
import random
import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from notebook_explain.models.checkpoints import build, describe_error, load_weights
from tests import zoo

_numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes an importable Python file and returns its unique module name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> str:
        name = f"nets_to_load_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def other_net() -> nn.Module:
    """Make the network of `small_net` with other weights."""
    return zoo.seeded(zoo.convnets.residual, seed=7)


def small_net() -> nn.Module:
    return zoo.seeded(zoo.convnets.residual, seed=0)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


# Networks by name.


def test_a_function_a_class_a_method_and_a_module_can_be_named(write: Any) -> None:
    name = write(
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self): super().__init__(2, 3)\n"
        "class Zoo:\n"
        "    @staticmethod\n"
        "    def pick(): return nn.Linear(5, 4)\n"
        "def make(): return Net()\n"
        "ready = nn.Linear(7, 8)\n"
    )
    assert type(build(f"{name}:make")).__name__ == "Net"
    assert type(build(f"{name}:Net")).__name__ == "Net"
    assert build(f"{name}:Zoo.pick").in_features == 5
    assert build(f"{name}:ready") is sys.modules[name].ready


BROKEN = (
    "from torch import nn\n"
    "def make_net(): return nn.Linear(1, 1)\n"
    "def with_arguments(depth): return nn.Linear(depth, 1)\n"
    "def nothing(): pass\n"
    "def fails():\n"
    "    raise RuntimeError('no\\nGPU')\n"
    "number = 3\n"
)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("nets", ValueError, "the model 'nets' must be named package.module:callable"),
        ("nets:", ValueError, "must be named package.module:callable"),
        (":make", ValueError, "must be named package.module:callable"),
        ("dir/nets.py:make", ValueError, "for a file, change to its folder and write nets:callable"),
        ("nets.py", ValueError, "for a file, change to its folder and write nets:callable"),
        ("nets:make()", ValueError, "must be named package.module:callable"),
        (
            "no_such_package.nets:make",
            ValueError,
            "there is no module 'no_such_package' in the current folder or among",
        ),
        ("torch.nn.no_such:make", ValueError, "there is no module 'torch.nn.no_such'"),
        ("MODULE:make", ValueError, "has no 'make'; similar names: make_net"),
        ("MODULE:number", TypeError, "is an int; give a callable that returns an nn.Module"),
        ("MODULE:nothing", TypeError, "returned None; it must return an nn.Module"),
        ("MODULE:with_arguments", ValueError, r"without arguments raised TypeError: .* argument: 'depth'$"),
        ("MODULE:fails", ValueError, r"raised RuntimeError: no GPU \(nets_to_load_\d+.py, line 6\)$"),
    ],
)
def test_names_of_no_network_raise_one_line(name: str, kind: type[Exception], text: str, write: Any) -> None:
    module = write(BROKEN)
    with pytest.raises(kind, match=text) as raised:
        build(name.replace("MODULE", module))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import no_such_thing",
            r"raised ModuleNotFoundError: No module named 'no_such_thing' \(nets_\w+.py, line 1\)",
        ),
        ("def make(:", r"raised SyntaxError: .*line 1\)"),
        ("x = 1\nraise KeyError('k')", r"raised KeyError: 'k' \(nets_\w+.py, line 2\)"),
        ("import sys\nsys.exit('bad arguments')", r"raised SystemExit: bad arguments"),
    ],
)
def test_an_import_error_is_quoted_with_its_line(text: str, message: str, write: Any) -> None:
    module = write(text)
    with pytest.raises(ValueError, match=f"importing '{module}' {message}"):
        build(f"{module}:make")


def test_a_keyboard_interrupt_of_the_callable_is_passed_on(write: Any) -> None:
    module = write("def make(): raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        build(f"{module}:make")


def test_errors_are_described_in_one_line_of_limited_length() -> None:
    assert describe_error(ValueError("a\n  b" + "c" * 1000)) == "ValueError: a b" + "c" * 397
    assert describe_error(EOFError()) == "EOFError"


# Weights as training scripts wrap them.


@pytest.mark.parametrize(
    "holder", ["", "state_dict", "model_state_dict", "model_state", "model", "net", "model/state_dict"]
)
@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.model."]
)
def test_weights_are_found_in_wrappers(holder: str, prefix: str, tmp_path: Path) -> None:
    value: Any = {prefix + name: tensor for name, tensor in other_net().state_dict().items()}
    for key in reversed(holder.split("/")):
        value = {key: value, "epoch": 3, "optimizer": {"state": {}}} if key else value
    net = small_net()
    report = load_weights(net, saved(tmp_path / "w.pt", value))
    assert same(net, other_net())
    assert report.startswith("w.pt")
    plain = prefix.replace("_orig_mod.", "")
    assert (f"prefix {plain!r} removed" in report) == bool(plain)


def test_weights_of_wrapped_networks_fit_wrapped_and_plain_networks(tmp_path: Path) -> None:
    inside = other_net()
    inside.layer1 = torch.compile(inside.layer1)
    states = [nn.DataParallel(other_net()).state_dict(), torch.compile(other_net()).state_dict(), inside.state_dict()]
    assert any(".layer1._orig_mod." in f".{name}" for name in states[2])
    for index, state in enumerate(states):
        path = saved(tmp_path / f"{index}.pt", state)
        compiled_inside = small_net()
        compiled_inside.layer1 = torch.compile(compiled_inside.layer1)
        for net in (small_net(), nn.DataParallel(small_net()), torch.compile(small_net()), compiled_inside):
            load_weights(net, path)
            assert same(net, other_net())


class Holder(nn.Module):
    """A network whose names begin with a wrapper's prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.head = nn.Linear(2, 3), nn.Linear(3, 1)


def test_a_prefix_that_belongs_to_the_network_is_kept(tmp_path: Path) -> None:
    net, other = Holder(), Holder()
    assert load_weights(net, saved(tmp_path / "w.pt", other.state_dict())) == "w.pt"
    assert same(net, other)


def test_entries_without_the_prefix_are_ignored_and_counted(tmp_path: Path) -> None:
    state = {f"model.{name}": tensor for name, tensor in other_net().state_dict().items()}
    state |= {"criterion.weight": torch.ones(5), "accuracy.total": torch.zeros(())}
    net = small_net()
    report = load_weights(net, saved(tmp_path / "epoch=3.ckpt", {"state_dict": state, "callbacks": {"a": 1}}))
    assert report == "epoch=3.ckpt, from 'state_dict', prefix 'model.' removed, 2 entries without it ignored"
    assert same(net, other_net())


def test_entries_that_a_network_does_not_require_may_be_missing(tmp_path: Path) -> None:
    state = {n: t for n, t in other_net().state_dict().items() if "num_batches_tracked" not in n}
    net = small_net()
    load_weights(net, saved(tmp_path / "2017.pth", state))
    assert torch.equal(net.stem[0].weight, other_net().stem[0].weight)


def test_a_network_on_the_meta_device_is_filled(tmp_path: Path) -> None:
    with torch.device("meta"):
        net = zoo.convnets.residual()
    load_weights(net, saved(tmp_path / "w.pt", other_net().state_dict()))
    assert same(net, other_net())


def test_a_lazy_layer_takes_the_shapes_of_the_file(tmp_path: Path) -> None:
    net, other = nn.Sequential(nn.LazyLinear(3)), nn.Sequential(nn.Linear(7, 3))
    load_weights(net, saved(tmp_path / "w.pt", other.state_dict()))
    assert same(net, other)


# Weights that do not fit.


def test_a_mismatch_is_listed_compactly(tmp_path: Path) -> None:
    net = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.Linear(3, 4), c=nn.Linear(4, 5), d=nn.Linear(1, 1)))
    state = {name: value for name, value in net.state_dict().items() if name[0] not in "cd"}
    state |= {"b.weight": torch.zeros(9, 3), "head.weight": torch.zeros(1), "b.bias": torch.zeros(())}
    with pytest.raises(ValueError, match="does not fit") as raised:
        load_weights(net, saved(tmp_path / "w.pt", state))
    assert str(raised.value) == (
        "w.pt does not fit the network Sequential: "
        "2 of another shape (b.weight 9x3, here 4x3, b.bias scalar, here 4); "
        "4 missing (c.weight, c.bias, d.weight, ... 1 more); 1 unexpected (head.weight)"
    )


@pytest.mark.parametrize(("drop", "add", "text"), [(1, 0, r": 1 missing \(\w"), (0, 1, r": 1 unexpected \(more\)$")])
def test_a_missing_or_an_extra_entry_is_an_error(drop: int, add: int, text: str, tmp_path: Path) -> None:
    state = dict(list(other_net().state_dict().items())[drop:]) | {"more": torch.zeros(1)} | {}
    if not add:
        del state["more"]
    with pytest.raises(ValueError, match=text):
        load_weights(small_net(), saved(tmp_path / "w.pt", state))


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ({}, "it holds an empty dict"),
        ({"epoch": 3, "optimizer": {}}, "it holds 'epoch', 'optimizer'"),
        ([torch.ones(1)], "it holds a list"),
        (torch.ones(1), "it holds a Tensor"),
        ({"model": {"model": {"model": {"model": {"model": {"w": torch.ones(1)}}}}}}, "it holds 'model'"),
    ],
)
def test_the_error_for_a_file_without_state_dict_lists_its_content(value: Any, content: str, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=f"w.pt holds no state dict, neither by itself nor under keys such as 'state_dict', .*{content}",
    ):
        load_weights(small_net(), saved(tmp_path / "w.pt", value))


# Untrusted files.


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_no_code_in_a_checkpoint_runs(tmp_path: Path) -> None:
    state = dict(other_net().state_dict()) | {"trap": Trap(tmp_path / "touched")}
    with pytest.raises(ValueError, match=r"w.pt holds more than tensors \([\w.]+\), and loading that would run code"):
        load_weights(small_net(), saved(tmp_path / "w.pt", state))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "value", [other_net(), {"state_dict": {}, "args": argparse.Namespace(lr=1)}], ids=["net", "args"]
)
def test_pickled_networks_and_arguments_are_refused_with_advice(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"save only the weights: torch.save\(network.state_dict\(\), 'weights.pt'\)"):
        load_weights(small_net(), saved(tmp_path / "w.pt", value))


@pytest.mark.parametrize("raw", [b"", b"hello world" * 20, b"PK\x03\x04" + b"\0" * 50, bytes(range(256)) * 8])
def test_files_that_are_not_checkpoints_are_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(raw)
    with pytest.raises(ValueError, match=r"^w.pt is damaged, or was not written by torch.save \(\w+\)$"):
        load_weights(small_net(), tmp_path / "w.pt")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(f"no weights file at {str(tmp_path)!r}; give the path")):
        load_weights(small_net(), tmp_path)


def test_a_permission_error_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    saved(tmp_path / "w.pt", other_net().state_dict())
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        load_weights(small_net(), tmp_path / "w.pt")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_damaged_checkpoints_load_or_are_refused_in_one_line(zipped: bool, tmp_path: Path) -> None:
    net, rng = nn.Linear(3, 2), random.Random(0)
    out = io.BytesIO()
    torch.save(net.state_dict(), out, _use_new_zipfile_serialization=zipped)
    good, refused = out.getvalue(), 0
    for _ in range(150):
        raw = bytearray(good)
        for _ in range(rng.choice([1, 1, 3, 20])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        (tmp_path / "w.pt").write_bytes(raw[: rng.choice([len(raw), rng.randrange(len(raw))])])
        try:
            load_weights(net, tmp_path / "w.pt")
        except ValueError as error:
            refused += len(str(error).splitlines()) == 1
    assert refused > 50


@pytest.mark.parametrize("name", ["w.safetensors", "w.SAFETENSORS"])
def test_safetensors_files_need_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_bytes(b"\0" * 16)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(
        ValueError, match=rf"{re.escape(name)} needs a package that is not installed: pip install safetensors"
    ):
        load_weights(small_net(), tmp_path / name)


def test_safetensors_files_are_read(tmp_path: Path) -> None:
    files = pytest.importorskip("safetensors.torch")
    files.save_file({f"module.{name}": t for name, t in other_net().state_dict().items()}, tmp_path / "w.safetensors")
    net = small_net()
    load_weights(net, tmp_path / "w.safetensors")
    assert same(net, other_net())
    (tmp_path / "w.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(ValueError, match=r"w\.safetensors is damaged"):
        load_weights(net, tmp_path / "w.safetensors")

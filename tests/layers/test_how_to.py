"""Page about building blocks: its code runs in order, its one-liners run, and it lists all reporting blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import notebook_explain as ne
from tests import zoo

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "building-blocks.md"
TEXT = PAGE.read_text(encoding="utf-8")


class Net(nn.Module):
    """A small r3d_18 with a pooling behind its stem."""

    def __init__(self) -> None:
        super().__init__()
        inner = zoo.ZOO["residual"].make()
        self.stem, self.pool = inner.stem, nn.MaxPool3d((1, 2, 2))
        self.layer1, self.layer2, self.layer3 = inner.layer1, inner.layer2, inner.layer3
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(16, zoo.CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer3(self.layer2(self.layer1(self.pool(self.stem(x)))))
        return self.fc(self.avgpool(x).flatten(1))


def names() -> dict[str, Any]:
    stated = {"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    stated["labels"] = [f"class {index}" for index in range(zoo.CLASSES)]
    return {
        "net": zoo.seeded(Net),
        "stated": stated,
        "clip": zoo.random_clip(8, 32),
        "video": zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32)),
    }


def test_the_code_of_the_page_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = names()
    before = {name: value.clone() for name, value in given["net"].state_dict().items()}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), given)
    assert (
        repr(given["swapped"])
        == "Net, 1 module exchanged:\n  pool: MaxPool3d -> SoftPool3d\n  the new network is .model"
    )
    assert given["before"].targets[0].logit != given["after"].targets[0].logit
    assert list(given["found"]) == ["layer1.1", "layer2.1", "layer3.1"]
    assert [signal.name for signal in given["tubes"].frame_signals][::2] == ["layer1.1", "layer2.1", "layer3.1"]
    assert (tmp_path / "blocks.pdf").stat().st_size > 10_000
    assert len(ne.load(tmp_path / "blocks.npz").frame_signals) == len(given["report"].frame_signals)
    assert all(torch.equal(value, before[name]) for name, value in given["net"].state_dict().items())


def test_every_line_of_the_table_builds_a_network_that_runs() -> None:
    given = names()
    exec("import notebook_explain as ne\nfrom torch import nn", given)
    lines = re.findall(r"^\| [^|]+ \| `(ne\.layers[^`]+)`", TEXT, re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        net = eval(line, given).eval()
        assert net(given["video"]).shape == (1, zoo.CLASSES)
        ne.SaliencyTubes()(ne.adapt(net, **given["stated"]), given["clip"])


def test_the_page_lists_the_blocks_that_report_signals() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    protocol = ("explain", "ablations", "parts")
    blocks = [
        name for name in ne.layers.__all__ if any(hasattr(getattr(ne.layers, name), method) for method in protocol)
    ]
    flat = {f"{kind}SoftPool{dims}d" for kind in ("", "Adaptive") for dims in (1, 2)}
    assert set(rows) == set(blocks) - flat - {"MTBlock"}  # described as a part of MTNet

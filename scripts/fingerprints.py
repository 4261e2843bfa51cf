"""Fingerprint ten explanations, to show that a change of the code changes no number.

``python scripts/fingerprints.py write before.json`` on one commit, ``... write after.json`` on another, then
``python scripts/fingerprints.py compare before.json after.json``. A fingerprint is the SHA-256 of the bytes of each
array of a saved file, of each buffer and each number that a widget sends to the browser. Sentences are left out:
wording may change, values may not.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import notebook_explain as ne
from tests import zoo

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
VARYING = {"seconds", "versions", "caveats", "notes"}  # of provenance: times and sentences


class BlockNet(nn.Module):
    """Hold one of each building block between the stages of a small residual network."""

    def __init__(self) -> None:
        super().__init__()
        inner = zoo.ZOO["residual"].make()
        self.stem, self.pool = inner.stem, ne.layers.SoftPool3d((1, 2, 2))
        self.layer1, self.layer2, self.layer3 = inner.layer1, inner.layer2, inner.layer3
        self.cycle = ne.layers.SRTG(16)
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(16, zoo.CLASSES)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Map (batch, 3, time, height, width) to logits (batch, class)."""
        inner = self.layer3(self.layer2(self.layer1(self.pool(self.stem(video)))))
        return self.fc(self.avgpool(self.cycle(inner)).flatten(1))


def explanations() -> dict[str, Callable[[], Any]]:
    """Make the ten explanations by name; each is computed when called."""
    residual = lambda: ne.adapt(zoo.ZOO["residual"].make(), **STATED)  # noqa: E731
    blocks = lambda: ne.adapt(zoo.seeded(BlockNet), **STATED)  # noqa: E731
    shapes = {name: entry for name, entry in zoo.ZOO.items() if "pathways" in entry.traits}
    pathways = next(iter(shapes.values()))
    demo_sample = ne.samples.contrast("kick", "wave one hand", seed=4)
    return {
        "demo tubes": ne.demo,
        "difference of classes": lambda: ne.SaliencyTubes()(
            ne.demo_model(), demo_sample, ne.Target("kick") - ne.Target("wave one hand")
        ),
        "pooled tubes": lambda: ne.SaliencyTubes(pooled=True)(residual(), CLIP, [0, 1]),
        "tubes of pathways": lambda: ne.SaliencyTubes()(
            ne.adapt(pathways.make(), size=32, frames=pathways.frames), CLIP
        ),
        "tubes of blocks": lambda: ne.SaliencyTubes()(blocks(), CLIP, 1),
        "tubes of a block network": lambda: ne.SaliencyTubes()(
            ne.adapt(zoo.seeded(zoo.BLOCKS["mtnet"]), **STATED), CLIP, 1
        ),
        "demo pyramid": lambda: ne.FeaturePyramid()(ne.demo_model(), demo_sample, "kick"),
        "exact pyramid": lambda: ne.FeaturePyramid(contribution="exact", selection="topk")(residual(), CLIP, 1),
        "published pyramid": lambda: ne.FeaturePyramid(mode="paper")(residual(), CLIP, 1),
        "block report": lambda: ne.BlockSignals()(blocks(), CLIP, 1),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and byte string in nested containers, with the path to it; text is passed over."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in VARYING:
                yield from _numbers(each, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _numbers(each, f"{path}[{index}]")
    elif isinstance(value, (bytes, bytearray, memoryview)):
        yield path, _digest(bytes(value))
    elif isinstance(value, (int, float)):
        yield path, value


def fingerprint(explanation: Any, folder: Path) -> dict[str, str]:
    """Digest the arrays and header numbers of the saved file, and the numbers and buffers on the wire."""
    path = explanation.save(folder / "explanation.npz")
    found: dict[str, str] = {}
    with np.load(path) as arrays:
        for name in arrays.files:
            if name == "header":
                numbers = list(_numbers(json.loads(arrays[name].tobytes())))
                found["file header"] = _digest(json.dumps(numbers).encode())
            else:
                found[f"file {name}"] = _digest(arrays[name].tobytes())
    again = ne.load(path)
    found["repr"] = _digest(type(again).__name__.encode())
    for index, target in enumerate(getattr(explanation, "targets", ())):
        found[f"target {index}"] = _digest(repr((target.logit, target.probability, target.bias)).encode())
    if hasattr(explanation, "view"):
        state = explanation.view().get_state()
        wire: dict[str, list[Any]] = {}
        for key, value in state.items():
            if key.startswith("_") or key in ("layout", "tabbable", "tooltip", "unfinished"):
                continue
            wire[key] = list(_numbers(value))
        for key, values in wire.items():
            if values:
                found[f"wire {key}"] = _digest(json.dumps(values).encode())
    if hasattr(explanation, "to_json") and hasattr(explanation, "prune"):
        found["json"] = _digest(json.dumps(list(_numbers(explanation.to_json()))).encode())
    return found


def write(path: Path) -> None:
    """Write the fingerprints of all ten as JSON."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # sums in one order
    found = {}
    for name, make in explanations().items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = fingerprint(make(), Path(folder))
        print(f"{name}: {len(found[name])} fingerprints")
    path.write_text(json.dumps(found, indent=1))


def compare(before: Path, after: Path) -> int:
    """Print what differs; return how many fingerprints do."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    differing = 0
    for name in sorted({*old, *new}):
        ours, theirs = old.get(name, {}), new.get(name, {})
        wrong = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        differing += len(wrong)
        print(
            f"{name}: {len(ours) - len(wrong)} of {len(ours)} the same"
            + (f"; differ: {', '.join(wrong)}" if wrong else "")
        )
    return differing


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"] and len(sys.argv) == 3:
        write(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["compare"] and len(sys.argv) == 4:
        sys.exit(1 if compare(Path(sys.argv[2]), Path(sys.argv[3])) else 0)
    else:
        sys.exit(__doc__)

"""Fingerprint ten explanations, to show that a change of the code changes no number.

Write the fingerprints of two commits and compare them::

    python scripts/fingerprints.py write before.json
    python scripts/fingerprints.py write after.json
    python scripts/fingerprints.py compare before.json after.json

A fingerprint is the SHA-256 of one array of a saved file, of one buffer or of the numbers of one trait that a widget sends
to the browser. Text is left out: wording may change, values may not. The explanations use only public names and the
networks of ``tests.zoo``, so that the script also runs on older commits. ``compare`` exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
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

SPECIFIED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
UNSTABLE = {"seconds", "versions", "caveats", "notes"}  # keys whose values are times, versions or text
NOT_EXPLAINED = {"layout", "tabbable", "tooltip", "unfinished"}  # traits without explained values
RENAMED = {
    "wire course": "wire frame_signal",
    "wire courses": "wire frame_signals",
}  # old keys, in files of older commits

Fingerprints = dict[str, str]


class BlockNet(nn.Module):
    """Small residual network with a SoftPool and an SRTG among its stages."""

    def __init__(self) -> None:
        super().__init__()
        inner = zoo.ZOO["residual"].make()
        self.stem, self.pool = inner.stem, ne.layers.SoftPool3d((1, 2, 2))
        self.layer1, self.layer2, self.layer3 = inner.layer1, inner.layer2, inner.layer3
        self.cycle = ne.layers.SRTG(16)
        self.avgpool, self.fc = nn.AdaptiveAvgPool3d(1), nn.Linear(16, zoo.CLASSES)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Map (batch, 3, time, height, width) to logits (batch, class)."""
        features = self.layer3(self.layer2(self.layer1(self.pool(self.stem(video)))))
        return self.fc(self.avgpool(self.cycle(features)).flatten(1))


def explanations() -> dict[str, Callable[[], Any]]:
    """Return functions that compute the ten explanations, by name."""
    sample = ne.samples.contrast("kick", "wave one hand", seed=4)
    pathways = next(entry for entry in zoo.ZOO.values() if "pathways" in entry.traits)

    def residual() -> Any:
        return ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)

    def blocks() -> Any:
        return ne.adapt(zoo.seeded(BlockNet), **SPECIFIED)

    def slow_and_fast() -> Any:
        return ne.adapt(pathways.make(), size=32, frames=pathways.frames)

    def block_network() -> Any:
        return ne.adapt(zoo.seeded(zoo.BLOCKS["mtnet"]), **SPECIFIED)

    difference = ne.Target("kick") - ne.Target("wave one hand")
    exact = {"contribution": "preactivation", "selection": "topk"}
    return {
        "demo tubes": ne.demo,
        "difference of classes": lambda: ne.SaliencyTubes()(ne.demo_model(), sample, difference),
        "pooled tubes": lambda: ne.SaliencyTubes(pooled=True)(residual(), CLIP, [0, 1]),
        "tubes of pathways": lambda: ne.SaliencyTubes()(slow_and_fast(), CLIP),
        "tubes of blocks": lambda: ne.SaliencyTubes()(blocks(), CLIP, 1),
        "tubes of a block network": lambda: ne.SaliencyTubes()(block_network(), CLIP, 1),
        "demo pyramid": lambda: ne.FeaturePyramid()(ne.demo_model(), sample, "kick"),
        "exact pyramid": lambda: ne.FeaturePyramid(**exact)(residual(), CLIP, 1),
        "published pyramid": lambda: ne.FeaturePyramid(mode="paper")(residual(), CLIP, 1),
        "block report": lambda: ne.BlockSignals()(blocks(), CLIP, 1),
    }


def fingerprint(explanation: Any, folder: Path) -> Fingerprints:
    """Return the fingerprints of one explanation; ``folder`` takes a temporary file."""
    path = explanation.save(folder / "explanation.npz")
    found = _of_file(path)
    found["repr"] = _digest(type(ne.load(path)).__name__.encode())
    for index, target in enumerate(getattr(explanation, "targets", ())):
        found[f"target {index}"] = _digest(repr((target.logit, target.probability, target.bias)).encode())
    if hasattr(explanation, "view"):
        found |= _of_widget(explanation.view())
    if hasattr(explanation, "to_json") and hasattr(explanation, "prune"):
        found["json"] = _digest_numbers(explanation.to_json())
    return found


def _of_file(path: Path) -> Fingerprints:
    found = {}
    with np.load(path) as arrays:
        for name in arrays.files:
            if name == "header":
                numbers = _numbers(json.loads(arrays[name].tobytes()))
                found |= {f"file header{path}": repr(value) for path, value in numbers}
            else:
                found[f"file {name}"] = _digest(arrays[name].tobytes())
    return found


def _of_widget(widget: Any) -> Fingerprints:
    traits = {
        name: list(_numbers(value))
        for name, value in widget.get_state().items()
        if not name.startswith("_") and name not in NOT_EXPLAINED
    }
    return {f"wire {name}": _digest(json.dumps(values).encode()) for name, values in traits.items() if values}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def _digest_numbers(value: Any) -> str:
    return _digest(json.dumps(list(_numbers(value))).encode())


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number, and the digest of every buffer, in nested containers with its path; text is skipped."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in UNSTABLE:
                yield from _numbers(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, (bytes, bytearray, memoryview)):
        yield path, _digest(bytes(value))
    elif isinstance(value, (int, float)):
        yield path, value


def write(path: Path) -> None:
    """Write the fingerprints of all explanations as JSON."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # so that sums have the same order
    found = {}
    for name, explain in explanations().items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = fingerprint(explain(), Path(folder))
        print(f"{name}: {len(found[name])} fingerprints")
    path.write_text(json.dumps(found, indent=1))


def compare(before: Path, after: Path) -> int:
    """Print what differs and what is new in the second file; return the number of differences."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    total = 0
    for name in sorted({*old, *new}):
        a, b = _current_keys(old.get(name, {})), _current_keys(new.get(name, {}))
        different = sorted(key for key in a if a[key] != b.get(key))
        added = sorted(b.keys() - a.keys())
        total += len(different)
        details = f"; different: {', '.join(different)}" if different else ""
        details += f"; new: {', '.join(added)}" if added else ""
        print(f"{name}: {len(a) - len(different)} of {len(a)} equal{details}")
    return total


def _current_keys(found: Fingerprints) -> Fingerprints:
    return {RENAMED.get(key, key): value for key, value in found.items()}


def main() -> None:
    """Write or compare fingerprints."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="write fingerprints of this code").add_argument("path", type=Path)
    comparison = commands.add_parser("compare", help="compare two files of fingerprints")
    comparison.add_argument("before", type=Path)
    comparison.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "write":
        write(options.path)
    else:
        sys.exit(1 if compare(options.before, options.after) else 0)


if __name__ == "__main__":
    main()

"""The second demo network, for tests and benchmarks: trained when first asked for, and kept until what made it changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

PACKAGE = Path(__file__).parents[1] / "notebook_explain"
CACHE = Path(__file__).parent / ".cache"
SHOWING = {"pictures", "sheets", "bench", "bars"}  # they change no clip and no weight


def branch_net() -> nn.Module:
    """Read its weights, or train it, which takes five minutes."""
    from notebook_explain.models.demo import train
    from notebook_explain.models.demo.weights import load

    digest = hashlib.sha256(torch.__version__.encode())
    for maker in sorted([*(PACKAGE / "samples").glob("*.py"), *(PACKAGE / "models" / "demo").glob("*.py")]):
        if maker.stem not in SHOWING:
            digest.update(maker.read_bytes())
    path = CACHE / f"branches-{digest.hexdigest()[:16]}.pt"
    if not path.is_file():
        CACHE.mkdir(exist_ok=True)
        for old in CACHE.glob("branches-*.pt"):
            old.unlink()
        train.main(["--net", "branches", "--out", str(path), "--clips", "0"])
    return load("branches", path)

"""What every test shares. Fixtures for one kind of test lie in that kind's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

# Tiny networks gain nothing from a second thread, and lose much where other processes want the cores too.
torch.set_num_threads(1)

PACKAGE = Path(__file__).parents[1] / "notebook_explain"
CACHE = Path(__file__).parent / ".cache"
SHOWING = {"pictures", "sheets", "bench", "bars"}  # they change no clip and no weight


@pytest.fixture(scope="session")
def branch_net() -> nn.Module:
    """The second demo network. The first run of the tests trains it; later ones read it, until what made it changes."""
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

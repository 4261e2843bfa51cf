"""Second demo network for tests and benchmarks. Its weights lie beside this file; scripts.demo_model.train makes them."""

from __future__ import annotations

from pathlib import Path

from torch import nn

WEIGHTS = Path(__file__).with_name("branch_net.pt")


def branch_net() -> nn.Module:
    """Return the trained network, in eval mode."""
    from notebook_explain.models.demo.weights import load
    from scripts.demo_model.branch_net import BranchNet

    return load(BranchNet, WEIGHTS)

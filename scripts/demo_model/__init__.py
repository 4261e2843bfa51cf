"""Train and evaluate the bundled demo network, and the second network that tests use."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from notebook_explain.models.demo import DemoNet
from notebook_explain.models.demo.weights import WEIGHTS as BUNDLED
from scripts.demo_model.branch_net import BranchNet

NETS: dict[str, type[nn.Module]] = {"residual": DemoNet, "branches": BranchNet}
WEIGHTS: dict[str, Path] = {"residual": BUNDLED, "branches": Path(__file__).parents[2] / "tests" / "branch_net.pt"}

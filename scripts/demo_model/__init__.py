"""Train and evaluate the bundled demo network, and the second network that tests use."""

from __future__ import annotations

from torch import nn

from notebook_explain.models.demo import DemoNet
from scripts.demo_model.branch_net import BranchNet

NETS: dict[str, type[nn.Module]] = {"residual": DemoNet, "branches": BranchNet}

"""What every test shares. Fixtures for one kind of test lie in that kind's folder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests import branch_net as second_network

# Tiny networks gain nothing from a second thread, and lose much where other processes want the cores too.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def branch_net() -> nn.Module:
    """The second demo network. The first run of the tests trains it."""
    return second_network.branch_net()

"""Fixtures that all tests share; those of one group of tests are in its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch
from torch import nn

from tests import branch_net as second_network

# Small networks do not gain from a second thread, and lose time if other processes use the cores.
torch.set_num_threads(1)

# Other processes may share the machine.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def _ordinary_priority() -> Iterator[None]:
    """Fail a test that leaves real-time priority: this process and its children would leave no time to any other."""
    yield
    if hasattr(os, "sched_getscheduler"):
        assert os.sched_getscheduler(0) == os.SCHED_OTHER, "this test changed the scheduling policy of the process"


@pytest.fixture(scope="session")
def branch_net() -> nn.Module:
    """Return the second demo network."""
    return second_network.branch_net()

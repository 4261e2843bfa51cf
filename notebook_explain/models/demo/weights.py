"""Weight files of the demo networks: a plain state dict in half precision."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from notebook_explain._atomic import replacing

Net = TypeVar("Net", bound=nn.Module)
WEIGHTS = Path(__file__).with_name("weights.pt")


def load(network: type[Net], path: Path) -> Net:
    """Build a trained network in eval mode, on the CPU, in float32; the global random state is not used.

    Parameters
    ----------
    network : type
        Class of the network; built without arguments.
    path : Path

    Raises
    ------
    FileNotFoundError
        The file does not exist.
    RuntimeError
        The weights belong to another network.
    """
    with torch.device("meta"):  # the file replaces the weights, so they need neither storage nor random numbers
        net = network()
    stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value.float() if value.is_floating_point() else value for key, value in stored.items()}
    net.load_state_dict(state, assign=True)
    return net.eval()


def save(net: nn.Module, path: Path) -> None:
    """Write the state dict in half precision, atomically."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    buffer = io.BytesIO()  # given a path, torch.save would store its name in the file
    torch.save(state, buffer)
    with replacing(path) as part:
        part.write_bytes(buffer.getvalue())

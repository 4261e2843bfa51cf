"""Coverage: the small networks of the tests that a library can explain, called as its documentation shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

import notebook_explain as ne
from benchmarks.peers.tools import Task, Tool
from tests import zoo

SIZE = 32


def layer_to_name(net: nn.Module) -> tuple[str, ...]:
    """Return the name of the last convolution of a network; of the last LayerNorm if it has none."""
    for kinds in ((nn.Conv3d, nn.Conv2d), (nn.LayerNorm,)):
        names = [name for name, module in net.named_modules() if isinstance(module, kinds)]
        if names:
            return tuple(names[-1:])
    return ()


def can_explain(tool: Tool, entry: zoo.Entry) -> bool:
    """Return whether a tool gives a finite map of a network; ours chooses its layers itself."""
    stated: Any = {"size": SIZE, "frames": entry.frames, "mean": zoo.MEAN, "std": zoo.STD, "layout": entry.layout}
    net, clip = entry.make(), zoo.random_clip(entry.frames, SIZE)
    try:
        if tool.package == "notebook_explain":
            maps = [ne.SaliencyTubes()(ne.adapt(net, **stated), clip, 0).layers[-1].values]
        else:
            maps = tool.maps(Task(net, None, clip, zoo.feed(entry, clip), layer_to_name(net), 0))
    except Exception:
        return False
    return bool(maps) and bool(np.isfinite(maps[0]).all())


def coverage(tool: Tool) -> int:
    """Count the networks that a tool can explain."""
    return sum(can_explain(tool, entry) for entry in zoo.ZOO.values())

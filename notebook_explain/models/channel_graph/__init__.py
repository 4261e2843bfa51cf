"""The channel graph of a network (which kernel feeds which), and hooks that find its operations again in another pass.

``connections``, ``Connections``, ``route`` and ``SHAPING`` are the names of version 0.2 for ``channel_graph``,
``ChannelGraph``, ``trace_channels`` and ``ELEMENTWISE``. They remain for one release and give a DeprecationWarning.
"""

from __future__ import annotations

import warnings

from notebook_explain.models.channel_graph.graph import Addend, ChannelGraph, KernelLayer, Link, Links, Site, Sum
from notebook_explain.models.channel_graph.op_hooks import ELEMENTWISE, Call, watch
from notebook_explain.models.channel_graph.trace import channel_graph, trace_channels

__all__ = [
    "ELEMENTWISE",
    "Addend",
    "Call",
    "ChannelGraph",
    "KernelLayer",
    "Link",
    "Links",
    "Site",
    "Sum",
    "channel_graph",
    "trace_channels",
    "watch",
]

_RENAMED = {
    "Connections": "ChannelGraph",
    "SHAPING": "ELEMENTWISE",
    "connections": "channel_graph",
    "route": "trace_channels",
}


def __getattr__(name: str) -> object:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _RENAMED[name]
    warnings.warn(f"{name} is now called {new}; import it from {__name__}", DeprecationWarning, stacklevel=2)
    return globals()[new]

"""The channel graph of a network (which kernel feeds which), and hooks that find its operations again in another pass.

``connections``, ``Connections``, ``route`` and ``SHAPING`` are the names of version 0.2 for ``channel_graph``,
``ChannelGraph``, ``trace_channels`` and ``ELEMENTWISE``. They remain for one release and give a DeprecationWarning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain._deprecated import renamed_names
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

if not TYPE_CHECKING:  # type checkers would take any name for one of this package
    __getattr__ = renamed_names(
        __name__,
        {
            "Connections": "ChannelGraph",
            "SHAPING": "ELEMENTWISE",
            "connections": "channel_graph",
            "route": "trace_channels",
        },
    )

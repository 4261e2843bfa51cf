"""Which kernel feeds which: the network as a graph of channels, and how to find its operations again in another pass."""

from notebook_explain.models.channel_graph.graph import Addend, ChannelGraph, KernelLayer, Link, Links, Site, Sum
from notebook_explain.models.channel_graph.op_hooks import SHAPING, Call, watch
from notebook_explain.models.channel_graph.trace import connections, route

__all__ = [
    "SHAPING",
    "Addend",
    "Call",
    "ChannelGraph",
    "KernelLayer",
    "Link",
    "Links",
    "Site",
    "Sum",
    "connections",
    "route",
    "watch",
]

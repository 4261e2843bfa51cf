"""Which kernel feeds which: the network as a graph of channels, and how to find its operations again in another pass."""

from notebook_explain.models.connectivity.calls import SHAPING, Call, watch
from notebook_explain.models.connectivity.links import Addend, Connections, KernelLayer, Link, Links, Site, Sum
from notebook_explain.models.connectivity.routing import connections, route

__all__ = [
    "SHAPING",
    "Addend",
    "Call",
    "Connections",
    "KernelLayer",
    "Link",
    "Links",
    "Site",
    "Sum",
    "connections",
    "route",
    "watch",
]

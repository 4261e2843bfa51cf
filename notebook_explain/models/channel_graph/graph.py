"""The channel graph of a network as plain values: which kernel feeds which.

The nodes are kernels (the output channels of convolutions and linear layers), sums (the channels of an addition, where
one channel comes from several nodes) and the colours of the clip. A link leads from a channel that a layer, an addend or
a head reads to the node, nearer the clip, that produces this channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError

NODES = ("kernel", "sum", "input")
KINDS = ("conv", "identity", "concat", "gate")
KERNEL, SUM, INPUT = range(3)
CONV, IDENTITY, CONCAT, GATE = range(4)


class Site(NamedTuple):
    """Position of an operation in a forward pass, by which the next pass finds it again (``watch``).

    Attributes
    ----------
    module : str
        Dotted name of the innermost module that runs; "" for the network itself.
    op : str
        "conv", "linear" or "add".
    number : int
        Index among the operations of this kind right in this module, counted over all its calls.
    """

    module: str
    op: str
    number: int


class Link(NamedTuple):
    """A node that a channel comes from.

    Attributes
    ----------
    node : str
        "kernel", "sum" or "input".
    owner : int
        Index of the node's layer in ``ChannelGraph.layers``, of its sum in ``ChannelGraph.sums``, or of the clip's
        pathway.
    channel : int
        Index of the kernel, of the sum's channel, or of the colour.
    kind : str
        "conv": a convolution or linear layer reads the node; "concat": the same, through a concatenation of channels;
        "identity": the node is an addend, channel by channel, or a class of a head; "gate": the node only multiplies
        the channel.
    slope : float
        Factor of the norms and constant factors between the node's output and the reader; activations and pooling count
        as 1. Negative where a norm's weight is negative: the reader then gets less when the kernel outputs more.
    """

    node: str
    owner: int
    channel: int
    kind: str
    slope: float


@dataclass(frozen=True, eq=False)
class Links:
    """Sources of every channel that a layer, an addend or a head reads.

    The links of channel j are the rows ``first[j]`` to ``first[j + 1]``. A channel has several links where several nodes
    merge without an addition (in a maximum, for example) or where it is gated. It has none where it is constant or
    where its source is unknown.

    Attributes
    ----------
    first : int64 array (channel + 1,)
    node, owner, channel, kind, slope : arrays (link,)
        As in ``Link``, with ``node`` and ``kind`` as indices into ``NODES`` and ``KINDS``.
    constant : int64 array
        Channels that do not depend on the clip: padding, the zeros of a shortcut, positions.
    unknown : tuple of (operation, int64 array of channels)
        Channels that come, at least in part, from an operation that cannot be traced channel by channel.
    layers_below : int64 array (layer, 2)
        Node and owner, as in ``Link``, of the layers, sums and pathways that these operations read.
    """

    first: NDArray[np.int64]
    node: NDArray[np.int64]
    owner: NDArray[np.int64]
    channel: NDArray[np.int64]
    kind: NDArray[np.int64]
    slope: NDArray[np.float64]
    constant: NDArray[np.int64]
    unknown: tuple[tuple[str, NDArray[np.int64]], ...] = ()
    layers_below: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def __post_init__(self) -> None:
        arrays = (self.first, self.node, self.owner, self.channel, self.kind, self.slope, self.constant)
        for array in (*arrays, self.layers_below, *(channels for _, channels in self.unknown)):
            array.setflags(write=False)

    def __len__(self) -> int:
        """Count the channels that are read."""
        return len(self.first) - 1

    def __getitem__(self, channel: int) -> tuple[Link, ...]:
        """Return the links of one channel; raise IndexError beyond the last channel."""
        if not 0 <= channel < len(self):
            raise IndexError(f"channel {channel} is out of range; there are {len(self)}")
        rows = slice(self.first[channel], self.first[channel + 1])
        columns = zip(
            self.node[rows], self.owner[rows], self.channel[rows], self.kind[rows], self.slope[rows], strict=True
        )
        return tuple(
            Link(NODES[node], int(owner), int(source), KINDS[kind], float(slope))
            for node, owner, source, kind, slope in columns
        )

    @property
    def reader(self) -> NDArray[np.int64]:
        """Channel that each link belongs to, (link,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def unknown_channels(self) -> NDArray[np.int64]:
        """Channels that come, at least in part, from an operation that cannot be traced, ascending."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *(channels for _, channels in self.unknown)]))

    @property
    def known_count(self) -> int:
        """Number of channels whose sources are known; constant channels count as known."""
        return len(self) - len(self.unknown_channels)


@dataclass(frozen=True, eq=False)
class KernelLayer:
    """One call of a convolution or linear layer.

    Attributes
    ----------
    name : str
        Dotted name of its module; "#2" is added to the second call of the same module.
    site : Site
    out_channels, in_channels, groups : int
    kernel, stride, dilation : tuple of int
        Empty for a linear layer.
    padding : tuple of (before, after)
    transposed : bool
    links : Links
        Sources of its input channels.
    receptive_field : (time, height, width) in frames and pixels, or None
        Part of an unlimited clip that one output cell depends on; None if it is unknown.
    """

    name: str
    site: Site
    out_channels: int
    in_channels: int
    groups: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    transposed: bool
    links: Links
    receptive_field: tuple[int, int, int] | None = None

    def reads(self, kernel: int) -> range:
        """Return the input channels that one kernel reads: all of them, or those of its group."""
        size = self.in_channels // self.groups
        group = kernel // (self.out_channels // self.groups)
        return range(group * size, (group + 1) * size)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.kernel)) or "linear"
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        return f"KernelLayer({self.name!r}, {self.in_channels} to {self.out_channels}, {size}{groups})"


@dataclass(frozen=True, eq=False)
class Addend:
    """One operand of an addition: the sources of its channels, and its sign (-1 where it is subtracted)."""

    links: Links
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Sum:
    """An addition of two tensors that both depend on the clip; longer sums are chains of these.

    Attributes
    ----------
    name : str
    site : Site
    channels : int
    axis : int
        Channel axis of the sum's tensor.
    addends : two Addend, in the order of the operands
    receptive_field : (time, height, width) in frames and pixels, or None
    """

    name: str
    site: Site
    channels: int
    axis: int
    addends: tuple[Addend, Addend]
    receptive_field: tuple[int, int, int] | None = None

    def __repr__(self) -> str:
        return f"Sum({self.name!r}, {self.channels} channels)"


@dataclass(frozen=True, eq=False)
class ChannelGraph:
    """All layers, sums and heads of a network with their links; the same for every clip.

    Attributes
    ----------
    layers : tuple of KernelLayer, in order of execution
        Convolutions and linear layers, including the classifier.
    sums : tuple of Sum, in order of execution
    heads : dict of head name to Links
        Source of each class of a head: usually a kernel of the classifier.
    notes : tuple of str
        Sentences for the reader: operations that cannot be traced, gates that are not shown, norms that couple channels.
    """

    layers: tuple[KernelLayer, ...]
    sums: tuple[Sum, ...]
    heads: Mapping[str, Links]
    notes: tuple[str, ...] = ()

    def layer(self, name: str) -> KernelLayer:
        """Return a layer by its name; raise ValueError with the names that exist."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise UsageError(f"{name!r} is not a convolution or linear layer of this network; it has {names}")

    @property
    def all_links(self) -> tuple[Links, ...]:
        """Links of every layer, addend and head."""
        addends = (addend.links for addition in self.sums for addend in addition.addends)
        return (*(layer.links for layer in self.layers), *addends, *self.heads.values())

    @property
    def known_fraction(self) -> float:
        """Fraction of all channels read anywhere, 0 to 1, whose sources are known."""
        total = sum(len(links) for links in self.all_links)
        return sum(links.known_count for links in self.all_links) / total if total else 1.0

    @property
    def unknown(self) -> dict[str, int]:
        """Operations that cannot be traced, each with the number of channels read right after it."""
        counts: dict[str, int] = {}
        for links in self.all_links:
            for operation, channels in links.unknown:
                counts[operation] = counts.get(operation, 0) + len(channels)
        return counts

    def origins(self, links: Links, channel: int, *, gates: bool = False) -> frozenset[tuple[str, int, int]]:
        """Return the kernels and colours (node, owner, channel) that a channel comes from, resolved through sums.

        Parameters
        ----------
        links : Links
            Links of a layer, an addend or a head.
        channel : int
        gates : bool
            Include the nodes that only multiply the channel.
        """
        found: set[tuple[str, int, int]] = set()
        visited: set[tuple[int, int]] = set()
        stack = list(links[channel])
        while stack:
            link = stack.pop()
            if link.kind == "gate" and not gates:
                continue
            if link.node != "sum":
                found.add((link.node, link.owner, link.channel))
            elif (link.owner, link.channel) not in visited:
                visited.add((link.owner, link.channel))
                addends = self.sums[link.owner].addends
                stack.extend(source for addend in addends for source in addend.links[link.channel])
        return frozenset(found)

    def predecessors(self, layer: KernelLayer) -> tuple[KernelLayer, ...]:
        """Return the layers whose kernels a layer reads, directly or through sums, in order of execution; gates excluded."""
        found: set[int] = set()
        visited_sums: set[int] = set()
        stack = [layer.links]
        while stack:
            for node, owner in _owners(stack.pop()):
                if node == KERNEL:
                    found.add(owner)
                elif node == SUM and owner not in visited_sums:
                    visited_sums.add(owner)
                    stack.extend(addend.links for addend in self.sums[owner].addends)
        return tuple(self.layers[index] for index in sorted(found))

    def __repr__(self) -> str:
        known = 100 * self.known_fraction
        return f"ChannelGraph({len(self.layers)} layers, {len(self.sums)} sums, {known:.1f} % of channels known)"


def _owners(links: Links) -> Iterator[tuple[int, int]]:
    """Yield each (node, owner) that some links lead to, gates excluded."""
    main = links.kind != GATE
    for node, owner in np.unique(np.stack([links.node[main], links.owner[main]], axis=1), axis=0):
        yield int(node), int(owner)

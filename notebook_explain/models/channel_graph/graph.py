"""Which kernel feeds which, as plain values: layers of kernels, sums, and for each channel that they read where it comes from.

Nodes are kernels (the output channels of convolutions and linear layers), sums (the channels of an addition, where one
channel comes from several nodes) and the colours of the clip. A link leads from what reads a channel down to the node
nearer the clip that the channel is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError

NODES = ("kernel", "sum", "input")
KINDS = ("conv", "identity", "concat", "gate")
KERNEL, SUM, INPUT = range(3)
CONV, IDENTITY, CONCAT, GATE = range(4)


class Site(NamedTuple):
    """Where in a forward pass something is computed, so that it can be found again in the next one (``watch``).

    Attributes
    ----------
    module : str
        Dotted name of the innermost module that runs; "" for the network itself.
    op : str
        "conv", "linear" or "add".
    number : int
        Which of such operations right in this module, from 0; counted through all its calls.
    """

    module: str
    op: str
    number: int


class Link(NamedTuple):
    """One node that a channel comes from.

    Attributes
    ----------
    node : str
        "kernel", "sum" or "input".
    at : int
        Index into ``ChannelGraph.layers`` or ``ChannelGraph.sums``; the pathway of the clip for "input".
    channel : int
        The kernel, the sum's channel, or the colour.
    kind : str
        "conv": read by a convolution (or linear layer); "concat": so too, from a concatenation of channels;
        "identity": an addend, channel by channel, or what a head's class is; "gate": multiplies the channel, no more.
    slope : float
        What norms and constant factors between the node's output and the reader multiply it by; activations and
        pooling count as 1. Below 0 where a norm's weight is: then the reader gets less where the kernel gives more.
    """

    node: str
    at: int
    channel: int
    kind: str
    slope: float


@dataclass(frozen=True, eq=False)
class Links:
    """Where each of the channels comes from that a layer, an addend or a head reads.

    The links of channel j are the rows ``first[j]`` to ``first[j + 1]``; several where the channel merges several
    nodes without an addition (a maximum of two, say) or has gates; none where it is constant or unknown.

    Attributes
    ----------
    first : int64 array (channel + 1,)
    node, at, source, kind, slope : arrays (link,)
        As in ``Link``, with ``node`` and ``kind`` as indices into ``NODES`` and ``KINDS``.
    constant : int64 array
        Channels that nothing of the clip flows into: padding, zeros of a shortcut, positions.
    unknown : tuple of (operation, int64 array of channels)
        Channels that come, in part at least, out of an operation that mixes channels in a way nobody can tell apart.
    """

    first: NDArray[np.int64]
    node: NDArray[np.int64]
    at: NDArray[np.int64]
    source: NDArray[np.int64]
    kind: NDArray[np.int64]
    slope: NDArray[np.float64]
    constant: NDArray[np.int64]
    unknown: tuple[tuple[str, NDArray[np.int64]], ...] = ()

    def __post_init__(self) -> None:
        arrays = (self.first, self.node, self.at, self.source, self.kind, self.slope, self.constant)
        for array in (*arrays, *(channels for _, channels in self.unknown)):
            array.setflags(write=False)

    def __len__(self) -> int:
        """Count the channels that are read."""
        return len(self.first) - 1

    def __getitem__(self, channel: int) -> tuple[Link, ...]:
        """Links of one channel; IndexError beyond the last."""
        if not 0 <= channel < len(self):
            raise IndexError(f"channel {channel} is out of range; there are {len(self)}")
        rows = range(self.first[channel], self.first[channel + 1])
        return tuple(
            Link(NODES[self.node[r]], int(self.at[r]), int(self.source[r]), KINDS[self.kind[r]], float(self.slope[r]))
            for r in rows
        )

    @property
    def reader(self) -> NDArray[np.int64]:
        """The channel that each link belongs to, (link,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def routed(self) -> int:
        """How many channels are known: they come from nodes, or are constant."""
        lost = np.unique(np.concatenate([np.empty(0, np.int64), *(channels for _, channels in self.unknown)]))
        return len(self) - len(lost)


@dataclass(frozen=True, eq=False)
class KernelLayer:
    """One call of a convolution or linear layer: a row of kernels.

    Attributes
    ----------
    name : str
        Dotted name of its module, "#2" where that computes a second one.
    site : Site
    out_channels, in_channels, groups : int
    kernel, stride, dilation : tuple of int
        Empty for a linear layer.
    padding : tuple of (before, after)
    transposed : bool
    links : Links
        Of its input channels.
    receptive_field : (time, height, width) in frames and pixels, or None
        What one cell sees of a clip without end; None where it cannot be known.
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
        """Input channels that one kernel reads: all, or those of its group."""
        share = self.in_channels // self.groups
        group = kernel // (self.out_channels // self.groups)
        return range(group * share, (group + 1) * share)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.kernel)) or "linear"
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        return f"KernelLayer({self.name!r}, {self.in_channels} to {self.out_channels}, {size}{groups})"


@dataclass(frozen=True, eq=False)
class Addend:
    """One operand of an addition: where its channels come from, and whether it is added (1) or subtracted (-1)."""

    links: Links
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Sum:
    """An addition of two tensors that both come from the clip; longer sums are chains of these.

    Attributes
    ----------
    name : str
    site : Site
    channels : int
    axis : int
        Axis of the channels in the sum's tensor.
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
    """The network as a graph of channels: the same for every clip.

    Attributes
    ----------
    layers : tuple of KernelLayer, in order of execution
        Convolutions and linear layers, the classifier among them.
    sums : tuple of Sum, in order of execution
    heads : dict of head name to Links
        What each class of a head is: a kernel of the classifier, as a rule.
    notes : tuple of str
        What a reader has to know, as sentences: operations that could not be seen through, norms that couple channels.
    """

    layers: tuple[KernelLayer, ...]
    sums: tuple[Sum, ...]
    heads: Mapping[str, Links]
    notes: tuple[str, ...] = ()

    def layer(self, name: str) -> KernelLayer:
        """A layer by its name (ValueError lists them)."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise UsageError(f"{name!r} is no layer with kernels; this network has {names}")

    @property
    def every(self) -> tuple[Links, ...]:
        """What layers read, what sums add, and what heads are."""
        addends = (addend.links for each in self.sums for addend in each.addends)
        return (*(layer.links for layer in self.layers), *addends, *self.heads.values())

    @property
    def routed(self) -> float:
        """Share of all channels that are read anywhere, 0 to 1, whose origin is known."""
        total = sum(len(links) for links in self.every)
        return sum(links.routed for links in self.every) / total if total else 1.0

    @property
    def unknown(self) -> dict[str, int]:
        """Operations that could not be seen through, with how many channels are read right behind each."""
        found: dict[str, int] = {}
        for links in self.every:
            for operation, channels in links.unknown:
                found[operation] = found.get(operation, 0) + len(channels)
        return found

    def origins(self, links: Links, channel: int, *, gates: bool = False) -> frozenset[tuple[str, int, int]]:
        """Kernels and colours (node, at, channel) that a channel comes from, seen through sums, as far as known.

        Parameters
        ----------
        links : of a layer, an addend or a head
        channel : int
        gates : bool
            Count what multiplies the channel too.
        """
        found: set[tuple[str, int, int]] = set()
        seen: set[tuple[int, int]] = set()
        stack = list(links[channel])
        while stack:
            link = stack.pop()
            if link.kind == "gate" and not gates:
                continue
            if link.node != "sum":
                found.add((link.node, link.at, link.channel))
            elif (link.at, link.channel) not in seen:
                seen.add((link.at, link.channel))
                stack.extend(each for addend in self.sums[link.at].addends for each in addend.links[link.channel])
        return frozenset(found)

    def predecessors(self, layer: KernelLayer) -> tuple[KernelLayer, ...]:
        """Layers whose kernels a layer reads, directly or as addends of sums, in order of execution; gates do not count."""
        found: set[int] = set()
        sums: set[int] = set()
        stack = [layer.links]
        while stack:
            for node, at in _heads(stack.pop()):
                if node == KERNEL:
                    found.add(at)
                elif node == SUM and at not in sums:
                    sums.add(at)
                    stack.extend(addend.links for addend in self.sums[at].addends)
        return tuple(self.layers[at] for at in sorted(found))

    def __repr__(self) -> str:
        return f"ChannelGraph({len(self.layers)} layers, {len(self.sums)} sums, {100 * self.routed:.1f} % of channels known)"


def _heads(links: Links) -> Iterator[tuple[int, int]]:
    main = links.kind != GATE
    for node, at in np.unique(np.stack([links.node[main], links.at[main]], axis=1), axis=0):
        yield int(node), int(at)


MANY = 3  # operations of a kind, from which on they are told together


def lost(unknown: Mapping[str, int]) -> Iterator[str]:
    """What is said of operations that mix channels.

    Parameters
    ----------
    unknown : dict of text to int
        How many channels are read behind each operation, as "lstm in layer1.0".
    """
    for names in _alike(unknown):
        count = sum(unknown[name] for name in names)
        yield f"{count} channels come out of {_listed(names)}, which mixes channels: what feeds them is not known."


def mixed(products: Iterable[str]) -> Iterator[str]:
    """What is said of products whose gates are mixed of many channels."""
    for names in _alike(products):
        if len(names) == 1:
            yield f"The gate of {names[0]} is mixed of many channels: what it comes from is not shown."
        else:
            yield f"The gates of {_listed(names)} are mixed of many channels: what they come from is not shown."


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Operations of a kind together, where they are many; else each by itself."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(name.split(" in ")[0], []).append(name)
    return [group for kind in kinds.values() for group in ([kind] if len(kind) >= MANY else [[name] for name in kind])]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} modules more"

"""From the class down: which children inform the units of a row, row by row, each unit expanded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain.models.channel_graph import ChannelGraph, Links

Floats = NDArray[np.float64]
Group = tuple[str, int]  # "kernel", "sum" or "input", and its place in the connections
NODES, KINDS, GATE = ("kernel", "sum", "input"), ("conv", "identity", "concat", "gate"), 3


@dataclass(frozen=True)
class CandidateEdge:
    """One edge as it was found: from a node to its parent."""

    child: tuple[Group, int]
    parent: tuple[Group, int]
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class OperandContributions:
    """What some nodes of a group read from one operand, and what each channel adds to each node.

    Attributes
    ----------
    links : Links
        Of all channels of the operand.
    first : int64 array (node,)
        The first channel that each node reads; the others follow it.
    added : float64 array (node, channel read)
    levels : float64 array (channel of the operand,)
        The mean of each channel.
    """

    links: Links
    first: NDArray[np.int64]
    added: Floats
    levels: Floats


Contributions = Callable[[Group, list[int]], list[OperandContributions]]


@dataclass(eq=False)
class Descent:
    """What is known of each group of nodes while the rows are walked from the class to the clip.

    Attributes
    ----------
    scores, flows : dict of group to dict of channel to float
        How much positive evidence reaches a node, and the same counted negative where less of the node is what helps.
    arrived : dict of group to float
        All the positive evidence that leads there, of nodes not chosen too.
    steps : dict of group to list of Step
        Those that lead to its nodes.
    nets : dict of group to dict of channel to float
        Of contributions to the class: all that kept nodes owe to a channel, for and against, chosen or not.
    whole : float
        Of contributions to the class: all that speaks for it right below.
    """

    scores: dict[Group, dict[int, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    flows: dict[Group, dict[int, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    arrived: dict[Group, float] = field(default_factory=lambda: defaultdict(float))
    steps: dict[Group, list[CandidateEdge]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[Group, list[int]] = field(default_factory=dict)
    nets: dict[Group, dict[int, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    whole: float = 0.0

    def settle(self, group: Group) -> None:
        """Score those that were chosen by their nets, now that all that read them are known."""
        nets = self.nets[group]
        self.scores[group] = defaultdict(float, {at: nets[at] / self.whole for at in self.scores[group]})
        self.arrived[group] = sum(net for net in nets.values() if net > 0) / self.whole if self.whole > 0 else 0.0

    def coverage(self, group: Group) -> float:
        """How much of what leads to a group its kept nodes carry, 0 to 1."""
        total = self.arrived[group]
        return min(1.0, sum(self.scores[group][at] for at in self.kept[group]) / total) if total > 0 else 1.0


def order(connections: ChannelGraph, tops: list[Group]) -> list[Group]:
    """Groups below the tops, each after all that read it."""
    below: dict[Group, set[Group]] = {}
    stack = list(tops)
    while stack:
        group = stack.pop()
        if group not in below:
            below[group] = {child for links in _links(connections, group) for child in _groups(links)}
            stack.extend(below[group])
    waiting = dict.fromkeys(below, 0)
    for children in below.values():
        for child in children:
            waiting[child] += 1
    ready, found = [group for group in tops if not waiting[group]], []
    while ready:
        # Of those that may come, the one that runs last in the network: rows follow the network backward.
        ready.sort(key=lambda group: (group[0] != "input", *_place(connections, group)))
        group = ready.pop()
        found.append(group)
        for child in below[group]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return found


def descend(
    groups: list[Group],
    tops: dict[Group, dict[int, float]],
    contributions: Contributions,
    choose: Callable[[Floats], NDArray[np.int64]],
    most: int,
    depth: int | None,
    signed: bool,
) -> Iterator[tuple[Group, Descent]]:
    """Walk down and yield after each row.

    Parameters
    ----------
    groups : list of Group
        Each after all that read it (``order``).
    tops : dict of group to dict of channel to float
        Where to begin: score times direction.
    contributions : function
        What chosen nodes of a group read.
    choose : function
        Which of positive shares to take.
    most : int
        Nodes kept in a row.
    depth : int or None
        How many rows below the class are expanded.
    signed : bool
        Contributions are to a node's output; whether more of it helps is known from above. Otherwise to the class.
    """
    walk = Descent()
    for group, nodes in tops.items():
        for channel, value in nodes.items():
            walk.scores[group][channel], walk.flows[group][channel] = abs(value), value
            walk.arrived[group] += abs(value)
    for done, group in enumerate(groups):
        if not signed and group not in tops:
            walk.settle(group)
        ranked = sorted(walk.scores[group], key=lambda at: (-walk.scores[group][at], at))
        walk.kept[group] = [at for at in ranked if walk.scores[group][at] > 0][:most]
        if walk.kept[group] and group[0] != "input" and (depth is None or done < depth):
            _expand(walk, group, contributions(group, walk.kept[group]), choose, signed)
        yield group, walk


def _expand(
    walk: Descent,
    group: Group,
    operands: list[OperandContributions],
    choose: Callable[[Floats], NDArray[np.int64]],
    signed: bool,
) -> None:
    """Share out the scores of a group's kept nodes among their children."""
    known: dict[tuple[int, ...], _Children] = {}  # kernels of one group of channels read the same
    nets: dict[tuple[int, ...], Floats] = {}
    for place, channel in enumerate(walk.kept[group] if operands else ()):
        first = tuple(int(operand.first[place]) for operand in operands)
        if first not in known:
            known[first] = _Children.of(operands, first)
        read = known[first]
        direction = -1.0 if signed and walk.flows[group][channel] < 0 else 1.0
        added, flows = read.sums([operand.added[place] for operand in operands])
        nets[first] = nets.get(first, np.zeros(len(added))) + added
        positive = (added * direction).clip(min=0)
        total = positive.sum()
        if total <= 0:
            continue
        walk.whole += 0.0 if walk.steps[group] else float(total)
        shares, score = positive / total, walk.scores[group][channel]
        for at, part in enumerate(np.bincount(read.group, shares, len(read.groups)).tolist()):
            walk.arrived[read.groups[at]] += score * part
        for at in choose(shares).tolist():
            child, source = read.groups[read.group[at]], int(read.source[at])
            given = score * float(shares[at])
            walk.scores[child][source] += given
            walk.flows[child][source] += given if flows[at] * direction >= 0 else -given
            step = CandidateEdge(
                (child, source), (group, channel), float(added[at]), float(shares[at]), KINDS[read.kind[at]]
            )
            walk.steps[child].append(step)
    for first, net in nets.items():
        for at, value in enumerate(net.tolist()):
            walk.nets[known[first].groups[known[first].group[at]]][int(known[first].source[at])] += value


@dataclass(frozen=True, eq=False)
class _Children:
    """What one node reads, each child once.

    Attributes
    ----------
    groups : list of Group
    group, source, kind : int64 arrays (child,)
        Which of the groups, the channel there, the kind of the link.
    channels : int64 array (link,)
        Where among all channels that are read, those of the operands one after the other.
    split : float64 array (link,)
        Between how many nodes what the channel adds is split, evenly: where it merges several, nobody can tell whose it is.
    sign : float64 array (link,)
        Of the child's own output in what it adds.
    child : int64 array (link,)
    """

    groups: list[Group]
    group: NDArray[np.int64]
    source: NDArray[np.int64]
    kind: NDArray[np.int64]
    channels: NDArray[np.int64]
    split: Floats
    sign: Floats
    child: NDArray[np.int64]

    @classmethod
    def of(cls, operands: list[OperandContributions], firsts: tuple[int, ...]) -> _Children:
        """Of a node that begins to read each operand at these channels."""
        found, before = [], 0
        for operand, first in zip(operands, firsts, strict=True):
            links, count = operand.links, operand.added.shape[1]
            rows = np.arange(links.first[first], links.first[first + count])
            rows = rows[links.kind[rows] != GATE]
            readers = links.reader[rows]
            sign = np.where(operand.levels[readers] < 0, -1.0, 1.0) * np.where(links.slope[rows] < 0, -1.0, 1.0)
            keys = np.stack([links.node[rows], links.at[rows], links.source[rows]], axis=1)
            split = np.bincount(readers, minlength=1)[readers].astype(np.float64)
            found.append((keys, readers - first + before, split, sign, links.kind[rows]))
            before += count
        keys, channels, split, sign, kinds = (np.concatenate(parts) for parts in zip(*found, strict=True))
        nodes, once, child = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        groups, group = np.unique(nodes[:, :2], axis=0, return_inverse=True)
        named = [(NODES[node], at) for node, at in groups.tolist()]
        return cls(named, group.reshape(-1), nodes[:, 2], kinds[once], channels, split, sign, child.reshape(-1))

    def sums(self, added: list[Floats]) -> tuple[Floats, Floats]:
        """What each child adds to a node, and the same with the sign of the child's own output in it: (child,)."""
        adds = np.concatenate(added)[self.channels] / self.split
        count = len(self.source)
        ours, theirs = (np.bincount(self.child, each, count) for each in (adds, adds * self.sign))
        return ours.astype(np.float64), theirs.astype(np.float64)


def _links(connections: ChannelGraph, group: Group) -> list[Links]:
    if group[0] == "kernel":
        return [connections.layers[group[1]].links]
    return [addend.links for addend in connections.sums[group[1]].addends] if group[0] == "sum" else []


def _groups(links: Links) -> Iterator[Group]:
    main = links.kind != GATE
    for node, at in set(zip(links.node[main].tolist(), links.at[main].tolist(), strict=True)):
        yield NODES[node], at


def _place(connections: ChannelGraph, group: Group) -> tuple[int, int]:
    return (group[1], 0) if group[0] == "kernel" else (-1, group[1])

"""From the class down: which children inform the units of a row, row by row, each unit expanded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain.models.connectivity import Connections, Links

Floats = NDArray[np.float64]
Group = tuple[str, int]  # "kernel", "sum" or "input", and its place in the connections
NODES, KINDS, GATE = ("kernel", "sum", "input"), ("conv", "identity", "concat", "gate"), 3


@dataclass(frozen=True)
class Step:
    """One edge as it was found: from a node to its parent."""

    child: tuple[Group, int]
    parent: tuple[Group, int]
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class Operand:
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


Contributions = Callable[[Group, list[int]], list[Operand]]


@dataclass(eq=False)
class Climb:
    """What is known of each group of nodes while the rows are walked from the class to the clip.

    Attributes
    ----------
    scores, flows : dict of group to dict of channel to float
        How much positive evidence reaches a node, and the same counted negative where less of the node is what helps.
    arrived : dict of group to float
        All the positive evidence that leads there, of nodes not chosen too.
    steps : list of Step
    """

    scores: dict[Group, dict[int, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    flows: dict[Group, dict[int, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    arrived: dict[Group, float] = field(default_factory=lambda: defaultdict(float))
    steps: list[Step] = field(default_factory=list)
    kept: dict[Group, list[int]] = field(default_factory=dict)

    def coverage(self, group: Group) -> float:
        """How much of what leads to a group its kept nodes carry, 0 to 1."""
        total = self.arrived[group]
        return min(1.0, sum(self.scores[group][at] for at in self.kept[group]) / total) if total > 0 else 1.0


def order(connections: Connections, tops: list[Group]) -> list[Group]:
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


def climb(
    connections: Connections,
    tops: dict[Group, dict[int, float]],
    contributions: Contributions,
    choose: Callable[[Floats], NDArray[np.int64]],
    most: int,
    depth: int | None,
    signed: bool,
) -> Iterator[tuple[Group, Climb]]:
    """Walk down and yield after each row.

    Parameters
    ----------
    connections : Connections
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
    walk = Climb()
    for group, nodes in tops.items():
        for channel, value in nodes.items():
            walk.scores[group][channel], walk.flows[group][channel] = abs(value), value
            walk.arrived[group] += abs(value)
    for done, group in enumerate(order(connections, list(tops))):
        ranked = sorted(walk.scores[group], key=lambda at: (-walk.scores[group][at], at))
        walk.kept[group] = [at for at in ranked if walk.scores[group][at] > 0][:most]
        if walk.kept[group] and group[0] != "input" and (depth is None or done < depth):
            operands = contributions(group, walk.kept[group])
            for place, channel in enumerate(walk.kept[group]):
                _expand(walk, group, place, channel, operands, choose, signed)
        yield group, walk


def _expand(
    walk: Climb,
    group: Group,
    place: int,
    channel: int,
    operands: list[Operand],
    choose: Callable[[Floats], NDArray[np.int64]],
    signed: bool,
) -> None:
    """Share out one node's score among its children."""
    direction = -1.0 if signed and walk.flows[group][channel] < 0 else 1.0
    nodes, added, flows, kinds = _children(operands, place)
    positive = (added * direction).clip(min=0)
    total = positive.sum()
    if total <= 0:
        return
    shares, score = positive / total, walk.scores[group][channel]
    for kind, at in np.unique(nodes[:, :2], axis=0).tolist():
        among = (nodes[:, 0] == kind) & (nodes[:, 1] == at)
        walk.arrived[NODES[kind], at] += score * float(shares[among].sum())
    for at in choose(shares).tolist():
        kind, where, source = nodes[at].tolist()
        child: Group = (NODES[kind], where)
        given = score * float(shares[at])
        walk.scores[child][source] += given
        walk.flows[child][source] += given if flows[at] * direction >= 0 else -given
        walk.steps.append(
            Step((child, source), (group, channel), float(added[at]), float(shares[at]), KINDS[int(kinds[at])])
        )


def _children(operands: list[Operand], place: int) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """What one node reads, each child once.

    Returns
    -------
    children (child, 3): node, at, channel
    what each adds (child,)
    the same, with the sign that the child's own output has in it (child,)
    kind of the link (child,)
    """
    found = []
    for operand in operands:
        links, first = operand.links, int(operand.first[place])
        rows = np.arange(links.first[first], links.first[first + operand.added.shape[1]])
        rows = rows[links.kind[rows] != GATE]
        readers = links.reader[rows]
        # Where a channel merges several nodes, what it adds is split evenly: nobody can tell whose it is.
        adds = operand.added[place][readers - first] / np.bincount(readers)[readers] if len(rows) else np.empty(0)
        signs = np.where(operand.levels[readers] < 0, -1.0, 1.0) * np.where(links.slope[rows] < 0, -1.0, 1.0)
        keys = np.stack([links.node[rows], links.at[rows], links.source[rows]], axis=1)
        found.append((keys, adds, adds * signs, links.kind[rows]))
    keys, adds, flows, kinds = (np.concatenate(parts) for parts in zip(*found, strict=True))
    nodes, once, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    count = len(nodes)
    sums = [np.asarray(np.bincount(inverse, each, count), np.float64) for each in (adds, flows)]
    return nodes, sums[0], sums[1], kinds[once]


def _links(connections: Connections, group: Group) -> list[Links]:
    if group[0] == "kernel":
        return [connections.layers[group[1]].links]
    return [addend.links for addend in connections.sums[group[1]].addends] if group[0] == "sum" else []


def _groups(links: Links) -> Iterator[Group]:
    main = links.kind != GATE
    for node, at in set(zip(links.node[main].tolist(), links.at[main].tolist(), strict=True)):
        yield NODES[node], at


def _place(connections: Connections, group: Group) -> tuple[int, int]:
    return (group[1], 0) if group[0] == "kernel" else (-1, group[1])

"""From labels that arrived at kernels, sums or the clip to links: which channel of the reader each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.models.channel_graph.channel_labels import Labels
from notebook_explain.models.channel_graph.graph import GATE, Links
from notebook_explain.models.positions.tensor import narrow


class Stop(NamedTuple):
    """A tensor whose channels are nodes: kernels, sums or colours, and along which axis they lie."""

    node: int
    at: int
    axis: int


class Pairs(NamedTuple):
    """Labels (from 0) and the places along an axis that they stand on, each pair once, with the slope there."""

    label: NDArray[np.int64]
    place: NDArray[np.int64]
    slope: NDArray[np.float64]


class Rows(NamedTuple):
    """Links in the making: the reader's channel, node, at, source, kind, slope; arrays of one length."""

    reader: NDArray[np.int64]
    node: NDArray[np.int64]
    at: NDArray[np.int64]
    source: NDArray[np.int64]
    kind: NDArray[np.int64]
    slope: NDArray[np.float64]


def present(labels: Labels) -> set[int]:
    """Channels (from 0) that labels stand for."""
    return {int(value) - 1 for value in narrow(labels.values).unique().tolist() if value > 0}


@overload
def pairs_along(labels: Labels, axis: int, whole: Literal[False] = False) -> Pairs: ...
@overload
def pairs_along(labels: Labels, axis: int, whole: Literal[True]) -> Pairs | None: ...
def pairs_along(labels: Labels, axis: int, whole: bool = False) -> Pairs | None:
    """Which labels stand on which place along an axis; with ``whole``, ``None`` where several stand on one."""
    shape = labels.values.shape
    values = narrow(labels.values)
    values = values.expand(*[shape[k] if k == axis else n for k, n in enumerate(values.shape)])
    rows = values.movedim(axis, 0).flatten(1)
    highest, lowest = rows.amax(1), torch.where(rows > 0, rows, torch.inf).amin(1)
    several = (highest > lowest).nonzero()[:, 0].tolist()
    if whole and several:
        return None
    at = (highest == lowest).nonzero()[:, 0]
    label, place = [highest[at].cpu().numpy()], [at.cpu().numpy()]
    for k in several:
        found = rows[k].unique().cpu().numpy()
        label.append(found[found > 0])
        place.append(np.full(len(label[-1]), k))
    every = np.concatenate(place).astype(np.int64)
    return Pairs(np.concatenate(label).astype(np.int64) - 1, every, _slopes(labels, axis)[every])


def _slopes(labels: Labels, axis: int) -> NDArray[np.float64]:
    """Mean slope for each place along an axis, where there are labels."""
    count, even = labels.values.shape[axis], labels.even
    if even is not None:
        return np.full(count, float(even))
    values, slopes = torch.broadcast_tensors(narrow(labels.values), narrow(labels.slopes))
    known, slopes = (part.movedim(axis, 0).flatten(1) for part in (values > 0, slopes))
    mean = (slopes * known).sum(1) / known.sum(1).clamp_min(1)
    result: NDArray[np.float64] = mean.expand(count).double().cpu().numpy()
    return result


def arrived(stop: Stop, labels: Labels, kind: int) -> Rows:
    """Links to the nodes of a stop that labels stand on."""
    label, place, slope = pairs_along(labels, stop.axis % labels.values.ndim)
    full = np.ones(len(label), np.int64)
    return Rows(label, full * stop.node, full * stop.at, place, full * kind, slope)


def composed(pairs: Pairs, links: Links, kind: int) -> Rows:
    """What feeds the channels that labels stand on, for the labels; gates stay gates."""
    counts = np.diff(links.first)[pairs.place]
    starts = np.repeat(links.first[pairs.place] - np.cumsum(counts) + counts, counts)
    rows = starts + np.arange(counts.sum())
    kinds = np.where(links.kind[rows] == GATE, GATE, kind)
    slope = np.where(kinds == GATE, links.slope[rows], np.repeat(pairs.slope, counts) * links.slope[rows])
    return Rows(np.repeat(pairs.label, counts), links.node[rows], links.at[rows], links.source[rows], kinds, slope)


def to_links(channels: int, rows: Sequence[Rows], lost: Mapping[str, set[int]]) -> Links:
    """Sort rows by the reader's channel, each once, and tell what is constant from what is unknown."""
    reader, node, at, source, kind = (
        np.concatenate([np.empty(0, np.int64), *(row[column] for row in rows)]).astype(np.int64) for column in range(5)
    )
    slope = np.concatenate([np.empty(0), *(row.slope for row in rows)])
    order = np.lexsort((kind, source, at, node, reader))
    keys = np.stack([reader, node, at, source, kind == GATE], axis=1)[order]
    new = np.ones(len(keys), bool)
    new[1:] = np.any(keys[1:] != keys[:-1], axis=1)
    order = order[new]
    reader, node, at, source, kind = (part[order] for part in (reader, node, at, source, kind))
    unknown = tuple((name, np.array(sorted(each), np.int64)) for name, each in sorted(lost.items()) if each)
    fed = np.unique(np.concatenate([reader[kind != GATE], *(each for _, each in unknown)]))
    constant = np.setdiff1d(np.arange(channels), fed)
    first = np.searchsorted(reader, np.arange(channels + 1))
    return Links(first, node, at, source, kind, slope[order], constant, unknown)


def repeated(links: Links, channels: int) -> Links:
    """Links of a tensor with one channel, for each of the channels that it is broadcast to."""
    node, at, source, kind = (np.tile(part, channels) for part in (links.node, links.at, links.source, links.kind))
    every = np.arange(channels)
    constant = every if len(links.constant) else every[:0]
    unknown = tuple((name, every) for name, _ in links.unknown)
    slope = np.tile(links.slope, channels)
    return Links(np.arange(channels + 1) * len(links.node), node, at, source, kind, slope, constant, unknown)


def apart(links: Links) -> bool:
    """Whether channels were read along the right axis: along another one, every place would see all kernels of a row.

    Then no channel comes from several of one row, or no two channels come from the same.
    """
    main = links.kind != GATE
    columns = np.stack([links.node, links.at, links.reader, links.source], axis=1)[main]
    if not len(columns):
        return len(links.unknown) > 0
    return any(len(np.unique(columns[:, [0, 1, k]], axis=0)) == len(columns) for k in (2, 3))


def same_sources(a: Links, b: Links) -> bool:
    """Whether each channel of both is one and the same node: a sum or product of such has no say of its own."""
    main, other = a.kind != GATE, b.kind != GATE
    if a.unknown or b.unknown or main.sum() != other.sum() or len(a) != len(b):
        return False
    columns = ((a.reader, b.reader), (a.node, b.node), (a.at, b.at), (a.source, b.source))
    return all(np.array_equal(x[main], y[other]) for x, y in columns) and bool(np.all(np.diff(a.reader[main]) > 0))

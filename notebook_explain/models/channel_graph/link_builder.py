"""Turn labels that arrived at kernels, sums or the clip into links: one row per pair of reading channel and source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.models.channel_graph.channel_labels import Labels
from notebook_explain.models.channel_graph.graph import GATE, Links
from notebook_explain.models.positions.tensor import narrow


class Terminal(NamedTuple):
    """A tensor whose channels are nodes: their type, the index of the layer, sum or pathway, and the channel axis."""

    node: int
    owner: int
    axis: int


class LabelPositions(NamedTuple):
    """Pairs of a label (from 0) and a position along an axis where it occurs, each pair once, with its slope there."""

    label: NDArray[np.int64]
    position: NDArray[np.int64]
    slope: NDArray[np.float64]


class LinkRows(NamedTuple):
    """Links before they are sorted; arrays (link,). ``reader`` is the channel that is read, the others as in ``Links``."""

    reader: NDArray[np.int64]
    node: NDArray[np.int64]
    owner: NDArray[np.int64]
    channel: NDArray[np.int64]
    kind: NDArray[np.int64]
    slope: NDArray[np.float64]


def labels_present(labels: Labels) -> set[int]:
    """Return the channels (from 0) whose labels occur."""
    return {int(value) - 1 for value in narrow(labels.values).unique().tolist() if value > 0}


@overload
def label_positions(labels: Labels, axis: int, unique: Literal[False] = False) -> LabelPositions: ...
@overload
def label_positions(labels: Labels, axis: int, unique: Literal[True]) -> LabelPositions | None: ...
def label_positions(labels: Labels, axis: int, unique: bool = False) -> LabelPositions | None:
    """Find the labels at each position of an axis; with ``unique``, return None if any position has several."""
    shape = labels.values.shape
    values = narrow(labels.values)
    values = values.expand(*[shape[k] if k == axis else n for k, n in enumerate(values.shape)])
    rows = values.movedim(axis, 0)
    rows = rows.reshape(len(rows), -1)  # also of values without other axes, such as a number per clip
    highest, lowest = rows.amax(1), torch.where(rows > 0, rows, torch.inf).amin(1)
    several = (highest > lowest).nonzero()[:, 0].tolist()
    if unique and several:
        return None
    single = (highest == lowest).nonzero()[:, 0]
    label, position = [highest[single].cpu().numpy()], [single.cpu().numpy()]
    for index in several:
        found = rows[index].unique().cpu().numpy()
        label.append(found[found > 0])
        position.append(np.full(len(label[-1]), index))
    positions = np.concatenate(position).astype(np.int64)
    return LabelPositions(np.concatenate(label).astype(np.int64) - 1, positions, _mean_slopes(labels, axis)[positions])


def _mean_slopes(labels: Labels, axis: int) -> NDArray[np.float64]:
    """Return the mean slope of the labelled elements at each position of an axis."""
    count, uniform = labels.values.shape[axis], labels.uniform_slope
    if uniform is not None:
        return np.full(count, float(uniform))
    values, slopes = torch.broadcast_tensors(narrow(labels.values), narrow(labels.slopes))
    labelled, slopes = (part.movedim(axis, 0).flatten(1) for part in (values > 0, slopes))
    mean = (slopes * labelled).sum(1) / labelled.sum(1).clamp_min(1)
    result: NDArray[np.float64] = mean.expand(count).double().cpu().numpy()
    return result


def links_to_terminal(terminal: Terminal, labels: Labels, kind: int) -> LinkRows:
    """Link each label to the nodes of a terminal that it arrived at."""
    label, position, slope = label_positions(labels, terminal.axis % labels.values.ndim)
    ones = np.ones(len(label), np.int64)
    return LinkRows(label, ones * terminal.node, ones * terminal.owner, position, ones * kind, slope)


def compose_links(pairs: LabelPositions, links: Links, kind: int) -> LinkRows:
    """Link each label to the sources of the channels that it arrived at; gates remain gates."""
    counts = np.diff(links.first)[pairs.position]
    starts = np.repeat(links.first[pairs.position] - np.cumsum(counts) + counts, counts)
    rows = starts + np.arange(counts.sum())
    kinds = np.where(links.kind[rows] == GATE, GATE, kind)
    slope = np.where(kinds == GATE, links.slope[rows], np.repeat(pairs.slope, counts) * links.slope[rows])
    return LinkRows(
        np.repeat(pairs.label, counts), links.node[rows], links.owner[rows], links.channel[rows], kinds, slope
    )


def to_links(
    channels: int,
    rows: Sequence[LinkRows],
    unknown: Mapping[str, set[int]],
    layers_below: Iterable[tuple[int, int]] = (),
) -> Links:
    """Sort rows by reading channel, drop duplicates, and separate constant channels from unknown ones.

    Parameters
    ----------
    channels : int
        Number of channels that are read.
    rows : sequence of LinkRows
    unknown : dict of operation name to set of channels
    layers_below : iterable of (node, owner)
        Layers, sums and pathways that the unknown operations read.
    """
    reader, node, owner, channel, kind = (
        np.concatenate([np.empty(0, np.int64), *(row[column] for row in rows)]).astype(np.int64) for column in range(5)
    )
    slope = np.concatenate([np.empty(0), *(row.slope for row in rows)])
    order = np.lexsort((kind, channel, owner, node, reader))
    keys = np.stack([reader, node, owner, channel, kind == GATE], axis=1)[order]
    is_new = np.ones(len(keys), bool)
    is_new[1:] = np.any(keys[1:] != keys[:-1], axis=1)
    order = order[is_new]
    reader, node, owner, channel, kind = (part[order] for part in (reader, node, owner, channel, kind))
    unknown_channels = tuple(
        (name, np.array(sorted(indices), np.int64)) for name, indices in sorted(unknown.items()) if indices
    )
    fed = np.unique(np.concatenate([reader[kind != GATE], *(indices for _, indices in unknown_channels)]))
    constant = np.setdiff1d(np.arange(channels), fed)
    first = np.searchsorted(reader, np.arange(channels + 1))
    below = np.array(sorted(layers_below), np.int64).reshape(-1, 2)
    return Links(first, node, owner, channel, kind, slope[order], constant, unknown_channels, below)


def broadcast_links(links: Links, channels: int) -> Links:
    """Repeat the links of a tensor with one channel for each channel that it is broadcast to."""
    node, owner, channel, kind = (
        np.tile(part, channels) for part in (links.node, links.owner, links.channel, links.kind)
    )
    all_channels = np.arange(channels)
    constant = all_channels if len(links.constant) else all_channels[:0]
    unknown = tuple((name, all_channels) for name, _ in links.unknown)
    slope = np.tile(links.slope, channels)
    first = np.arange(channels + 1) * len(links.node)
    return Links(first, node, owner, channel, kind, slope, constant, unknown, links.layers_below)


def channels_are_separate(links: Links) -> bool:
    """Return whether links were read along the channel axis; along any other, every index reads all kernels of a layer.

    This holds if no channel comes from two kernels of one layer, or if no kernel feeds two channels.
    """
    main = links.kind != GATE
    columns = np.stack([links.node, links.owner, links.reader, links.channel], axis=1)[main]
    if not len(columns):
        return len(links.unknown) > 0
    return any(len(np.unique(columns[:, [0, 1, k]], axis=0)) == len(columns) for k in (2, 3))


def same_sources(a: Links, b: Links) -> bool:
    """Return whether each channel has one source, the same in both, so that their sum or product adds no node."""
    main_a, main_b = a.kind != GATE, b.kind != GATE
    if a.unknown or b.unknown or main_a.sum() != main_b.sum() or len(a) != len(b):
        return False
    columns = ((a.reader, b.reader), (a.node, b.node), (a.owner, b.owner), (a.channel, b.channel))
    has_one_source = bool(np.all(np.diff(a.reader[main_a]) > 0))
    return all(np.array_equal(x[main_a], y[main_b]) for x, y in columns) and has_one_source

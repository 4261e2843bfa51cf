"""State of a descent: evidence that has reached each unit, the units that are kept, and the edges between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain.methods.feature_pyramid.child_table import Floats, UnitKey
from notebook_explain.methods.feature_pyramid.contributions import PRODUCT
from notebook_explain.methods.feature_pyramid.layer_records import ChannelGradients, LayerKey
from notebook_explain.models.channel_graph.graph import KINDS

SELECTIONS = MASS, TOP_K, MIN_MAX = ("mass", "topk", "minmax")
MAX_AGAINST = 8  # children of one unit that are shown because they work against it


@dataclass(frozen=True)
class DescentOptions:
    """Options of ``FeaturePyramid`` that decide which units a descent keeps; see there."""

    contribution: str
    selection: str
    mass: float
    k: int
    theta: float
    max_units: int
    depth: int | None

    def select(self, shares: Floats) -> NDArray[np.int64]:
        """Return the indices of the children to follow, the largest share first; none without positive shares."""
        ranked: NDArray[np.int64] = np.argsort(-shares, kind="stable").astype(np.int64)
        ranked = ranked[shares[ranked] > 0]
        if self.selection == TOP_K:
            return ranked[: self.k]
        if self.selection == MIN_MAX:
            spread = shares.max() - shares.min()
            is_large: NDArray[np.bool_] = (shares[ranked] - shares.min()) >= self.theta * spread
            return ranked[is_large]
        cumulative = np.cumsum(shares[ranked])
        return (
            ranked[: int(np.searchsorted(cumulative, self.mass * cumulative[-1] - 1e-12)) + 1]
            if len(ranked)
            else ranked
        )


def select_against(shares: Floats, selected: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the negative shares to show: those at least as strong as the weakest selected one.

    There are at most as many as selected ones, and at most ``MAX_AGAINST``; the strongest comes first.
    """
    if not len(selected):
        return selected
    ranked: NDArray[np.int64] = np.argsort(shares, kind="stable").astype(np.int64)
    is_strong: NDArray[np.bool_] = -shares[ranked] >= shares[selected].min()
    return ranked[is_strong][: min(len(selected), MAX_AGAINST)]


@dataclass(frozen=True)
class CandidateEdge:
    """An edge from a child to its parent, whether or not the child is kept; ``share`` is negative if it works against it."""

    child: UnitKey
    parent: UnitKey
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class DescentRow:
    """The units that a descent keeps of one layer, by descending score.

    Attributes
    ----------
    layer : LayerKey
    channels : list of int
        Empty where nothing of the layer is kept.
    scores : list of float
        0 for units that are shown only because they work against a unit above.
    directions, map_directions : list of int
        1, or -1 where less of the unit's output helps: before its norm and activation, and after them.
    totals : list of float, or None
        Sum of what all channels that each unit reads add to it; None where a descent went no deeper.
    edges : list of CandidateEdge
        Edges to parents, of all candidates of the layer.
    coverage : float in 0..1
        Fraction of the positive evidence leading into the layer that the kept units carry.
    operations : tuple of str
        Operations between this layer and the units above through which channels cannot be traced.
    has_gradient : bool
        A gradient of the score reaches the layer; else the directions follow from the contributions.
    """

    layer: LayerKey
    channels: list[int]
    scores: list[float]
    directions: list[int]
    map_directions: list[int]
    totals: list[float] | None
    edges: list[CandidateEdge]
    coverage: float
    operations: tuple[str, ...] = ()
    has_gradient: bool = True


@dataclass(eq=False)
class BestLinks:
    """For each channel of a layer, the link that adds most to a kept unit: arrays (channel,) and the parents."""

    contribution: Floats
    share: Floats
    kind: NDArray[np.int64]
    parent: NDArray[np.int64]
    parents: list[UnitKey] = field(default_factory=list)

    @classmethod
    def empty(cls, width: int) -> BestLinks:
        """Return no links, for a layer of so many channels."""
        zeros = np.zeros(width, np.int64)
        return cls(np.full(width, -np.inf), np.zeros(width), zeros.copy(), zeros.copy())

    def update(
        self, parent: UnitKey, channel: NDArray[np.int64], added: Floats, shares: Floats, kind: NDArray[np.int64]
    ) -> None:
        """Keep the links of a parent where they add more than those before; arrays (child,)."""
        better = added > self.contribution[channel]
        to = channel[better]
        self.contribution[to], self.share[to], self.kind[to] = added[better], shares[better], kind[better]
        self.parent[to] = len(self.parents)
        self.parents.append(parent)


def _floats_by_channel() -> dict[LayerKey, dict[int, float]]:
    return defaultdict(lambda: defaultdict(float))


@dataclass(eq=False)
class Descent:
    """State of a walk from the class to the clip.

    Attributes
    ----------
    gradients : dict of layer to ChannelGradients
    scores : dict of layer to dict of channel to float
        Positive evidence that reaches a unit.
    signed_scores : dict of layer to dict of channel to float
        The same, counted negative where less of the unit's output helps, by the signs of the contributions.
    incoming : dict of layer to float
        Positive evidence that leads into a layer, including that of channels that were not selected.
    edges : dict of layer to list of CandidateEdge
        Edges whose children are in the layer.
    against : dict of layer to dict of channel to float
        Evidence that units take away from a unit above, where that is shown.
    kept : dict of layer to list of channel
    totals : dict of layer to list of float
        Sum of all contributions to each kept unit.
    nets : dict of layer to dict of channel to float
        First order only: sum of what a channel adds, for and against the class, to all kept units that read it.
    best_links : dict of layer to BestLinks
        By gradient x activation only.
    operations : dict of layer to dict of name to None
        Operations that cannot be traced, between the layer and kept units.
    """

    gradients: Mapping[LayerKey, ChannelGradients] = field(default_factory=dict)
    scores: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    signed_scores: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    incoming: dict[LayerKey, float] = field(default_factory=lambda: defaultdict(float))
    edges: dict[LayerKey, list[CandidateEdge]] = field(default_factory=lambda: defaultdict(list))
    against: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    kept: dict[LayerKey, list[int]] = field(default_factory=dict)
    totals: dict[LayerKey, list[float]] = field(default_factory=dict)
    nets: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    best_links: dict[LayerKey, BestLinks] = field(default_factory=dict)
    operations: dict[LayerKey, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    classes: dict[LayerKey, dict[int, float]] = field(default_factory=dict)

    def start(self, classes: dict[LayerKey, dict[int, float]]) -> None:
        """Enter the units that stand for the class with their signed scores."""
        self.classes = classes
        for layer, channels in classes.items():
            for channel, value in channels.items():
                self.scores[layer][channel], self.signed_scores[layer][channel] = abs(value), value
                self.incoming[layer] += abs(value)

    def score_to_first_order(self, layer: LayerKey, options: DescentOptions) -> None:
        """Score units by their share of the layer's positive first-order evidence, once everything that reads it is expanded.

        The evidence of a unit is its gradient x activation, or its net contribution through the kept units that read it.
        """
        selected = set(self.scores[layer])
        by_product = layer in self.gradients and (options.contribution == PRODUCT or layer in self.operations)
        nets = dict(enumerate(self.gradients[layer].product.tolist())) if by_product else self.nets[layer]
        total = sum(net for net in nets.values() if net > 0)
        if by_product and options.contribution == PRODUCT and total > 0:
            selected = set(options.select(self.gradients[layer].product.clip(min=0) / total).tolist())
            selected &= {edge.child[1] for edge in self.edges[layer]} | self._linked(layer)
        scale = self.incoming[layer] / total if total > 0 else 0.0
        candidates = sorted(selected | set(self.against[layer]))
        self.scores[layer] = defaultdict(
            float, {channel: scale * max(nets.get(channel, 0.0), 0.0) for channel in candidates}
        )

    def _linked(self, layer: LayerKey) -> set[int]:
        links = self.best_links.get(layer)
        return set() if links is None else set(np.flatnonzero(np.isfinite(links.contribution)).tolist())

    def keep(self, layer: LayerKey, max_units: int) -> list[int]:
        """Keep the units with the highest positive scores, ties by channel; then those that work against units above."""
        scores, against = self.scores[layer], self.against[layer]
        ranked = sorted(scores, key=lambda channel: (-scores[channel], channel))
        kept = [channel for channel in ranked if scores[channel] > 0][:max_units]
        opposing = [channel for channel in against if channel not in kept and not scores.get(channel)]
        opposing.sort(key=lambda channel: (-against[channel], channel))
        self.kept[layer] = kept + opposing[: min((len(kept) + 1) // 2, max_units - len(kept))]
        self._link_kept(layer)
        return self.kept[layer]

    def _link_kept(self, layer: LayerKey) -> None:
        """Add the best link of each kept unit that has no edge."""
        links = self.best_links.get(layer)
        if links is None:
            return
        linked = {edge.child[1] for edge in self.edges[layer]}
        for channel in self.kept[layer]:
            if channel not in linked:
                parent, kind = links.parents[links.parent[channel]], KINDS[links.kind[channel]]
                added, share = float(links.contribution[channel]), float(links.share[channel])
                self.edges[layer].append(CandidateEdge((layer, channel), parent, added, share, kind))

    def direction(self, layer: LayerKey, channel: int) -> int:
        """Return 1, or -1 where raising the whole output of a unit, before its norm, lowers the score.

        This is the sign of the summed gradient. Without a gradient it is the sign of the contributions.
        """
        gradient = 0.0
        if layer in self.gradients and layer not in self.classes:
            gradient = float(self.gradients[layer].output[channel])
        return -1 if (gradient or self.signed_scores[layer].get(channel, 0.0)) < 0 else 1

    def map_direction(self, layer: LayerKey, channel: int) -> int:
        """Return the same for the output after norm and activation."""
        gradient = 0.0
        if layer in self.gradients and layer not in self.classes:
            gradient = float(self.gradients[layer].activation[channel])
        return self.direction(layer, channel) if gradient == 0 else -1 if gradient < 0 else 1

    def row(self, layer: LayerKey) -> DescentRow:
        """Return the row of a layer, once its units are kept."""
        kept, scores, total = self.kept[layer], self.scores[layer], self.incoming[layer]
        return DescentRow(
            layer=layer,
            channels=list(kept),
            scores=[scores.get(channel, 0.0) for channel in kept],
            directions=[self.direction(layer, channel) for channel in kept],
            map_directions=[self.map_direction(layer, channel) for channel in kept],
            totals=self.totals.get(layer),
            edges=list(self.edges[layer]),
            coverage=min(1.0, sum(scores.get(channel, 0.0) for channel in kept) / total) if total > 0 else 1.0,
            operations=tuple(self.operations[layer]) if layer in self.operations else (),
            has_gradient=layer in self.gradients or layer in self.classes,
        )

"""Ask an operation that nobody described where the channels of its result come from: its own backward pass tells.

Backward passes of ones, of the labels and of the labels in a shuffled order must agree on one label per element of the
input. If they do not, several labels meet there; asked a few at a time they may come apart, or else the operation mixes
channels.
"""

from __future__ import annotations

import torch

from notebook_explain.models.channel_graph.channel_labels import Labels, Node, Opaque, Step, asked, device_of, operation

_CONSTANT_PARTS = frozenset({"CopySlices", "IndexPut", "Scatter", "SliceScatter", "SelectScatter", "IndexCopy"})


def probed(node: Node, output: int, labels: Labels, shapes: dict[int, torch.Size], depth: int = 0) -> list[Step]:
    """Ask an operation that nobody described; where several labels meet in one element, ask for some at a time."""
    if depth == 0 and list(shapes.values()) == [labels.values.shape]:
        sign = _element_by_element(node, output, labels.values.shape, next(iter(shapes)))
        if sign:
            return [(next(iter(shapes)), Labels(labels.values, sign * labels.slopes))]
    try:
        steps = [(at, found) for at, found in _decoded(node, output, labels) if at in shapes]
    except _Mixed:
        if depth == 2:
            raise Opaque from None
        steps = []
        for part in _halves(labels.values, depth):
            steps += probed(node, output, Labels(part, labels.slopes), shapes, depth + 1)
        return steps
    if any(found.values.shape != shapes[at] for at, found in steps):
        raise Opaque
    if operation(node) not in _CONSTANT_PARTS and _lost(labels, [found for _, found in steps]):
        raise Opaque
    return steps


def _element_by_element(node: Node, output: int, shape: torch.Size, at: int) -> int:
    """1 or -1, rising or falling, if each element of the result comes from its own of the input; 0 otherwise.

    Then the backward pass of anything is that of ones times it. A ReLU may be dead in places, not everywhere.
    """
    device = device_of(node, output)
    given = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device) + 0.5
    ones, moved = asked(node, output, torch.ones(shape, device=device))[at], asked(node, output, given)[at]
    if ones is None or moved is None or ones.shape != shape or not bool(ones.any()):
        return 0
    if not torch.allclose(moved, ones * given, rtol=1e-4, atol=1e-12):
        return 0
    return -1 if bool((ones <= 0).all()) else 1


def _lost(labels: Labels, found: list[Labels]) -> bool:
    """Whether a label that went in came out nowhere: dead on this clip, and nobody knows where it would come out."""
    before = set(labels.values.unique().tolist()) - {0.0}
    return not before <= {value for part in found for value in part.values.unique().tolist()}


class _Mixed(Exception):  # noqa: N818
    """Several labels met in one element."""


def _decoded(node: Node, output: int, labels: Labels) -> list[Step]:
    known = (labels.values > 0).float()
    count = int(labels.values.max())
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(count)) + 1.0
    code = torch.cat([torch.zeros(1), shuffled]).to(known.device)
    ones, numbers, codes = (
        asked(node, output, values) for values in (known, labels.values.contiguous(), code[labels.values.long()])
    )
    slopes = asked(node, output, labels.slopes * known)
    steps = []
    for at, (one, number, other, slope) in enumerate(zip(ones, numbers, codes, slopes, strict=True)):
        if one is None or number is None or other is None or slope is None:
            continue
        one, number, other = one.double(), number.double(), other.double()
        alive = one != 0
        safe = torch.where(alive, one, 1.0)
        ratio = torch.where(alive, number / safe, 0.0)
        nearest = ratio.round().clamp(0, count)
        meant = code[nearest.long()]
        agree = (ratio - nearest).abs() <= 1e-3 + 1e-5 * nearest
        agree &= (torch.where(alive, other / safe, 0.0) - meant).abs() <= 1e-3 + 1e-5 * meant
        if not bool(agree.all()) or bool(((number != 0) & ~alive).any()):
            raise _Mixed
        scale = torch.where(alive, slope / safe, 0.0) * one.sign()
        steps.append((at, Labels(nearest.float(), scale.float())))
    return steps


def _halves(values: torch.Tensor, depth: int) -> list[torch.Tensor]:
    """Labels apart: the lower and the upper ones, then the odd and the even ones."""
    low = values <= (values.max() + values[values > 0].min()) / 2 if depth == 0 else values % 2 == 1
    return [torch.where(low, values, 0.0), torch.where(low, 0.0, values)]

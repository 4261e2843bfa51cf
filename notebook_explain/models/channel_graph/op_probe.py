"""Find the sources of an unknown operation's channels by running its backward pass on chosen values.

Backward passes of ones, of the labels and of the labels in a shuffled order must agree on one label per element of the
input. If they do not, several labels meet in one element. Probed a few at a time, they may separate; otherwise the
operation mixes channels.
"""

from __future__ import annotations

import torch

from notebook_explain.models.channel_graph.channel_labels import (
    InputLabels,
    Labels,
    Node,
    Opaque,
    device_of,
    operation,
    run_backward,
)

_OVERWRITING = frozenset({"CopySlices", "IndexPut", "Scatter", "SliceScatter", "SelectScatter", "IndexCopy"})


def probe_op(
    node: Node, output: int, labels: Labels, shapes: dict[int, torch.Size], depth: int = 0
) -> list[InputLabels]:
    """Carry labels to the inputs of an unknown operation; split them where several meet in one element.

    Parameters
    ----------
    node, output, labels
        As in ``labels_on_inputs``.
    shapes : dict of input index to shape
    depth : int
        How often labels were split so far, 0 to 2.

    Raises
    ------
    Opaque
        The operation mixes channels.
    """
    if depth == 0 and list(shapes.values()) == [labels.values.shape]:
        (index,) = shapes
        sign = _elementwise_sign(node, output, labels.values.shape, index)
        if sign:
            return [(index, Labels(labels.values, sign * labels.slopes))]
    try:
        found = [(index, part) for index, part in _decode_labels(node, output, labels) if index in shapes]
    except _LabelsMeet:
        if depth == 2:
            raise Opaque from None
        found = []
        for part in _split_labels(labels.values, depth):
            found += probe_op(node, output, Labels(part, labels.slopes), shapes, depth + 1)
        return found
    if any(part.values.shape != shapes[index] for index, part in found):
        raise Opaque
    # An operation that overwrites a part of its input loses the labels of that part for good reason.
    if operation(node) not in _OVERWRITING and _loses_labels(labels, [part for _, part in found]):
        raise Opaque
    return found


def _elementwise_sign(node: Node, output: int, shape: torch.Size, index: int) -> int:
    """Return 1 (rising) or -1 (falling) if each element of the result depends on the same element of the input, else 0.

    The backward pass of any values is then that of ones, multiplied by the values. A ReLU may be dead in some elements,
    but not in all.
    """
    device = device_of(node, output)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device) + 0.5
    ones = run_backward(node, output, torch.ones(shape, device=device))[index]
    moved = run_backward(node, output, values)[index]
    if ones is None or moved is None or ones.shape != shape or not bool(ones.any()):
        return 0
    if not torch.allclose(moved, ones * values, rtol=1e-4, atol=1e-12):
        return 0
    return -1 if bool((ones <= 0).all()) else 1


def _loses_labels(labels: Labels, found: list[Labels]) -> bool:
    """Return whether a label arrived nowhere: the operation is dead for it on this clip, and its source is unknown."""
    before = set(labels.values.unique().tolist()) - {0.0}
    return not before <= {value for part in found for value in part.values.unique().tolist()}


class _LabelsMeet(Exception):  # noqa: N818
    """Several labels met in one element."""


def _decode_labels(node: Node, output: int, labels: Labels) -> list[InputLabels]:
    """Read one label per input element from three backward passes; raise _LabelsMeet where they disagree."""
    labelled = (labels.values > 0).float()
    count = int(labels.values.max())
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(count)) + 1.0
    code = torch.cat([torch.zeros(1), shuffled]).to(labelled.device)
    ones, numbers, codes = (
        run_backward(node, output, values)
        for values in (labelled, labels.values.contiguous(), code[labels.values.long()])
    )
    slopes = run_backward(node, output, labels.slopes * labelled)
    result = []
    for index, (gain, number, coded, slope) in enumerate(zip(ones, numbers, codes, slopes, strict=True)):
        if gain is None or number is None or coded is None or slope is None:
            continue
        gain, number, coded = gain.double(), number.double(), coded.double()
        is_alive = gain != 0
        divisor = torch.where(is_alive, gain, 1.0)
        ratio = torch.where(is_alive, number / divisor, 0.0)
        nearest = ratio.round().clamp(0, count)
        expected = code[nearest.long()]
        agrees = (ratio - nearest).abs() <= 1e-3 + 1e-5 * nearest
        agrees &= (torch.where(is_alive, coded / divisor, 0.0) - expected).abs() <= 1e-3 + 1e-5 * expected
        if not bool(agrees.all()) or bool(((number != 0) & ~is_alive).any()):
            raise _LabelsMeet
        scale = torch.where(is_alive, slope / divisor, 0.0) * gain.sign()
        result.append((index, Labels(nearest.float(), scale.float())))
    return result


def _split_labels(values: torch.Tensor, depth: int) -> list[torch.Tensor]:
    """Split labels in two: the lower and the upper ones at first, then the odd and the even ones."""
    is_first = values <= (values.max() + values[values > 0].min()) / 2 if depth == 0 else values % 2 == 1
    return [torch.where(is_first, values, 0.0), torch.where(is_first, 0.0, values)]

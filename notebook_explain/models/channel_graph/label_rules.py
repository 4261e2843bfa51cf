"""What one operation of the network does to channels, read backward: from labels on its result to labels on its inputs.

The autograd graph is the network as it really ran: views, in-place changes and functions of any library are in it. A
label is a number per element, here carried from an operation's result to its inputs:

* what computes element by element, and norms, leave labels where they are, so a ReLU that is dead on the clip or a norm
  whose weight is 0 hides nothing;
* pooling and interpolation spread a channel's label over what their windows see, reductions over what they reduce;
* what only moves values (views, slices, concatenation, shuffles) moves labels just so: its own backward pass does it;
* any other operation is probed: backward passes of ones, of the labels and of the labels in a shuffled order agree on one
  label per element, or the operation mixes channels and is ``Opaque``.
"""

from __future__ import annotations

import re

import torch

from notebook_explain.models.channel_graph.channel_labels import (
    Labels,
    Node,
    Opaque,
    Step,
    asked,
    operation,
    saved_dims,
    shape_of,
)
from notebook_explain.models.channel_graph.op_probe import probed
from notebook_explain.models.positions.tensor import narrow

MOST_WAYS = 64  # one value that goes to more channels than this is not followed to each

_SAME = frozenset(
    """Relu Relu6 LeakyRelu Silu Gelu Sigmoid Tanh Elu Softplus Hardtanh Hardswish Hardsigmoid LogSigmoid Mish Threshold
    Clamp ClampMin ClampMax PreluKernel RreluWithNoise NativeDropout FusedDropout Exp Log Log1P Sqrt Pow Abs Erf Sin Cos
    Softmax LogSoftmax Clone ToCopy Alias MaskedFill NanToNum Maximum Minimum Add
    Softshrink Hardshrink Reciprocal Rsqrt Sgn Sign Round Floor Ceil Trunc Where""".split()
)
_NORMS = frozenset(
    "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm NativeGroupNorm NativeLayerNorm FusedRmsNorm".split()
)
COUPLING = {"NativeGroupNorm": "group norm", "NativeLayerNorm": "layer norm", "FusedRmsNorm": "RMS norm"}
_SCALES = frozenset("Mul Div Neg Sub Rsub".split())
_REDUCTIONS = frozenset(
    "Sum Mean Amax Amin Max Min Logsumexp LinalgVectorNorm Norm Var Std VarMean StdMean Median Prod".split()
)
_MOVES = frozenset(
    """View UnsafeView ReshapeAlias Permute Transpose T Squeeze Unsqueeze Select Slice Split SplitWithSizes Unbind Cat
    Stack ConstantPadNd Flip Roll PixelShuffle PixelUnshuffle ChannelShuffle NativeChannelShuffle Diagonal
    UnsafeSplit""".split()
)
_MIXES = re.compile(
    r"^(Mm|Addmm|Bmm|Baddbmm|Mv|Dot|Convolution|Cumsum|Fft.*|.*Rnn.*|.*Attention.*|.*CheckpointFunction.*)$"
)


def backward(node: Node, output: int, labels: Labels, inputs: list[int]) -> list[Step]:
    """Carry labels on one result of an operation back to its inputs.

    Parameters
    ----------
    node : of the autograd graph
    output : which result of the operation carries the labels
    labels : Labels
    inputs : which of its inputs depend on the clip, one at least

    Raises
    ------
    Opaque
        The operation mixes channels.
    """
    name = operation(node)
    if _MIXES.match(name) or (name in ("Mul", "Div") and len(inputs) > 1):
        raise Opaque
    shapes = {at: shape_of(*node.next_functions[at]) for at in inputs}
    if name in _NORMS:
        return [(inputs[0], _normed(node, labels))]
    if name in _SCALES:
        return _scaled(node, labels, shapes)
    if name == "Expand" or (name in _SAME and all(_fits(shape, labels.values.shape) for shape in shapes.values())):
        return [(at, part) for at, shape in shapes.items() for part in fitted(labels, shape)]
    if name == "Glu":  # the first half is let through by the second
        axis = saved_dims(node, labels.values.ndim)[0]
        values, slopes = (torch.cat([part, 0 * part], axis) for part in (labels.values, labels.slopes))
        return [(inputs[0], Labels(values, slopes))]
    if "Pool" in name or "Upsample" in name:
        return _windows(node, output, labels, shapes, name)
    if name in _REDUCTIONS:
        return [(at, _unreduced(node, labels, shape)) for at, shape in shapes.items()]
    if name in _MOVES:
        return _moved(node, output, labels, inputs)
    return probed(node, output, labels, shapes)


def _fits(shape: torch.Size, result: torch.Size) -> bool:
    """Whether a tensor of this shape broadcasts to the result's."""
    pairs = zip(reversed(shape), reversed(result), strict=False)
    return len(shape) <= len(result) and all(a in (1, b) for a, b in pairs)


def fitted(labels: Labels, shape: torch.Size) -> list[Labels]:
    """Labels on what was broadcast: several, where one value went to several channels."""
    values, slopes = narrow(labels.values), narrow(labels.slopes)
    if labels.values.shape == shape:
        return [labels]
    extra = values.ndim - len(shape)
    shrunk = [axis for axis in range(values.ndim) if axis < extra or shape[axis - extra] == 1]
    slopes = slopes.mean(shrunk, keepdim=True)
    same = [axis for axis in shrunk if values.shape[axis] > 1]
    if same and torch.equal(values.amin(same), values.amax(same)):
        values, same = values.amax(same, keepdim=True), []
    parts = [values]
    for axis in same:
        parts = [part for whole in parts for part in whole.split(1, axis)]
    if len(parts) > MOST_WAYS:
        raise Opaque
    return [
        Labels(part.reshape(part.shape[extra:]).expand(shape), slopes.reshape(slopes.shape[extra:]).expand(shape))
        for part in parts
    ]


def _normed(node: Node, labels: Labels) -> Labels:
    """A norm multiplies by its weight and divides by a deviation, which is known where it is a running one."""
    try:
        weight = node._saved_weight
        deviation = None if not hasattr(node, "_saved_running_var") else node._saved_running_var
    except RuntimeError:  # overwritten since
        return labels
    factor = torch.ones(()) if weight is None else weight.detach().float()
    if deviation is not None:
        factor = factor * (deviation.detach().float() + float(getattr(node, "_saved_eps", 0.0) or 0.0)).rsqrt()
    if factor.ndim == 0:
        return labels
    per_channel = operation(node) not in ("NativeLayerNorm", "FusedRmsNorm")
    if per_channel:
        factor = factor.view(-1, *[1] * (labels.values.ndim - 2))
    factor = factor.to(labels.slopes.device)
    return Labels(labels.values, (narrow(labels.slopes) * factor).expand(labels.values.shape))


def _scaled(node: Node, labels: Labels, shapes: dict[int, torch.Size]) -> list[Step]:
    """A product with something constant, a difference: labels stay, slopes are multiplied."""
    slopes = asked(node, 0, labels.slopes)
    steps = []
    for at, shape in shapes.items():
        moved = slopes[at]
        if moved is None or moved.shape != labels.values.shape:  # what was broadcast comes back as it was sent
            raise Opaque
        steps += [(at, part) for part in fitted(Labels(labels.values, moved.float()), shape)]
    return steps


def _windows(node: Node, output: int, labels: Labels, shapes: dict[int, torch.Size], name: str) -> list[Step]:
    """Pooling and interpolation keep channels apart; labels that differ from place to place keep their order."""
    steps: list[Step] = []
    for at, shape in shapes.items():
        axes = [k for k, (n, of) in enumerate(zip(labels.values.shape, shape, strict=True)) if n != of]
        if not any(labels.varies(axis) for axis in range(2, len(shape))):
            kept = tuple(slice(None) if k < 2 else slice(0, 1) for k in range(len(shape)))
            steps.append((at, Labels(labels.values[kept].expand(shape), labels.slopes[kept].expand(shape))))
        elif "Upsample" in name or any(labels.values.shape[axis] > shape[axis] for axis in axes):
            return probed(node, output, labels, shapes)
        else:
            values, slopes = labels.values, labels.slopes
            for axis in axes:
                values, slopes = (_apart(part, axis, shape[axis]) for part in (values, slopes))
            steps.append((at, Labels(values, slopes)))
    return steps


def _apart(values: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """Stretch an axis, each value at one place of those that its window may have seen."""
    count = values.shape[axis]
    to = torch.arange(count, device=values.device) * length // count
    shape = [*values.shape[:axis], length, *values.shape[axis + 1 :]]
    return values.new_zeros(shape).index_copy(axis, to, values)


def _unreduced(node: Node, labels: Labels, shape: torch.Size) -> Labels:
    values, slopes = labels.values, labels.slopes
    if values.ndim < len(shape) and values.ndim > 0:
        dims = saved_dims(node, len(shape))
        if len(dims) != len(shape) - values.ndim:
            raise Opaque
        for dim in dims:
            values, slopes = values.unsqueeze(dim), slopes.unsqueeze(dim)
    return Labels(values.expand(shape), slopes.expand(shape))


def _moved(node: Node, output: int, labels: Labels, inputs: list[int]) -> list[Step]:
    values, even = asked(node, output, labels.values), labels.even
    slopes = None if even is not None else asked(node, output, labels.slopes)
    steps = []
    for at in inputs:
        moved = values[at]
        if moved is None:
            continue
        if moved.dtype not in (torch.float32, torch.float64):  # numbers of labels do not fit into less
            raise Opaque
        sloped = None if slopes is None else slopes[at]
        if sloped is None:
            sloped = (torch.ones(()) if even is None else even).expand(moved.shape)
        steps.append((at, Labels(moved.float(), sloped.float())))
    return steps

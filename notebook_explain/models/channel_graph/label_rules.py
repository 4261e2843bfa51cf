"""Carry labels through one operation: from labels on its result to labels on its inputs.

The autograd graph shows the network as it really ran, including views, in-place changes and functions of any library.
A gradient carries numbers backward through it; here the numbers are labels, and the rule depends on the operation:

* Elementwise functions and norms keep labels in position. Values do not matter, so a ReLU that is dead on this clip or
  a norm with weight 0 hides nothing.
* Pooling and interpolation spread the label of a channel over the windows they see, reductions over what they reduce.
* Data movement (views, slices, concatenations, shuffles) moves labels as it moves values: its own backward pass does it.
* Products with constants and differences keep labels in position and multiply their slopes.
* Matrix products, attention, recurrent layers and the like mix channels: they are ``Opaque``.
* Any other operation is probed by running its backward pass on the labels (``op_probe``).
"""

from __future__ import annotations

import re

import torch

from notebook_explain.models.channel_graph.channel_labels import (
    InputLabels,
    Labels,
    Node,
    Opaque,
    operation,
    run_backward,
    saved_dims,
    shape_of,
)
from notebook_explain.models.channel_graph.op_probe import probe_op
from notebook_explain.models.positions.tensor import narrow

MAX_PARTS = 64  # channels that one broadcast value is followed to; beyond that the operation is opaque

# Names of operations in the autograd graph.
LABEL_PRESERVING = frozenset(
    """Relu Relu6 LeakyRelu Silu Gelu Sigmoid Tanh Elu Softplus Hardtanh Hardswish Hardsigmoid LogSigmoid Mish Threshold
    Clamp ClampMin ClampMax PreluKernel RreluWithNoise NativeDropout FusedDropout Exp Log Log1P Sqrt Pow Abs Erf Sin Cos
    Softmax LogSoftmax Clone ToCopy Alias MaskedFill NanToNum Maximum Minimum Add
    Softshrink Hardshrink Reciprocal Rsqrt Sgn Sign Round Floor Ceil Trunc Where""".split()
)
_NORMS = frozenset(
    "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm NativeGroupNorm NativeLayerNorm FusedRmsNorm".split()
)
COUPLING_NORMS = {"NativeGroupNorm": "group norm", "NativeLayerNorm": "layer norm", "FusedRmsNorm": "RMS norm"}
_SCALING = frozenset("Mul Div Neg Sub Rsub".split())
_REDUCTIONS = frozenset(
    "Sum Mean Amax Amin Max Min Logsumexp LinalgVectorNorm Norm Var Std VarMean StdMean Median Prod".split()
)
DATA_MOVEMENT = frozenset(
    """View UnsafeView ReshapeAlias Permute Transpose T Squeeze Unsqueeze Select Slice Split SplitWithSizes Unbind Cat
    Stack ConstantPadNd Flip Roll PixelShuffle PixelUnshuffle ChannelShuffle NativeChannelShuffle Diagonal
    UnsafeSplit""".split()
)
_MIXING = re.compile(
    r"^(Mm|Addmm|Bmm|Baddbmm|Mv|Dot|Convolution|Cumsum|Fft.*|.*Rnn.*|.*Attention.*|.*CheckpointFunction.*)$"
)


def labels_on_inputs(node: Node, output: int, labels: Labels, inputs: list[int]) -> list[InputLabels]:
    """Carry labels on one result of an operation back to its inputs.

    Parameters
    ----------
    node : Node
        Node of the autograd graph.
    output : int
        Index of the result that carries the labels.
    labels : Labels
    inputs : list of int
        Indices of the inputs that depend on the clip; at least one.

    Returns
    -------
    list of (input index, Labels)
        Several for one input where one value was broadcast to several channels.

    Raises
    ------
    Opaque
        The operation mixes channels.
    """
    name = operation(node)
    if _MIXING.match(name) or (name in ("Mul", "Div") and len(inputs) > 1):
        raise Opaque
    shapes = {index: shape_of(*node.next_functions[index]) for index in inputs}
    if name in _NORMS:
        return [(inputs[0], _through_norm(node, labels))]
    if name in _SCALING:
        return _through_scaling(node, labels, shapes)
    is_broadcast = all(_broadcasts_to(shape, labels.values.shape) for shape in shapes.values())
    if name == "Expand" or (name in LABEL_PRESERVING and is_broadcast):
        return [(index, part) for index, shape in shapes.items() for part in fit_to_shape(labels, shape)]
    if name == "Glu":  # the first half carries the values, the second half gates them
        axis = saved_dims(node, labels.values.ndim)[0]
        values, slopes = (torch.cat([part, 0 * part], axis) for part in (labels.values, labels.slopes))
        return [(inputs[0], Labels(values, slopes))]
    if "Pool" in name or "Upsample" in name:
        return _through_windows(node, output, labels, shapes, name)
    if name in _REDUCTIONS:
        return [(index, _through_reduction(node, labels, shape)) for index, shape in shapes.items()]
    if name in DATA_MOVEMENT:
        return _through_data_movement(node, output, labels, inputs)
    return probe_op(node, output, labels, shapes)


def _broadcasts_to(shape: torch.Size, result: torch.Size) -> bool:
    """Return whether a tensor of this shape broadcasts to the result's shape."""
    pairs = zip(reversed(shape), reversed(result), strict=False)
    return len(shape) <= len(result) and all(a in (1, b) for a, b in pairs)


def fit_to_shape(labels: Labels, shape: torch.Size) -> list[Labels]:
    """Undo broadcasting: carry labels to an input of this shape.

    Several Labels are returned where one value was broadcast to several channels; Opaque is raised beyond ``MAX_PARTS``.
    """
    values, slopes = narrow(labels.values), narrow(labels.slopes)
    if labels.values.shape == shape:
        return [labels]
    extra = values.ndim - len(shape)
    shrunk = [axis for axis in range(values.ndim) if axis < extra or shape[axis - extra] == 1]
    slopes = slopes.mean(shrunk, keepdim=True)
    varying = [axis for axis in shrunk if values.shape[axis] > 1]
    if varying and torch.equal(values.amin(varying), values.amax(varying)):
        values, varying = values.amax(varying, keepdim=True), []
    parts = [values]
    for axis in varying:
        parts = [part for whole in parts for part in whole.split(1, axis)]
    if len(parts) > MAX_PARTS:
        raise Opaque
    return [
        Labels(part.reshape(part.shape[extra:]).expand(shape), slopes.reshape(slopes.shape[extra:]).expand(shape))
        for part in parts
    ]


def _through_norm(node: Node, labels: Labels) -> Labels:
    """Multiply slopes by the norm's weight and divide them by its running deviation, where the node saved them."""
    try:
        weight = node._saved_weight
        variance = None if not hasattr(node, "_saved_running_var") else node._saved_running_var
    except RuntimeError:  # overwritten since the forward pass
        return labels
    factor = torch.ones(()) if weight is None else weight.detach().float()
    if variance is not None:
        factor = factor * (variance.detach().float() + float(getattr(node, "_saved_eps", 0.0) or 0.0)).rsqrt()
    if factor.ndim == 0:
        return labels
    per_channel = operation(node) not in ("NativeLayerNorm", "FusedRmsNorm")
    if per_channel:
        factor = factor.view(-1, *[1] * (labels.values.ndim - 2))
    factor = factor.to(labels.slopes.device)
    return Labels(labels.values, (narrow(labels.slopes) * factor).expand(labels.values.shape))


def _through_scaling(node: Node, labels: Labels, shapes: dict[int, torch.Size]) -> list[InputLabels]:
    """Keep labels in position and multiply slopes: products with a constant, and differences."""
    slopes = run_backward(node, 0, labels.slopes)
    result = []
    for index, shape in shapes.items():
        scaled = slopes[index]
        if scaled is None or scaled.shape != labels.values.shape:
            raise Opaque
        result += [(index, part) for part in fit_to_shape(Labels(labels.values, scaled.float()), shape)]
    return result


def _through_windows(
    node: Node, output: int, labels: Labels, shapes: dict[int, torch.Size], name: str
) -> list[InputLabels]:
    """Carry labels through pooling or interpolation, which keeps channels apart.

    Labels that differ between positions keep their order; where that is not possible, the operation is probed.
    """
    result: list[InputLabels] = []
    for index, shape in shapes.items():
        axes = [axis for axis, (n, m) in enumerate(zip(labels.values.shape, shape, strict=True)) if n != m]
        if not any(labels.varies_along(axis) for axis in range(2, len(shape))):
            first = tuple(slice(None) if axis < 2 else slice(0, 1) for axis in range(len(shape)))
            result.append((index, Labels(labels.values[first].expand(shape), labels.slopes[first].expand(shape))))
        elif "Upsample" in name or any(labels.values.shape[axis] > shape[axis] for axis in axes):
            return probe_op(node, output, labels, shapes)
        else:
            values, slopes = labels.values, labels.slopes
            for axis in axes:
                values, slopes = (_spread(part, axis, shape[axis]) for part in (values, slopes))
            result.append((index, Labels(values, slopes)))
    return result


def _spread(values: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """Lengthen an axis and put each value at one position that its window may have seen."""
    count = values.shape[axis]
    positions = torch.arange(count, device=values.device) * length // count
    shape = [*values.shape[:axis], length, *values.shape[axis + 1 :]]
    return values.new_zeros(shape).index_copy(axis, positions, values)


def _through_reduction(node: Node, labels: Labels, shape: torch.Size) -> Labels:
    """Spread labels over the axes that a reduction removed."""
    values, slopes = labels.values, labels.slopes
    if values.ndim < len(shape) and values.ndim > 0:
        dims = saved_dims(node, len(shape))
        if len(dims) != len(shape) - values.ndim:
            raise Opaque
        for dim in dims:
            values, slopes = values.unsqueeze(dim), slopes.unsqueeze(dim)
    return Labels(values.expand(shape), slopes.expand(shape))


def _through_data_movement(node: Node, output: int, labels: Labels, inputs: list[int]) -> list[InputLabels]:
    """Move labels by the operation's own backward pass."""
    values, uniform = run_backward(node, output, labels.values), labels.uniform_slope
    slopes = None if uniform is not None else run_backward(node, output, labels.slopes)
    result = []
    for index in inputs:
        moved = values[index]
        if moved is None:
            continue
        if moved.dtype not in (torch.float32, torch.float64):  # labels need not be exact in lower precision
            raise Opaque
        moved_slopes = None if slopes is None else slopes[index]
        if moved_slopes is None:
            moved_slopes = (torch.ones(()) if uniform is None else uniform).expand(moved.shape)
        result.append((index, Labels(moved.float(), moved_slopes.float())))
    return result

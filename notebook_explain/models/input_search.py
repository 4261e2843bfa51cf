"""Find the input that a network accepts: usual sizes, frame counts and layouts are tried in turn, and the layout is tested."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain._progress import stage
from notebook_explain.explanations import Geometry
from notebook_explain.models.axis_checks import exchange
from notebook_explain.models.block_outputs import MAX_LAYERS
from notebook_explain.models.bound_inputs import BoundInputsError
from notebook_explain.models.input_advice import input_advice
from notebook_explain.models.input_channels import inputs_of_first_layer
from notebook_explain.models.input_layouts import (
    COMMON_LAYOUTS,
    RARE_LAYOUTS,
    InputLayout,
    check_layout,
    has_channels,
)
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, tensors, trace_layers
from notebook_explain.models.layers import Layer, default_layers
from notebook_explain.models.layout_choice import (
    Candidate,
    candidates,
    check_stated_layout,
    has_confirmed_contradiction,
    is_tested,
    rows_caveat,
)
from notebook_explain.models.layouts import Layout
from notebook_explain.models.merged_calls import LayerPart
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.shadow import on_shadow, reference_parameter
from notebook_explain.models.video_model import position_input

STACKED, MAX_STACKED = "B(TC)HW", 4  # usual layout of stacked frames, and the most channels that each of them has
MAX_SECONDS = 30.0  # for inputs with which a network does not run, with positions and with real passes each
# (frames, size) in the order in which they are tried.
_SHAPES = ((16, 112), (16, 224), (8, 224), (32, 224), (32, 256), (8, 256), (64, 224), (16, 64), (4, 182), (13, 182))


# One line for networks that take another input: the network in the wrapper is ``self[0]``.
WRAPPER = "class Wrapped(torch.nn.Sequential): forward = lambda self, clip: self[0](clip[:, None])"


@dataclass(frozen=True, eq=False)
class FoundInput:
    """An input that a network accepts.

    Attributes
    ----------
    preprocessing : Preprocessing
    trace : LayerTrace or None
        None if positions cannot be followed.
    layers : tuple of Layer
    is_layout_tested : bool
        What the network does with the axes decides for this layout.
    caveats : tuple of str
        About the axes.
    """

    preprocessing: Preprocessing
    trace: LayerTrace | None
    layers: tuple[Layer, ...]
    is_layout_tested: bool = False
    caveats: tuple[str, ...] = ()


def first_that_runs(module: nn.Module, specified: Mapping[str, Any], keep_hooks: bool) -> FoundInput:
    """Return the first usual input that the network accepts and that its use of the axes does not contradict.

    Inputs are first tried with positions. If none works, they are tried with a real pass, and the trace is ``None``.
    Usual layouts come before rare ones, and three colours before the channels that the first layer takes. A layout that is
    stated is tested too.

    Raises
    ------
    UsageError
        The layout that is stated contradicts the network.
    ExplainError
        The network runs with none of the inputs, or only with layouts in which colours act as frames.
    """
    if "layout" in specified:
        check_layout(specified["layout"])
    attempts = _Attempts(module, keep_hooks)
    contradiction: ColoursAsFramesError | None = None
    for with_positions in (True, False):
        for by_first_layer in (False,) if "channels" in specified else (False, True):
            inputs: Iterator[Preprocessing] = _candidate_inputs(specified)
            if by_first_layer:
                stacked = (
                    _candidate_inputs({**specified, "layout": STACKED}) if _may_be_stacked(specified) else iter(())
                )
                inputs = chain(
                    (p for p in inputs_of_first_layer(module, stacked, keep_hooks) if p.channels <= MAX_STACKED),
                    inputs_of_first_layer(module, inputs, keep_hooks),
                )
            try:
                found = _first_of(inputs, attempts, with_positions, specified)
            except ColoursAsFramesError as error:
                contradiction = contradiction or error
                continue
            if found is not None:
                return found
        attempts.restart_clock()
        if contradiction is not None:
            raise contradiction
    if "layout" in specified and attempts.first is None:  # it runs, but has no layers
        check_stated_layout(module, next(_candidate_inputs(specified)), keep_hooks)
    raise attempts.error(specified)


def _may_be_stacked(specified: Mapping[str, Any]) -> bool:
    """Return whether a network for pictures may take all frames in its channels, as networks for optical flow do."""
    return "frames" in specified and "layout" not in specified


class ColoursAsFramesError(ExplainError):
    """The network runs, but only with layouts in which it treats colours like frames."""


def _first_of(
    inputs: Iterator[Preprocessing], attempts: _Attempts, with_positions: bool, specified: Mapping[str, Any]
) -> FoundInput | None:
    """Return the first of some inputs with which the network runs, tested; None if there is none."""
    for preprocessing in inputs:
        found = attempts.attempt(preprocessing, with_positions)
        if found is None:
            continue
        if found.trace is None and "layout" not in specified:
            return _measured(attempts.module, attempts, found, attempts.keep_hooks)
        return _tested(attempts.module, found, specified, attempts.keep_hooks)
    return None


class _Attempts:
    """Tries inputs, and remembers the first error and what was tried."""

    def __init__(self, module: nn.Module, keep_hooks: bool) -> None:
        self.module, self.keep_hooks = module, keep_hooks
        self.tried: dict[tuple[Any, ...], None] = {}
        self.first: Exception | None = None
        self.first_input, self.first_has_positions = "", False
        self.left_out = 0
        self.restart_clock()

    def restart_clock(self) -> None:
        """Allow the full time for the inputs that follow."""
        self.end = time.monotonic() + MAX_SECONDS

    def attempt(self, preprocessing: Preprocessing, with_positions: bool) -> FoundInput | None:
        """Return what was found with one input; None if the network does not run with it, or has no layers there."""
        if self.first is not None and time.monotonic() > self.end:
            self.left_out += 1
            return None
        self.tried[preprocessing.shape, preprocessing.layout] = None
        stage(f"trying {'x'.join(map(str, preprocessing.shape))} as {preprocessing.layout}")
        try:
            if with_positions:
                trace = _trace(self.module, preprocessing, self.keep_hooks)
                found = FoundInput(preprocessing, trace, default_layers(trace))
            else:
                found = FoundInput(preprocessing, None, _layers_by_shape(self.module, preprocessing, self.keep_hooks))
        except (ExplainError, BoundInputsError):
            raise
        except Exception as error:  # anything that a network raises on an input that it does not accept
            # Errors of a real pass are clearer.
            if self.first is None or (self.first_has_positions and not with_positions):
                self.first, self.first_has_positions = error, with_positions
                self.first_input = f"{'x'.join(map(str, preprocessing.shape))}, {preprocessing.layout!r}"
            return None
        return found if found.layers else None

    def error(self, specified: Mapping[str, Any]) -> ExplainError:
        """Return the error that the network ran with nothing."""
        known = input_advice(self.module, self.first, next(_candidate_inputs(specified)))
        if known is not None and known.is_certain:
            text = f"{type(self.module).__name__} ran with none of the inputs tried: {known.sentence}"
            error = ExplainError(text, example=known.example)
            error.__cause__ = self.first
            return error
        unspecified = tuple(name for name in ("size", "frames", "layout") if name not in specified)
        reason = (
            f"with {self.first_input} it raised: {str(self.first)[:400]}"
            if self.first
            else "no layer has separate positions in time and space"
        )
        shapes = list(dict.fromkeys("x".join(map(str, shape)) for shape, _ in self.tried))
        layouts = list(dict.fromkeys(str(layout) for _, layout in self.tried))
        stopped = f"; {self.left_out} more were left out after {MAX_SECONDS:.0f} s" if self.left_out else ""
        runs = self._other_layouts(specified)
        advice = f"; it runs with layout {runs[0]!r}" if runs else ""
        advice += "" if unspecified else "; check the arguments that you passed to adapt()"
        wrapper = (
            f"A network that takes anything else can be wrapped, such as for an axis of views: {WRAPPER}; "
            "then adapt(Wrapped(net), layout='BCTHW')"
            if known is None
            else f"{known.sentence[:1].upper()}{known.sentence[1:]}: {known.example}"
        )
        error = ExplainError(
            f"{type(self.module).__name__} ran with none of the inputs tried (most likely reason: {reason}). Tried: "
            f"{', '.join(shapes)} (frames x height x width) in the layouts {', '.join(layouts)}{stopped}. {wrapper}{advice}",
            arguments=unspecified,
            call="adapt()",
            example="" if known is None else known.example,
        )
        error.__cause__ = self.first
        return error

    def _other_layouts(self, specified: Mapping[str, Any]) -> list[InputLayout]:
        """Return the layouts in which the network runs, if only that which is stated was tried, for one size."""
        shapes = {shape for shape, _ in self.tried}
        if "layout" not in specified or len(shapes) > 1:
            return []
        like = next(_candidate_inputs(specified))
        running = candidates(self.module, like, self.keep_hooks)
        return [candidate.layout for candidate in running if not candidate.judgement.is_contradicted]


def _candidate_inputs(specified: Mapping[str, Any]) -> Iterator[Preprocessing]:
    """Yield inputs in the order in which they are tried: of the specified number of channels, or of three."""
    groups = ((specified["layout"],),) if "layout" in specified else (COMMON_LAYOUTS, RARE_LAYOUTS)
    shapes = dict.fromkeys(
        (specified.get("frames", frames), specified.get("size", (size, size))) for frames, size in _SHAPES
    )
    for layouts in groups:
        for frames, size in shapes:
            for layout in layouts:
                channels = specified.get("channels", 3 if has_channels(layout) else 1)
                yield Preprocessing(size, frames, (0.0,), (1.0,), layout, crop=specified["crop"], channels=channels)


def _tested(module: nn.Module, found: FoundInput, specified: Mapping[str, Any], keep_hooks: bool) -> FoundInput:
    """Test the layout of an input with which a network runs; return the same input in the layout that fits best."""
    if "layout" in specified:
        return replace(found, caveats=check_stated_layout(module, found.preprocessing, keep_hooks))
    running = candidates(module, found.preprocessing, keep_hooks)
    if "frames" not in specified and running:
        running = _with_one_row(module, running, keep_hooks)
    contradicted = []
    for candidate in running:
        if has_confirmed_contradiction(candidate, module, keep_hooks):
            contradicted.append(candidate)
            continue
        chosen = _with_layers(module, found, candidate, keep_hooks)
        if chosen is not None:
            caveats = rows_caveat(module, candidate, keep_hooks)
            return replace(chosen, is_layout_tested=is_tested(candidate, running), caveats=caveats)
    if not contradicted:
        return found
    raise ColoursAsFramesError(
        f"{type(module).__name__} runs with layout {contradicted[0].layout!r}, but then treats colours like frames: its first "
        "weights never combine the colours of a frame. State the layout that it takes, or wrap it, such as for a network "
        f"of grey clips (batch, 1, time, height, width): {WRAPPER.replace('clip[:, None]', 'clip.mean(1, keepdim=True)')}",
        arguments=("layout",),
        call="adapt()",
    )


def _measured(module: nn.Module, attempts: _Attempts, found: FoundInput, keep_hooks: bool) -> FoundInput:
    """Return the same input, or another layout if colours can be exchanged like frames, where positions are unknown."""
    first = found.preprocessing
    for layout in dict.fromkeys((first.layout, *COMMON_LAYOUTS, *RARE_LAYOUTS)):
        preprocessing = replace(first, layout=layout)
        other = found if layout == first.layout else attempts.attempt(preprocessing, False)
        measured = None if other is None else exchange(module, preprocessing, keep_hooks)
        if other is not None and (measured is None or not measured.are_colours_like_frames):
            return other
    return found


def _with_layers(module: nn.Module, found: FoundInput, candidate: Candidate, keep_hooks: bool) -> FoundInput | None:
    """Return the input in the layout of a candidate; None if the network has no layers there."""
    if candidate.preprocessing == found.preprocessing:
        return found
    try:
        trace = _trace(module, candidate.preprocessing, keep_hooks)
        layers = default_layers(trace)
    except Exception:  # anything that a network raises on an input that it does not accept
        return None
    return FoundInput(candidate.preprocessing, trace, layers) if layers else None


def _with_one_row(module: nn.Module, running: list[Candidate], keep_hooks: bool) -> list[Candidate]:
    """Return candidates with fewer frames if the network reads these frames as several clips."""
    p, rows = running[0].preprocessing, running[0].judgement.rows
    if not 1 < rows < p.frames or p.frames % rows:
        return running
    shorter = candidates(module, replace(p, frames=p.frames // rows), keep_hooks)
    return shorter if shorter and shorter[0].judgement.rows == 1 else running


def _trace(module: nn.Module, p: Preprocessing, keep_hooks: bool) -> LayerTrace:
    def run(shadow: nn.Module) -> LayerTrace:
        reference = reference_parameter(shadow)
        return trace_layers(shadow, position_input(p, reference.device, reference.dtype), p.shape)

    return on_shadow(module, run, keep_hooks=keep_hooks)[0]


def _layers_by_shape(module: nn.Module, p: Preprocessing, keep_hooks: bool) -> tuple[Layer, ...]:
    """Return outputs (1, C, T, H, W) of outer modules in a real pass, as if their cells divided the clip evenly."""

    def run(shadow: nn.Module) -> tuple[Layer, ...]:
        reference = reference_parameter(shadow)
        layers: dict[str, Layer] = {}

        def make_hook(name: str) -> Any:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                for path, tensor in tensors(output):
                    if name not in layers and _is_clip_volume(tensor):
                        time, height, width = tensor.shape[2:]
                        layout = Layout(tuple(tensor.shape), 2, None, (time, height, width))
                        geometry = Geometry.even((time, height, width), p.shape)
                        part = LayerPart(TensorRef(name, 0, path), layout)
                        layers[name] = Layer(name, "block", (part,), layout.grid, geometry)

            return hook

        handles = [part.register_forward_hook(make_hook(name)) for name, part in shadow.named_modules() if name]
        try:
            with torch.no_grad():
                video = torch.zeros((1, p.channels, *p.shape), device=reference.device, dtype=reference.dtype)
                shadow(p.arrange(video))
        finally:
            for handle in handles:
                handle.remove()
        outer = [layer for name, layer in layers.items() if name.count(".") <= 1]
        return tuple(outer[-MAX_LAYERS:])

    return on_shadow(module, run, keep_hooks=keep_hooks)[0]


def _is_clip_volume(tensor: torch.Tensor) -> bool:
    return (
        tensor.ndim == 5 and tensor.shape[0] == 1 and min(tensor.shape[2:4]) >= 1 and tensor[0, 0].numel() > 1
    )  # (1, channel, time, height, width)

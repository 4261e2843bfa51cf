"""Record the signals that the modules of a network report during the pass of an explanation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain.clip import Clip
from notebook_explain.explanations import ClassChannelTable, FrameSignal, Geometry, LabelledValues
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.layers import signal_types
from notebook_explain.layers.signal_types import (
    Signal,
    recording_selected_frames,
    reporting_modules,
    validate_signals,
)
from notebook_explain.layers.signals import recording_signals
from notebook_explain.models import Layer, VideoModel, layers_at_selected_frames, module_frame_times

AT_SELECTED_FRAMES = Caveat(
    "The network selects frames by their content; maps are drawn at the frames that it selected in this clip.",
    CaveatCode.FRAME_SELECTION,
)
_NOT_FINITE = "A signal of {} ({}) is left out because it is not finite."
_INVALID = "A signal of {} ({}) is left out because it is invalid: {}."
_EVEN = "The times of the steps of {} could not be measured; its signals are drawn as if the steps were evenly spaced."


class SignalRecorder:
    """Signals of the modules of one model, in order of execution.

    Attributes
    ----------
    signals : list of (name, signal)
        Dotted names, with "#2" after the name for the second call of a module.
    selected_frames : list of int64 tensor (kept,)
        Frames that the network selected, one tensor for each selection.
    model_caveats : tuple of str
        Caveats of the model, updated once the selected frames are known.
    caveats : list of str
        Caveats about signals.
    """

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self.kinds = {name: type(module).__name__ for name, module in reporting_modules(model.module).items()}
        self.signals: list[tuple[str, Signal]] = []
        self.selected_frames: list[torch.Tensor] = []
        self.model_caveats: tuple[str, ...] = model.caveats
        self.caveats: list[str] = []

    @contextmanager
    def hooks(self, shadow: nn.Module) -> Iterator[None]:
        """Record within this context, in which a shadow of the model runs."""
        with recording_signals(shadow) as explained, recording_selected_frames() as selections:
            yield
        self.selected_frames = [indices[0] for indices in selections]
        for name, value in explained:
            for signal in validate_signals(name, value):
                if torch.isfinite(signal.values).all():
                    self.signals.append((name, signal))
                else:
                    self._omit(_NOT_FINITE, name, signal.what)

    def layers_at_selected_frames(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return layers with the positions of this clip: at the frames that the network selected, if it selects any."""
        if not self.selected_frames or self.model.layer_trace is None:
            return tuple(layers)
        try:
            moved = layers_at_selected_frames(self.model, layers, self.selected_frames)
        except (ValueError, RuntimeError):  # positions cannot be followed with this selection: the model's caveat holds
            self.selected_frames = []
            return tuple(layers)
        self.model_caveats = tuple(
            AT_SELECTED_FRAMES if isinstance(caveat, Caveat) and caveat.code == CaveatCode.FRAME_SELECTION else caveat
            for caveat in self.model_caveats
        )
        return moved

    def frame_signals(self) -> tuple[FrameSignal, ...]:
        """Return the signals per frame, and add a caveat for each module whose steps have unknown times."""
        signals = [(name, signal) for name, signal in self.signals if isinstance(signal, signal_types.FrameSignal)]
        times = module_frame_times(self.model, {_module_name(name) for name, _ in signals}, self.selected_frames)
        found = []
        for name, signal in signals:
            values = _of_only_clip(signal.values)
            rows = self._rows(name, len(values), times, signal.side)
            found.append(FrameSignal(name, self._kind(name), signal.what, values, rows, signal.neutral))
        return tuple(found)

    def caveats_of(self, clip: Clip, pass_caveats: Iterable[str]) -> list[str]:
        """Return the caveats of the model, the clip and the pass, then those about signals.

        Call it after `layers_at_selected_frames` and `frame_signals`, which add some.
        """
        return [*self.model_caveats, *self.model.clip_caveats(clip), *pass_caveats, *self.caveats]

    def _rows(self, name: str, steps: int, times: Any, side: str) -> NDArray[np.float64]:
        rows: NDArray[np.float64] | None = times.get((name, side))
        if rows is not None and len(rows) == steps:
            return rows
        self.caveats.append(Caveat(_EVEN.format(_quoted(name)), CaveatCode.ASSUMED_POSITIONS))
        return Geometry.even((steps, 1, 1), self.model.preprocessing.shape).rows

    def labelled_values(self, classes: tuple[str, ...]) -> tuple[LabelledValues, ...]:
        """Return the signals with labels; ``classes`` are the names of the network's classes."""
        found = []
        for name, signal in self.signals:
            if isinstance(signal, signal_types.LabelledValues):
                values = _of_only_clip(signal.values)
                labels = classes if signal.names == "classes" else tuple(signal.names)
                kind = self._kind(name)
                try:
                    found.append(LabelledValues(name, kind, signal.what, labels, values, signal.neutral, signal.bounds))
                except ValueError as error:  # modules of users may report values outside of their bounds
                    self._omit(_INVALID, name, signal.what, error)
        return tuple(found)

    def tables(self, classes: tuple[str, ...]) -> tuple[ClassChannelTable, ...]:
        """Return the tables of classes and channels; modules that run several times have one table."""
        tables = {}
        for name, signal in self.signals:
            if isinstance(signal, signal_types.ClassChannelTable):
                module, values = _module_name(name), signal.values.float().cpu().numpy()
                tables[module] = ClassChannelTable(module, self._kind(name), signal.what, classes, values)
        return tuple(tables.values())

    def _omit(self, sentence: str, name: str, *details: object) -> None:
        self.caveats.append(Caveat(sentence.format(_quoted(name), *details), CaveatCode.OMITTED_SIGNAL))

    def _kind(self, name: str) -> str:
        return self.kinds[_module_name(name)]


def _module_name(name: str) -> str:
    return name.rsplit("#", 1)[0]


def _quoted(name: str) -> str:
    return repr(name) if name else "the network"


def _of_only_clip(values: torch.Tensor) -> NDArray[np.float32]:
    return values[0].detach().float().cpu().numpy()

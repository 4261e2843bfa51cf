"""Networks that carry a state from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from .convnets import CLASSES
from .mixers import WIDTH, Pooled, stem


class ConvLSTM(nn.Module):
    """A ConvLSTM in a loop over frames; the pooled tensor is the stack of its states, or the last of them."""

    def __init__(self, *, all_states: bool, joint: bool = True) -> None:
        super().__init__()
        self.stem, self.all_states, self.joint = stem(), all_states, joint
        self.gates = nn.Conv2d((1 + joint) * WIDTH, 4 * WIDTH, 3, padding=1)
        self.hidden = None if joint else nn.Conv2d(WIDTH, 4 * WIDTH, 3, padding=1, bias=False)
        self.last, self.fc = nn.Conv3d(WIDTH, WIDTH, 1), nn.Linear(WIDTH, CLASSES)

    def states(self, x: Tensor) -> list[Tensor]:
        state = cell = torch.zeros_like(x[:, :, 0])
        states = []
        for t in range(x.shape[2]):
            if self.hidden is None:
                gates = self.gates(torch.cat([x[:, :, t], state], 1))
            else:
                gates = self.gates(x[:, :, t]) + self.hidden(state)
            i, f, o, g = gates.chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            state = torch.sigmoid(o) * torch.tanh(cell)
            states.append(state)
        return states

    def forward(self, x: Tensor) -> Tensor:
        states = self.states(self.stem(x))
        volume = torch.stack(states if self.all_states else states[-1:], 2)
        return self.fc(self.last(volume).mean((2, 3, 4)))


class StackedConvLSTM(ConvLSTM):
    """Two ConvLSTMs that run in one loop, or one after the other; the second one reads the states of the first."""

    def __init__(self, *, in_one_loop: bool) -> None:
        super().__init__(all_states=True)
        self.second, self.in_one_loop = nn.Conv2d(2 * WIDTH, 4 * WIDTH, 3, padding=1), in_one_loop

    @staticmethod
    def step(gates: nn.Module, x: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        i, f, o, g = gates(torch.cat([x, state], 1)).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def states(self, x: Tensor) -> list[Tensor]:
        zero = x.new_zeros(x.shape[0], WIDTH, *x.shape[3:])
        lower, upper, states = (zero, zero), (zero, zero), []
        if not self.in_one_loop:
            x = torch.stack(super().states(x), 2)
        for t in range(x.shape[2]):
            below = x[:, :, t]
            if self.in_one_loop:
                lower = self.step(self.gates, below, *lower)
                below = lower[0]
            upper = self.step(self.second, below, *upper)
            states.append(upper[0])
        return states


class ConvGRU(Pooled):
    """A ConvGRU whose states are written into a new tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * WIDTH, 2 * WIDTH, 3, padding=1)
        self.candidate = nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1)

    def middle(self, x: Tensor) -> Tensor:
        states = torch.zeros(x.shape)
        state = torch.zeros(x.shape[0], WIDTH, *x.shape[3:])
        for t, frame in enumerate(x.unbind(2)):
            reset, update = self.gates(torch.cat([frame, state], 1)).sigmoid().chunk(2, 1)
            candidate = self.candidate(torch.cat([frame, reset * state], 1)).tanh()
            state = (1 - update) * state + update * candidate
            states[:, :, t] = state
        return states


class RunningMean(ConvLSTM):
    """A state without weights: a running mean over frames, written into a buffer."""

    def __init__(self) -> None:
        super().__init__(all_states=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        volume, state = x.new_zeros(x.shape), x[:, :, 0]
        for t in range(x.shape[2]):
            state = 0.5 * state + 0.5 * x[:, :, t]
            volume[:, :, t] = state
        return self.fc(self.last(volume).mean((2, 3, 4)))


Recurrence = Literal["lstm", "gru", "rnn", "cells"]


class FrameRNN(nn.Module):
    """A recurrent layer over the time steps of each cell; the pooled tensor is its output at all steps, or the last one."""

    def __init__(
        self, kind: Recurrence, *, batch_first: bool = True, bidirectional: bool = False, last: bool = False
    ) -> None:
        super().__init__()
        self.stem, self.kind, self.batch_first, self.last = stem(), kind, batch_first, last
        options = {"batch_first": batch_first, "bidirectional": bidirectional}
        self.rnn: nn.Module
        if kind == "cells":
            self.rnn = nn.GRUCell(WIDTH, WIDTH)
        else:
            self.rnn = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind](WIDTH, WIDTH, 2, **options)
        self.out, self.fc = nn.Linear((1 + bidirectional) * WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def sequence(self, steps: Tensor) -> Tensor:
        """Return the outputs of all steps for steps (cell, time, channel)."""
        if self.kind == "cells":
            state = steps.new_zeros(steps.shape[0], WIDTH)
            states = []
            for t in range(steps.shape[1]):
                state = self.rnn(steps[:, t], state)
                states.append(state)
            return torch.stack(states, 1)
        steps = steps if self.batch_first else steps.transpose(0, 1)
        output: Tensor = self.rnn(steps)[0]
        return output if self.batch_first else output.transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        volume = self.stem(x)
        batch, channels, time, height, width = volume.shape
        steps = volume.permute(0, 3, 4, 2, 1).reshape(-1, time, channels)
        output = self.sequence(steps)
        output = output[:, -1:] if self.last else output
        return self.fc(self.out(output.reshape(batch, height, width, -1, output.shape[-1])).mean((1, 2, 3)))


RECURRENT: dict[str, Callable[[], nn.Module]] = {
    "convlstm": partial(ConvLSTM, all_states=True),
    "convlstm, two convolutions": partial(ConvLSTM, all_states=True, joint=False),
    "two convlstms in one loop": partial(StackedConvLSTM, in_one_loop=True),
    "two convlstms": partial(StackedConvLSTM, in_one_loop=False),
    "convgru, states in a buffer": ConvGRU,
    "running mean": RunningMean,
    "lstm": partial(FrameRNN, "lstm"),
    "lstm, time first": partial(FrameRNN, "lstm", batch_first=False),
    "bidirectional lstm": partial(FrameRNN, "lstm", bidirectional=True),
    "gru": partial(FrameRNN, "gru"),
    "rnn": partial(FrameRNN, "rnn"),
    "gru cells": partial(FrameRNN, "cells"),
}
FINAL_STATES: dict[str, Callable[[], nn.Module]] = {
    "convlstm, last state": partial(ConvLSTM, all_states=False),
    "convlstm, two convolutions, last state": partial(ConvLSTM, all_states=False, joint=False),
    "lstm, last step": partial(FrameRNN, "lstm", last=True),
    "gru cells, last step": partial(FrameRNN, "cells", last=True),
}

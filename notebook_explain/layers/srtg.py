"""Squeeze and recursion with temporal gates (SRTG): frames are amplified or damped by what came before them.

For activations x (batch, channel, time, height, width)::

    s = mean of x over (height, width)        r = LSTM(s), as many channels as x, in (-1, 1)
    out = x * (1 + g (r - 1))                 g in [0, 1] per clip: 1 gives x * r, 0 gives x

The gate g depends on the cyclic consistency of s and r. Each s_t has a soft nearest neighbour among the r_u, with weights
softmax_u(-|s_t - r_u|^2 / T). Its cycle returns if the frame of s that is nearest to that neighbour is t again. The gate
opens when all cycles return, from s and from r. The LSTM is causal: r_t does not depend on later frames (but a gate
depends on all of them).

With N frames a cycle that ends anywhere returns with probability 1 / N. The soft gate is therefore corrected for chance, as
Cohen's kappa is, from the mean likelihood L that cycles return::

    g = (L - 1 / N) / (1 - 1 / N)        0 if frames cannot be distinguished, whatever their number; 1 if all cycles return

L is never below 1 / N, as far as minimising it shows. A single frame returns to itself whatever the network does, so it
leaves every gate shut.

Cycles ignore order: if r is s in reverse, all cycles return, since every frame finds itself. ``monotone`` also requires
that the nearest neighbours never run backward in time.

Reference: Stergiou, Poppe: Learn to cycle: Time-consistent feature discovery for action recognition, Pattern
Recognition Letters 2021, arXiv:2006.08247. In the code released with it the gate can never open, and all its checkpoints
were trained without a gate: load them with ``gate="none"``. ``gate="closed"`` repeats what the released gate does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.layers.signal_types import (
    FrameSignal,
    LabelledValues,
    Signal,
    deprecated_told,
    explains,
    temporary_attributes,
)
from notebook_explain.layers.soft_pool.kernels import upcast_half

GATES = ("soft", "hard", "straight-through", "none", "closed")
CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
PLACES = ("start", "top", "mid", "end", "skip", "final")


class Cycles(NamedTuple):
    """Cyclic consistency of each frame.

    Attributes
    ----------
    returns : bool tensor (batch, time)
        Both cycles of the frame, from s and from r, end where they began, and no other frame is as near.
    likelihood : float tensor (batch, time)
        Soft version: mean probability that the two cycles end where they began.
    """

    returns: Tensor
    likelihood: Tensor


class Signals(NamedTuple):
    """Effect of a recursion on a batch of clips.

    Attributes
    ----------
    recurrence : tensor (batch, channel, time)
        r, the output of the LSTM.
    factor : tensor (batch, channel, time)
        1 + g (r - 1), by which activations are multiplied.
    gate : tensor (batch,)
        g.
    returns, likelihood : tensor (batch, time)
        See `Cycles`.
    """

    recurrence: Tensor
    factor: Tensor
    gate: Tensor
    returns: Tensor
    likelihood: Tensor

    def report(self) -> list[Signal]:
        """Return factor, cyclic consistency and gate as signals for explanations."""
        return [
            FrameSignal("factor on each frame (mean of its channels)", self.factor.mean(1), 1.0),
            FrameSignal("cyclic consistency of each frame (1: its cycles return)", self.likelihood),
            LabelledValues("opening of the gate (0: closed, 1: open)", ("gate",), self.gate[:, None], 0.0, (0.0, 1.0)),
        ]

    def told(self) -> list[Signal]:
        """Call `report`; deprecated name."""
        return deprecated_told(self)


def cyclic_consistency(s: Tensor, r: Tensor, temperature: float = 1.0, monotone: bool = False) -> Cycles:
    """Follow each frame of two sequences to its soft nearest neighbour in the other sequence, and back.

    Parameters
    ----------
    s, r : float tensor (batch, channel, time)
        Two sequences of the same shape.
    temperature : float, above 0
        Divides squared distances. Frames that differ by less have neighbours near the mean of all frames.
    monotone : bool
        Also require that the nearest neighbours of later frames do not come earlier.

    Notes
    -----
    Identical frames are equally near, so their cycles do not return: a constant sequence is not consistent (but a single
    frame is).
    """
    a, b = upcast_half(s).transpose(1, 2), upcast_half(r).transpose(1, 2)
    returns_a, likelihood_a, ordered_a = _cycle(a, b, temperature)
    returns_b, likelihood_b, ordered_b = _cycle(b, a, temperature)
    returns, likelihood = returns_a & returns_b, (likelihood_a + likelihood_b) / 2
    if monotone:
        ordered = (ordered_a & ordered_b)[:, None]
        returns, likelihood = returns & ordered, likelihood * ordered
    return Cycles(returns, likelihood)


def _cycle(a: Tensor, b: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return (returns, likelihood, neighbours in order) of the cycles from `a` by `b`, both (batch, time, channel)."""
    weights = (-_squared_distances(a, b) / temperature).softmax(-1)
    distance = _squared_distances(weights @ b, a)
    to_start = torch.diagonal(distance, 0, 1, 2)
    frames = distance.shape[1]
    diagonal = torch.eye(frames, dtype=torch.bool, device=a.device)
    to_others = distance.masked_fill(diagonal, float("inf")).amin(-1)
    likelihood = torch.diagonal((-distance / temperature).softmax(-1), 0, 1, 2)
    neighbours = weights.argmax(-1)
    return to_start < to_others, likelihood, (neighbours[:, 1:] >= neighbours[:, :-1]).all(-1)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return squared distances (batch, time of a, time of b), from differences so that near frames stay distinct."""
    return (a[:, :, None] - b[:, None]).square().sum(-1)


class SRTG(nn.Module):
    """Squeeze and recursion with a temporal gate, for activations of any length and size.

    Attributes
    ----------
    channels : int
    gate : str
        "soft": the mean likelihood that cycles return, corrected for chance. "hard": 1 if all return, else 0 (then the
        recursion learns from consistent clips only). "straight-through": hard forward, soft backward. "none": always 1.
        "closed": always 0.
    layers : int
        Layers of the recurrent network. Its parameters are those of torch: 8 layers C (C + 1) for an LSTM.
    cell : "lstm" or "gru"
    temperature : float
    monotone : bool
        See `cyclic_consistency`.
    chance_corrected : bool
        ``False`` for networks that were trained before the gate was corrected for chance: the soft gate is the mean
        likelihood itself (1 / N by chance), and one frame opens every gate.

    Examples
    --------
    >>> ne.layers.swap(net, {"layer?": ne.layers.followed_by(SRTG)}).model    # after each stage
    """

    chance_corrected = False  # of modules that were pickled before there was a choice; `__init__` sets it

    def __init__(
        self,
        channels: int,
        gate: str = "soft",
        layers: int = 2,
        cell: str = "lstm",
        temperature: float = 1.0,
        monotone: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        chance_corrected: bool = True,
    ) -> None:
        super().__init__()
        check_choice("gate", gate, GATES)
        check_choice("cell", cell, tuple(CELLS))
        if not 0 < temperature < float("inf"):
            raise UsageError(f"temperature must be positive and finite, got {temperature!r}")
        self.channels, self.gate, self.temperature, self.monotone = channels, gate, float(temperature), monotone
        self.chance_corrected = bool(chance_corrected)
        self.recursion = CELLS[cell](channels, channels, layers, batch_first=True, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Scale (batch, channel, time, height, width)."""
        if x.dim() != 5 or x.shape[1] != self.channels:
            raise ValueError(
                f"expected (batch, {self.channels} channels, time, height, width), got shape {list(x.shape)}"
            )
        s = x.mean((3, 4))
        r = self.recursion(s.transpose(1, 2))[0].transpose(1, 2)
        factor = r
        if self.gate != "none":
            factor = 1 + self._gate(s, r)[:, None, None].to(r.dtype) * (r - 1)
        scaled: Tensor = x * factor[..., None, None]
        return scaled

    def _gate(self, s: Tensor, r: Tensor) -> Tensor:
        """Return g (batch,)."""
        if self.gate == "closed":
            return s.new_zeros(s.shape[0])
        if self.gate == "none":
            return s.new_ones(s.shape[0])
        frames = s.shape[2]
        if self.chance_corrected and frames == 1:
            return s.new_zeros(s.shape[0])
        cycles = cyclic_consistency(s, r, self.temperature, self.monotone)
        soft, hard = cycles.likelihood.mean(1), cycles.returns.all(1).to(s.dtype)
        if self.chance_corrected:
            soft = (soft * frames - 1) / (frames - 1)
            # Below 0 only by rounding, or for frames out of order: clamped without loss of the gradient.
            soft = soft + (soft.clamp_min(0) - soft).detach()
        if self.gate == "soft":
            return soft
        return hard if self.gate == "hard" else hard + (soft - soft.detach())

    @explains
    def explain(self, x: Tensor) -> Signals:
        """Return the factor on each frame, its cyclic consistency, and the gate."""
        s = x.mean((3, 4))
        r = self.recursion(s.transpose(1, 2))[0].transpose(1, 2)
        gate = self._gate(s, r)
        cycles = cyclic_consistency(s, r, self.temperature, self.monotone)
        return Signals(r, 1 + gate[:, None, None] * (r - 1), gate, *cycles)

    def ablations(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        """Return a context that closes the gate: the module is the identity within it."""
        return {"SRTG (squeeze and recursion)": lambda: temporary_attributes(self, gate="closed")}

    def extra_repr(self) -> str:
        """Settings, for repr."""
        text = f"{self.channels}, gate={self.gate!r}"
        text += "" if self.temperature == 1 else f", temperature={self.temperature}"
        text += ", monotone=True" if self.monotone else ""
        return text + ("" if self.chance_corrected else ", chance_corrected=False")


class SRTGBlock(nn.Module):
    """Residual block of two 3 x 3 x 3 convolutions, with a squeeze and recursion at one of six positions.

    Attributes
    ----------
    place : str
        "start": on the input of the block. "top": on the input of the convolutions, not of the shortcut. "mid": between
        the convolutions. "end": after them, before the sum. "skip": on the shortcut. "final": after sum and ReLU.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: Any = 1,
        place: str = "final",
        device: Any = None,
        dtype: Any = None,
        **recursion: Any,
    ) -> None:
        super().__init__()
        check_choice("place", place, PLACES)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.place = place
        self.first = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False, **factory),
            nn.BatchNorm3d(outputs, **factory),
            nn.ReLU(),
        )
        self.second = nn.Sequential(
            nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False, **factory), nn.BatchNorm3d(outputs, **factory)
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride not in (1, (1, 1, 1)):
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False, **factory), nn.BatchNorm3d(outputs, **factory)
            )
        self.recursion = SRTG(inputs if place in ("start", "top") else outputs, **factory, **recursion)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (batch, channel, time, height, width)."""
        if self.place == "start":
            x = self.recursion(x)
        y = self.first(self.recursion(x) if self.place == "top" else x)
        if self.place == "mid":
            y = self.recursion(y)
        y = self.second(y)
        if self.place == "end":
            y = self.recursion(y)
        x = self.shortcut(x)
        if self.place == "skip":
            x = self.recursion(x)
        y = torch.relu(y + x)
        return self.recursion(y) if self.place == "final" else y

    def extra_repr(self) -> str:
        """Settings, for repr."""
        return f"place={self.place!r}"

"""Squeeze and recursion with temporal gates (SRTG): frames are amplified or damped by what came before them.

For activations x (batch, channel, time, height, width)::

    s = mean of x over (height, width)        r = LSTM(s), as many channels as x, in (-1, 1)
    out = x * (1 + g (r - 1))                 g in [0, 1] per clip: 1 is x * r, 0 is x

The gate g asks whether s and r are cyclic-consistent. Each s_t has a soft nearest neighbour among the r_u, with weights
softmax_u(-|s_t - r_u|^2 / T); a cycle returns if the frame of s that is nearest to that neighbour is t again. All cycles
must return, from s and from r. The LSTM is causal: r_t does not depend on later frames (but a gate looks at all of them).

Cycles do not know about order: r = s in reverse returns everywhere, since every frame finds itself. ``monotone`` asks
in addition that nearest neighbours never run backward in time.

Reference: Stergiou, Poppe: Learn to cycle: Time-consistent feature discovery for action recognition, Pattern
Recognition Letters 2021, arXiv:2006.08247. In the code released with it the gate can never open, and all its checkpoints
were trained without: load them with ``gate="none"``; ``"closed"`` is what its gate does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from notebook_explain.layers.signal_types import Named, PerFrame, Told, explains, holding
from notebook_explain.layers.soft_pool.kernels import in_full

GATES = ("soft", "hard", "straight-through", "none", "closed")
CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
PLACES = ("start", "top", "mid", "end", "skip", "final")


class Cycles(NamedTuple):
    """Which frames find back to themselves.

    Attributes
    ----------
    returns : bool tensor (batch, time)
        Both cycles of the frame, from s and from r, end where they began, and no other frame is as near.
    likelihood : float tensor (batch, time)
        The same, softly: mean probability of both cycles to end where they began.
    """

    returns: Tensor
    likelihood: Tensor


class Signals(NamedTuple):
    """What a recursion did to a batch of clips.

    Attributes
    ----------
    recurrence : tensor (batch, channel, time)
        r, what the LSTM made of the frames so far.
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

    def told(self) -> list[Told]:
        """In a form for any viewer."""
        return [
            PerFrame("factor on each frame (mean of its channels)", self.factor.mean(1), 1.0),
            PerFrame("cyclic consistency of each frame (1: it surely finds back to itself)", self.likelihood),
            Named("how far the gate is open", ("gate",), self.gate[:, None], 0.0, (0.0, 1.0)),
        ]


def cyclic_consistency(s: Tensor, r: Tensor, temperature: float = 1.0, monotone: bool = False) -> Cycles:
    """Follow each frame of two sequences to its soft nearest neighbour in the other one, and back.

    Parameters
    ----------
    s, r : float tensor (batch, channel, time)
        Of the same shape.
    temperature : float, above 0
        Squared distances are divided by it. Where frames differ by less, neighbours blur into the mean of all frames.
    monotone : bool
        Whether the nearest neighbours of later frames must not come earlier.

    Notes
    -----
    Of frames that are the same, none is nearer than the other, so none returns: a constant sequence is not consistent
    (but a single frame is).
    """
    a, b = in_full(s).transpose(1, 2), in_full(r).transpose(1, 2)
    forth, likely_forth, ordered_forth = _cycle(a, b, temperature)
    back, likely_back, ordered_back = _cycle(b, a, temperature)
    returns, likelihood = forth & back, (likely_forth + likely_back) / 2
    if monotone:
        kept = (ordered_forth & ordered_back)[:, None]
        returns, likelihood = returns & kept, likelihood * kept
    return Cycles(returns, likelihood)


def _cycle(a: Tensor, b: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """(returns, likelihood, neighbours in order) of the cycles from `a` by `b`; sequences are (batch, time, channel)."""
    nearness = (-_squared(a, b) / temperature).softmax(-1)
    distance = _squared(nearness @ b, a)
    own = torch.diagonal(distance, 0, 1, 2)
    frames = distance.shape[1]
    itself = torch.eye(frames, dtype=torch.bool, device=a.device)
    others = distance.masked_fill(itself, float("inf")).amin(-1)
    likelihood = torch.diagonal((-distance / temperature).softmax(-1), 0, 1, 2)
    neighbours = nearness.argmax(-1)
    return own < others, likelihood, (neighbours[:, 1:] >= neighbours[:, :-1]).all(-1)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (batch, time of a, time of b); differences are taken first, so that near frames stay apart."""
    return (a[:, :, None] - b[:, None]).square().sum(-1)


class SRTG(nn.Module):
    """Squeeze and recursion with a temporal gate, for activations of any length and size.

    Attributes
    ----------
    channels : int
    gate : str
        "soft": the mean likelihood that cycles return. "hard": 1 if all return, else 0 (then the recursion learns from
        consistent clips only). "straight-through": hard forward, soft backward. "none": always 1. "closed": always 0.
    layers : int
        Of the recurrent network. Its parameters are those of torch: 8 layers C (C + 1) for an LSTM.
    cell : "lstm" or "gru"
    temperature : float
    monotone : bool
        See `cyclic_consistency`.

    Examples
    --------
    >>> ne.layers.swap(net, {"layer?": ne.layers.followed_by(SRTG)}).model    # after each stage
    """

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
    ) -> None:
        super().__init__()
        if gate not in GATES:
            raise ValueError(f"gate must be one of {', '.join(map(repr, GATES))}; got {gate!r}")
        if cell not in CELLS:
            raise ValueError(f"cell must be 'lstm' or 'gru', got {cell!r}")
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature must be above 0 and finite, got {temperature!r}")
        self.channels, self.gate, self.temperature, self.monotone = channels, gate, float(temperature), monotone
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
        """G (batch,)."""
        if self.gate == "closed":
            return s.new_zeros(s.shape[0])
        if self.gate == "none":
            return s.new_ones(s.shape[0])
        cycles = cyclic_consistency(s, r, self.temperature, self.monotone)
        soft, hard = cycles.likelihood.mean(1), cycles.returns.all(1).to(s.dtype)
        if self.gate == "soft":
            return soft
        return hard if self.gate == "hard" else hard + (soft - soft.detach())

    @explains
    def explain(self, x: Tensor) -> Signals:
        """What happens to a batch: which frames are amplified, which find back to themselves, how far the gate is open."""
        s = x.mean((3, 4))
        r = self.recursion(s.transpose(1, 2))[0].transpose(1, 2)
        gate = self._gate(s, r)
        cycles = cyclic_consistency(s, r, self.temperature, self.monotone)
        return Signals(r, 1 + gate[:, None, None] * (r - 1), gate, *cycles)

    def ablations(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        """Without the recursion, what comes in goes on."""
        return {"SRTG (squeeze and recursion)": lambda: holding(self, gate="closed")}

    def extra_repr(self) -> str:
        """Settings, for repr."""
        said = f"{self.channels}, gate={self.gate!r}"
        said += "" if self.temperature == 1 else f", temperature={self.temperature}"
        return said + (", monotone=True" if self.monotone else "")


class SRTGBlock(nn.Module):
    """Residual block of two 3 x 3 x 3 convolutions, with a squeeze and recursion in one of six places.

    Attributes
    ----------
    place : str
        "start": what enters the block. "top": what enters the convolutions, not the shortcut. "mid": between the
        convolutions. "end": after them, before the sum. "skip": on the shortcut. "final": after sum and ReLU.
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
        if place not in PLACES:
            raise ValueError(f"place must be one of {', '.join(map(repr, PLACES))}; got {place!r}")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.place = place
        self.first = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False, **made), nn.BatchNorm3d(outputs, **made), nn.ReLU()
        )
        self.second = nn.Sequential(
            nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False, **made), nn.BatchNorm3d(outputs, **made)
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride not in (1, (1, 1, 1)):
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False, **made), nn.BatchNorm3d(outputs, **made)
            )
        self.recursion = SRTG(inputs if place in ("start", "top") else outputs, **made, **recursion)

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

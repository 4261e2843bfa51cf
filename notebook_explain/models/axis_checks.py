"""Judge whether what a network does with the axes of its input fits a layout.

Most layouts are judged by positions alone (``axis_use``). Where these raise a suspicion, up to six forward passes on
noise measure how the scores change if channels or frames are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import nn

from notebook_explain.models.axis_calls import Window
from notebook_explain.models.axis_use import AxisUse, odd_axis
from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import on_shadow, reference_parameter

MAX_COLOURS = 4  # of more channels, each may be a picture of its own, as in hyperspectral clips
AXIS_NAMES = {"C": "colours", "T": "frames", "H": "rows", "W": "columns"}


class Channels(Enum):
    """Treatment of the channels of a frame by the first weights of a network."""

    COMBINED = "combined"  # the first weights sum over them, and only over them
    SEPARATE = "separate"  # the first weights are applied to each of them, as to different frames
    UNKNOWN = "unknown"  # there is only one, or they are averaged before


@dataclass(frozen=True)
class Judgement:
    """Findings for and against a layout.

    Attributes
    ----------
    channels : Channels
    odd_axis : "T", "H", "W" or None
        The axis of which windows differ from those of the two others; "T" in video networks.
    rows : int
        Number of rows of scores among which frames are distributed.
    reads_one_frame : bool
        All other frames are ignored.
    """

    channels: Channels
    odd_axis: str | None
    rows: int
    reads_one_frame: bool = False

    @property
    def is_contradicted(self) -> bool:
        """True if colours act as frames, or rows or columns as time."""
        return self.channels is Channels.SEPARATE or self.odd_axis in ("H", "W")

    @property
    def rank(self) -> tuple[bool, ...]:
        """Sort key: first layouts without contradictions, then those in which colours meet, then frames."""
        is_confirmed = self.channels is Channels.COMBINED
        return self.is_contradicted, not is_confirmed, self.reads_one_frame, self.rows > 1, self.odd_axis != "T"


def judge(use: AxisUse, channels: int) -> Judgement:
    """Judge a layout by what a network does with its axes, for a clip with some channels."""
    return Judgement(
        _where_channels_meet(use, channels), odd_axis(use), use.rows, use.span is not None and use.span < 0.5
    )


def _where_channels_meet(use: AxisUse, channels: int) -> Channels:
    first = [call for call in use.first if "C" in call.summed | call.elsewhere]
    if not first:
        return Channels.UNKNOWN
    is_apart = ["C" in call.elsewhere for call in first]
    if not any(is_apart):
        return Channels.COMBINED
    # A weighted mean of frames, for example, comes before the layer that sums over the colours.
    meet_later = any(call.has_weights and call.summed == {"C"} and call.length == channels for call in use.calls)
    is_unknown = not all(is_apart) or meet_later or channels > MAX_COLOURS
    return Channels.UNKNOWN if is_unknown else Channels.SEPARATE


def orders_channels(use: AxisUse) -> bool:
    """Return whether windows or a recurrent layer move from channel to channel, as they do over time."""
    return any(call.windows.get("C") is not None or "C" in call.steps for call in use.calls)


@dataclass(frozen=True)
class Exchanges:
    """Change of the scores for noise, as a fraction of the largest, if channels or frames are exchanged.

    Attributes
    ----------
    of_channels, of_frames : float
    are_colours_like_frames : bool
        Channels can be exchanged without effect, though the network does more than average them.
    """

    of_channels: float
    of_frames: float
    are_colours_like_frames: bool


def exchange(network: nn.Module, preprocessing: Preprocessing, keep_hooks: bool) -> Exchanges | None:
    """Measure how scores change for noise with channels or frames in another order, and for noise of the same mean.

    Returns None if the scores cannot be compared.
    """
    noise = _noise(preprocessing)
    same_mean = noise.clone()
    same_mean[:, 0] += noise[:, 0]
    same_mean[:, -1] -= noise[:, 0]
    versions = (noise, noise.roll(1, 1), noise.flip(2), same_mean)
    try:
        first, *others = (_scores(network, preprocessing, version, keep_hooks) for version in versions)
    except Exception:  # a network that runs on positions only
        return None
    if not first.numel() or not bool(first.isfinite().all()) or any(other.shape != first.shape for other in others):
        return None
    scale = float(first.abs().max()) or 1.0
    of_channels, of_frames, of_same_mean = (float((other - first).abs().max()) / scale for other in others)
    tolerance = _tolerance(network)
    return Exchanges(of_channels, of_frames, of_channels <= tolerance < of_same_mean)


def changed_rows(network: nn.Module, preprocessing: Preprocessing, keep_hooks: bool) -> int | None:
    """Return how many rows of the scores change with the first frame alone."""
    noise = _noise(preprocessing)
    other = noise.clone()
    other[:, :, 0] = noise[:, :, -1]
    a, b = (_scores(network, preprocessing, version, keep_hooks) for version in (noise, other))
    if a.shape != b.shape or not a.ndim:
        return None
    change = (a - b).flatten(1).abs().amax(1) if a.ndim > 1 else (a - b).abs()
    return int((change > _tolerance(network) * float(a.abs().max())).sum())


def describe_windows(use: AxisUse) -> str:
    """Return an example of windows that differ between rows and columns: "5 rows in steps of 2, ..."."""
    windows = [window for window in use.windows() if window[1] != window[2]]
    return "" if not windows else ", ".join(_window(*pair) for pair in zip("THW", windows[0], strict=True))


def _window(letter: str, window: Window) -> str:
    kernel, stride = window or (1, 1)
    return f"{kernel} {AXIS_NAMES[letter]} in steps of {stride}"


def _noise(preprocessing: Preprocessing) -> torch.Tensor:
    shape = (1, preprocessing.channels, *preprocessing.shape)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _scores(network: nn.Module, preprocessing: Preprocessing, video: torch.Tensor, keep_hooks: bool) -> torch.Tensor:
    """Return the first floating-point tensor of a network's output, in float32."""

    def run(shadow: nn.Module) -> torch.Tensor:
        reference = reference_parameter(shadow)
        with torch.no_grad(), LocalRandomness():
            output = shadow(preprocessing.arrange(video.to(reference.device, reference.dtype)))
        found = (tensor for _, tensor in tensors(output) if tensor.is_floating_point())
        return next(found, torch.zeros(0)).detach().float().cpu()

    return on_shadow(network, run, keep_hooks=keep_hooks)[0]


def _tolerance(network: nn.Module) -> float:
    """Return the largest relative change that is rounding."""
    return 100 * torch.finfo(reference_parameter(network).dtype).eps

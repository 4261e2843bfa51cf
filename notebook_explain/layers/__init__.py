"""Building blocks of video networks: one paper, one file; functions and modules in the style of torch's own.

>>> import notebook_explain as ne
>>> soft = ne.layers.swap(net, {torch.nn.MaxPool3d: ne.layers.SoftPool3d})    # in a copy of the network
>>> soft                                                                      # what changed
>>> ne.explain(soft.model, "bowling.mp4")

Every name is imported when it is first used, so explanations of networks without blocks import none of them.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from notebook_explain._deprecated import renamed_names

if TYPE_CHECKING:
    from notebook_explain.layers.class_regularization import (
        ClassRegularization,
        Guess,
        class_regularize,
        class_regularized,
    )
    from notebook_explain.layers.fast import FAST3d, matching_width, plane_evidence
    from notebook_explain.layers.mtconv import MTConv, MTConv3d, frame_likeness, select_frames, split_streams
    from notebook_explain.layers.mtnet import MTNET_DEPTHS, MTBlock, MTNet, StreamShares, mtnet
    from notebook_explain.layers.released_checkpoints import SRTGNet, released_network
    from notebook_explain.layers.signal_types import (
        ClassChannelTable,
        FrameSignal,
        LabelledValues,
        explains,
        report_selected_frames,
    )
    from notebook_explain.layers.signals import signals
    from notebook_explain.layers.soft_pool import (
        AdaptiveSoftPool1d,
        AdaptiveSoftPool2d,
        AdaptiveSoftPool3d,
        SoftPool1d,
        SoftPool2d,
        SoftPool3d,
        adaptive_soft_pool1d,
        adaptive_soft_pool2d,
        adaptive_soft_pool3d,
        soft_pool1d,
        soft_pool2d,
        soft_pool3d,
    )
    from notebook_explain.layers.soft_pool.weights import Routing, adaptive_soft_pool_weights, soft_pool_weights
    from notebook_explain.layers.srtg import SRTG, Cycles, Signals, SRTGBlock, cyclic_consistency
    from notebook_explain.layers.swap import followed_by, swap
    from notebook_explain.layers.swap_report import Change, Swapped

_MODULES = {
    "class_regularization": ("ClassRegularization", "Guess", "class_regularize", "class_regularized"),
    "fast": ("FAST3d", "matching_width", "plane_evidence"),
    "mtconv": ("MTConv", "MTConv3d", "frame_likeness", "select_frames", "split_streams"),
    "mtnet": ("MTNET_DEPTHS", "MTBlock", "MTNet", "StreamShares", "mtnet"),
    "released_checkpoints": ("SRTGNet", "released_network"),
    "signal_types": ("ClassChannelTable", "FrameSignal", "LabelledValues", "explains", "report_selected_frames"),
    "signals": ("signals",),
    "soft_pool": (
        "AdaptiveSoftPool1d",
        "AdaptiveSoftPool2d",
        "AdaptiveSoftPool3d",
        "SoftPool1d",
        "SoftPool2d",
        "SoftPool3d",
        "adaptive_soft_pool1d",
        "adaptive_soft_pool2d",
        "adaptive_soft_pool3d",
        "soft_pool1d",
        "soft_pool2d",
        "soft_pool3d",
    ),
    "soft_pool.weights": ("Routing", "adaptive_soft_pool_weights", "soft_pool_weights"),
    "srtg": ("SRTG", "Cycles", "Signals", "SRTGBlock", "cyclic_consistency"),
    "swap": ("followed_by", "swap"),
    "swap_report": ("Change", "Swapped"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "MTNET_DEPTHS",
    "SRTG",
    "AdaptiveSoftPool1d",
    "AdaptiveSoftPool2d",
    "AdaptiveSoftPool3d",
    "Change",
    "ClassChannelTable",
    "ClassRegularization",
    "Cycles",
    "FAST3d",
    "FrameSignal",
    "Guess",
    "LabelledValues",
    "MTBlock",
    "MTConv",
    "MTConv3d",
    "MTNet",
    "Routing",
    "SRTGBlock",
    "SRTGNet",
    "Signals",
    "SoftPool1d",
    "SoftPool2d",
    "SoftPool3d",
    "StreamShares",
    "Swapped",
    "adaptive_soft_pool1d",
    "adaptive_soft_pool2d",
    "adaptive_soft_pool3d",
    "adaptive_soft_pool_weights",
    "class_regularize",
    "class_regularized",
    "cyclic_consistency",
    "explains",
    "followed_by",
    "frame_likeness",
    "matching_width",
    "mtnet",
    "plane_evidence",
    "released_network",
    "report_selected_frames",
    "select_frames",
    "signals",
    "soft_pool1d",
    "soft_pool2d",
    "soft_pool3d",
    "soft_pool_weights",
    "split_streams",
    "swap",
]


class _Package(ModuleType):
    """Package whose functions keep their names although modules of it have the same: ``swap``, ``signals``, ``mtnet``."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule binds it to its name in the package; bind the function of this name instead.
        if _HOMES.get(name) == name and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


_deprecated_name = renamed_names(
    __name__, {"ByClass": "ClassChannelTable", "Named": "LabelledValues", "PerFrame": "FrameSignal"}
)


def __getattr__(name: str) -> Any:
    if name in _MODULES and name not in _HOMES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        return _deprecated_name(name)
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

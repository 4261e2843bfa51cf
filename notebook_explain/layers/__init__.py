"""Building blocks for video networks: one paper, one file; functions and modules that stand in for torch's own.

>>> import notebook_explain as ne
>>> soft = ne.layers.swap(net, {torch.nn.MaxPool3d: ne.layers.SoftPool3d})    # a copy of any network
>>> soft                                                                      # what changed
>>> ne.explain(soft.model, "bowling.mp4")
"""

from notebook_explain.layers import position_proxies as position_proxies  # registers them
from notebook_explain.layers.class_regularization import (
    ClassRegularization,
    Guess,
    class_regularize,
    class_regularized,
)
from notebook_explain.layers.fast import FAST3d, matching_width
from notebook_explain.layers.mtconv import MTConv, MTConv3d, frame_likeness, select_frames, split_streams
from notebook_explain.layers.mtnet import MTNET_DEPTHS, MTBlock, MTNet, StreamShares, mtnet
from notebook_explain.layers.released_checkpoints import SRTGNet, released_network
from notebook_explain.layers.signal_types import ByClass, Named, PerFrame, explains
from notebook_explain.layers.signals import plane_evidence, signals
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
from notebook_explain.layers.swap import Change, Swapped, followed_by, swap

__all__ = [
    "MTNET_DEPTHS",
    "SRTG",
    "AdaptiveSoftPool1d",
    "AdaptiveSoftPool2d",
    "AdaptiveSoftPool3d",
    "ByClass",
    "Change",
    "ClassRegularization",
    "Cycles",
    "FAST3d",
    "Guess",
    "MTBlock",
    "MTConv",
    "MTConv3d",
    "MTNet",
    "Named",
    "PerFrame",
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
    "select_frames",
    "signals",
    "soft_pool1d",
    "soft_pool2d",
    "soft_pool3d",
    "soft_pool_weights",
    "split_streams",
    "swap",
]

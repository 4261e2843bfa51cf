"""SoftPool: pooling by softmax weights, its gradient, and the weights themselves."""

from notebook_explain.layers.soft_pool.modules import (
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

__all__ = [
    "AdaptiveSoftPool1d",
    "AdaptiveSoftPool2d",
    "AdaptiveSoftPool3d",
    "Routing",
    "SoftPool1d",
    "SoftPool2d",
    "SoftPool3d",
    "adaptive_soft_pool1d",
    "adaptive_soft_pool2d",
    "adaptive_soft_pool3d",
    "adaptive_soft_pool_weights",
    "soft_pool1d",
    "soft_pool2d",
    "soft_pool3d",
    "soft_pool_weights",
]

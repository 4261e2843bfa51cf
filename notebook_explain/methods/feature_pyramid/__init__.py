"""Class Feature Pyramids: the kernels that inform a class, layer by layer."""

from notebook_explain.methods.feature_pyramid.explainer import FeaturePyramid
from notebook_explain.methods.feature_pyramid.paper import published_backstep, published_first

__all__ = ["FeaturePyramid", "published_backstep", "published_first"]

"""Class Feature Pyramids: layer by layer, which kernels inform a class."""

from notebook_explain.methods.feature_pyramid.explainer import FeaturePyramid
from notebook_explain.methods.feature_pyramid.paper import published_backstep, published_first

__all__ = ["FeaturePyramid", "published_backstep", "published_first"]

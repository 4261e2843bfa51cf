"""Explainers: one paper, one file. Each is a value; calling it with a model and a clip returns an explanation."""

from notebook_explain.methods.attention_maps import AttentionMaps
from notebook_explain.methods.block_signals import BlockSignals
from notebook_explain.methods.feature_pyramid import FeaturePyramid
from notebook_explain.methods.saliency_tubes import SaliencyTubes
from notebook_explain.methods.sharp_tubes import SharpTubes

__all__ = ["AttentionMaps", "BlockSignals", "FeaturePyramid", "SaliencyTubes", "SharpTubes"]

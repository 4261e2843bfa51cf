"""Explainers: one paper, one file. Each is a value; calling it with a model and a clip returns an explanation."""

from notebook_explain.methods.attention_maps import AttentionMaps
from notebook_explain.methods.baselines import CentreMap, MotionMap, MotionTubes, RandomMap
from notebook_explain.methods.block_signals import BlockSignals
from notebook_explain.methods.captum_attributions import Captum
from notebook_explain.methods.concepts import ConceptDiscovery
from notebook_explain.methods.feature_pyramid import FeaturePyramid
from notebook_explain.methods.feature_visualization import FeatureVisualization, Flow, Pixels, Spectrum, animate
from notebook_explain.methods.guided_grad_cam import GuidedGradCAM
from notebook_explain.methods.occlusion import Occlusion
from notebook_explain.methods.rise import RISE
from notebook_explain.methods.saliency_tubes import SaliencyTubes
from notebook_explain.methods.sharp_tubes import SharpTubes

__all__ = [
    "RISE",
    "AttentionMaps",
    "BlockSignals",
    "Captum",
    "CentreMap",
    "ConceptDiscovery",
    "FeaturePyramid",
    "FeatureVisualization",
    "Flow",
    "GuidedGradCAM",
    "MotionMap",
    "MotionTubes",
    "Occlusion",
    "Pixels",
    "RandomMap",
    "SaliencyTubes",
    "SharpTubes",
    "Spectrum",
    "animate",
]

"""Any nn.Module as a VideoModel: layers, heads, labels, preprocessing; recorded without leaving a trace."""

from notebook_explain.models.adapter import adapt
from notebook_explain.models.frame_times import moments_of, placed
from notebook_explain.models.layers import POOLING_INPUT, Layer
from notebook_explain.models.recording import Recording, record
from notebook_explain.models.shadow import on_shadow, shadow_of
from notebook_explain.models.video_model import VideoModel, score_of

__all__ = [
    "POOLING_INPUT",
    "Layer",
    "Recording",
    "VideoModel",
    "adapt",
    "moments_of",
    "on_shadow",
    "placed",
    "record",
    "score_of",
    "shadow_of",
]

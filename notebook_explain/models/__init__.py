"""Wrap any nn.Module as a VideoModel: layers, heads, labels and preprocessing, recorded without modifying the module."""

from notebook_explain.models.adapter import adapt
from notebook_explain.models.frame_times import layers_at_selected_frames, module_frame_times, moments_of, placed
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
    "layers_at_selected_frames",
    "module_frame_times",
    "moments_of",
    "on_shadow",
    "placed",
    "record",
    "score_of",
    "shadow_of",
]

"""Wrap any nn.Module as a VideoModel: layers, heads, labels and preprocessing, recorded without modifying the module."""

from typing import TYPE_CHECKING

from notebook_explain._deprecated import renamed_names
from notebook_explain.models.adapter import adapt
from notebook_explain.models.bound_inputs import CLIP, BoundInputs
from notebook_explain.models.frame_times import layers_at_selected_frames, module_frame_times
from notebook_explain.models.layers import POOLING_INPUT, Layer
from notebook_explain.models.recording import Recording, record
from notebook_explain.models.shadow import on_shadow, shadow_of
from notebook_explain.models.target_resolution import score_of
from notebook_explain.models.video_model import VideoModel

__all__ = [
    "CLIP",
    "POOLING_INPUT",
    "BoundInputs",
    "Layer",
    "Recording",
    "VideoModel",
    "adapt",
    "layers_at_selected_frames",
    "module_frame_times",
    "on_shadow",
    "record",
    "score_of",
    "shadow_of",
]

if not TYPE_CHECKING:  # type checkers would take any name for one of this package
    __getattr__ = renamed_names(__name__, {"moments_of": "module_frame_times", "placed": "layers_at_selected_frames"})

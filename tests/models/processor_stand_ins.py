"""Stand-ins of the processors of Hugging Face and torchvision: the same attributes and the same steps, in plain torch.

The real ones are tested too where they are installed.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F


def resized(video: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize (time, channel, height, width) in 0..255 as the packages do: bilinear, antialiased, rounded."""
    if tuple(video.shape[2:]) == size:
        return video
    return F.interpolate(video, size, mode="bilinear", antialias=True).round().clamp(0, 255)


def shorter_side(video: torch.Tensor, length: int) -> tuple[int, int]:
    height, width = video.shape[2:]
    short = min(height, width)
    return length * height // short, length * width // short


def cropped(video: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    height, width = video.shape[2:]
    down, right = max(size[0] - height, 0), max(size[1] - width, 0)
    video = F.pad(video, (right // 2, right - right // 2, down // 2, down - down // 2))
    top, left = (round((video.shape[2 + axis] - size[axis]) / 2) for axis in (0, 1))
    return video[:, :, top : top + size[0], left : left + size[1]]


class VideoProcessor:
    """A video processor of Hugging Face, as VideoMAE's by default."""

    def __init__(self, **attributes: Any) -> None:
        self.do_resize, self.size = True, {"shortest_edge": 64}
        self.do_center_crop, self.crop_size = True, {"height": 64, "width": 64}
        self.do_rescale, self.rescale_factor = True, 1 / 255
        self.do_normalize, self.image_mean, self.image_std = True, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]
        for name, value in attributes.items():
            setattr(self, name, value)

    def __call__(self, videos: list[np.ndarray], return_tensors: str) -> dict[str, torch.Tensor]:
        assert return_tensors == "pt"
        video = torch.from_numpy(np.stack(videos)).permute(0, 3, 1, 2).float()
        if self.do_resize:
            edge = self.size.get("shortest_edge")
            video = resized(video, shorter_side(video, edge) if edge else (self.size["height"], self.size["width"]))
        if self.do_center_crop:
            video = cropped(video, (self.crop_size["height"], self.crop_size["width"]))
        return {"pixel_values": self.normalized(video)[None]}

    def normalized(self, video: torch.Tensor) -> torch.Tensor:
        if self.do_rescale:
            video = video * self.rescale_factor - (1 if getattr(self, "offset", False) else 0)
        if self.do_normalize:
            mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (self.image_mean, self.image_std))
            video = (video - mean) / std
        return video


class OffsetInAMethod(VideoProcessor):
    """ViViT's video processor: no attribute tells of the offset."""

    def normalized(self, video: torch.Tensor) -> torch.Tensor:
        return super().normalized(video) - 1 / torch.tensor(self.image_std).view(1, 3, 1, 1)


class ReversedColours(VideoProcessor):
    """MobileViT's processor, which makes BGR."""

    def normalized(self, video: torch.Tensor) -> torch.Tensor:
        return super().normalized(video).flip(1)


class LargerBeforeTheCrop(VideoProcessor):
    """LeViT's processor, which resizes to 256 / 224 of its size, and ViViT's."""

    def __call__(self, videos: list[np.ndarray], return_tensors: str) -> dict[str, torch.Tensor]:
        size = self.size
        self.size = {"shortest_edge": size["shortest_edge"] * 8 // 7}
        try:
            return super().__call__(videos, return_tensors)
        finally:
            self.size = size


class Letterbox(VideoProcessor):
    """A processor that pads, which none of its attributes tells."""

    def __call__(self, videos: list[np.ndarray], return_tensors: str) -> dict[str, torch.Tensor]:
        video = torch.from_numpy(np.stack(videos)).permute(0, 3, 1, 2).float()
        side = max(video.shape[2:])
        return {"pixel_values": self.normalized(resized(cropped(video, (side, side)), (64, 64)))[None]}


class VideoClassification(torch.nn.Module):
    """The preset of torchvision's video weights."""

    def __init__(self, crop_size: Any = (56, 56), resize_size: Any = (64, 85)) -> None:
        super().__init__()
        self.crop_size, self.resize_size = list(crop_size), list(resize_size)
        self.mean, self.std = [0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989]

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        size = tuple(self.resize_size) if len(self.resize_size) == 2 else shorter_side(video, self.resize_size[0])
        crop = tuple(self.crop_size) * (2 // len(self.crop_size))
        video = cropped(resized(video.float(), size), crop) / 255
        mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (self.mean, self.std))
        return ((video - mean) / std).transpose(0, 1)


def weights(**meta: Any) -> Any:
    """Return a stand-in of a member of a weights enum."""
    return SimpleNamespace(
        meta={"categories": ["bow", "clap", "jump", "kick", "wave"], "min_size": (1, 1), **meta},
        transforms=VideoClassification,
    )


def channels_first(video: torch.Tensor) -> torch.Tensor:
    """Transform (channel, time, height, width) floats in 0..255 to 8 frames, as one made of pytorchvideo's does."""
    assert video.shape[0] == 3
    assert video.is_floating_point()
    video = video[:, torch.linspace(0, video.shape[1] - 1, 8).long()] / 255
    video = ((video - 0.45) / 0.225).transpose(0, 1)
    return cropped(F.interpolate(video, shorter_side(video, 64), mode="bilinear"), (56, 56)).transpose(0, 1)


def of_a_dict(sample: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Transform the entry "video" of a dict."""
    return {**sample, "video": channels_first(sample["video"])}


class SamplesFrames(OffsetInAMethod):
    """A video processor that samples frames unless it is told not to, for which it needs to know the frame rate."""

    def __call__(
        self, videos: list[np.ndarray], return_tensors: str, do_sample_frames: bool = True
    ) -> dict[str, torch.Tensor]:
        if do_sample_frames:
            raise ValueError("metadata is needed to sample frames")
        return super().__call__(videos, return_tensors)

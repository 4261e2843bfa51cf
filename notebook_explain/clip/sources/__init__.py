"""Sources of frames: video files and folders of images, behind one protocol."""

from notebook_explain.clip.sources.base import Source, SourceFrame, SourceInfo

__all__ = ["Source", "SourceFrame", "SourceInfo"]

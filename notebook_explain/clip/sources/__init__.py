"""Sources of frames: video files and folders of images, behind one protocol."""

from notebook_explain.clip.sources.base import Note, Source, SourceFrame, SourceInfo

__all__ = ["Note", "Source", "SourceFrame", "SourceInfo"]

"""Clips: the value, and how one is made of a video, a folder of pictures or an array.

Importing this imports numpy only; OpenCV and Pillow are imported when something is read or resized.
"""

from notebook_explain.clip.clip import Clip
from notebook_explain.clip.sources.open import MAX_PIXELS, open_source

__all__ = ["MAX_PIXELS", "Clip", "open_source"]

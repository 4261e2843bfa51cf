"""Clips: the value, and how to make one from a video, a folder of images or an array.

Importing this package imports only numpy; OpenCV and Pillow are imported when something is read or resized.
"""

from notebook_explain.clip.clip import Clip
from notebook_explain.clip.pictures import Picture
from notebook_explain.clip.sources.open import MAX_PIXELS, open_source

__all__ = ["MAX_PIXELS", "Clip", "Picture", "open_source"]

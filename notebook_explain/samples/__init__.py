"""Synthetic clips of clothed people who act, with the truth known to the pixel.

>>> from notebook_explain import samples
>>> clip = samples.single("kick", seed=3)
>>> clip.frames.shape, clip.mask.shape
((16, 64, 64, 3), (16, 64, 64))

As the last line of a cell a clip plays, what acts in colour beside it; ``clip.film("kick.gif")`` writes that film.
Everything in them is drawn by the computer; nobody was filmed. Importing this imports numpy only.
"""

from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.body import PARTS
from notebook_explain.samples.sample import Person, Sample
from notebook_explain.samples.worlds import camera, compose, contrast, shortcut, single, still, window

__all__ = [
    "ACTIONS",
    "ARM_ACTIONS",
    "IDLE",
    "LEG_ACTIONS",
    "PARTS",
    "Person",
    "Sample",
    "camera",
    "compose",
    "contrast",
    "shortcut",
    "single",
    "still",
    "window",
]

"""Synthetic clips of people performing actions, with exact masks of every body part.

>>> from notebook_explain import samples
>>> clip = samples.single("kick", seed=3)
>>> clip.frames.shape, clip.mask.shape
((16, 64, 64, 3), (16, 64, 64))

As the last line of a cell a clip plays, next to a copy with the acting parts in colour; ``clip.film("kick.gif")`` writes
that animation. Everything is computer-drawn; no real person was filmed. Importing this package imports only numpy.
"""

from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.body import PARTS
from notebook_explain.samples.sample import Person, Sample
from notebook_explain.samples.worlds import camera, compose, contrast, moving_pair, shortcut, single, still, window

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
    "moving_pair",
    "shortcut",
    "single",
    "still",
    "window",
]

"""Synthetic clips of clothed people who act, with the truth known to the pixel.

>>> from notebook_explain.samples import people
>>> clip = people.single("kick", seed=3)
>>> clip.frames.shape, clip.mask.shape
((16, 64, 64, 3), (16, 64, 64))

Everything in them is drawn by the computer; nobody was filmed. Importing this imports numpy only.
"""

from notebook_explain.samples.people.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.people.body import PARTS
from notebook_explain.samples.people.worlds import (
    PeopleSample,
    Person,
    camera,
    compose,
    contrast,
    shortcut,
    single,
    still,
    window,
)

__all__ = [
    "ACTIONS",
    "ARM_ACTIONS",
    "IDLE",
    "LEG_ACTIONS",
    "PARTS",
    "PeopleSample",
    "Person",
    "camera",
    "compose",
    "contrast",
    "shortcut",
    "single",
    "still",
    "window",
]

"""Edits of a clip or a network, as values: they print as the code that makes them, and are rebuilt from JSON.

>>> import notebook_explain as ne
>>> ne.edits.Occlude(box=(20, 10, 60, 90), frames=(4, 9), fill="freeze")
edits.Occlude(box=(20, 10, 60, 90), frames=(4, 9), fill='freeze')
>>> ne.edits.Reverse()(clip)                                             # an edited clip
>>> ne.what_if(model, clip, [ne.edits.Reverse(), ne.edits.Ablate("layer4", channels=(3, 17))])

Coordinates are the clip's own pixels and frames, counted from 0. Boxes and spans leave out their end, as Python's slices do.
"""

from notebook_explain.what_if.channel_hooks import mean_activations
from notebook_explain.what_if.edits.apply import edited_clip, edited_model, split_edits
from notebook_explain.what_if.edits.base import ClipEdit, Edit
from notebook_explain.what_if.edits.colours import Brighten, Flip, Grey
from notebook_explain.what_if.edits.frames import Drop, Freeze, Loop, Repeat, Reverse, Shuffle, Slow
from notebook_explain.what_if.edits.kinds import KINDS, from_json
from notebook_explain.what_if.edits.masks import packed_mask
from notebook_explain.what_if.edits.network import Ablate, NetworkEdit, Scale, Swap, WithoutConcept
from notebook_explain.what_if.edits.occlude import FILLS, Occlude

__all__ = [
    "FILLS",
    "KINDS",
    "Ablate",
    "Brighten",
    "ClipEdit",
    "Drop",
    "Edit",
    "Flip",
    "Freeze",
    "Grey",
    "Loop",
    "NetworkEdit",
    "Occlude",
    "Repeat",
    "Reverse",
    "Scale",
    "Shuffle",
    "Slow",
    "Swap",
    "WithoutConcept",
    "edited_clip",
    "edited_model",
    "from_json",
    "mean_activations",
    "packed_mask",
    "split_edits",
]

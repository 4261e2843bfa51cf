"""Edits that the explorer's menu offers, with the fields that a view asks for."""

from __future__ import annotations

from typing import Any

from notebook_explain.what_if.edits import FILLS, KINDS

FRAMES, FRAME, WHOLE, NUMBER, CHOICE, LAYER, CHANNELS, REGION = (
    "frames",
    "frame",
    "whole",
    "number",
    "choice",
    "layer",
    "channels",
    "region",
)


def _field(name: str, kind: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "value": value, "low": None, "high": None, "choices": [], "help": "", **more}


_SPAN = _field("frames", FRAMES, help="Frames that change; all if left out.")
_PART = _field("frames", FRAMES, [0, 1], help="Frames, without the stop.")
_LAYER = _field("layer", LAYER, help="A layer of the network.")
_CHANNELS = _field("channels", CHANNELS, help="Numbers from 0, such as 3, 17; all if left out.")

# Name and help of each kind, in the order of the menu, and its fields.
_MENU: dict[str, tuple[str, str, tuple[dict[str, Any], ...]]] = {
    "Occlude": (
        "Hide a part",
        "Hide a part of the picture. Draw it on the frame.",
        (_field("box", REGION), _SPAN, _field("fill", CHOICE, FILLS[0], choices=list(FILLS))),
    ),
    "Freeze": ("Freeze", "Show one frame in place of others.", (_field("frame", FRAME, 0), _SPAN)),
    "Reverse": ("Reverse", "Run frames backwards.", (_SPAN,)),
    "Shuffle": ("Shuffle", "Put frames in a random order.", (_field("seed", WHOLE, 0, low=0, high=9999), _SPAN)),
    "Drop": ("Drop", "Take frames out.", (_PART,)),
    "Repeat": ("Repeat", "Show frames several times.", (_PART, _field("times", WHOLE, 2, low=2, high=16))),
    "Slow": (
        "Slow down",
        "Show every frame longer; the end is cut off.",
        (_field("factor", WHOLE, 2, low=2, high=16), _SPAN),
    ),
    "Loop": ("Loop", "Fill the clip with some of its frames, again and again.", (_PART,)),
    "Flip": ("Flip", "Exchange left and right.", ()),
    "Grey": ("Grey", "Take the colours out.", ()),
    "Brighten": ("Brighten", "Multiply brightness.", (_field("factor", NUMBER, 1.3, low=0.0, high=4.0),)),
    "Ablate": (
        "Ablate channels",
        "Switch channels of a layer off.",
        (_LAYER, _CHANNELS, _field("to", CHOICE, "zero", choices=["zero", "mean"])),
    ),
    "Scale": (
        "Scale channels",
        "Multiply channels of a layer by a factor.",
        (_LAYER, _CHANNELS, _field("factor", NUMBER, 0.5, low=-4.0, high=4.0)),
    ),
}


def edit_menu() -> list[dict[str, Any]]:
    """Return the kinds of edits as plain values."""
    return [
        {"edit": kind, "name": name, "help": text, "of": KINDS[kind].of, "fields": list(fields)}
        for kind, (name, text, fields) in _MENU.items()
    ]

"""Options of edits: each becomes the JSON of an edit, in the order in which they are given. Torch is not needed."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from typing import Any

Entry = dict[str, Any]
FILLS = ("blur", "mean", "freeze", "noise", "grey")


def add_edit_options(command: argparse.ArgumentParser) -> None:
    """Add the options of edits; ``options.edits`` is the list of their JSON, in the order given."""
    group = command.add_argument_group(
        "edits",
        "In pixels and frames of the clip as the network sees it, counted from 0. Boxes and spans A:B leave out their end. Edits "
        "apply in the order given, and each option may be given several times.",
    )
    command.set_defaults(edits=[])
    for name, read, metavar, text in (
        (
            "--occlude",
            _occlude("box"),
            "L,T,R,B[@A:B]",
            "hide a box: left, top, right, bottom; during a span of frames",
        ),
        ("--ellipse", _occlude("ellipse"), "L,T,R,B[@A:B]", "hide the ellipse in a box"),
        ("--freeze", _with_span("Freeze", "frame"), "K[@A:B]", "show frame K all the time, or during a span"),
        ("--shuffle", _with_span("Shuffle", "seed"), "SEED[@A:B]", "show the frames in random order"),
        ("--slow", _with_span("Slow", "factor"), "N[@A:B]", "show each frame N times; the end of the clip is cut off"),
        ("--drop", _span_only("Drop"), "A:B", "leave out frames"),
        ("--repeat", _span_only("Repeat"), "A:B", "show frames twice in a row"),
        ("--loop", _span_only("Loop"), "A:B", "show frames again and again"),
        ("--brighten", _brighten, "FACTOR", "multiply the brightness"),
        ("--ablate", _ablate, "LAYER[:C,C]", "switch off all channels of a layer, or some"),
        ("--scale", _scale, "LAYER[:C,C]=FACTOR", "multiply all channels of a layer, or some"),
        ("--edit", _json, "JSON", "any edit, as notebook_explain.edits writes it with to_json()"),
    ):
        group.add_argument(name, type=read, action="append", dest="edits", metavar=metavar, help=text)
    for name, kind, text in (
        ("--reverse", "Reverse", "play the clip backwards"),
        ("--flip", "Flip", "mirror left and right"),
        ("--grey", "Grey", "leave out the colours"),
    ):
        group.add_argument(name, action="append_const", dest="edits", const={"edit": kind}, help=text)
    group.add_argument(
        "--fill", choices=FILLS, help="what hidden parts show (default: blur); freeze is the frame before the span"
    )
    group.add_argument("--outside", action="store_true", help="hide everything but the boxes and ellipses")


def entries_of(options: argparse.Namespace) -> list[Entry]:
    """Return the JSON of the edits, with the fill of the hidden parts."""
    changes = {name: value for name, value in (("fill", options.fill), ("outside", options.outside)) if value}
    return [{**entry, **changes} if entry.get("edit") == "Occlude" else entry for entry in options.edits]


def _occlude(shape: str) -> Callable[[str], Entry]:
    def read(text: str) -> Entry:
        box, span = _split_span(text)
        if not re.fullmatch(r"\d{1,9}(,\d{1,9}){3}", box):
            raise argparse.ArgumentTypeError(
                f"must be LEFT,TOP,RIGHT,BOTTOM or L,T,R,B@A:B, such as 20,10,60,90@4:9, got {text!r}"
            )
        return {"edit": "Occlude", "box": _numbers(box), **({"shape": shape} if shape != "box" else {}), **span}

    return read


def _with_span(kind: str, field: str) -> Callable[[str], Entry]:
    def read(text: str) -> Entry:
        number, span = _split_span(text)
        if not re.fullmatch(r"\d{1,9}", number):
            raise argparse.ArgumentTypeError(f"must be a whole number, or N@A:B for frames A to B, got {text!r}")
        return {"edit": kind, field: int(number), **span}

    return read


def _span_only(kind: str) -> Callable[[str], Entry]:
    return lambda text: {"edit": kind, "frames": _span(text)}


def _brighten(text: str) -> Entry:
    return {"edit": "Brighten", "factor": _number(text)}


def _ablate(text: str) -> Entry:
    return {"edit": "Ablate", **_layer(text)}


def _scale(text: str) -> Entry:
    layer, equals, factor = text.rpartition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be LAYER=FACTOR or LAYER:C,C=FACTOR, got {text!r}")
    return {"edit": "Scale", **_layer(layer), "factor": _number(factor)}


def _json(text: str) -> Entry:
    try:
        entry = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'must be JSON, such as \'{{"edit": "Reverse"}}\' ({error})') from None
    if not isinstance(entry, dict):
        raise argparse.ArgumentTypeError(f'must be a JSON object, such as \'{{"edit": "Reverse"}}\', got {text!r}')
    return entry


def _layer(text: str) -> Entry:
    layer, colon, channels = text.partition(":")
    if colon and not re.fullmatch(r"\d{1,9}(,\d{1,9})*", channels):
        raise argparse.ArgumentTypeError(f"must be LAYER, or LAYER:C,C with channels such as layer4:3,17, got {text!r}")
    return {"layer": layer, "channels": _numbers(channels)} if colon else {"layer": layer}


def _split_span(text: str) -> tuple[str, Entry]:
    value, at, span = text.partition("@")
    return value, {"frames": _span(span)} if at else {}


def _span(text: str) -> list[int]:
    if not re.fullmatch(r"\d{1,9}:\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"frames must be A:B, from A up to B, such as 4:9, got {text!r}")
    return [int(end) for end in text.split(":")]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None

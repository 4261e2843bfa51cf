"""What can be written on the command line. Reading it imports nothing heavy, so that ``--help`` comes at once."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

import notebook_explain
from notebook_explain.cli import commands, outputs
from notebook_explain.cli.console import NAME, plain

_ABOUT = "See why a video model decides what it decides."
_EXAMPLES = """\
begin here:
  notebook-explain demo
  notebook-explain explain bowling.mp4 --model torchvision.models.video:r3d_18 --weights r3d.pt --labels names.txt \\
      --size 112 --frames 16 --mean 0.432,0.395,0.376 --std 0.228,0.221,0.217 --out bowling.html bowling.png
  notebook-explain layers --model nets:make --size 112 --frames 16
  notebook-explain open bowling.npz --out bowling.gif

'notebook-explain COMMAND --help' tells every option. In a pipe, results are lines with a tab between their fields.
"""
_EXPLAIN = """\
Show a clip to a network, and write where it found its evidence: as an interactive page, a picture, a film, or a file
that the notebook and 'notebook-explain open' read again.

The network comes from a callable of yours. With this in nets.py, in the folder that you are in:

  def make():
      return MyNetwork(classes=400)

write --model nets:make. The current folder is looked through first, as with 'python -m'; importing nets.py runs it."""
_USAGE = f"{NAME} explain CLIP --model PACKAGE.MODULE:CALLABLE [options] --out FILE [FILE ...]"
_LAYERS = "List the layers of a network that tubes are made of: name, kind, and grid (time x height x width in cells)."
_OPEN = "Say what a saved explanation holds, and write it in other forms. The network is not needed, nor is torch."
_DEMO = "Explain a bundled clip with a bundled network, offline, and write demo.html and demo.png."


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {plain(message)} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The four commands and their options; ``options.run`` is the function of the command chosen."""
    how: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    top = _Parser(NAME, description=_ABOUT, epilog=_EXAMPLES, **how)
    top.add_argument("--version", action="version", version=f"{NAME} {notebook_explain.__version__}")
    top.set_defaults(run=lambda _: _help(top), traceback=False)
    chosen = top.add_subparsers(title="commands", metavar="COMMAND")

    demo = chosen.add_parser("demo", help="explain the bundled clip, offline", description=_DEMO, **how)
    demo.add_argument("--out", type=Path, default=Path("out"), metavar="FOLDER", help="default: out")
    demo.set_defaults(run=commands.demo)

    explain = chosen.add_parser("explain", help="explain a clip of yours", usage=_USAGE, description=_EXPLAIN, **how)
    explain.add_argument("clip", metavar="CLIP", help="a video file, or a folder of frames")
    _network(explain)
    _part_of_the_clip(explain)
    which = explain.add_argument_group("what is explained")
    which.add_argument(
        "--target",
        nargs="+",
        action="extend",
        metavar="LABEL",
        help="classes, by label or index (default: the one that the network finds most likely)",
    )
    which.add_argument(
        "--against", metavar="LABEL", help="why each target rather than this class: their difference is explained"
    )
    _shown(explain).add_argument(
        "--source", action="store_true", help="draw .webm over all of CLIP's own pictures, at their own size"
    )
    explain.set_defaults(run=commands.explain)

    layers = chosen.add_parser("layers", help="list the layers of a network", description=_LAYERS, **how)
    _network(layers)
    layers.set_defaults(run=commands.layers, mean=0.0, std=1.0)  # colours change nothing in where layers lie

    opened = chosen.add_parser("open", help="look into a saved explanation", description=_OPEN, **how)
    opened.add_argument("file", type=Path, metavar="FILE.npz", help="what --out FILE.npz or tubes.save() wrote")
    shown = _shown(opened)
    shown.add_argument("--target", metavar="LABEL", help="the class shown, by name or place (default: the first)")
    shown.add_argument(
        "--source", metavar="CLIP", help="draw .webm over this, which the clip was read from, at its own size"
    )
    opened.set_defaults(run=commands.open_)

    for command in (demo, explain, layers, opened):
        command.add_argument("--traceback", action="store_true", help="show where an error came from")
    return top


def _help(top: argparse.ArgumentParser) -> int:
    top.print_help()
    return 0


def _network(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("the network")
    group.add_argument(
        "--model",
        required=True,
        metavar="PACKAGE.MODULE:CALLABLE",
        help="a callable without arguments that returns a torch.nn.Module, in the current folder or installed",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="checkpoint with its state dict (.pt, .pth, .safetensors), read without running code; "
        "left out: the weights that the callable gives it",
    )
    group.add_argument("--labels", type=Path, metavar="FILE", help="class names, one a line, or JSON")
    trained = command.add_argument_group(
        "what it was trained with", "What is left out is assumed, and said: a wrong guess explains another network."
    )
    trained.add_argument("--size", type=_size, metavar="N", help="in pixels: N (a square), or HxW (height x width)")
    trained.add_argument("--frames", type=_count, metavar="N", help="how many frames it is shown")
    trained.add_argument("--mean", type=_colours, metavar="R,G,B", help="in units of 0..1, such as 0.432,0.395,0.376")
    trained.add_argument("--std", type=_colours, metavar="R,G,B", help="the network sees (rgb / 255 - mean) / std")
    trained.add_argument(
        "--layout",
        type=_layout,
        metavar="AXES",
        help="BCTHW, BTCHW (Hugging Face), BTHWC, '(BT)CHW', or the strides in time of pathways: 4,1 for SlowFast",
    )


def _part_of_the_clip(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("which part of the clip")
    group.add_argument(
        "--window",
        type=_window,
        metavar="START:STOP",
        help="seconds with a point or an s (1.5:4.0, 2s:4s), else numbers of frames (30:90); default: the whole clip",
    )
    group.add_argument("--stride", type=_count, metavar="N", help="every Nth frame (default: spread evenly)")
    group.add_argument(
        "--crop",
        choices=("center", "letterbox", "stretch"),
        help="how a picture comes to --size: its middle (default), whole between black bars, or stretched",
    )
    group.add_argument("--fps", type=_number, metavar="N", help="pictures per second of a folder of frames")
    group.add_argument(
        "--max-pixels",
        type=_count,
        metavar="N",
        help="refuse clips of more pixels in all (default: about a thousand million)",
    )


def _shown(command: argparse.ArgumentParser) -> Any:
    group = command.add_argument_group("what is shown and written")
    group.add_argument("--layer", metavar="NAME", help="the layer shown (default: the last; see 'layers')")
    group.add_argument(
        "--threshold",
        type=_fraction,
        metavar="T",
        help="shown from this fraction of the layer's largest value, in 0..1",
    )
    group.add_argument(
        "--out",
        type=_out,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help=f"files to write, by their endings: {', '.join(outputs.FORMS)}; one that is there is replaced",
    )
    return group


def _size(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9})?", text):
        raise argparse.ArgumentTypeError(f"must be N or HxW, such as 112 or 180x320, got {text!r}")
    sides = [_count(side) for side in text.split("x")]
    return sides[0], sides[-1]


def _count(text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return int(text)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _colours(text: str) -> float | tuple[float, ...]:
    numbers = _numbers(text)
    if len(numbers) not in (1, 3):
        raise argparse.ArgumentTypeError(f"must be one number or three (red,green,blue), got {text!r}")
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def _number(text: str) -> float:
    numbers = _numbers(text)
    if len(numbers) != 1 or not 0 < numbers[0] < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return numbers[0]


def _fraction(text: str) -> float:
    numbers = _numbers(text)
    if len(numbers) != 1 or not 0 <= numbers[0] <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0..1, got {text!r}")
    return numbers[0]


def _layout(text: str) -> str | tuple[int, ...]:
    return tuple(_count(part) for part in text.split(",")) if text[:1].isdigit() else text


def _window(text: str) -> tuple[float, float] | tuple[int, int]:
    seconds = r"[0-9]+\.[0-9]*s?|\.[0-9]+s?|[0-9]+s"
    ends = text.split(":")
    if len(ends) == 2 and all(re.fullmatch(r"[0-9]{1,9}", end) for end in ends):
        return int(ends[0]), int(ends[1])
    if len(ends) == 2 and all(re.fullmatch(seconds, end) for end in ends):
        return float(ends[0].rstrip("s")), float(ends[1].rstrip("s"))
    raise argparse.ArgumentTypeError(
        f"must be START:STOP, both in seconds (1.5:4.0, 2s:4s) or both numbers of frames (30:90), got {text!r}"
    )


def _out(text: str) -> Path:
    try:
        return outputs.known(Path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

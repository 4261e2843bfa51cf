"""Options of the command line. This module imports no heavy package, so ``--help`` answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

import notebook_explain
from notebook_explain.cli import animation, argument_types, array_files, commands, outputs, what_if
from notebook_explain.cli.console import NAME, single_line
from notebook_explain.cli.edit_options import add_edit_options

_ABOUT = "See why a video model decides what it decides."
_EXAMPLES = """\
examples:
  notebook-explain demo
  notebook-explain explain bowling.mp4 --model torchvision.models.video:r3d_18 --weights r3d.pt --labels names.txt \\
      --size 112 --frames 16 --mean 0.432,0.395,0.376 --std 0.228,0.221,0.217 --out bowling.html bowling.png
  notebook-explain layers --model nets:make --size 112 --frames 16
  notebook-explain open bowling.npz --out bowling.gif
  notebook-explain what-if bowling.mp4 --model nets:make --reverse --occlude 20,10,60,90@4:9 --fill mean
  notebook-explain animate me.jpg --model nets:make --target "jumping jack" --clips clips --out me.gif me.html

'notebook-explain COMMAND --help' lists the options of a command. In a pipe, results are tab-separated lines.
"""
_EXPLAIN = """\
Show a clip to a network and write where it found its evidence: as an interactive page, a picture, a video, or a file
that the notebook and 'notebook-explain open' read.

The network comes from a callable that you name. With this in nets.py, in the current folder:

  def make():
      return MyNetwork(classes=400)

write --model nets:make. The current folder is searched after the installed packages; importing nets.py runs it."""
_USAGE = f"{NAME} explain CLIP --model PACKAGE.MODULE:CALLABLE [options] --out FILE [FILE ...]"
_LAYERS = "List the layers of a network that can be explained: name, kind, and grid (time x height x width in cells)."
_ANIMATE = """\
Make a still picture move as a network expects of a class. The movement is a smooth flow that raises the score; it does not
prove that the network uses the same movement in real clips."""
_WHAT_IF = """\
Edit a clip or channels of a network, and compare what the network says before and after: as a table, and with --out as a page, a
picture or a file that the notebook reads. The network itself is not changed."""
_WHAT_IF_USAGE = f"{NAME} what-if CLIP --model PACKAGE.MODULE:CALLABLE [options] EDIT [EDIT ...] [--out FILE ...]"
_OPEN = "Describe a saved explanation and write it in other formats. This needs neither the network nor torch."
_DEMO = "Explain a bundled clip with a bundled network, offline, and write demo.html and demo.png."


class _Parser(argparse.ArgumentParser):
    """Print an error as one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {single_line(message)} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; ``options.run`` is the function of the chosen command."""
    style: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    top = _Parser(NAME, description=_ABOUT, epilog=_EXAMPLES, **style)
    top.add_argument("--version", action="version", version=f"{NAME} {notebook_explain.__version__}")
    top.set_defaults(run=lambda _: _print_help(top), traceback=False)
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND")

    demo = subparsers.add_parser("demo", help="explain the bundled clip, offline", description=_DEMO, **style)
    demo.add_argument("--out", type=Path, default=Path("out"), metavar="FOLDER", help="default: out")
    demo.set_defaults(run=commands.demo)

    explain = subparsers.add_parser("explain", help="explain a clip", usage=_USAGE, description=_EXPLAIN, **style)
    explain.add_argument("clip", metavar="CLIP", help="a video file, a folder of images, or an .npy file")
    _add_network_options(explain)
    _add_clip_options(explain)
    group = explain.add_argument_group("target")
    group.add_argument(
        "--target",
        nargs="+",
        action="extend",
        metavar="LABEL",
        help="classes to explain, by label or index (default: the most probable class)",
    )
    group.add_argument(
        "--against", metavar="LABEL", help="explain why each target rather than this class (target minus against)"
    )
    _add_output_options(explain).add_argument(
        "--source", action="store_true", help="draw .webm and .mp4 over all frames of CLIP, at full size"
    )
    explain.set_defaults(run=commands.explain)

    layers = subparsers.add_parser("layers", help="list the layers of a network", description=_LAYERS, **style)
    _add_network_options(layers)
    layers.set_defaults(run=commands.layers, mean=0.0, std=1.0)  # normalisation does not change the layers

    opened = subparsers.add_parser("open", help="describe a saved explanation", description=_OPEN, **style)
    opened.add_argument("file", type=Path, metavar="FILE.npz", help="a file written by --out FILE.npz or tubes.save()")
    group = _add_output_options(opened)
    group.add_argument("--target", metavar="LABEL", help="target to show, by name or position (default: the first)")
    group.add_argument(
        "--range",
        type=array_files.limits,
        metavar="LOW,HIGH",
        help="values of the clip shown darkest and brightest, or percentiles; for clips of an .npy file",
    )
    group.add_argument(
        "--source",
        metavar="CLIP",
        help="the clip that was explained: draw .webm and .mp4 over all its frames, at full size",
    )
    opened.set_defaults(run=commands.open_)

    others = (_add_animate(subparsers, style), _add_what_if(subparsers, style))
    for command in (demo, explain, layers, opened, *others):
        command.add_argument("--traceback", action="store_true", help="show the traceback of an error")
    return top


def _add_animate(subparsers: Any, style: dict[str, Any]) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = subparsers.add_parser(
        "animate", help="make a picture move as the network expects of a class", description=_ANIMATE, **style
    )
    command.add_argument(
        "still", metavar="STILL", help="a picture; of a video, the frame that differs most from the mean is taken"
    )
    _add_network_options(command)
    group = command.add_argument_group("animation")
    group.add_argument(
        "--target", required=True, nargs="+", action="extend", metavar="LABEL", help="classes, by label or index"
    )
    group.add_argument(
        "--clips",
        metavar="FOLDER",
        help="real clips, 20 or more, which make the movement more ordinary and are compared with it; or a folder for each "
        "class",
    )
    group.add_argument("--steps", type=argument_types.count, metavar="N", help="steps of the optimiser (default: 120)")
    group.add_argument(
        "--restarts", type=argument_types.count, metavar="N", help="starts, of which the best is kept (default: 3)"
    )
    group.add_argument(
        "--seed", type=argument_types.whole_number, metavar="N", help="of everything that is drawn (default: 0)"
    )
    _add_crop(group)
    group = command.add_argument_group("output")
    _add_out(group, f"default: {animation.DEFAULT_OUTPUT}")
    command.set_defaults(run=animation.animate)
    return command


def _add_what_if(subparsers: Any, style: dict[str, Any]) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = subparsers.add_parser(
        "what-if", help="edit a clip or a network", usage=_WHAT_IF_USAGE, description=_WHAT_IF, **style
    )
    command.add_argument("clip", metavar="CLIP", help="a video file, a folder of images, or an .npy file")
    add_edit_options(command)
    _add_network_options(command)
    _add_clip_options(command)
    group = command.add_argument_group("target")
    group.add_argument(
        "--target", nargs=1, metavar="LABEL", help="class, by label or index (default: the top class before)"
    )
    group.add_argument("--against", metavar="LABEL", help="measure the target minus this class")
    group.add_argument(
        "--explain", action="store_true", help="explain the clip before and after; --out .html compares both"
    )
    group = command.add_argument_group("output")
    group.add_argument("--classes", type=argument_types.count, metavar="N", help="rows of the table (default: 5)")
    group.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    group.add_argument(
        "--out",
        type=argument_types.output_path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help=f"files to write; the ending sets the format: {', '.join(what_if.WRITES)}; existing files are replaced",
    )
    command.set_defaults(run=what_if.what_if, no_caption=False)
    return command


def _print_help(top: argparse.ArgumentParser) -> int:
    top.print_help()
    return 0


def _add_network_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("network")
    group.add_argument(
        "--model",
        required=True,
        metavar="PACKAGE.MODULE:CALLABLE",
        help="callable without arguments that returns a torch.nn.Module, from the current folder or an installed package",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="checkpoint with the state dict (.pt, .pth, .safetensors), loaded without running code "
        "(default: the weights that the callable sets)",
    )
    group.add_argument(
        "--weights-key",
        metavar="KEY",
        help="which weights to take from FILE if it holds several, such as model_ema (default: those that are no average)",
    )
    group.add_argument("--labels", type=Path, metavar="FILE", help="class names: one per line, or JSON")
    group.add_argument(
        "--outputs",
        metavar="KIND",
        help="what the network returns: classes, binary (one logit), multilabel (sigmoids) or regression (values)",
    )
    group.add_argument("--unit", metavar="TEXT", help="unit of the values of a regression, such as ms")
    _add_preprocessing_options(command)


def _add_preprocessing_options(command: argparse.ArgumentParser) -> None:
    trained = command.add_argument_group(
        "preprocessing",
        "As in training. What you leave out is guessed and reported; a wrong guess gives a wrong result.",
    )
    trained.add_argument(
        "--size",
        type=argument_types.size,
        metavar="N",
        help="input size in pixels: N (a square) or HxW (height x width)",
    )
    trained.add_argument("--frames", type=argument_types.count, metavar="N", help="number of input frames")
    trained.add_argument(
        "--channels",
        type=argument_types.count,
        metavar="N",
        help="number of input channels (default: 3, else those of the first layer)",
    )
    trained.add_argument(
        "--mean",
        type=argument_types.per_channel,
        metavar="R,G,B",
        help="in 0..1, such as 0.432,0.395,0.376; one number for each channel",
    )
    trained.add_argument(
        "--std", type=argument_types.per_channel, metavar="R,G,B", help="in 0..1; the input is (rgb / 255 - mean) / std"
    )
    trained.add_argument(
        "--layout",
        type=argument_types.layout,
        metavar="AXES",
        help="BCTHW, BTCHW (Hugging Face), '(BT)CHW', BTHW (no axis for one channel) or another order of the axes; or the "
        "temporal stride of each pathway: 4,1 for SlowFast",
    )
    trained.add_argument(
        "--keep-hooks", action="store_true", help="run with the network's forward hooks (default: leave them out)"
    )


def _add_clip_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("clip")
    group.add_argument(
        "--window",
        type=argument_types.window,
        metavar="START:STOP",
        help="part to read: seconds with a decimal point or an s (1.5:4.0, 2s:4s), else frame numbers (30:90); default: all",
    )
    group.add_argument(
        "--stride", type=argument_types.count, metavar="N", help="take every Nth frame (default: spread evenly)"
    )
    _add_crop(group)
    group.add_argument(
        "--fps", type=argument_types.positive_number, metavar="N", help="frames per second of an image folder"
    )
    group.add_argument("--axes", metavar="AXES", help="axes of an .npy file, such as THW, TCHW (default: THWC or THW)")
    group.add_argument(
        "--picture",
        type=array_files.picture,
        metavar="WHAT",
        help="what to show of an .npy file: grey, rgb, flow, heatmaps, or indices of channels: 3,2,1",
    )
    group.add_argument(
        "--range",
        type=array_files.limits,
        metavar="LOW,HIGH",
        help="values of an .npy file shown darkest and brightest, or percentiles (default: the smallest and the largest)",
    )
    group.add_argument(
        "--max-pixels",
        type=argument_types.count,
        metavar="N",
        help="refuse clips with more pixels in total (default: 2**30, about 3 GB of RGB)",
    )


def _add_output_options(command: argparse.ArgumentParser) -> Any:
    group = command.add_argument_group("output")
    group.add_argument("--layer", metavar="NAME", help="layer to show (default: the last; see 'layers')")
    threshold = group.add_mutually_exclusive_group()
    threshold.add_argument(
        "--threshold",
        type=argument_types.fraction,
        metavar="T",
        help="show values from this fraction of the layer's maximum, in 0..1 (default: 0.4, or less where that would show "
        "less than a quarter of the evidence)",
    )
    threshold.add_argument(
        "--share",
        type=argument_types.fraction,
        metavar="S",
        help="show this share of the evidence, in 0..1: 0.5 for the strongest half",
    )
    _add_out(group)
    return group


def _add_crop(group: Any) -> None:
    group.add_argument(
        "--crop",
        type=argument_types.crop,
        metavar="HOW",
        help="how to fit a frame to --size: center (crop, the default), letterbox (black bars), stretch; or center:256, "
        "center:128x171: resize the shorter side or both sides to this, then crop",
    )


def _add_out(group: Any, default: str = "") -> None:
    formats = f"the ending sets the format: {', '.join(outputs.FORMATS)}"
    group.add_argument(
        "--out",
        type=argument_types.output_path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="; ".join(filter(None, ["files to write", formats, "existing files are replaced", default])),
    )
    group.add_argument("--no-caption", action="store_true", help="leave the text out of .gif, .webm and .mp4")

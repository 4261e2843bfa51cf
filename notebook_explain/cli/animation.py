"""The command that animates a still picture, and the description of a saved visualization."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from notebook_explain._errors import UsageError
from notebook_explain.cli import outputs
from notebook_explain.cli.console import collect_warnings, print_error, print_rows, progress
from notebook_explain.cli.errors import caveat_text
from notebook_explain.cli.network import forward_errors, given, is_index, load_model, targets_of, user_code

if TYPE_CHECKING:
    from notebook_explain.explanations import Visualization

DEFAULT_OUTPUT = Path("animation.gif")
_FOR_TUBES = ("layer", "threshold", "share", "range", "source")


def animate(options: argparse.Namespace) -> int:
    """Make a still picture move as the network expects of a class, and write the requested files."""
    options.out = options.out or [DEFAULT_OUTPUT]
    still, clips = Path(options.still), None if options.clips is None else Path(options.clips)
    if not still.exists():  # report a mistyped path before loading torch and the network
        raise FileNotFoundError(f"no file at {str(still)!r}; give the path of a picture or a video")
    if clips is not None and not clips.is_dir():
        raise FileNotFoundError(f"no folder {str(clips)!r}; give the path of a folder of real clips")
    outputs.check_paths(options.out, [still, *filter(None, (clips, options.weights, options.labels))])
    outputs.check_caption(options.out, not options.no_caption)
    with collect_warnings() as warnings:
        with user_code(3 + len(options.out)) as step:
            model, weights = load_model(options, step)
            targets = targets_of(model, options.target) or []
            step("animating the picture")
            from notebook_explain.methods import animate

            knobs = given(steps=options.steps, restarts=options.restarts, seed=options.seed)
            with forward_errors("the picture"):
                made = animate(model, str(still), targets if len(targets) > 1 else targets[0], clips, **knobs)
            written, failures = outputs.write_all(made, options, lambda _: {}, step)
        print_rows([("still", still.name), *_summary(made, options, weights), *written])
    for text in warnings:
        if not any(caveat in text for caveat in made.caveats):  # the rows contain those
            print_error(caveat_text(text, vars(options)))
    return outputs.exit_code(failures)


def describe_visualization(made: Visualization, options: argparse.Namespace) -> int:
    """Describe a saved visualization and write it in other formats."""
    unused = [name for name in _FOR_TUBES if getattr(options, name) is not None]
    if unused:
        raise UsageError(
            f"--{unused[0]} applies to tubes, and {str(options.file)!r} contains a visualization; leave it out"
        )
    index = _made_clip(made, options.target)
    with progress(len(options.out)) as step:
        written, failures = outputs.write_all(made, options, lambda path: _view_of(path, index), step)
    print_rows([*_summary(made, options), *written])
    return outputs.exit_code(failures)


def _made_clip(made: Visualization, text: str | None) -> int:
    """Return the index of a made clip, given its name or its index; the first if none is given."""
    if text is None:
        return 0
    is_name = any(one.name == text for one in made)
    return made.index(int(text) if is_index(text) and not is_name else text)


def _view_of(path: Path, index: int) -> outputs.ViewOptions:
    """Return the options that show a made clip: animations show one, a page begins with one, figures show all."""
    ending = path.suffix.lower()
    if ending in outputs.ANIMATIONS:
        return {"which": index}
    return {"selected": index} if ending == outputs.PAGE and index else {}


def _summary(made: Visualization, options: argparse.Namespace, weights: str = "") -> list[outputs.Row]:
    """Return the rows that describe a visualization: a keyword, then fields."""
    from notebook_explain.explanations.number_format import counted

    return [
        ("model", made.model_name),
        *([("weights", weights)] if weights else []),
        *([("clips", counted(len(made.clips), "real clip"))] if made.clips else []),
        *(("made", one.name, replace(made, syntheses=(one,)).in_words()) for one in made),
        *(("caveat", caveat_text(caveat, vars(options))) for caveat in made.caveats),
    ]

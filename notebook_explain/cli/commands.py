"""Commands: read the options, call the package, print the results."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from notebook_explain._errors import UsageError
from notebook_explain.cli import outputs
from notebook_explain.cli.animation import describe_visualization
from notebook_explain.cli.array_files import array_clip
from notebook_explain.cli.console import collect_warnings, print_error, print_rows, progress
from notebook_explain.cli.errors import caveat_text
from notebook_explain.cli.network import Step, forward_errors, given, is_index, load_model, targets_of, user_code
from notebook_explain.cli.outputs import Row, exit_code

if TYPE_CHECKING:
    from notebook_explain.clip import Clip
    from notebook_explain.explanations import LayerMap, Tubes
    from notebook_explain.models import VideoModel

_UNREADABLE = {  # by the class of an explanation: what it is called, and what to do with it in Python
    "Pyramid": ("a pyramid", "to_html('pyramid.html')", "writes a page of it"),
    "Concepts": ("concepts", "to_html('concepts.html')", "writes a page of them"),
    "Evaluation": ("an evaluation", "to_html('evaluation.html')", "writes a page of it"),
    "BlockReport": ("a block report", "figure().savefig('blocks.png')", "draws it"),
    "WhatIf": ("a what-if", "to_html('what_if.html')", "writes a page of it"),
    "TemporalReliance": ("temporal reliance", "to_png('temporal_reliance.png')", "draws it"),
}


def demo(options: argparse.Namespace) -> int:
    """Explain the bundled clip with the bundled model."""
    from notebook_explain.api import demo, demo_animation

    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    with progress(5) as step:
        step("explaining the clip")
        tubes = demo()
        step("writing demo.html")
        page = tubes.to_html(folder / "demo.html", title="notebook_explain: demo")
        step("writing demo.png")
        picture = outputs.write(tubes, folder / "demo.png", {})
        step("animating a still picture")
        moved = demo_animation()
        step("writing animation.gif")
        animation = moved.to_gif(folder / "animation.gif")
    print_rows(
        [
            *_summary(tubes, options, {}),
            ("page", page.resolve(), "interactive; open it in a browser, no network needed"),
            ("picture", picture.resolve()),
            (
                "animation",
                animation.resolve(),
                f"a still picture that moves as the network expects of {moved[0].name!r}",
            ),
        ]
    )
    return 0


def explain(options: argparse.Namespace) -> int:
    """Explain a clip with the user's network and write the requested files."""
    if options.against is not None and options.target is None:
        raise UsageError("--against requires --target (explains target minus against)")
    inputs = [Path(options.clip), *filter(None, (options.weights, options.labels))]
    outputs.check_all(options, inputs)
    with collect_warnings() as warnings:
        with user_code(5 + len(options.out)) as step:
            tubes, weights = _compute_tubes(options, step)
            view = given(layer=options.layer, threshold=options.threshold, share=options.share)
            source = options.clip if options.source else None
            written, failures = outputs.write_all(tubes, options, lambda _: view, step, source)
        print_rows([*_summary(tubes, options, view, weights), *written])
    for text in warnings:
        if not any(caveat in text for caveat in tubes.provenance.caveats):  # the rows contain those
            print_error(caveat_text(text, vars(options)))
    return exit_code(failures)


def layers(options: argparse.Namespace) -> int:
    """List the layers of a network."""
    with collect_warnings(), user_code(2) as step:
        model, _ = load_model(options, step)
    has_pathways = any(layer.pathway is not None for layer in model.layers)
    print_rows(
        [
            (layer.name, layer.kind, _grid(layer.grid), *((_or_dash(layer.pathway),) if has_pathways else ()))
            for layer in model.layers
        ],
        header=("layer", "kind", "time x height x width", *(("pathway",) if has_pathways else ())),
    )
    for caveat in model.caveats:
        print_error(caveat_text(caveat, vars(options)))
    return 0


def open_(options: argparse.Namespace) -> int:
    """Describe a saved explanation and write it in other formats; torch is not needed."""
    from notebook_explain.explanations import Tubes, Visualization, load

    inputs = [options.file, Path(f"{options.file}.npz"), *map(Path, filter(None, [options.source]))]
    outputs.check_all(options, inputs)
    tubes = load(options.file)
    if isinstance(tubes, Visualization):
        return describe_visualization(tubes, options)
    if not isinstance(tubes, Tubes):
        kind, call, effect = _UNREADABLE[type(tubes).__name__]
        raise UsageError(
            f"{str(options.file)!r} contains {kind}, but this command reads tubes and visualizations only; in Python, "
            f"notebook_explain.load(...).{call} {effect}"
        )
    view = given(
        layer=options.layer,
        threshold=options.threshold,
        share=options.share,
        target=_target_index(tubes, options.target),
        window=options.range,
    )
    if options.range is not None:
        tubes.clip.with_range(options.range)  # report a clip of colours before anything is written
    rows = _summary(tubes, options, view, every_layer=True)
    with progress(len(options.out)) as step:
        written, failures = outputs.write_all(tubes, options, lambda _: view, step, options.source)
    print_rows([*rows, *written])
    return exit_code(failures)


def _compute_tubes(options: argparse.Namespace, step: Step) -> tuple[Tubes, str]:
    """Return tubes, and a description of where the weights came from."""
    model, weights, clip = read_clip(options, step)
    from notebook_explain.methods import SharpTubes

    step("explaining the clip")
    explainer = SharpTubes(layers=_layer_names(model, options.layer))
    with forward_errors("the clip"):
        return explainer(model, clip, targets_of(model, options.target, options.against)), weights


def read_clip(options: argparse.Namespace, step: Step) -> tuple[VideoModel, str, Clip]:
    """Return the network, a description of where its weights came from, and the clip as the network takes it."""
    from notebook_explain.clip import Clip

    step("checking the clip")
    limits = given(fps=options.fps, max_pixels=options.max_pixels)
    clip = array_clip(options)
    if clip is None:
        Clip.read(options.clip, frames=1, **limits)  # report a mistyped path before loading torch and the network
    model, weights = load_model(options, step)
    step("reading the clip")
    part, p = given(window=options.window, stride=options.stride, **limits), model.preprocessing
    if clip is None:
        clip = Clip.read(options.clip, frames=p.frames, size=p.size, crop=p.crop, **part)
    return model, weights, clip


def _layer_names(model: VideoModel, name: str | None) -> tuple[str, ...] | None:
    """Return the default layers and the one to show; None if that is one of them."""
    from notebook_explain.methods import pathways
    from notebook_explain.methods.sharp_tubes import explainer

    default = tuple(layer.name for layer in model.layers)
    known = (*default, pathways.NAME, explainer.NAME)
    return None if name is None or name in known else (*default, model.layer(name).name)


def _target_index(tubes: Tubes, text: str | None) -> int | None:
    """Return the index of a target of the tubes, given its name or its index."""
    if text is None:
        return None
    is_name = any(target.name == text for target in tubes.targets)
    return tubes.target_index(int(text) if is_index(text) and not is_name else text)


def _summary(
    tubes: Tubes, options: argparse.Namespace, view: outputs.ViewOptions, weights: str = "", every_layer: bool = False
) -> list[Row]:
    """Return the rows that describe an explanation: a keyword, then fields."""
    from notebook_explain.explanations.caveats import caveats
    from notebook_explain.explanations.text import fixed, layer_phrase, percent, seconds, totals_words, value_of

    time, height, width = tubes.clip.size
    p, layer = tubes.provenance, tubes.layer(view.get("layer"))
    chosen = {name: view.get(name) for name in ("threshold", "share")}
    targets = [view["target"]] if "target" in view else range(len(tubes.targets))
    threshold = tubes.threshold(layer=layer.name, target=targets[0], **chosen)
    span = "" if tubes.clip.times is None else f", {fixed(tubes.clip.times[0])} to {seconds(tubes.clip.times[-1])}"
    top5_of_head = {target.head: target.top5 for target in tubes.targets}
    rows: list[Row] = [
        ("clip", tubes.clip.name, f"{time} frames of {height} x {width}{span}"),
        ("model", p.model),
        *([("weights", weights)] if weights else []),
        *(
            ("class", f"{head}: {name}" if head else name, f"{100 * probability:.1f} %")
            for head, top5 in top5_of_head.items()
            for name, probability in top5
        ),
        *(
            ("value", target.name, value)
            for target in tubes.targets
            if target.against is None and (value := value_of(target)) is not None
        ),
        *((layer.quantity, tubes.in_words(layer=layer.name, target=target, **chosen)) for target in targets),
        *(("totals", text) for target in targets if (text := totals_words(layer, target, tubes.targets[target]))),
        ("seen at", f"{layer_phrase(layer, layer.kind)}, from {percent(threshold)} of its maximum"),
    ]
    if every_layer:
        rows += [("layer", entry.name, entry.kind, _grid(entry.grid), *_share(entry)) for entry in tubes.layers]
        versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
        rows.append(("made by", p.method, f"{p.seconds:.2f} s", versions))
    return rows + [("caveat", caveat_text(caveat, vars(options))) for caveat in caveats(tubes)]


def _share(layer: LayerMap) -> list[str]:
    """Return the part of the first target's score that a layer carries; nothing if it is unknown."""
    from notebook_explain.explanations.text import signed_percent

    share = math.nan if layer.reliability is None else float(layer.reliability.share[0])
    return [f"{signed_percent(share)} of the score"] if math.isfinite(share) else []


def _grid(grid: Sequence[int]) -> str:
    return "x".join(map(str, grid))


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)

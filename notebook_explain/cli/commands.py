"""Commands: read the options, call the package, print the results."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError
from notebook_explain.cli import outputs
from notebook_explain.cli.array_files import array_clip
from notebook_explain.cli.console import collect_warnings, print_error, print_rows, progress
from notebook_explain.cli.errors import caveat_text, error_text, is_user_error
from notebook_explain.cli.label_files import read_labels

if TYPE_CHECKING:
    from notebook_explain.explanations import LayerMap, Target, Tubes
    from notebook_explain.models import VideoModel

Step = Callable[[str], None]
Row = tuple[Any, ...]


def demo(options: argparse.Namespace) -> int:
    """Explain the bundled clip with the bundled model."""
    from notebook_explain.api import demo

    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    with progress(3) as step:
        step("explaining the clip")
        tubes = demo()
        step("writing demo.html")
        page = tubes.to_html(folder / "demo.html", title="notebook_explain: demo")
        step("writing demo.png")
        picture = outputs.write(tubes, folder / "demo.png", {})
    print_rows(
        [
            *_summary(tubes, options, {}),
            ("page", page.resolve(), "interactive; open it in a browser, no network needed"),
            ("picture", picture.resolve()),
        ]
    )
    return 0


def explain(options: argparse.Namespace) -> int:
    """Explain a clip with the user's network and write the requested files."""
    if options.against is not None and options.target is None:
        raise UsageError("--against requires --target (explains target minus against)")
    inputs = [Path(options.clip), *filter(None, (options.weights, options.labels))]
    _check_outputs(options, inputs)
    with collect_warnings() as warnings:
        with user_code(5 + len(options.out)) as step:
            tubes, weights = _compute_tubes(options, step)
            view = _given(layer=options.layer, threshold=options.threshold, share=options.share)
            source = options.clip if options.source else None
            written, failures = _write_outputs(tubes, options, view, step, source)
        print_rows([*_summary(tubes, options, view, weights), *written])
    for text in warnings:
        if not any(caveat in text for caveat in tubes.provenance.caveats):  # the rows contain those
            print_error(caveat_text(text, vars(options)))
    return _exit_code(failures)


def layers(options: argparse.Namespace) -> int:
    """List the layers of a network."""
    with collect_warnings(), user_code(2) as step:
        model, _ = _load_model(options, step)
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
    from notebook_explain.explanations import Pyramid, Tubes, load

    inputs = [options.file, Path(f"{options.file}.npz"), *map(Path, filter(None, [options.source]))]
    _check_outputs(options, inputs)
    tubes = load(options.file)
    if not isinstance(tubes, Tubes):
        kind, call, effect = ("pyramid", "to_html('pyramid.html')", "writes a page of it")
        if not isinstance(tubes, Pyramid):
            kind, call, effect = ("block report", "figure().savefig('blocks.png')", "draws it")
        raise UsageError(
            f"{str(options.file)!r} contains a {kind}, but this command reads tubes only; in Python, "
            f"notebook_explain.load(...).{call} {effect}"
        )
    view = _given(
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
        written, failures = _write_outputs(tubes, options, view, step, options.source)
    print_rows([*rows, *written])
    return _exit_code(failures)


@contextmanager
def user_code(total: int) -> Iterator[Step]:
    """Run code of the user with its prints on stderr and its changes of ``sys.path`` undone."""
    before = list(sys.path)
    try:
        with redirect_stdout(sys.stderr), progress(total) as step:
            yield step
    finally:
        sys.path[:] = before


def _compute_tubes(options: argparse.Namespace, step: Step) -> tuple[Tubes, str]:
    """Return tubes, and a description of where the weights came from."""
    from notebook_explain.clip import Clip
    from notebook_explain.methods import SharpTubes
    from notebook_explain.models.checkpoints import describe_error, raised_in_forward

    step("checking the clip")
    limits = _given(fps=options.fps, max_pixels=options.max_pixels)
    clip = array_clip(options)
    if clip is None:
        Clip.read(options.clip, frames=1, **limits)  # report a mistyped path before loading torch and the network
    model, weights = _load_model(options, step)
    step("reading the clip")
    part, p = _given(window=options.window, stride=options.stride, **limits), model.preprocessing
    if clip is None:
        clip = Clip.read(options.clip, frames=p.frames, size=p.size, crop=p.crop, **part)
    step("explaining the clip")
    explainer = SharpTubes(layers=_layer_names(model, options.layer))
    try:
        return explainer(model, clip, _targets(model, options.target, options.against)), weights
    except Exception as error:
        if is_user_error(error) or not raised_in_forward(error):
            raise
        raise UsageError(f"the network raised {describe_error(error)} when it was shown the clip") from error


def _load_model(options: argparse.Namespace, step: Step) -> tuple[VideoModel, str]:
    """Return the adapted network, and a description of where its weights came from."""
    labels = None if options.labels is None else read_labels(options.labels)
    step("loading the network")  # announced before the import of torch, which takes a while
    from notebook_explain.models import adapt
    from notebook_explain.models.checkpoints import build, load_weights

    sys.path.insert(0, str(Path.cwd()))  # only now, so that torch does not import the user's random.py
    network = build(options.model)
    weights = f"set by {options.model}"
    if options.weights is not None:
        weights = load_weights(network, options.weights, key=options.weights_key)
    elif options.weights_key is not None:
        raise UsageError("--weights-key chooses among the weights in a file; give the file with --weights")
    step("measuring the layers")
    stated = {
        name: getattr(options, name)
        for name in ("size", "frames", "channels", "mean", "std", "layout", "outputs", "unit", "keep_hooks")
    }
    stated |= _given(crop=getattr(options, "crop", None))  # 'layers' has no --crop: it moves no layer
    return adapt(network, labels=labels, **stated), weights


def _layer_names(model: VideoModel, name: str | None) -> tuple[str, ...] | None:
    """Return the default layers and the one to show; None if that is one of them."""
    from notebook_explain.methods import pathways
    from notebook_explain.methods.sharp_tubes import explainer

    default = tuple(layer.name for layer in model.layers)
    known = (*default, pathways.NAME, explainer.NAME)
    return None if name is None or name in known else (*default, model.layer(name).name)


def _targets(model: VideoModel, texts: Sequence[str] | None, against: str | None) -> list[Target] | None:
    """Return the classes of some labels or indices, or their differences from another class.

    A number is an index unless the model has a label that reads the same.
    """
    from notebook_explain.explanations import Target

    names = {name for labels in model.labels.values() for name in labels}

    def target(text: str) -> Target:
        return Target(int(text) if _is_index(text) and text not in names else text)

    if texts is None:
        return None
    return [target(text) if against is None else target(text) - target(against) for text in texts]


def _target_index(tubes: Tubes, text: str | None) -> int | None:
    """Return the index of a target of the tubes, given its name or its index."""
    if text is None:
        return None
    is_name = any(target.name == text for target in tubes.targets)
    return tubes.target_index(int(text) if _is_index(text) and not is_name else text)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _given(**values: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _write_outputs(
    tubes: Tubes, options: argparse.Namespace, view: outputs.ViewOptions, step: Step, source: str | None
) -> tuple[list[Row], list[str]]:
    """Write every output that can be written; return a row for each, and the errors of the others."""
    rows: list[Row] = []
    failures = []
    for path in dict.fromkeys(options.out):
        step(f"writing {path.name}")
        try:
            rows.append(("wrote", outputs.write(tubes, path, view, source, not options.no_caption)))
        except Exception as error:
            if options.traceback or not is_user_error(error):
                raise
            failures.append(error_text(error, vars(options)))
    return rows, failures


def _check_outputs(options: argparse.Namespace, inputs: Sequence[Path]) -> None:
    """Refuse outputs that cannot be written, and options that none of them uses."""
    outputs.check_paths(options.out, inputs)
    outputs.check_video_source(options.out, options.source)
    outputs.check_caption(options.out, not options.no_caption)


def _exit_code(failures: Sequence[str]) -> int:
    """Print the errors of outputs that could not be written, and return the exit code."""
    for text in failures:
        print_error(text)
    return 2 if failures else 0


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

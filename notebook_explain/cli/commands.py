"""What the commands do: read what was asked for, call the package, say what came of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError
from notebook_explain.cli import outputs
from notebook_explain.cli.console import heard, show, steps, tell
from notebook_explain.cli.errors import as_options, in_words, is_user_error
from notebook_explain.cli.label_files import read_labels

if TYPE_CHECKING:
    from notebook_explain.clip import Clip
    from notebook_explain.explanations import Target, Tubes
    from notebook_explain.models import VideoModel

Step = Callable[[str], None]
Row = tuple[Any, ...]


def demo(options: argparse.Namespace) -> int:
    """Explain the bundled clip with the bundled model."""
    from notebook_explain.api import demo

    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    with steps(3) as step:
        step("explaining the clip")
        tubes = demo()
        step("writing demo.html")
        page = tubes.to_html(folder / "demo.html", title="notebook_explain: demo")
        step("writing demo.png")
        picture = outputs.write(tubes, folder / "demo.png", {})
    show(
        [
            *_about(tubes, {}),
            ("page", page.resolve(), "interactive; open it in a browser, no network needed"),
            ("picture", picture.resolve()),
        ]
    )
    return 0


def explain(options: argparse.Namespace) -> int:
    """Explain a clip with a network of the user's, and write what was asked for."""
    if options.against is not None and options.target is None:
        raise UsageError("--against needs a --target: what is explained is why the one rather than the other")
    sources = [Path(options.clip), *filter(None, (options.weights, options.labels))]
    outputs.check(options.out, sources)
    outputs.check_films(options.out, options.source)
    with heard() as warnings:
        with _theirs(5 + len(options.out)) as step:
            tubes, weights = _explained(options, step)
            shown = _stated(layer=options.layer, threshold=options.threshold)
            source = options.clip if options.source else None
            written, mistakes = _written(tubes, options, shown, step, source)
        show([*_about(tubes, shown, weights), *written])
    for text in warnings:
        if not any(caveat in text for caveat in tubes.provenance.caveats):  # those are among the rows
            tell(as_options(text))
    return _end(mistakes)


def layers(options: argparse.Namespace) -> int:
    """List the layers of a network."""
    with heard(), _theirs(2) as step:
        model, _ = _model(options, step)
    parallel = any(layer.pathway is not None for layer in model.layers)
    show(
        [
            (layer.name, layer.kind, _grid(layer.grid), *((_or_dash(layer.pathway),) if parallel else ()))
            for layer in model.layers
        ],
        head=("layer", "kind", "time x height x width", *(("pathway",) if parallel else ())),
    )
    for caveat in model.caveats:
        tell(as_options(caveat))
    return 0


def open_(options: argparse.Namespace) -> int:
    """Say what a saved explanation holds, and write it in other forms; torch is not needed."""
    from notebook_explain.explanations import Pyramid, Tubes, load

    sources = [options.file, Path(f"{options.file}.npz"), *map(Path, filter(None, [options.source]))]
    outputs.check(options.out, sources)
    outputs.check_films(options.out, options.source)
    tubes = load(options.file)
    if not isinstance(tubes, Tubes):
        kind, way, done = ("pyramid", "to_html('pyramid.html')", "writes a page of it")
        if not isinstance(tubes, Pyramid):
            kind, way, done = ("report of blocks", "figure().savefig('blocks.png')", "draws it")
        raise UsageError(
            f"{str(options.file)!r} holds a {kind}, this command knows tubes; in Python, "
            f"notebook_explain.load(...).{way} {done}"
        )
    shown = _stated(layer=options.layer, threshold=options.threshold, target=_place(tubes, options.target))
    rows = _about(tubes, shown, every_layer=True)
    with steps(len(options.out)) as step:
        written, mistakes = _written(tubes, options, shown, step, options.source)
    show([*rows, *written])
    return _end(mistakes)


@contextmanager
def _theirs(total: int) -> Iterator[Step]:
    """Run code of the user's: what it prints is no result of ours, and the folders it imports from are its own."""
    before = list(sys.path)
    try:
        with redirect_stdout(sys.stderr), steps(total) as step:
            yield step
    finally:
        sys.path[:] = before


def _explained(options: argparse.Namespace, step: Step) -> tuple[Tubes, str]:
    """Tubes, and where the weights came from."""
    from notebook_explain.clip import Clip

    step("looking at the clip")
    limits = _stated(fps=options.fps, max_pixels=options.max_pixels)
    Clip.read(options.clip, frames=1, **limits)  # a mistyped path is told before torch is loaded and a network built
    model, weights = _model(options, step)
    step("reading the clip")
    part, p = _stated(window=options.window, stride=options.stride, **limits), model.preprocessing
    clip = Clip.read(options.clip, frames=p.frames, size=p.size, crop=p.crop, **part)
    step("explaining it")
    return _tubes(model, clip, options), weights


def _tubes(model: VideoModel, clip: Clip, options: argparse.Namespace) -> Tubes:
    from notebook_explain.methods import SaliencyTubes
    from notebook_explain.models.checkpoints import describe_error, raised_in_forward

    explainer = SaliencyTubes(layers=_layers(model, options.layer))
    try:
        return explainer(model, clip, _targets(model, options.target, options.against))
    except Exception as error:
        if is_user_error(error) or not raised_in_forward(error):
            raise
        raise UsageError(f"the network raised {describe_error(error)}, when it was shown the clip") from error


def _model(options: argparse.Namespace, step: Step) -> tuple[VideoModel, str]:
    labels = None if options.labels is None else read_labels(options.labels)
    step("loading the network")  # said before torch is imported, which takes a while
    from notebook_explain.models import adapt
    from notebook_explain.models.checkpoints import build, load_weights

    sys.path.insert(0, str(Path.cwd()))  # only now: a file random.py that lies there is not what torch wants to import
    network = build(options.model)
    weights = f"as {options.model} gives them"
    if options.weights is not None:
        weights = load_weights(network, options.weights)
    step("measuring its layers")
    how = {name: getattr(options, name) for name in ("size", "frames", "mean", "std", "layout")}
    how |= _stated(crop=getattr(options, "crop", None))  # 'layers' has none: no layer lies elsewhere for it
    return adapt(network, labels=labels, **how), weights


def _layers(model: VideoModel, name: str | None) -> tuple[str, ...] | None:
    """The usual layers, and one more where another is asked for."""
    usual = tuple(layer.name for layer in model.layers)
    return None if name is None or name in usual else (*usual, model.layer(name).name)


def _targets(model: VideoModel, texts: Sequence[str] | None, against: str | None) -> list[Target] | None:
    """Classes, or their differences from another one; by labels, or indices: numbers that are no labels."""
    from notebook_explain.explanations import Target

    names = {name for labels in model.labels.values() for name in labels}

    def of(text: str) -> Target:
        return Target(int(text) if _is_index(text) and text not in names else text)

    if texts is None:
        return None
    return [of(text) if against is None else of(text) - of(against) for text in texts]


def _place(tubes: Tubes, text: str | None) -> int | None:
    """Which of the targets computed is meant, by name or place."""
    if text is None:
        return None
    named = any(target.name == text for target in tubes.targets)
    return tubes.target_index(int(text) if _is_index(text) and not named else text)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _stated(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _written(
    tubes: Tubes, options: argparse.Namespace, shown: outputs.Shown, step: Step, source: str | None
) -> tuple[list[Row], list[str]]:
    """Write all forms that can be written: rows for them, and what went wrong with the others."""
    rows: list[Row] = []
    mistakes = []
    for path in dict.fromkeys(options.out):
        step(f"writing {path.name}")
        try:
            rows.append(("wrote", outputs.write(tubes, path, shown, source)))
        except Exception as error:
            if options.traceback or not is_user_error(error):
                raise
            mistakes.append(in_words(error))
    return rows, mistakes


def _end(mistakes: Sequence[str]) -> int:
    for text in mistakes:
        tell(text)
    return 2 if mistakes else 0


def _about(tubes: Tubes, shown: outputs.Shown, weights: str = "", every_layer: bool = False) -> list[Row]:
    """What an explanation says, as rows: a word for what it is, and its fields."""
    from notebook_explain.explanations import DEFAULT_THRESHOLD
    from notebook_explain.explanations.caveats import caveats
    from notebook_explain.explanations.text import fixed, seconds

    time, height, width = tubes.clip.size
    p, layer = tubes.provenance, tubes.layer(shown.get("layer"))
    threshold = shown.get("threshold", DEFAULT_THRESHOLD)
    targets = [shown["target"]] if "target" in shown else range(len(tubes.targets))
    span = "" if tubes.clip.times is None else f", {fixed(tubes.clip.times[0])} to {seconds(tubes.clip.times[-1])}"
    best = {target.head: target.top5 for target in tubes.targets}
    rows: list[Row] = [
        ("clip", tubes.clip.name, f"{time} frames of {height} x {width}{span}"),
        ("model", p.model),
        *([("weights", weights)] if weights else []),
        *(
            ("class", f"{head}: {name}" if head else name, f"{100 * share:.1f} %")
            for head, five in best.items()
            for name, share in five
        ),
        *(("evidence", tubes.in_words(threshold, layer.name, target)) for target in targets),
        ("seen at", f"layer {layer.name} ({layer.kind}), from {threshold:.0%} of its largest value"),
    ]
    if every_layer:
        rows += [("layer", entry.name, entry.kind, _grid(entry.grid)) for entry in tubes.layers]
        versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
        rows.append(("made by", p.method, f"{p.seconds:.2f} s", versions))
    return rows + [("caveat", as_options(caveat)) for caveat in caveats(tubes)]


def _grid(grid: Sequence[int]) -> str:
    return "x".join(map(str, grid))


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)

"""The command that asks what a network says of an edited clip, or with edited channels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError, join_names
from notebook_explain.cli import outputs
from notebook_explain.cli.commands import read_clip
from notebook_explain.cli.console import collect_warnings, print_error, print_rows
from notebook_explain.cli.edit_options import entries_of
from notebook_explain.cli.errors import caveat_text
from notebook_explain.cli.network import forward_errors, targets_of, user_code
from notebook_explain.cli.outputs import Row, exit_code

if TYPE_CHECKING:
    from notebook_explain.explanations import WhatIf

CLASSES = 5  # in the table, unless --classes gives another number
WRITES = (".html", ".png", ".svg", ".pdf", ".npz")


def what_if(options: argparse.Namespace) -> int:
    """Print what a network says of a clip without and with edits, and write the requested files."""
    if options.against is not None and options.target is None:
        raise UsageError("--against requires --target (measures target minus against)")
    entries = entries_of(options)
    if not entries:
        raise UsageError(
            "there is nothing to edit; give at least one edit, such as --reverse or --occlude 20,10,60,90@4:9"
        )
    outputs.check_paths(options.out, [Path(options.clip), *filter(None, (options.weights, options.labels))])
    _check_endings(options.out)
    with collect_warnings() as warnings:
        with user_code(5 + len(options.out)) as step:
            result, weights = _result(options, entries, step)
            written, failures = outputs.write_all(result, options, lambda _: {}, step)
        if options.json:
            print(json.dumps(_entry(result, options.classes or CLASSES), indent=1, ensure_ascii=False))
        else:
            print_rows([*_rows(result, options, weights), *written])
    for text in warnings:
        if not any(caveat in text for caveat in result.caveats):  # the rows contain those
            print_error(caveat_text(text, vars(options)))
    return exit_code(failures)


def _check_endings(paths: list[Path]) -> None:
    wrong = [path for path in paths if path.suffix.lower() not in WRITES]
    if wrong:
        raise UsageError(f"--out {str(wrong[0])!r}: a what-if is written as {join_names(WRITES, 'or')}")


def _result(options: argparse.Namespace, entries: list[dict[str, Any]], step: Any) -> tuple[WhatIf, str]:
    model, weights, clip = read_clip(options, step)
    from notebook_explain.methods import SharpTubes
    from notebook_explain.what_if import edits, what_if

    step("asking the network")
    chosen = [edits.from_json(entry) for entry in entries]
    targets = targets_of(model, options.target, options.against)
    explainer = SharpTubes() if options.explain else None
    with forward_errors("the edited clip"):
        found = what_if(model, clip, chosen, None if targets is None else targets[0], explainer)
    assert not isinstance(found, list)
    return found, weights


def _rows(result: WhatIf, options: argparse.Namespace, weights: str) -> list[Row]:
    """Return the rows that describe a what-if: a keyword, then fields."""
    from notebook_explain.explanations.number_format import fixed, short

    time, height, width = result.clip.size
    is_value = result.before.head().probabilities is None
    rows: list[Row] = [
        ("clip", result.clip.name, f"{time} frames of {height} x {width}"),
        ("model", result.provenance.model),
        ("weights", weights),
        *(("edit", edit.words, edit.code) for edit in result.edits),
        (
            "target",
            result.target_words(),
            f"score {short(result.before.target.logit)} to {short(result.after.target.logit)}",
        ),
    ]
    for label, before, after in result.moved(options.classes or CLASSES):
        numbers = [short(value) if is_value else f"{100 * value:.1f} %" for value in (before, after)]
        change = short(after - before) if is_value else f"{fixed(100 * (after - before), 1)} points"
        rows.append(("value" if is_value else "class", label, *numbers, change))
    rows.append(("what if", result.in_words()))
    return rows + [("caveat", caveat_text(caveat, vars(options))) for caveat in result.caveats]


def _entry(result: WhatIf, count: int) -> dict[str, Any]:
    """Return a what-if as JSON: what was edited, the target, and the classes that moved most."""
    sides = {"before": result.before.target, "after": result.after.target}
    return {
        "clip": result.clip.name,
        "model": result.provenance.model,
        "edits": [edit.entry for edit in result.edits],
        "target": {
            "name": result.before.target.name,
            **{name: {"score": side.logit, "probability": side.probability} for name, side in sides.items()},
        },
        "moved": [{"label": one.label, "before": one.before, "after": one.after} for one in result.moved(count)],
        "words": result.in_words(),
        "caveats": list(result.caveats),
    }

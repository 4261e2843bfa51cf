"""The network that a command runs, and the classes that it is asked about."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError
from notebook_explain.cli.console import progress
from notebook_explain.cli.errors import is_user_error
from notebook_explain.cli.label_files import read_labels

if TYPE_CHECKING:
    from notebook_explain.explanations import Target
    from notebook_explain.models import VideoModel

Step = Callable[[str], None]


@contextmanager
def user_code(total: int) -> Iterator[Step]:
    """Run code of the user with its prints on stderr and its changes of ``sys.path`` undone."""
    before = list(sys.path)
    try:
        with redirect_stdout(sys.stderr), progress(total) as step:
            yield step
    finally:
        sys.path[:] = before


@contextmanager
def forward_errors(shown: str) -> Iterator[None]:
    """Report what the network's own code raises as an error of the user; ``shown`` is what the network was shown."""
    try:
        yield
    except Exception as error:
        from notebook_explain.models.checkpoints import describe_error, raised_in_forward

        if is_user_error(error) or not raised_in_forward(error):
            raise
        raise UsageError(f"the network raised {describe_error(error)} when it was shown {shown}") from error


def load_model(options: argparse.Namespace, step: Step) -> tuple[VideoModel, str]:
    """Return the adapted network, and a description of where its weights came from."""
    labels = None if options.labels is None else read_labels(options.labels)
    step("loading the network")  # announced before the import of torch, which takes a while
    from notebook_explain.models import adapt
    from notebook_explain.models.checkpoints import build, load_weights

    # Last, so that a file of the folder, which may hold downloads, never stands for a module that is installed.
    folder = str(Path.cwd())
    sys.path[:] = [*(path for path in sys.path if path not in ("", folder)), folder]
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
    stated |= given(crop=getattr(options, "crop", None))  # 'layers' has no --crop: it moves no layer
    return adapt(network, labels=labels, **stated), weights


def targets_of(model: VideoModel, texts: Sequence[str] | None, against: str | None = None) -> list[Target] | None:
    """Return the classes of some labels or indices, or their differences from another class.

    A number is an index unless the model has a label that reads the same.
    """
    from notebook_explain.explanations import Target

    names = {name for labels in model.labels.values() for name in labels}

    def target(text: str) -> Target:
        return Target(int(text) if is_index(text) and text not in names else text)

    if texts is None:
        return None
    return [target(text) if against is None else target(text) - target(against) for text in texts]


def is_index(text: str) -> bool:
    """Return whether a text is a small whole number."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def given(**values: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in values.items() if value is not None}

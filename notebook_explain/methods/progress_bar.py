"""Drain a stream under a progress bar: quiet when it takes no time, or when nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from notebook_explain.explanations.progress import Progress

DELAY = 0.5  # seconds without a bar


def run_with_progress(steps: Iterator[Progress], name: str) -> Any:
    """The last partial result of a stream.

    Parameters
    ----------
    steps : iterator of Progress
    name : str
        Stands before the bar.
    """
    if not _watched():
        return [step.partial for step in steps][-1]
    from tqdm.auto import tqdm

    stage, last = None, None
    with tqdm(desc=name, delay=DELAY, leave=False) as bar:
        for step in steps:
            if step.stage != stage:  # reset() would show the bar before its time
                stage, bar.total, bar.n, bar.last_print_n = step.stage, step.total, 0, 0
                bar.set_postfix_str(stage, refresh=False)
            bar.update(step.done - bar.n)
            last = step.partial
    return last


def _watched() -> bool:
    """Whether somebody sees a bar: in a terminal or in a notebook, not in a pipe."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None

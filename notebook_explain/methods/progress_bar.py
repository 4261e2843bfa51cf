"""Run a stream under a progress bar, which appears only in terminals and notebooks, and only for longer work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from notebook_explain.explanations.progress import Progress

DELAY = 0.5  # seconds before the bar appears


def run_with_progress(steps: Iterator[Progress], name: str) -> Any:
    """Run a stream to its end and return its last partial result.

    Parameters
    ----------
    steps : iterator of Progress
    name : str
        Label before the bar.
    """
    if not _is_interactive():
        return [step.partial for step in steps][-1]
    from tqdm.auto import tqdm

    stage, last = None, None
    with tqdm(desc=name, delay=DELAY, leave=False) as bar:
        for step in steps:
            if step.stage != stage:  # reset() would ignore the delay
                stage, bar.total, bar.n, bar.last_print_n = step.stage, step.total, 0, 0
                bar.set_postfix_str(stage, refresh=False)
            bar.update(step.done - bar.n)
            last = step.partial
    return last


def _is_interactive() -> bool:
    """Return whether a bar would be visible: in a terminal or in a notebook, not in a pipe."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None

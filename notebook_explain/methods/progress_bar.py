"""Run a stream under a line of progress, which appears only in terminals and notebooks, and only for longer work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from notebook_explain._progress import stage, working
from notebook_explain.explanations.progress import Progress


def run_with_progress(steps: Iterator[Progress], name: str) -> Any:
    """Run a stream to its end and return its last partial result.

    Parameters
    ----------
    steps : iterator of Progress
    name : str
        Name of the work, before its stage.
    """
    last = None
    with working(name):
        for step in steps:
            stage(step.stage, step.done, step.total)
            last = step.partial
    return last

"""Running cells of the notebook: beside one, the explorer computes with one thread."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

import torch

_cells: weakref.WeakKeyDictionary[Any, _Cells] = weakref.WeakKeyDictionary()  # by IPython shell


class _Cells:
    def __init__(self, shell: Any) -> None:
        self.is_running = False
        shell.events.register("pre_run_cell", self._started)
        shell.events.register("post_run_cell", self._ended)

    def _started(self, _: Any = None) -> None:
        self.is_running = True

    def _ended(self, _: Any = None) -> None:
        self.is_running = False


def watch() -> None:
    """Follow the cells of the running kernel; do nothing outside of one."""
    shell = _shell()
    if shell is not None and shell not in _cells:
        _cells[shell] = _Cells(shell)


def threads() -> int:
    """Return how many threads torch may use beside the cells: one while a cell runs, else all."""
    shell = _shell()
    cells = None if shell is None else _cells.get(shell)
    return 1 if cells is not None and cells.is_running else _all_threads


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


_all_threads = min(torch.get_num_threads(), os.cpu_count() or 1)

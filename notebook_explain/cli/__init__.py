"""The command line: ``notebook-explain demo``, ``explain``, ``layers``, ``open``. On top of everything else."""

from notebook_explain.cli.main import main

__all__ = ["main"]

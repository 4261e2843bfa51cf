"""The command line: ``notebook-explain demo``, ``explain``, ``layers``, ``open``. On top of everything else."""

from notebook_explain.command_line.entry import main

__all__ = ["main"]

"""Command line: ``notebook-explain demo``, ``explain``, ``layers`` and ``open``."""

from notebook_explain.cli.main import main

__all__ = ["main"]

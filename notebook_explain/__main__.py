"""Command line: ``python -m notebook_explain`` and ``notebook-explain``."""

from __future__ import annotations

import sys

from notebook_explain.cli import main

if __name__ == "__main__":
    sys.exit(main())

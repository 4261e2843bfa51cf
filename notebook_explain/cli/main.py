"""Entry point of the command line.

Exit codes are 0 for success, 2 for a user error (one line on stderr), 130 for an interrupt, and 141 when stdout is closed
before everything is printed. Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from notebook_explain.cli.arguments import parser
from notebook_explain.cli.console import print_error
from notebook_explain.cli.errors import error_text, is_user_error

USER_ERROR, INTERRUPTED, OUTPUT_CLOSED = 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command-line arguments; those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        # A label that the terminal's encoding lacks must not end the command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # raise BrokenPipeError here, where it is handled
        return code
    except BrokenPipeError:
        _discard_output()
        return OUTPUT_CLOSED
    except KeyboardInterrupt:
        print_error("interrupted")
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:  # argparse has printed its message
        return int(stop.code or 0)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        raise
    except Exception as error:
        if options.traceback or not is_user_error(error):
            raise
        print_error(error_text(error, vars(options)))
        return USER_ERROR


def _discard_output() -> None:
    """Redirect stdout to the null device: the interpreter flushes it on exit, and the pipe is closed."""
    with contextlib.suppress(OSError, ValueError):  # a replacement for stdout may have no file descriptor
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, sys.stdout.fileno())
        os.close(null_device)

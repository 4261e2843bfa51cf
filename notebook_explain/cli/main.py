"""From the words on the command line to an exit code.

0: done. 2: the user's own mistake, told in one line. 130: interrupted. 141: nobody reads what is printed. What is none
of these is a bug of ours, and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from notebook_explain.cli.arguments import parser
from notebook_explain.cli.console import tell
from notebook_explain.cli.errors import in_words, is_user_error

MISTAKE, INTERRUPTED, NOBODY_READS = 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        # A label that the terminal cannot spell must not end the command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a closed pipe can still be answered
        return code
    except BrokenPipeError:
        _forget_output()
        return NOBODY_READS
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:  # argparse has said what there was to say
        return int(stop.code or 0)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        raise
    except Exception as error:
        if options.traceback or not is_user_error(error):
            raise
        tell(in_words(error))
        return MISTAKE


def _forget_output() -> None:
    """Let the interpreter flush into nowhere when it ends, instead of into the closed pipe."""
    with contextlib.suppress(OSError, ValueError):  # not every stand-in for a stream has a file beneath it
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

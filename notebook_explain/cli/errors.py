"""Errors and caveats in terms of command-line options."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from notebook_explain._errors import ExplainError, UsageError, join_names

_OPTIONS = {"key": "weights_key"}  # arguments whose option has another name


def is_user_error(error: BaseException) -> bool:
    """Return whether the user can fix an error; any other is a bug and keeps its traceback."""
    return isinstance(error, (UsageError, ExplainError, OSError, MemoryError))


def error_text(error: BaseException, options: Collection[str]) -> str:
    """Return the message of an error, followed by the options that solve the problem.

    Parameters
    ----------
    error : exception
    options : collection of str
        Names of the options that the command has, such as ``"max_pixels"``.
    """
    if isinstance(error, MemoryError):
        return "not enough memory" + ("; use fewer --frames or a smaller --size" if "frames" in options else "")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename!r}" if error.filename else error.strerror
    if not isinstance(error, (UsageError, ExplainError)):
        return str(error)
    flags = _flags(error.arguments, options)
    return f"{error.message}; use {join_names(flags, 'or')}" if flags else error.message


def caveat_text(caveat: str, options: Collection[str]) -> str:
    """Return a caveat or a warning, followed by the options that would remove it."""
    flags = _flags(getattr(caveat, "arguments", ()), options)
    return f"{caveat} Use {join_names(flags, 'and')}." if flags else str(caveat)


def _flags(arguments: Iterable[str], options: Collection[str]) -> list[str]:
    """Spell the arguments that are options of the command."""
    names = (_OPTIONS.get(name, name) for name in arguments)
    return [f"--{name.replace('_', '-')}" for name in names if name in options]

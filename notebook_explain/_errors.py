"""Exceptions of the package: invalid use, and explanations that cannot be made."""

from __future__ import annotations


class ExplainError(RuntimeError):
    """An explanation cannot be made although every argument is valid; the text says why and what to do."""


class UsageError(ValueError):
    """An argument, file or network cannot be used; the text says what is wrong, what was expected and what to do.

    The command line prints these errors as one line. Any other ValueError is a bug and keeps its traceback.

    Parameters
    ----------
    message : str
        Wrong value, expected value, and advice.
    arguments : sequence of str, optional
        Keyword arguments that solve the problem, such as ``("size", "frames")``. Python names them as ``size=``, the
        command line as ``--size``.
    call : str, optional
        Function that takes these arguments, such as ``"adapt()"``.

    Attributes
    ----------
    message, arguments, call
        As given.
    """

    def __init__(self, message: str, *, arguments: tuple[str, ...] = (), call: str = "") -> None:
        super().__init__(message)
        self.message, self.arguments, self.call = message, arguments, call

    def __str__(self) -> str:
        if not self.arguments:
            return self.message
        names = " or ".join(f"{name}=" for name in self.arguments)
        return f"{self.message}; pass {names}{f' to {self.call}' if self.call else ''}"


class UsageTypeError(UsageError, TypeError):
    """An argument has the wrong type."""

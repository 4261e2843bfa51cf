"""Exceptions of the package: invalid use, and explanations that cannot be made."""

from __future__ import annotations

from collections.abc import Sequence


class _AdviceError(Exception):
    """Base of the errors that can name the keyword arguments that solve the problem.

    The names are kept as data, because Python spells them ``size=`` and the command line ``--size``.

    Parameters
    ----------
    message : str
        Wrong value, expected value, and advice.
    arguments : sequence of str, optional
        Keyword arguments that solve the problem, such as ``("size", "frames")``.
    call : str, optional
        Function that takes these arguments, such as ``"adapt()"``.
    example : str, optional
        Line of Python that solves the problem; it follows the message unless that quotes it.

    Attributes
    ----------
    message, arguments, call, example
        As given.
    """

    def __init__(self, message: str, *, arguments: Sequence[str] = (), call: str = "", example: str = "") -> None:
        super().__init__(message)
        self.message, self.arguments, self.call, self.example = message, tuple(arguments), call, example

    def __str__(self) -> str:
        names = join_names([f"{name}=" for name in self.arguments], "or")
        advice = f"; pass {names}{f' to {self.call}' if self.call else ''}" if names else ""
        example = "" if self.example in self.message else f", for example: {self.example}"
        return f"{self.message}{advice}{example}"


class ExplainError(_AdviceError, RuntimeError):
    """An explanation cannot be made although every argument is valid; the message gives the reason and a remedy."""


class UsageError(_AdviceError, ValueError):
    """An argument, file or network cannot be used; the message states what is wrong, what was expected and what to do.

    The command line prints these errors as one line. Any other ValueError is a bug and keeps its traceback.
    """


class UsageTypeError(UsageError, TypeError):
    """An argument has the wrong type."""


def join_names(names: Sequence[str], conjunction: str) -> str:
    """Join names as in ``"a, b or c"``."""
    return f" {conjunction} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))

"""Which errors are the user's to mend, and how they are told on a command line."""

from __future__ import annotations

import re

from notebook_explain._errors import ExplainError, UsageError

_OPTIONS = "size|frames|mean|std|layout|labels|window|stride|crop|fps|max_pixels|layer|target|threshold"


def is_user_error(error: BaseException) -> bool:
    """Return whether the user can mend an error; any other is a bug and keeps its traceback."""
    return isinstance(error, (UsageError, ExplainError, OSError, MemoryError))


def in_words(error: BaseException) -> str:
    """The text of an error, in terms of the command line's options."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; fewer --frames or a smaller --size need less"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename!r}" if error.filename else error.strerror
    return as_options(str(error))


def as_options(text: str) -> str:
    """A sentence that speaks of keyword arguments ("state size= in adapt()"), spoken of options ("state --size")."""
    text = re.sub(rf"\badapt\(({_OPTIONS})=\)", r"\1=", text).replace(" in adapt()", "")
    return re.sub(rf"\b({_OPTIONS})=(?=[\s,.;:)]|$)", lambda name: f"--{name[1].replace('_', '-')}", text)

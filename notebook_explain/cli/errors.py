"""Which errors are the user's to mend, and how they are told on a command line."""

from __future__ import annotations

import dis
import re

_RAISE = dis.opmap["RAISE_VARARGS"]
_OPTIONS = "size|frames|mean|std|layout|labels|window|stride|crop|fps|max_pixels|layer|target|threshold"


def meant(error: BaseException) -> bool:
    """Whether an error tells the user something: this package raised it on purpose, or the machine refused.

    Errors of arguments are ValueError and TypeError everywhere in this package, and so are many bugs. They differ in
    where they come from: a statement ``raise`` of ours, or anything else.
    """
    if isinstance(error, (OSError, MemoryError)):
        return True
    at = error.__traceback__
    if at is None or not (isinstance(error, (ValueError, TypeError)) or _is_ours(type(error).__module__)):
        return False
    while at.tb_next is not None:
        at = at.tb_next
    frame = at.tb_frame
    return _is_ours(frame.f_globals.get("__name__")) and frame.f_code.co_code[at.tb_lasti] == _RAISE


def _is_ours(module: object) -> bool:
    return str(module).startswith("notebook_explain.")


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

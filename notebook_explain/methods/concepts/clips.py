"""Clips of a class as users pass them: a list, an iterator, an array, or a folder with a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import Target

LEAST, ADVISED = 5, 20  # clips
_EXPECTED = "give a list of clips of one class, or the path of a folder that holds them"


def iterate_clips(clips: Any, target: Any) -> Iterator[Any]:
    """Yield clips as they were passed, one at a time; an iterator is read once.

    Parameters
    ----------
    clips : iterable of clips, paths, arrays or samples; 5-D array; or path to a folder
        A folder holds the clips, or one folder for each class, of which that of the target is read.
    target : label, Target, or other

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        A single clip, something else, or an empty folder.
    """
    if hasattr(clips, "frames") or (isinstance(clips, np.ndarray) and clips.ndim < 5):  # a clip, a sample, an array
        raise UsageError(f"clips is one clip, but concepts need at least {LEAST} of a class; {_EXPECTED}")
    if isinstance(clips, (str, os.PathLike)):
        return iter(_in_folder(Path(clips).expanduser(), target))
    if not hasattr(clips, "__iter__"):
        raise UsageTypeError(f"clips must be clips of one class, got {type(clips).__name__}; {_EXPECTED}")
    return iter(clips)


def _in_folder(folder: Path, target: Any) -> list[Path]:
    """Return the clips in a folder in the order of their names: of the target's own folder, if it has one."""
    if not folder.exists():
        raise FileNotFoundError(f"no folder {str(folder)!r}; {_EXPECTED}")
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is one file, but concepts need at least {LEAST} clips; {_EXPECTED}")
    label = target.label if isinstance(target, Target) else target
    own = [part for part in sorted(folder.iterdir()) if part.is_dir() and _plain(part.name) == _plain(str(label))]
    chosen = own[0] if own else folder
    found = sorted(part for part in chosen.iterdir() if not part.name.startswith("."))
    if not found:
        raise UsageError(f"folder {str(chosen)!r} is empty; {_EXPECTED}")
    return found


def _plain(name: str) -> str:
    """Return a name as folders spell it: "jumping jack" is "jumping_jack"."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def check_count(count: int) -> None:
    """Raise ValueError for too few clips."""
    if count < LEAST:
        have = "no clip" if count == 0 else f"{count} clip{'s' if count > 1 else ''}"
        raise UsageError(
            f"clips holds {have}, but concepts need at least {LEAST}, and {ADVISED} or more for effects that stand out; "
            f"{_EXPECTED}"
        )

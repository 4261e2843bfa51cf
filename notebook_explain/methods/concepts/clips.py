"""Clips of a class as users pass them: a list, an iterator, an array, or a folder with a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip.sources.image_folder import IMAGE_SUFFIXES
from notebook_explain.explanations import Target

LEAST, ADVISED = 5, 20  # clips
_EXPECTED = "give a list of clips of one class, or the path of a folder that holds them"


def iterate_clips(clips: Any, target: Any = None, *, is_mixed: bool = False) -> Iterator[Any]:
    """Yield clips as they were passed, one at a time; an iterator is read once.

    Parameters
    ----------
    clips : iterable of clips, paths, arrays or samples; 5-D array; or path to a folder
        A folder holds the clips, or one folder for each class, of which that of the target is read.
    target : label, Target, or other
    is_mixed : bool
        Read all folders in a folder: for random clips.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        A single clip, something else, an empty folder, or folders of classes without that of the target.
    """
    if hasattr(clips, "frames") or (isinstance(clips, np.ndarray) and clips.ndim < 5):  # a clip, a sample, an array
        raise UsageError(f"clips is one clip, but concepts need at least {LEAST} of a class; {_EXPECTED}")
    if isinstance(clips, (str, os.PathLike)):
        folder = _checked_folder(Path(clips).expanduser())
        return iter(_all_below(folder) if is_mixed else _of_class(folder, target))
    if not hasattr(clips, "__iter__"):
        raise UsageTypeError(f"clips must be clips of one class, got {type(clips).__name__}; {_EXPECTED}")
    return iter(clips)


def _checked_folder(folder: Path) -> Path:
    if not folder.exists():
        raise FileNotFoundError(f"no folder {str(folder)!r}; {_EXPECTED}")
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is one file, but concepts need at least {LEAST} clips; {_EXPECTED}")
    return folder


def _of_class(folder: Path, target: Any) -> list[Path]:
    """Return the clips in a folder in the order of their names: of the target's own folder, if it has one."""
    label = target.label if isinstance(target, Target) else target
    parts = _entries(folder)
    own = [part for part in parts if part.is_dir() and _plain(part.name) == _plain(str(label))]
    if own:
        return _entries(own[0])
    if all(_holds_clips(part) for part in parts):
        names = ", ".join(repr(part.name) for part in parts[:8])
        raise UsageError(f"folder {str(folder)!r} has no folder for the class {label!r}; it has {names}")
    return parts


def _all_below(folder: Path) -> list[Path]:
    """Return the clips in a folder, and those in its folders of clips."""
    return [clip for part in _entries(folder) for clip in (_entries(part) if _holds_clips(part) else [part])]


def _entries(folder: Path) -> list[Path]:
    found = sorted(part for part in folder.iterdir() if not part.name.startswith("."))
    if not found:
        raise UsageError(f"folder {str(folder)!r} is empty; {_EXPECTED}")
    return found


def _holds_clips(part: Path) -> bool:
    """Return whether a folder holds clips, and is none of images itself."""
    return part.is_dir() and not any(inner.suffix.lower() in IMAGE_SUFFIXES for inner in part.iterdir())


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

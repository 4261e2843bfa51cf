"""Write a file completely or not at all: the old file stays until the new one is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from notebook_explain._errors import UsageError, join_names


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder; it replaces ``path`` unless the body raises.

    Raises
    ------
    OSError
        ``path`` is a folder, or its folder does not exist or is not writable.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} to; create it first")
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=f"{path.suffix}.part")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner can read; give this one the user's usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def with_suffix(path: str | os.PathLike[str], suffixes: tuple[str, ...], reason: str) -> Path:
    """Return the path, with the first of the suffixes added if it has none; ValueError for another suffix."""
    path = Path(path)
    if not path.name:
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
    if path.suffix.lower() in suffixes:
        return path
    if path.suffix:
        names = join_names([repr(path.stem + suffix) for suffix in suffixes], "or")
        raise UsageError(f"{reason}; name the file {names}, not {path.name!r}")
    return path.with_name(path.name + suffixes[0])

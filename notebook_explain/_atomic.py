"""Write a file as a whole or not at all: what stood there before stays until the new one is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to write to; it takes its place at the end, or vanishes when anything goes wrong."""
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} to; make it first")
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=f"{path.suffix}.part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # Temporary files are private; this one is to be as readable as any other that the user writes.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

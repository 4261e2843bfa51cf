"""Write a file completely or not at all: the old file stays until the new one is complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from notebook_explain._errors import UsageError, join_names

NAME = "notebook_explain"  # in the names of temporary files

_unfinished: set[Path] = set()  # temporary files of this process


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file beside a file; it replaces the file unless the body raises.

    A symbolic link stays, and the file that it leads to is replaced. An existing file keeps its permissions.

    Raises
    ------
    OSError
        ``path`` is a folder, or its folder does not exist or is not writable.
    ValueError
        ``path`` is a device, a pipe or another file that cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
    if not target.parent.is_dir():
        folder = target.parent if path.is_symlink() else path.parent
        raise FileNotFoundError(f"no folder {str(folder)!r} to write {path.name!r} to; create it first")
    mode = _mode_of(path, target)
    temporary = _create(target, 0o666 if mode is None else mode)
    with _removed_at_sigterm(temporary):
        try:
            yield temporary
            if mode is not None:
                temporary.chmod(mode)
            _flush(temporary)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _mode_of(path: Path, target: Path) -> int | None:
    """Return the permissions of an existing file; None if there is none."""
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        raise UsageError(f"{str(path)!r} is a device or a pipe, not a regular file; give the path of a file")
    return stat.S_IMODE(found)


def _create(target: Path, mode: int) -> Path:
    """Create an empty file beside another one, with permissions that the user's umask limits."""
    while True:
        temporary = target.with_name(f".{target.stem[:100]}.{NAME}-{secrets.token_hex(4)}{target.suffix}.part")
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        except FileExistsError:
            continue
        return temporary


def _flush(path: Path) -> None:
    """Wait until the content of a file is on the disk, so that a crash after the replacement cannot leave an empty one."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _removed_at_sigterm(temporary: Path) -> Iterator[None]:
    """Remove a temporary file if SIGTERM ends the process, where nobody else handles the signal."""
    _unfinished.add(temporary)
    is_own = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_own:
        signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        yield
    finally:
        _unfinished.discard(temporary)
        if is_own:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_sigterm(number: int, _: FrameType | None) -> None:
    """Remove all temporary files, and end the process as the signal does by default."""
    for path in list(_unfinished):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


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

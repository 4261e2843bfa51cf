"""Which ending of a file means which form of an explanation, and whether it may be written at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError

Shown = dict[str, Any]  # layer, target, threshold: those that were stated; source for a film


def known(path: Path) -> Path:
    """Return the path of a file whose ending is one of `FORMS` (ValueError otherwise)."""
    if path.suffix.lower() not in FORMS:
        has = f"the ending {path.suffix!r}" if path.suffix else "no ending"
        raise UsageError(f"{str(path)!r} has {has}; it must be one of {', '.join(FORMS)}")
    return path


def check(paths: Iterable[Path], sources: Iterable[Path]) -> None:
    """Refuse what could not be written later, before any work is done.

    Parameters
    ----------
    paths : where to write to
    sources : what is read: nothing of it is replaced, and nothing is put among the frames of a folder

    Raises
    ------
    OSError, ValueError
        A folder that does not exist or may not be written to; a path that is a folder; one that is a source.
    """
    kept = [source for source in sources if source.exists()]
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to write {path.name!r} to; make it first")
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(f"the folder {str(path.parent)!r} may not be written to")
        for source in kept:
            if path.exists() and path.samefile(source):
                raise UsageError(f"--out {str(path)!r} would replace what is read; give it another name")
            if source.is_dir() and path.parent.samefile(source):
                raise UsageError(f"--out {str(path)!r} lies among the frames that are read; give another folder")


def write(tubes: Any, path: Path, shown: Shown, source: str | Path | None = None) -> Path:
    """Write tubes in the form that the ending of ``path`` tells; what stands there is replaced as a whole, or not.

    A video is drawn over ``source``, the video that the clip was read from, where that is given.
    """
    form = path.suffix.lower()
    over = {"source": source} if source is not None and form == FILM else {}
    written: Path = FORMS[form](tubes, path, {**shown, **over})
    return written


def check_films(paths: Iterable[Path], source: str | bool | None) -> None:
    """Refuse a source that is not there, or that no film is drawn over (FileNotFoundError, ValueError)."""
    if isinstance(source, str) and not Path(source).exists():
        raise FileNotFoundError(f"no clip at {source!r} to draw films over; give the one that the explanation is of")
    if source and not any(path.suffix.lower() == FILM for path in paths):
        raise UsageError(
            f"--source is what films are drawn over, but no --out ends in {FILM}; add one, or leave it out"
        )


def _page(tubes: Any, path: Path, shown: Shown) -> Path:
    """The page; it opens at what was stated, and can be set to anything else."""
    written: Path = tubes.to_html(path, **shown)
    return written


def _picture(tubes: Any, path: Path, shown: Shown) -> Path:
    with replacing(path) as temporary:
        tubes.figure(**shown).savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
    return path


def _gif(tubes: Any, path: Path, shown: Shown) -> Path:
    written: Path = tubes.to_gif(path, **shown)
    return written


def _film(tubes: Any, path: Path, shown: Shown) -> Path:
    written: Path = tubes.to_video(path, **shown)
    return written


def _file(tubes: Any, path: Path, _: Shown) -> Path:
    written: Path = tubes.save(path)
    return written


FILM = ".webm"
FORMS: dict[str, Callable[[Any, Path, Shown], Path]] = {
    ".html": _page,
    ".png": _picture,
    ".svg": _picture,
    ".pdf": _picture,
    ".gif": _gif,
    FILM: _film,
    ".npz": _file,
}

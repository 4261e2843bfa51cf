"""Output files: the format that each ending stands for, and checks before any work is done."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError, join_names
from notebook_explain.cli.console import print_error
from notebook_explain.cli.errors import error_text, is_user_error

ViewOptions = dict[str, Any]  # layer, target, threshold or share, window, as far as they are given; source of a video
Row = tuple[Any, ...]


def check_ending(path: Path) -> Path:
    """Return a path whose ending is one of `FORMATS` (ValueError otherwise)."""
    if path.suffix.lower() not in FORMATS:
        ending = f"the ending {path.suffix!r}" if path.suffix else "no ending"
        raise UsageError(f"{str(path)!r} has {ending}; it must be one of {', '.join(FORMATS)}")
    return path


def check_paths(paths: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse output paths that cannot be written.

    Parameters
    ----------
    paths : iterable of Path
        Files to write.
    inputs : iterable of Path
        Files and folders that the command reads; no output may replace one, or lie in such a folder.

    Raises
    ------
    OSError, ValueError
        A folder that does not exist or is not writable; a path that is a folder, or an input.
    """
    existing_inputs = [path for path in inputs if path.exists()]
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} to; create it first")
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(f"the folder {str(path.parent)!r} is not writable")
        for source in existing_inputs:
            if path.exists() and path.samefile(source):
                raise UsageError(f"--out {str(path)!r} would overwrite an input; use another name")
            if source.is_dir() and path.parent.samefile(source):
                raise UsageError(f"--out {str(path)!r} lies in a folder that is read; use another folder")


def check_video_source(paths: Iterable[Path], source: str | bool | None) -> None:
    """Refuse a source that does not exist, or that no output uses (FileNotFoundError, ValueError)."""
    if isinstance(source, str) and not Path(source).exists():
        raise FileNotFoundError(f"no clip at {source!r} to draw the video over; give the clip that was explained")
    if source and not any(path.suffix.lower() in VIDEOS for path in paths):
        raise UsageError(
            f"--source applies to videos, but no --out ends in {' or '.join(VIDEOS)}; add one, or leave out --source"
        )


def check_caption(paths: Iterable[Path], caption: bool) -> None:
    """Refuse to leave out the caption where no output has one that can be left out (ValueError)."""
    if not caption and not any(path.suffix.lower() in ANIMATIONS for path in paths):
        raise UsageError(
            f"--no-caption applies to animations, but no --out ends in {join_names(ANIMATIONS, 'or')}; add one, or leave out "
            "--no-caption"
        )


def check_all(options: argparse.Namespace, inputs: Iterable[Path]) -> None:
    """Refuse outputs that cannot be written, and options that none of them uses."""
    check_paths(options.out, inputs)
    check_video_source(options.out, options.source)
    check_caption(options.out, not options.no_caption)


def write_all(
    explanation: Any,
    options: argparse.Namespace,
    view_of: Callable[[Path], ViewOptions],
    step: Callable[[str], None],
    source: str | None = None,
) -> tuple[list[Row], list[str]]:
    """Write every output that can be written; return a row for each, and the errors of the others."""
    rows: list[Row] = []
    failures = []
    for path in dict.fromkeys(options.out):
        step(f"writing {path.name}")
        try:
            rows.append(("wrote", write(explanation, path, view_of(path), source, not options.no_caption)))
        except Exception as error:
            if options.traceback or not is_user_error(error):
                raise
            failures.append(error_text(error, vars(options)))
    return rows, failures


def exit_code(failures: Sequence[str]) -> int:
    """Print the errors of outputs that could not be written, and return the exit code."""
    for text in failures:
        print_error(text)
    return 2 if failures else 0


def write(tubes: Any, path: Path, view: ViewOptions, source: str | Path | None = None, caption: bool = True) -> Path:
    """Write tubes in the format of the ending of ``path``, replacing an existing file.

    A video is drawn over ``source``, the video that the clip was read from, if given. Animations may leave out the caption.
    """
    ending = path.suffix.lower()
    extra: ViewOptions = {"source": source} if source is not None and ending in VIDEOS else {}
    extra |= {"caption": False} if not caption and ending in ANIMATIONS else {}
    written: Path = FORMATS[ending](tubes, path, {**view, **extra})
    return written


def _write_page(tubes: Any, path: Path, view: ViewOptions) -> Path:
    written: Path = tubes.to_html(path, **view)
    return written


def _write_figure(tubes: Any, path: Path, view: ViewOptions) -> Path:
    with replacing(path) as temporary:
        tubes.figure(**view).savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
    return path


def _write_gif(tubes: Any, path: Path, view: ViewOptions) -> Path:
    written: Path = tubes.to_gif(path, **view)
    return written


def _write_video(tubes: Any, path: Path, view: ViewOptions) -> Path:
    written: Path = tubes.to_video(path, **view)
    return written


def _save(tubes: Any, path: Path, _: ViewOptions) -> Path:
    written: Path = tubes.save(path)
    return written


PAGE = ".html"
VIDEOS = (".webm", ".mp4")
ANIMATIONS = (".gif", *VIDEOS)
FORMATS: dict[str, Callable[[Any, Path, ViewOptions], Path]] = {
    PAGE: _write_page,
    ".png": _write_figure,
    ".svg": _write_figure,
    ".pdf": _write_figure,
    ".gif": _write_gif,
    ".webm": _write_video,
    ".mp4": _write_video,
    ".npz": _save,
}

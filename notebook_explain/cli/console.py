"""What a command says: results on stdout, everything else on stderr.

A person at a terminal gets columns and a bar that moves; a pipe gets one tab between fields, and silence. Labels, names
of files and texts of errors come from anywhere: control characters, which could rewrite a terminal, become blanks.
"""

from __future__ import annotations

import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

NAME = "notebook-explain"


def plain(text: Any) -> str:
    """One line without control characters."""
    kept = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in str(text))
    return " ".join(kept.split())


def tell(text: str) -> None:
    """Say something that is no result: one line on stderr."""
    if sys.stderr is not None:
        print(f"{NAME}: {plain(text)}", file=sys.stderr)


def show(rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> None:
    """Print results.

    Parameters
    ----------
    rows : iterable of sequences
        Fields of each row. In a terminal they stand in columns; in a pipe they have one tab between them.
    head : sequence of str
        Names of the columns, for a terminal only.
    """
    cells = [[plain(field) for field in row] for row in rows]
    if not _is_terminal(sys.stdout):
        lines = ["\t".join(row) for row in cells]
    else:
        lines = _columns([list(head), *cells] if head else cells, alike=bool(head))
    for line in lines:
        print(line)


def _columns(rows: list[list[str]], alike: bool) -> list[str]:
    """Rows with their fields beneath each other: all of them, or those that begin with the same word."""
    widths: dict[tuple[str, int], int] = {}

    def column(row: list[str], at: int) -> tuple[str, int]:
        return (row[0] if at and not alike else "", at)

    for row in rows:
        for at, field in enumerate(row[:-1]):
            widths[column(row, at)] = max(widths.get(column(row, at), 0), len(field))
    return ["  ".join([*(f.ljust(widths[column(row, at)]) for at, f in enumerate(row[:-1])), row[-1]]) for row in rows]


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Give a function that names the step which now begins: a bar on a terminal, nothing in a pipe."""
    from tqdm import tqdm

    # The size is stated, since tqdm draws nothing on terminals that do not tell theirs.
    how: dict[str, Any] = {"leave": False, "ncols": 64, "nrows": 20, "bar_format": "{desc:<28} {bar} {elapsed}"}
    with tqdm(total=total, disable=not _is_terminal(sys.stderr), **how) as bar:
        begun = False

        def step(what: str) -> None:
            nonlocal begun
            if begun:
                bar.update()
            begun = True
            bar.set_description_str(what)

        yield step


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect warnings as sentences, each once, instead of letting Python print them with file and line."""
    said: list[str] = []

    def hear(message: Any, *_: Any, **__: Any) -> None:
        if str(message) not in said:
            said.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other packages will change in future is not the user's business
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = hear
        yield said


def _is_terminal(stream: Any) -> bool:
    return stream is not None and bool(stream.isatty())

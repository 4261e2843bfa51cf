"""Console output: results on stdout, everything else on stderr.

A terminal gets aligned columns and a progress bar. A pipe gets tab-separated fields and no progress. Labels, file names
and error texts come from outside: their control characters, which could rewrite a terminal, become spaces.
"""

from __future__ import annotations

import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from notebook_explain._progress import working

NAME = "notebook-explain"


def single_line(text: Any) -> str:
    """Return text as one line without control characters."""
    printable = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in str(text))
    return " ".join(printable.split())


def print_error(text: str) -> None:
    """Print one line to stderr: an error, a warning, or anything else that is not a result."""
    if sys.stderr is not None:
        print(f"{NAME}: {single_line(text)}", file=sys.stderr)


def print_rows(rows: Iterable[Sequence[Any]], header: Sequence[str] = ()) -> None:
    """Print results: columns in a terminal, tab-separated fields in a pipe.

    Parameters
    ----------
    rows : iterable of sequences
        Fields of each row.
    header : sequence of str
        Names of the columns, printed in a terminal only.
    """
    cells = [[single_line(field) for field in row] for row in rows]
    if not _is_terminal(sys.stdout):
        lines = ["\t".join(row) for row in cells]
    else:
        lines = _columns([list(header), *cells] if header else cells, is_table=bool(header))
    for line in lines:
        print(line)


def _columns(rows: list[list[str]], is_table: bool) -> list[str]:
    """Align the fields of all rows of a table; otherwise of those rows that begin with the same word."""
    widths: dict[tuple[str, int], int] = {}

    def column(row: list[str], index: int) -> tuple[str, int]:
        return (row[0] if index and not is_table else "", index)

    for row in rows:
        for index, field in enumerate(row[:-1]):
            widths[column(row, index)] = max(widths.get(column(row, index), 0), len(field))
    return [
        "  ".join([*(field.ljust(widths[column(row, index)]) for index, field in enumerate(row[:-1])), row[-1]])
        for row in rows
    ]


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that announces the next step: a line of progress in a terminal, nothing in a pipe."""
    done = 0
    with working(NAME, delay=0) as line:

        def step(description: str) -> None:
            nonlocal done
            done += 1
            if line is not None:
                line.name = f"{done}/{total} {single_line(description)}"
                line.set_stage("")
                line.draw()

        yield step


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the texts of user warnings, each once, instead of printing them with file and line.

    The texts are those given to ``warnings.warn``: a caveat keeps its arguments.
    """
    texts: list[str] = []

    def collect(message: Any, *_: Any, **__: Any) -> None:
        text = message.args[0] if message.args and isinstance(message.args[0], str) else str(message)
        if text not in texts:
            texts.append(text)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations in other packages do not concern the user
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = collect
        yield texts


def _is_terminal(stream: Any) -> bool:
    return stream is not None and bool(stream.isatty())

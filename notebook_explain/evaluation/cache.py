"""Cache of measured values in a folder, so that an evaluation that was stopped goes on where it was.

A value is kept under a key of everything it depends on (``content_key``), one line of JSON each. A line that was cut off when
the process was killed is ignored. Several processes may share a folder.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from notebook_explain._validation import made_folder

_FILE = "values.jsonl"


class ValueCache:
    """Values by key.

    Parameters
    ----------
    folder : path or None
        Made if it does not exist; without one, nothing is kept.

    Raises
    ------
    ValueError
        ``folder`` is a file.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self._path: Path | None = None
        self._values: dict[str, float | None] = {}
        if folder is None:
            return
        self._path = made_folder("cache", folder) / _FILE
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._read(line)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> float | None:
        return self._values[key]

    @property
    def is_kept(self) -> bool:
        """True if values are written to a folder."""
        return self._path is not None

    def add(self, key: str, value: float | None) -> None:
        """Keep a value; None stands for a metric that is undefined."""
        if self._path is None:
            return
        self._values[key] = value
        line = json.dumps({"key": key, "value": value}, allow_nan=False)
        with self._path.open("ab") as file:
            # A process that was killed may have left half a line.
            file.write(f"\n{line}\n".encode() if self._ends_within_a_line() else f"{line}\n".encode())

    def _ends_within_a_line(self) -> bool:
        assert self._path is not None
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
        except (ValueError, KeyError, TypeError):
            return
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if isinstance(key, str) and (value is None or is_number):
            self._values[key] = None if value is None else float(value)

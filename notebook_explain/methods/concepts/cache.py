"""Cache of arrays in a folder, so that a discovery that was stopped goes on where it was.

Every entry is one .npz file under a key of everything that it depends on (``models.content_key``). A file that was cut off or
changed is read as missing.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain._validation import made_folder
from notebook_explain.explanations.io.npz import RefusedError, read_arrays

Arrays = dict[str, NDArray[Any]]
_MAX_BYTES = 2**30


class ArrayCache:
    """Arrays and JSON fields by key.

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
        self._folder = None if folder is None else made_folder("cache", folder)

    @property
    def is_kept(self) -> bool:
        """True if entries are written to a folder."""
        return self._folder is not None

    def get(self, key: str) -> tuple[dict[str, Any], Arrays] | None:
        """Return the JSON fields and the arrays of an entry; None if there is none."""
        if self._folder is None or not (path := self._path(key)).is_file():
            return None
        try:
            arrays = read_arrays(path, _MAX_BYTES)
            text = json.loads(arrays.pop("text").tobytes().decode())
        except (RefusedError, ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
        return (text, arrays) if isinstance(text, dict) else None

    def add(self, key: str, text: Mapping[str, Any], arrays: Arrays) -> None:
        """Keep an entry."""
        if self._folder is None:
            return
        header = np.frombuffer(json.dumps(dict(text), allow_nan=False).encode(), np.uint8)
        with replacing(self._path(key)) as temporary, temporary.open("wb") as file:
            np.savez(file, text=header, **arrays)  # type: ignore[arg-type]  # its stubs take any keyword for a flag

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{key}.npz"
